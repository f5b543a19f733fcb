"""After a database was restored or lost: what was said before, in what order to decide it again.

The rule is pure and ids are derived, so a record decided again from the same case says the same
bytes. What the stage's own streams already hold is not said twice; where it would say something
else under what the world has read, the case is parked for an operator (protocol.md V5, V6).
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
    """An operator's order to decide again: up to where, what was surely published, since when.

    Without `until` nothing is left to decide again, but parked cases are still compared when a
    replay releases them.
    """

    until: Mapping[Partition, int] = field(default_factory=dict)
    committed: Mapping[Partition, int] = field(default_factory=dict)
    given_ms: int = 0


class Told(NamedTuple):
    """An event that the stage published; of a dead letter `cause_id` is the reason.

    `subject` is the case, of a dead letter also the place of its record. `decided_at` is the
    time of the record at which it was said, empty for a dead letter. `sequence` is 0 for the answer
    to a message that no case remembers.
    """

    subject: str
    event_id: str
    cause_id: str
    decided_at: str
    digest: bytes
    sequence: int
    said_ms: int
    topic: str
    partition: int
    offset: int

    @property
    def is_letter(self) -> bool:
        """Say whether it is a dead letter."""
        return not self.decided_at


Place = tuple[str, int, int]  # topic, partition, offset
Past = Mapping[str, Mapping[str, Told]]
"""What was said, by subject and event id."""


def place_of(record: Record) -> str:
    """Name where a record lies."""
    return f"{record.topic}/{record.partition}/{record.offset}"


def letter_key(letter_id: str, reason: str) -> str:
    """Return under which id a dead letter is told: the same record may fail for two reasons."""
    return f"{letter_id} {reason}"


def told_by(stage: str, record: Record) -> list[Told]:
    """Read a record of a stage's own streams; what another stage said there is nothing."""
    said = dict(record.headers)
    event_id, where = text(said.get("ce_id")), (record.topic, record.partition, record.offset)
    digest = _digest(record.value or b"")
    if "reason" in said:
        if text(said.get("stage")) != stage:
            return []
        reason = text(said["reason"])
        place = "/".join(text(said.get(name)) for name in ("topic", "partition", "offset"))
        return [
            Told(
                subject, letter_key(event_id, reason), reason, "", digest, 0, record.timestamp,
                *where,
            )
            for subject in {place, text(said.get("report"))} - {""}
        ]  # fmt: skip
    if text(said.get("ce_source")) != source_of(stage):
        return []
    return [
        Told(
            _case_of(stage, record), event_id, text(said.get("causationid")),
            text(said.get("ce_time")), digest, int(text(said.get("sequence")) or 0),
            record.timestamp, *where,
        )
    ]  # fmt: skip


def _case_of(stage: str, record: Record) -> str:
    """Name the case of an event: at the institutions' gateway it is the sender's own."""
    report = text(dict(record.headers).get("ce_subject"))
    if stage != AGENCIES.producer:
        return report
    return memory_of(report, str(json.loads(record.value or b"{}").get("institution", "")))


def sequence_of(stored: int, told: Mapping[str, Told]) -> int:
    """Return the number of a report's last event, as the world has read it."""
    return max([stored, *(t.sequence for t in told.values())])


class Compared(NamedTuple):
    """Of a decision, what was not said before; and in what it differs from what was, if it does."""

    unsaid: list[Outbound]
    differs: str = ""


def compare(
    told: Mapping[str, Told],
    inbound: Inbound,
    outbounds: Sequence[Outbound],
    order: Order,
    *,
    is_released: bool,
) -> Compared:
    """Compare what a record says now with what was said at the same record before.

    What was committed was published whole, unless it stood parked (`is_released`: a replay lets
    it go now); of the rest, what was not said yet may be new. What its stream no longer keeps
    can neither be compared nor is it said again.
    """
    now: set[str] = set()
    unsaid, otherwise = [], []
    for outbound in outbounds:
        event_id = _header(outbound, "ce_id")
        now.add(event_id)
        before = told.get(event_id)
        if before is None:
            if not _is_past_keeping(outbound, inbound.record, order):
                unsaid.append(outbound)
        elif before.digest != _digest(outbound.value):
            otherwise.append(_header(outbound, "ce_type"))
    found = {
        "says otherwise": otherwise,
        "says no more": [t.event_id for t in _said_at(told, inbound) if t.event_id not in now],
    }
    if not is_released and _was_published(told, inbound, order):
        found["did not say before"] = [_header(outbound, "ce_type") for outbound in unsaid]
    return Compared(unsaid, "; ".join(f"{how}: {', '.join(w)}" for how, w in found.items() if w))


def _said_at(told: Mapping[str, Told], inbound: Inbound) -> list[Told]:
    """List what was said at a record: because of it, or of one that had waited for it."""
    cause, now = inbound.cause, inbound.cause.now.isoformat()
    instant = f"{int(cause.now.timestamp() * 1000):012x}-"  # begins the ids of what it caused
    return [
        t
        for t in told.values()
        if t.decided_at == now and (t.cause_id == cause.id or not t.event_id.startswith(instant))
    ]


def _was_published(told: Mapping[str, Told], inbound: Inbound, order: Order) -> bool:
    """Say whether all that a record said was surely published before.

    What stood behind a dead letter was committed undecided.
    """
    record = inbound.record
    committed = order.committed.get(Partition(record.topic, record.partition), 0)
    return record.offset < committed and not any(t.is_letter for t in told.values())


def _is_past_keeping(outbound: Outbound, record: Record, order: Order) -> bool:
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
"""A broker's time in milliseconds, and of what was said in it which came first."""


def decided_when(records: Iterable[tuple[Record, str, str]], past: Past) -> list[When]:
    """Return when each of some records was decided; each comes with its report and its time.

    Of one that said something this is when that was published; of one that said nothing, when
    it came.
    """
    said: dict[tuple[str, str], When] = {}
    for subject, told in past.items():
        for t in told.values():
            at = subject, t.decided_at
            said[at] = min(said.get(at, (t.said_ms, t.offset)), (t.said_ms, t.offset))
    return [said.get((report, at), (record.timestamp, -1)) for record, report, at in records]


class Gone(Exception):  # noqa: N818 - the record is
    """A record that was to be read again was removed by retention."""

    def __init__(self, partition: Partition, position: int, start: int) -> None:
        super().__init__(partition, position, start)
        self.partition, self.position, self.start = partition, position, start


def require(spans: Mapping[Partition, tuple[int, int]], starts: Mapping[Partition, int]) -> None:
    """Raise Gone unless every span begins where its log still has records."""
    for p, (start, _) in spans.items():
        if start < starts[p]:
            raise Gone(p, start, starts[p])


class Fetched(NamedTuple):
    """Some next records of partitions, and up to where each of these was read."""

    records: Sequence[Record]
    reached: Mapping[Partition, int]


Fetch = Callable[[Collection[Partition]], Awaitable[Fetched]]
Timing = Callable[[Sequence[Record]], Awaitable[Sequence[When]]]


async def in_order(
    spans: Mapping[Partition, tuple[int, int]], fetch: Fetch, timing: Timing
) -> AsyncGenerator[list[Record], None]:
    """Yield the records of all spans (first offset, end) as they were decided, in batches.

    The order within a partition is kept; `fetch` returns some next records of partitions. Not every
    offset has a record: a sender's transaction leaves marks.
    """
    left = {p: end for p, (start, end) in spans.items() if start < end}
    waiting: dict[Partition, deque[tuple[When, Record]]] = {p: deque() for p in left}
    last: dict[Partition, When] = {}
    batch: list[Record] = []
    while waiting:
        if hungry := [p for p, mine in waiting.items() if not mine]:
            fetched = await fetch(hungry)
            records = [r for r in fetched.records if r.offset < left[_partition(r)]]
            for record, when in zip(records, await timing(records), strict=True):
                p = _partition(record)
                last[p] = max(when, last.get(p, when))
                waiting[p].append((last[p], record))
            for p in hungry:
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
    """Take records in order until a partition that has more of them has none in hand."""
    heads = [(mine[0][0], p) for p, mine in waiting.items()]
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
