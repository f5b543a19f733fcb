"""Report ids and the tracking numbers people read, type and dictate.

A report id is 60 bits of a keyed hash in 12 characters of Crockford's base32; a tracking number is
that id with a check character of the same alphabet, made as in Damm's algorithm: by a quasigroup,
here over the field GF(32). It finds every wrong single character and every swap of two.
"""

import re
from hashlib import blake2b
from typing import Final, Literal

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
REPORT_ID_PATTERN: Final = r"^[0-9A-HJKMNP-TV-Z]{12}$"
_REPORT_ID: Final = re.compile(r"[0-9A-HJKMNP-TV-Z]{12}")

_ID_CHARACTERS: Final = 12
_BITS_PER_CHARACTER: Final = 5
_GROUP: Final = 4
_POLYNOMIAL: Final = 0b100101  # x^5 + x^2 + 1, primitive: the powers of 2 are 31 different numbers
_VALUE: Final = {character: number for number, character in enumerate(ALPHABET)}
_READ_AS: Final = str.maketrans({"O": "0", "I": "1", "L": "1"})
_NOISE: Final = re.compile(r"[\s\-\u2010-\u2015]+")  # people copy typographic hyphens too

Fault = Literal["wrong_length", "unknown_character", "wrong_check_character"]


class TrackingNumberInvalid(ValueError):  # noqa: N818 - named for what is true, as all refusals are
    """Says which of three faults a typed tracking number has; `fault` is the code for programs."""

    def __init__(self, fault: Fault, message: str) -> None:
        super().__init__(message)
        self.fault: Final = fault


def report_id(key: bytes, channel: str, message_id: str) -> str:
    """Derive the one report id of a channel's message: sent twice, it is the same report.

    `key` is the installation's (`Vault.report_id`): channels count their tickets, and whoever could
    compute ids from ticket numbers would know every tracking number. The parts are hashed with
    their lengths, so ("a", "bc") and ("ab", "c") differ.
    """
    return _id_of(blake2b(digest_size=8, person=b"lapor/report-id", key=key), channel, message_id)


def record_id(cause_id: str) -> str:
    """Return the id of a record at a gateway that names no report; no secret, and no report's."""
    return _id_of(blake2b(digest_size=8, person=b"lapor/record-id"), cause_id)


def _id_of(digest: blake2b, *parts: str) -> str:
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(4, "big"))
        digest.update(encoded)
    return encode(int.from_bytes(digest.digest(), "big") >> 4, _ID_CHARACTERS)


def is_report_id(text: str) -> bool:
    """Tell whether a text has exactly the form of a report id (no tolerance)."""
    return _REPORT_ID.fullmatch(text) is not None


def tracking_number(report_id: str) -> str:
    """Show a report id with its check character, grouped by four: `K7QF-2M9X-TD3A-9`.

    Raises TrackingNumberInvalid when the text is not a report id.
    """
    if not is_report_id(report_id):
        raise TrackingNumberInvalid("unknown_character", "not a report id of 12 base32 characters")
    complete = report_id + _check_character(report_id)
    return "-".join(complete[at : at + _GROUP] for at in range(0, len(complete), _GROUP))


def parse_tracking_number(text: str) -> str:
    """Read a tracking number as people write it and return the report id.

    Case, spaces and hyphens do not matter; O is read as 0, I and L as 1. Raises
    TrackingNumberInvalid when the length, a character or the check character is wrong.
    """
    characters = normalised(text)
    if len(characters) != _ID_CHARACTERS + 1:
        raise TrackingNumberInvalid(
            "wrong_length",
            f"a tracking number has 13 characters, this one has {len(characters)}",
        )
    identity, check = characters[:-1], characters[-1]
    if not is_report_id(identity) or check not in ALPHABET:
        raise TrackingNumberInvalid(
            "unknown_character",
            "a tracking number has digits and letters without U; one character is neither",
        )
    if check != _check_character(identity):
        raise TrackingNumberInvalid(
            "wrong_check_character",
            "the last character does not fit the others: one was mistyped or two were swapped",
        )
    return identity


def is_tracking_number(text: str) -> bool:
    """Tell whether a text can be read as a tracking number."""
    try:
        parse_tracking_number(text)
    except TrackingNumberInvalid:
        return False
    return True


def normalised(text: str) -> str:
    """Undo what people do to base32 when they type it: case, spaces, hyphens, O for 0, I or L."""
    return _NOISE.sub("", text).upper().translate(_READ_AS)


def encode(number: int, characters: int) -> str:
    """Write the lowest 5 bits per character of a number in Crockford's base32, highest first."""
    return "".join(
        ALPHABET[(number >> (_BITS_PER_CHARACTER * position)) & 31]
        for position in reversed(range(characters))
    )


def quasigroup(one: int, other: int) -> int:
    """Return 2 * one + other in GF(32), the operation under which a tracking number comes to 0."""
    doubled = one << 1
    return (doubled ^ _POLYNOMIAL if doubled & 32 else doubled) ^ other


def _check_character(report_id: str) -> str:
    interim = 0
    for character in report_id:
        interim = quasigroup(interim, _VALUE[character])
    return ALPHABET[quasigroup(interim, 0)]
