"""One spelling of a phone number, however people write it. Pure."""

import re
from functools import lru_cache
from typing import Final

import phonenumbers

# Letters would be read as the keys they stand on: a masked "62815772xxxx", an account's name.
_NO_NUMBER: Final = re.compile(r"[^\d\s+().\-/]")


@lru_cache(maxsize=1_000)  # within a batch one number is read for its hash and for its seal
def international(text: str) -> str | None:
    """Write a possible number, national (Indonesia) or international, as +62...; else None."""
    if _NO_NUMBER.search(text):
        return None
    try:
        number = phonenumbers.parse(text, "ID")
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
