"""Recovery after a database was restored or lost: compares new decisions with published events.

The rule is pure and ids are derived, so a record decided again from the same case gives the same
bytes. What the stage's own streams already hold is not published twice; where the new events differ
from those that consumers have read, the case is parked for an operator (protocol.md V5, V6).
"""

import heapq
import json
import re
from collections import deque
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final, NamedTuple

from shared.contract.envelope import Outbound, Record, source_of, text
from shared.contract.topics import AGENCIES, FOREVER, STREAMS, Stream
from shared.runtime.lanes import Partition
from shared.runtime.reader import Inbound, memory_of

BATCH_RECORDS: Final = 500
DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class Order:
    """An operator's order to decide records again.

    `until` is the end offset of each partition, `committed` what was surely published, `given_ms`
    when it was given (epoch milliseconds). Without `until` nothing is left to decide again, but
    parked cases are still compared when a replay releases them.
    """

    until: Mapping[Partition, int] = field(default_factory=dict)
    committed: Mapping[Partition, int] = field(default_factory=dict)
    given_ms: int = 0


class Published(NamedTuple):
    """An event that the stage published before its database was restored.

    `subject` is the case, of a dead letter also its record. `cause_id` is the reason code of a dead
    letter. `decided_at` is the time of the record for which it was published, empty for a dead
    letter. `sequence` is 0 for the answer to a message that no case remembers.
    """

    subject: str
    event_id: str
    cause_id: str
    decided_at: str
    digest: bytes
    sequence: int
    published_ms: int
    topic: str
    partition: int
    offset: int

    @property
    def is_dead_letter(self) -> bool:
        """Return whether it is a dead letter."""
        return not self.decided_at


Position = tuple[str, int, int]  # topic, partition, offset
PublishedBefore = Mapping[str, Mapping[str, Published]]
"""What was published, by subject and event id."""


def position_of(record: Record) -> str:
    """Return a record's topic, partition and offset as one text."""
    return f"{record.topic}/{record.partition}/{record.offset}"


def dead_letter_event_id(letter_id: str, reason: str) -> str:
    """Return the id under which a dead letter is compared: one record may fail for two reasons."""
    return f"{letter_id} {reason}"


def published_events(stage: str, record: Record) -> list[Published]:
    """Read a record of a stage's own streams; those of other stages give nothing."""
    headers = dict(record.headers)
    event_id, position = text(headers.get("ce_id")), (record.topic, record.partition, record.offset)
    digest = _digest(record.value or b"")
    if "reason" in headers:
        if text(headers.get("stage")) != stage:
            return []
        reason = text(headers["reason"])
        failed = "/".join(text(headers.get(name)) for name in ("topic", "partition", "offset"))
        return [
            Published(
                subject, dead_letter_event_id(event_id, reason), reason, "", digest, 0,
                record.timestamp, *position,
            )
            for subject in {failed, text(headers.get("report"))} - {""}
        ]  # fmt: skip
    if text(headers.get("ce_source")) != source_of(stage):
        return []
    return [
        Published(
            _case_of(stage, record), event_id, text(headers.get("causationid")),
            text(headers.get("ce_time")), digest, int(text(headers.get("sequence")) or 0),
            record.timestamp, *position,
        )
    ]  # fmt: skip


def _case_of(stage: str, record: Record) -> str:
    """Name the case of an event: at the institutions' gateway it is the sender's own."""
    report = text(dict(record.headers).get("ce_subject"))
    if stage != AGENCIES.producer:
        return report
    return memory_of(report, str(json.loads(record.value or b"{}").get("institution", "")))


def sequence_of(stored: int, published: Mapping[str, Published]) -> int:
    """Return the sequence number of a report's last published event."""
    return max([stored, *(event.sequence for event in published.values())])


class Compared(NamedTuple):
    """The events of a decision that are not published yet, and how the others differ."""

    unpublished: list[Outbound]
    differs: str = ""


def compare(
    published: Mapping[str, Published],
    inbound: Inbound,
    outbounds: Sequence[Outbound],
    order: Order,
    *,
    is_released: bool,
) -> Compared:
    """Compare the events of a record decided again with those published for it before.

    What was committed was published whole, unless it stood parked (`is_released`: a replay releases
    it now); of the rest, what is not published yet may be new. Events past their stream's retention
    can neither be compared nor are they published again.
    """
    now: set[str] = set()
    unpublished, changed = [], []
    for outbound in outbounds:
        event_id = _header(outbound, "ce_id")
        now.add(event_id)
        before = published.get(event_id)
        if before is None:
            if not _is_past_retention(outbound, inbound.record, order):
                unpublished.append(outbound)
        elif before.digest != _digest(outbound.value):
            changed.append(_header(outbound, "ce_type"))
    differences = {
        "content differs": changed,
        "not published again": [
            event.event_id
            for event in _published_for(published, inbound)
            if event.event_id not in now
        ],
    }
    if not is_released and _was_published(published, inbound, order):
        differences["not published before"] = [_header(o, "ce_type") for o in unpublished]
    detail = "; ".join(f"{how}: {', '.join(what)}" for how, what in differences.items() if what)
    return Compared(unpublished, detail)


def _published_for(published: Mapping[str, Published], inbound: Inbound) -> list[Published]:
    """List what was published for a record: caused by it, or by one that was deferred until it."""
    cause, now = inbound.cause, inbound.cause.now.isoformat()
    instant = f"{int(cause.now.timestamp() * 1000):012x}-"  # begins the ids of what it caused
    return [
        event
        for event in published.values()
        if event.decided_at == now
        and (event.cause_id == cause.id or not event.event_id.startswith(instant))
    ]


def _was_published(published: Mapping[str, Published], inbound: Inbound, order: Order) -> bool:
    """Return whether all events of a record were surely published before.

    What was parked behind a dead letter was committed undecided.
    """
    record = inbound.record
    committed = order.committed.get(Partition(record.topic, record.partition), 0)
    return record.offset < committed and not any(
        event.is_dead_letter for event in published.values()
    )


def _is_past_retention(outbound: Outbound, record: Record, order: Order) -> bool:
    stream = _stream_of(outbound.topic)
    if stream is None or stream.retention_days == FOREVER:
        return False
    return record.timestamp < order.given_ms - stream.retention_days * DAY_MS


def _stream_of(topic: str) -> Stream | None:
    return next((s for s in STREAMS if s.is_family and re.match(s.pattern, topic)), None)


def _header(outbound: Outbound, name: str) -> str:
    return text(dict(outbound.headers).get(name))


def _digest(value: bytes) -> bytes:
    return blake2b(value, digest_size=16).digest()


# ---- the order


When = tuple[int, int]
"""A broker's time in milliseconds, and the order of records within that millisecond."""


def decided_when(records: Iterable[tuple[Record, str, str]], past: PublishedBefore) -> list[When]:
    """Return when each record was decided; each comes with its report and its time.

    This is when its events were published; of a record without events, when it came.
    """
    published: dict[tuple[str, str], When] = {}
    for subject, events in past.items():
        for event in events.values():
            at, when = (subject, event.decided_at), (event.published_ms, event.offset)
            published[at] = min(published.get(at, when), when)
    return [published.get((report, at), (record.timestamp, -1)) for record, report, at in records]


class Gone(Exception):  # noqa: N818 - the record is
    """Retention removed a record that was to be read again."""

    def __init__(self, partition: Partition, position: int, start: int) -> None:
        super().__init__(partition, position, start)
        self.partition, self.position, self.start = partition, position, start


def require(spans: Mapping[Partition, tuple[int, int]], starts: Mapping[Partition, int]) -> None:
    """Raise Gone unless every span begins where its log still has records."""
    for p, (start, _) in spans.items():
        if start < starts[p]:
            raise Gone(p, start, starts[p])


class Fetched(NamedTuple):
    """The next records of partitions, and up to which offset each partition was read."""

    records: Sequence[Record]
    reached: Mapping[Partition, int]


Fetch = Callable[[Collection[Partition]], Awaitable[Fetched]]
Timing = Callable[[Sequence[Record]], Awaitable[Sequence[When]]]


async def in_order(
    spans: Mapping[Partition, tuple[int, int]], fetch: Fetch, timing: Timing
) -> AsyncGenerator[list[Record], None]:
    """Yield the records of all spans (first offset, end) in the order decided, in batches.

    The order within a partition is kept; `fetch` returns the next records of partitions. Not every
    offset has a record: a producer's transaction leaves markers.
    """
    left = {p: end for p, (start, end) in spans.items() if start < end}
    waiting: dict[Partition, deque[tuple[When, Record]]] = {p: deque() for p in left}
    last: dict[Partition, When] = {}
    batch: list[Record] = []
    while waiting:
        if empty := [p for p, queue in waiting.items() if not queue]:
            fetched = await fetch(empty)
            records = [r for r in fetched.records if r.offset < left[_partition(r)]]
            for record, when in zip(records, await timing(records), strict=True):
                p = _partition(record)
                last[p] = max(when, last.get(p, when))
                waiting[p].append((last[p], record))
            for p in empty:
                if not waiting[p] and fetched.reached[p] >= left[p]:
                    del waiting[p]
            continue
        for record in _merged(waiting, left):
            batch.append(record)
            if len(batch) == BATCH_RECORDS:
                yield batch
                batch = []
    if batch:
        yield batch


def _merged(
    waiting: dict[Partition, deque[tuple[When, Record]]], left: Mapping[Partition, int]
) -> Iterable[Record]:
    """Take records in order until a partition that is not read to its end has none left."""
    heads = [(queue[0][0], p) for p, queue in waiting.items()]
    heapq.heapify(heads)
    while heads:
        _, p = heapq.heappop(heads)
        _, record = waiting[p].popleft()
        yield record
        if waiting[p]:
            heapq.heappush(heads, (waiting[p][0][0], p))
        elif record.offset + 1 >= left[p]:
            del waiting[p]
        else:
            return


def _partition(record: Record) -> Partition:
    return Partition(record.topic, record.partition)
