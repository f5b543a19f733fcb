"""One report's records from every stream, as numbered lines in their order. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from shared.contract import events as e
from shared.contract.envelope import Record, text
from shared.contract.topics import (
    AGENCIES,
    DEAD_LETTERS,
    FOLLOW_UP,
    INSTITUTION,
    INTAKE,
    NATIONAL,
    NOTIFICATIONS,
    ROUTING,
    SLA,
)

STREAMS: Final = (
    INTAKE, AGENCIES, NATIONAL, INSTITUTION, ROUTING, FOLLOW_UP, SLA, NOTIFICATIONS, DEAD_LETTERS,
)  # fmt: skip
"""Every stream whose records are keyed by the report, timer clocks left out."""
DEPTH_MAX: Final = 6

_CLASSES: Final[Mapping[str, Mapping[str, type[BaseModel]]]] = {
    stream.topic(): {stream.type_of(event): event for event in stream.events} for stream in STREAMS
}


@dataclass(frozen=True)
class TimelineEntry:
    """One record; `cause` is the number of the line that caused it, `depth` how far it hangs."""

    number: int
    stage: str
    kind: str
    event: BaseModel | None  # None for a dead letter or an event of a newer version
    time: datetime  # business time, UTC
    recorded_at: datetime  # the broker's, UTC
    topic: str
    partition: int
    offset: int
    id: str
    causation_id: str
    correlation_id: str
    sequence: int
    headers: Mapping[str, str]
    cause: int | None = None
    depth: int = 0


def timeline(records: Iterable[Record]) -> list[TimelineEntry]:
    """Order a report's records by the broker's time, an event after what caused it.

    A repeat of an event that was published again is left out.
    """
    first: dict[str, Record] = {}
    for record in sorted(records, key=lambda r: (r.timestamp, r.topic, r.offset)):
        event_id = text(dict(record.headers).get("ce_id"))
        first.setdefault(event_id or f"{record.topic}/{record.offset}", record)
    order = _after_causes(first)
    numbers = {event_id: number for number, event_id in enumerate(order, 1)}
    entries: list[TimelineEntry] = []
    for event_id in order:
        headers = {name: text(value) for name, value in first[event_id].headers}
        cause = numbers.get(headers.get("causationid", ""))
        if cause is not None and cause > len(entries):  # forged: it names itself, or what follows
            cause = None
        depth = 0 if cause is None else min(entries[cause - 1].depth + 1, DEPTH_MAX)
        entries.append(_entry(len(entries) + 1, first[event_id], headers, cause, depth))
    return entries


def _after_causes(records: Mapping[str, Record]) -> list[str]:
    """Order ids as they came, but none before its cause: two brokers' clocks may differ."""
    order: dict[str, None] = {}
    for event_id in records:
        chain = [event_id]
        while chain[-1] in records and chain[-1] not in order:
            cause = text(dict(records[chain[-1]].headers).get("causationid"))
            if cause in chain:
                break
            chain.append(cause)
        order.update(dict.fromkeys(i for i in reversed(chain) if i in records))
    return list(order)


def _entry(
    number: int, record: Record, headers: Mapping[str, str], cause: int | None, depth: int
) -> TimelineEntry:
    recorded_at = datetime.fromtimestamp(record.timestamp / 1000, UTC)
    is_dead = record.topic == DEAD_LETTERS.topic()
    event_type = headers.get("ce_type", "")
    event_class = _CLASSES[record.topic].get(event_type)
    sequence = headers.get("sequence", "")
    return TimelineEntry(
        number=number,
        stage=headers.get("stage" if is_dead else "ce_source", "").removeprefix("/lapor/"),
        kind="DeadLetter" if is_dead else event_class.__name__ if event_class else event_type,
        event=_event(event_class, record.value),
        time=_time(headers.get("ce_time"), recorded_at),
        recorded_at=recorded_at,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        id=headers.get("ce_id", ""),
        causation_id=headers.get("causationid", ""),
        correlation_id=headers.get("correlationid", ""),
        sequence=int(sequence) if sequence.isdecimal() else 0,
        headers=headers,
        cause=cause,
        depth=depth,
    )


def _event(event_class: type[BaseModel] | None, value: bytes | None) -> BaseModel | None:
    if event_class is None or value is None:
        return None
    try:
        return event_class.model_validate_json(value)
    except ValidationError:
        return None


def _time(given: str | None, otherwise: datetime) -> datetime:
    try:
        at = datetime.fromisoformat(given or "")
    except ValueError:
        return otherwise
    return at.astimezone(UTC) if at.tzinfo else otherwise


def sealed_fields(event: type[BaseModel]) -> tuple[str, ...]:
    """Name the fields of an event that are sealed on the streams."""
    return tuple(
        name
        for name, field in event.model_fields.items()
        if any(isinstance(mark, e.SealMarker) for mark in _marks(field))
    )


def _marks(field: FieldInfo) -> Iterable[object]:
    """List what a field's type is annotated with, also as `Sealed | None`."""
    yield from field.metadata
    for choice in get_args(field.annotation):
        yield from getattr(choice, "__metadata__", ())


def unsealed(event: BaseModel) -> dict[str, Any]:
    """Return what an event says in the clear; of sealed fields only which there are."""
    fields = sealed_fields(type(event))
    content = event.model_dump(mode="json", exclude_none=True, exclude=set(fields))
    present = [name for name in fields if getattr(event, name) is not None]
    return content | ({"sealed": present} if present else {})
