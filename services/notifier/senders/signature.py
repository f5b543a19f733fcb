"""Sign what a webhook receives, as Standard Webhooks 1.0 says; each receiver has its own secret.

A receiver's secret is derived from the installation's, the channel and the host, so nobody stores
one for each, and what one receiver knows lets it forge nothing for another.
"""

import base64
import hmac
from collections.abc import Mapping, Sequence
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

PREFIX: Final = "whsec_"
_SECRET_BYTES: Final = 32  # the format's: 24 to 64


def receiver_secret(master: str, channel: str, host: str) -> str:
    """Return the secret of a channel's receiver at a host (lower case, ASCII), as `whsec_…`."""
    info = b"\0".join((b"lapor webhook 1", channel.encode(), host.encode()))
    key = HKDF(SHA256(), _SECRET_BYTES, salt=None, info=info).derive(master.encode())
    return PREFIX + base64.b64encode(key).decode()


def signed_headers(
    secrets: Sequence[str], identity: str, at: int, body: bytes
) -> Mapping[str, str]:
    """Return the headers that say who sent a body and when (seconds since 1970).

    One signature for each secret, so that a receiver may know the old one or the new.
    """
    signed = f"{identity}.{at}.".encode() + body
    return {
        "webhook-id": identity,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(f"v1,{_signature(secret, signed)}" for secret in secrets),
    }


def _signature(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    return base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
