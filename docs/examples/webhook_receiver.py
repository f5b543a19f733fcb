"""Check that a webhook's message is the pipeline's, new, and as it was sent; then read it."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

TOLERANCE_SECONDS = 300


def read(secret: str, headers: dict[str, str], body: bytes) -> dict[str, Any]:
    """Return the message of a POST; raise ValueError if it is not to be believed."""
    given = {name.lower(): value for name, value in headers.items()}
    identity, at = given.get("webhook-id", ""), given.get("webhook-timestamp", "0")
    if abs(time.time() - int(at)) > TOLERANCE_SECONDS:
        raise ValueError("too old, or the clocks differ")
    key = base64.b64decode(secret.removeprefix("whsec_"))
    right = hmac.digest(key, f"{identity}.{at}.".encode() + body, hashlib.sha256)
    wanted = b"v1," + base64.b64encode(right)
    found = given.get("webhook-signature", "").encode().split(b" ")  # two while a secret is changed
    if not any(hmac.compare_digest(wanted, each) for each in found):
        raise ValueError("not signed with our secret")
    message: dict[str, Any] = json.loads(body)
    return message
