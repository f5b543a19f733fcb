"""What the checker looks at: records of the log, rows of the tables, what was meant to go wrong.

All of it is data, so that a healthy pipeline can be recorded and damaged by hand.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

Place = tuple[str, int]  # topic, partition


class Record(NamedTuple):
    """One record as the broker keeps it; `at_ms` is the broker's time."""

    topic: str
    partition: int
    offset: int
    at_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]

    def header(self, name: str) -> str:
        """Return a header as text, empty where there is none."""
        for key, value in self.headers:
            if key == name:
                return value.decode("utf-8", "replace")
        return ""


class Case(NamedTuple):
    """One row of a stage's `cases`; columns that the stage does not have are absent in `more`."""

    sequence: int
    is_open: bool
    timer_at: datetime | None
    state: Mapping[str, Any]
    more: Mapping[str, Any]  # status, holder, pending, next_deadline, next_clock


class OutboxRow(NamedTuple):
    """An event that a lane's row still holds: where it is to go, and what it is."""

    topic: str
    id: str
    type: str
    report: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Lanes:
    """A stage's `lanes`: next offset by partition, and what is held outbox."""

    positions: Mapping[Place, int]
    outbox: Sequence[OutboxRow] = ()


@dataclass(frozen=True, slots=True)
class Tables:
    """All stages' rows, as of one instant each; times are business times, UTC."""

    lanes: Mapping[str, Lanes]
    cases: Mapping[str, Mapping[str, Case]]
    parked: int = 0


@dataclass(frozen=True, slots=True)
class Clock:
    """From the broker's time to business time, UTC; the same unless the pipeline runs scaled."""

    scale: float = 1.0
    real_origin: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    business_origin: datetime = datetime(1970, 1, 1, tzinfo=UTC)

    def business(self, at_ms: float) -> datetime:
        """Return the business time of a broker's time in milliseconds."""
        real = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms)
        return self.business_origin + (real - self.real_origin) * self.scale


@dataclass(frozen=True, slots=True)
class Intended:
    """What whoever ran the pipeline did to it on purpose.

    `poison` are records that no stage can read, by the header `lapor-fault` that marks them: the
    reason expected, and the stages that read them. `bugs` are (stage, report) at which a rule
    failed once: the reason of the dead letter; it was mended, and the letter replayed. `unsound`
    are messages, as "topic id", that a gateway may turn away. `sent` are messages that the broker
    acknowledged.
    """

    poison: Mapping[str, tuple[str, frozenset[str]]] = field(default_factory=dict)
    bugs: Mapping[tuple[str, str], str] = field(default_factory=dict)
    unsound: frozenset[str] = frozenset()
    sent: Sequence[str] = ()
    clock: Clock = Clock()
    worst_recovery_seconds: float | None = None

    @classmethod
    def read(cls, file: Path) -> "Intended":
        """Read what the fault runner wrote; `sent` lies in a file beside it, a message a line."""
        told = json.loads(file.read_text())
        clock = told.get("clock")
        sent = file.with_suffix(".sent")
        return cls(
            poison={k: (reason, frozenset(by)) for k, (reason, by) in told["poison"].items()},
            bugs={(stage, report): reason for stage, report, reason in told.get("bugs", ())},
            unsound=frozenset(told["unsound"]),
            sent=sent.read_text().splitlines() if sent.exists() else (),
            clock=Clock(clock[0], *map(datetime.fromisoformat, clock[1:])) if clock else Clock(),
            worst_recovery_seconds=told.get("worst_recovery_seconds"),
        )
