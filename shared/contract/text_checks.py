"""What a gateway looks for in every text from outside, whoever sent it. Pure."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from pydantic import BaseModel

MESSAGE_ID_MAX: Final = 128  # characters; as `Command.message_id` holds
# Control characters but tab and new line; a carriage return passes only as half of a new line,
# as web forms and Windows write it. NUL is what PostgreSQL cannot store.
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]|\r(?!\n)")
_MESSAGE_ID_BAD: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ufffd]")  # U+FFFD: it was not UTF-8


def message_id_fault(message_id: str) -> str | None:
    """Return the reason code why a sender's `ce_id` cannot name its message, if it cannot."""
    if not message_id.strip():
        return "missing_message_id"
    if len(message_id) > MESSAGE_ID_MAX or _MESSAGE_ID_BAD.search(message_id):
        return "message_id_invalid"
    return None


def texts_in(part: BaseModel) -> Iterable[tuple[str, str]]:
    """List (field's path, text) for every text in a message, also in its parts and lists."""
    for name, value in vars(part).items():
        if isinstance(value, str):
            yield name, value
        elif isinstance(value, BaseModel):
            yield from ((f"{name}.{inner}", text) for inner, text in texts_in(value))
        elif isinstance(value, tuple):
            yield from ((f"{name}.{n}", t) for n, t in enumerate(value) if isinstance(t, str))


def control_fields(part: BaseModel) -> str | None:
    """Name the fields that hold control characters, never their contents; None if none does."""
    fields = [name for name, text in texts_in(part) if _CONTROL.search(text)]
    return ", ".join(fields) or None


def blank_fields(texts: Mapping[str, str | None]) -> str | None:
    """Name the fields whose text is there but nothing but white space; None if none is."""
    fields = [name for name, text in texts.items() if text is not None and not text.strip()]
    return ", ".join(fields) or None


def unix_lines(text: str) -> str:
    """Write every new line as one character."""
    return text.replace("\r\n", "\n")
