"""Keys as text: the form in which the environment gives them, and drawing new ones.

Imports nothing but Python, because `deploy/docker/settings.py` runs before anything is installed.
"""

import base64
import binascii
import secrets
from typing import Final

MASTER_KEY_VARIABLE: Final = "LAPOR_MASTER_KEY"
DEAD_LETTER_KEY_VARIABLE: Final = "LAPOR_DEAD_LETTER_KEY"
KEY_BYTES: Final = 32


class KeyUnusable(ValueError):  # noqa: N818 - named for what is true
    """A key of the environment is missing or malformed; says what to set, never what was set."""


def new_key_text() -> str:
    """Draw a random key in the form that LAPOR_MASTER_KEY and LAPOR_DEAD_LETTER_KEY take."""
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def parse_key(text: str, variable: str) -> bytes:
    """Read a key in base64 of either alphabet.

    Raises:
        KeyUnusable: it is missing or malformed; the message names the variable, never the value.
    """
    if not text.strip():
        raise KeyUnusable(f"{variable} is not set: it takes {KEY_BYTES} random bytes in base64")
    try:
        key = base64.b64decode(
            text.strip(), altchars=b"-_" if "-" in text or "_" in text else None, validate=True
        )
    except (binascii.Error, ValueError):
        raise KeyUnusable(f"{variable} is not base64: it takes {KEY_BYTES} random bytes") from None
    if len(key) != KEY_BYTES:
        raise KeyUnusable(f"{variable} holds {len(key)} bytes: it takes {KEY_BYTES} in base64")
    return key
