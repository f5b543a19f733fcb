"""What the streams have of the reports of one lane, as far as the SLA monitor had decided them.

A plain consumer in no group: it commits nothing. Records beyond the snapshot's positions, and
events said later than its rows, are left out by whoever compares (`LaneRecords.heard_by`).
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from pydantic import BaseModel

from deploy.cli.clients.kafka import require
from deploy.cli.clients.topic_reader import Bounds, bounds_of, scan
from deploy.cli.model.sla_snapshot import STAGE, StackAddress
from services.sla_monitor.audit.snapshot import Snapshot
from services.sla_monitor.audit.verify import DecidedRecord, StreamEvent
from shared.contract.envelope import Headers, Poison, parse, text, type_table
from shared.contract.events import Event, RegistryChange
from shared.contract.topics import READS, REGISTRY, SLA, Stream
from shared.registry import Change
from shared.rules.decision import Cause
from shared.runtime.lanes import Partition

_TYPES: Final = type_table({**READS[STAGE], SLA: SLA.events})
DECIDED: Final = tuple(
    stream for stream, events in READS[STAGE].items() if events and stream.domain != "internal"
)
"""The streams with facts; timers say only when to look, and are kept for a week."""


@dataclass
class LaneRecords:
    """The records of one lane, by report; a repeat under the same id is left out."""

    changes: tuple[Change, ...] = ()
    read: dict[str, list[DecidedRecord]] = field(default_factory=lambda: defaultdict(list))
    _heard: dict[str, dict[int, StreamEvent]] = field(default_factory=lambda: defaultdict(dict))
    _known: set[str] = field(default_factory=set)

    @property
    def reports(self) -> set[str]:
        """Return the reports that any record is about."""
        return {*self.read, *self._heard}

    def heard_by(self, report_id: str, sequence: int | None = None) -> list[StreamEvent]:
        """Return what was said of a report, in order, up to a number of its events."""
        heard = self._heard.get(report_id, {})
        return [heard[n] for n in sorted(heard) if sequence is None or n <= sequence]

    def add(self, record: ConsumerRecord, now: datetime) -> None:
        """Take a record that a stage published; `now` is its broker's time as business time."""
        headers = dict(record.headers)
        if record.topic == SLA.topic():
            self.hear(text(record.key), record.headers, record.value, now)
            return
        event = _event(record.topic, headers, record.value)
        event_id = text(headers.get("ce_id"))
        if event is None or event_id in self._known:
            return
        self._known.add(event_id)
        if isinstance(event, RegistryChange):
            change = Change.model_validate({"event": event, "seen_at": now})
            self.changes = (*self.changes, change)
            return
        kind = text(headers.get("ce_type"))
        cause = Cause(event_id, kind, now, record.topic, record.partition, record.offset)
        self.read[text(record.key)].append(DecidedRecord(event, cause))

    def hear(self, report_id: str, headers: Headers, value: bytes | None, at: datetime) -> None:
        """Take an event of `lapor.sla.v1`; one that is there already is the same event."""
        named = dict(headers)
        event = _event(SLA.topic(), named, value)
        sequence = text(named.get("sequence"))
        if isinstance(event, Event) and sequence.isdecimal():
            number = int(sequence)
            self._heard[report_id].setdefault(number, StreamEvent(number, at, event))


def _event(topic: str, headers: dict[str, bytes], value: bytes | None) -> BaseModel | None:
    """Read what the SLA monitor reads; None for every other type, and for what it cannot read."""
    event_class = _TYPES[topic].get(headers.get("ce_type", b""))
    if event_class is None:
        return None
    try:
        return parse(event_class, value)
    except Poison:
        return None


async def read_lane(
    consumer: AIOKafkaConsumer,
    place: StackAddress,
    seen: Snapshot,
    number: int,
    streams: Iterable[Stream],
    *,
    is_read: Callable[[str], bool],
    advance: Callable[[int], None],
) -> LaneRecords:
    """Read one partition of some streams from its start, up to what was decided by the snapshot.

    `wanted` says whether a record's key is one to keep. `advance` is told how many more were read.

    Raises:
        KafkaError: the broker went away. CliError: a topic is missing, or nothing comes.
    """
    partitions = [TopicPartition(stream.topic(), number) for stream in streams]
    await require(consumer, [partition.topic for partition in partitions])
    lane = LaneRecords()
    async for records in scan(consumer, await _bounds(consumer, seen, partitions)):
        advance(len(records))
        for record in records:
            if record.topic == REGISTRY.topic() or is_read(text(record.key)):
                lane.add(record, place.clock.of_record(record.timestamp))
    for event in seen.outbox:
        if is_read(text(event.key)):
            at = datetime.fromisoformat(text(dict(event.headers).get("ce_time")))
            lane.hear(text(event.key), event.headers, event.value, at)
    return lane


async def _bounds(
    consumer: AIOKafkaConsumer, seen: Snapshot, partitions: Sequence[TopicPartition]
) -> Bounds:
    """Say from where to where each partition counts."""
    return {
        p: (start, end if p.topic == SLA.topic() else seen.offsets.get(Partition(*p), 0))
        for p, (start, end) in (await bounds_of(consumer, partitions)).items()
    }
