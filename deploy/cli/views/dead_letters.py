"""Dead letters as people and as programs read them. Pure."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from deploy.cli.model.dead_letter_payload import SHOWN_BYTES_MAX, hexadecimal, original_headers
from deploy.cli.model.dead_letters import Letters, State, StoredDeadLetter, counts
from deploy.cli.terminal.output import plain
from deploy.cli.terminal.text import columns
from shared.contract.envelope import Record, text
from shared.contract.topics import DEAD_LETTERS
from shared.contract.tracking import is_report_id, tracking_number

STYLES: Final[dict[State, str]] = {
    "waiting": "yellow", "failed again": "red", "replayed": "green", "discarded": "dim",
}  # fmt: skip
_UNITS: Final = (("d", 86_400), ("h", 3_600), ("m", 60))


def ago(seconds: float) -> str:
    """Write a length of time in its largest whole unit."""
    for name, size in _UNITS:
        if seconds >= size:
            return f"{int(seconds // size)}{name}"
    return f"{int(seconds)}s"


def count_lines(letters: Sequence[StoredDeadLetter]) -> list[str]:
    """Say how many there are by stage, reason and state."""
    return columns(
        [
            (stage, reason, f"{number:,} {state}")
            for (stage, reason, state), number in counts(letters).items()
        ]
    )


def letter_lines(
    letters: Sequence[StoredDeadLetter], of: Letters, now: datetime
) -> tuple[str, list[tuple[str, State]]]:
    """Return a heading, and one line for each letter with its state."""
    heads = ("ID", "AGE", "STATE", "STAGE", "REASON", "RECORD", "REPORT", "DETAIL")
    rows = [
        (
            of.short(x),
            ago(x.age(now)),
            x.state,
            plain(x.stage),
            plain(x.reason),
            plain(x.place),
            plain(x.report) or "-",
            plain(x.detail.replace("\n", " ")) or "-",
        )
        for x in letters
    ]
    head, *lines = columns([heads, *rows])
    return head, [(line, x.state) for line, x in zip(lines, letters, strict=True)]


def as_dict(letter: StoredDeadLetter, of: Letters, now: datetime) -> dict[str, Any]:
    """Return a letter for programs; nothing of what its record says."""
    return {
        "id": letter.id,
        "short_id": of.short(letter),
        "state": letter.state,
        "stage": letter.stage,
        "reason": letter.reason,
        "detail": letter.detail,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "report_id": letter.report or None,
        "time": letter.time.isoformat(),
        "dead_since": letter.dead_since.isoformat(),
        "age_seconds": round(letter.age(now)),
        "written": [
            {"topic": DEAD_LETTERS.topic(), "partition": partition, "offset": offset}
            for partition, offset in letter.written
        ],
        "replays": [
            {
                "attempt": asked.attempt,
                "action": asked.action,
                "operator": asked.operator,
                "why": asked.why,
                "at": asked.at.isoformat(),
            }
            for asked in letter.asked
        ],
    }


def counts_as_dicts(letters: Sequence[StoredDeadLetter]) -> list[dict[str, Any]]:
    """Return the counts by stage, reason and state for programs."""
    return [
        {"stage": stage, "reason": reason, "state": state, "letters": number}
        for (stage, reason, state), number in counts(letters).items()
    ]


def page(letter: StoredDeadLetter, record: Record, now: datetime) -> Iterator[str]:
    """Say all of a letter but its bytes."""
    times = f"{letter.attempt} time{'' if letter.attempt == 1 else 's'}"
    partition, offset = letter.written[-1]
    yield from columns(
        [
            ("id", letter.id),
            ("stage", plain(letter.stage)),
            ("reason", f"{plain(letter.reason)}  {plain(letter.detail)}".rstrip()),
            ("report", _report(letter.report)),
            ("record", f"{plain(letter.place)}, came {_at(letter.time)}"),
            ("letter", f"{DEAD_LETTERS.topic()}/{partition}/{offset}, written {times}"),
            ("age", f"{ago(letter.age(now))}, since {_at(letter.dead_since)}"),
            ("key", plain(text(record.key)) or "-"),
        ]
    )
    for name, value in original_headers(letter, record):
        yield f"{plain(name)}: {plain(text(value))}"
    for asked in letter.asked:
        why = f": {plain(asked.why)}" if asked.why else ""
        yield f"{asked.action} by {plain(asked.operator) or '-'} at {_at(asked.at)}{why}"


def byte_lines(value: bytes, called: str) -> Iterator[str]:
    """Show bytes as text and as a dump, neither longer than a few pages."""
    shown = value[:SHOWN_BYTES_MAX]
    more = len(value) - len(shown)
    yield f"{called}, {len(value):,} bytes:"
    yield from map(plain, shown.decode("utf-8", "backslashreplace").split("\n"))
    yield from hexadecimal(shown)
    if more:
        yield f"… and {more:,} bytes more: show --raw writes all of them"


def _report(report_id: str) -> str:
    if not is_report_id(report_id):
        return plain(report_id) or "-"
    return f"{report_id}, {tracking_number(report_id)}"


def _at(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
