"""A log and a state in memory for the real shell: faults are thrown at named points.

They keep what the shell's promises rest on: offsets, broker times, committed offsets, tokens,
versions, all-or-nothing saves. The guarantees themselves are proved on the real broker and
database in `tests/integration`.
"""

from collections import defaultdict
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from aiokafka.errors import KafkaTimeoutError

from shared.contract.envelope import Outbound, Record
from shared.contract.topics import published_by
from shared.runtime.case_store import CaseStore, Conflict, LaneSave, Stored
from shared.runtime.lanes import Lane, Partition
from shared.runtime.parking import Parking
from shared.runtime.ports import DestinationsUnavailable
from shared.runtime.recovery.comparison import (
    Fetched,
    Order,
    Published,
    Timing,
    in_order,
    published_events,
    require,
)


class MemoryRecord(NamedTuple):
    """A record as the shell sees it."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


CLEAR: Final = Parking(lambda value, *_place: value, lambda value, *_place: value)
"""Parks records unsealed: what waits is looked at in tests."""


MARK: Final = (("mark", b""),)
"""The headers of what a sender's transaction leaves in a log, which no consumer is handed."""


class Crash(BaseException):
    """The process is gone: nothing of it runs on."""


@dataclass
class Broker:
    """Topics, groups' committed offsets, and a clock that moves a millisecond per record."""

    logs: dict[Partition, list[MemoryRecord]] = field(default_factory=lambda: defaultdict(list))
    starts: dict[Partition, int] = field(default_factory=lambda: defaultdict(int))
    committed: dict[str, dict[Partition, int]] = field(default_factory=lambda: defaultdict(dict))
    refusing: set[str] = field(default_factory=set)  # topics that take nothing
    now_ms: int = 1_700_000_000_000

    def append(self, outbound: Outbound) -> MemoryRecord:
        """Append a record and return it."""
        self.now_ms += 1
        place = Partition(outbound.topic, outbound.partition)
        record = MemoryRecord(
            outbound.topic,
            outbound.partition,
            len(self.logs[place]),
            self.now_ms,
            outbound.key,
            outbound.value,
            tuple(outbound.headers),
        )
        self.logs[place].append(record)
        return record

    def mark(self, place: Partition) -> None:
        """Use up an offset, as the end of a sender's transaction does."""
        self.append(Outbound(*place, b"", b"", [*MARK]))

    def records(
        self, place: Partition, start: int = 0, end: int | None = None
    ) -> list[MemoryRecord]:
        """Return what a consumer is handed of a partition, from an offset and before another."""
        return [r for r in self.logs[place][start:end] if r.headers != MARK]

    def read(self, topic: str) -> list[MemoryRecord]:
        """Return a topic's records in broker time."""
        return sorted(
            (r for p in self.logs if p.topic == topic for r in self.records(p)),
            key=lambda r: r.timestamp,
        )


@dataclass
class MemoryLog:
    """The shell's `Log` of one worker."""

    broker: Broker
    group: str = "routing"
    assignment: set[Partition] = field(default_factory=set)
    sought: dict[Partition, int] = field(default_factory=dict)
    fail_after: int | None = None  # requests that still succeed before one fails
    crash_on_commit: bool = False
    waiting: set[Partition] = field(default_factory=set)

    async def publish(self, outbounds: Sequence[Outbound]) -> None:
        """Send each partition's records as one request, in order."""
        refused = {o.topic for o in outbounds} & self.broker.refusing
        for outbound in outbounds:
            if outbound.topic in refused:
                continue
            if self.fail_after is not None:
                if self.fail_after == 0:
                    self.fail_after = None
                    raise KafkaTimeoutError
                self.fail_after -= 1
            self.broker.append(outbound)
        if refused:
            raise DestinationsUnavailable(refused)

    async def commit(self, offsets: Mapping[Partition, int]) -> None:
        """Commit what is still assigned."""
        if self.crash_on_commit:
            self.crash_on_commit = False
            raise Crash
        mine = {p: o for p, o in offsets.items() if p in self.assignment}
        self.broker.committed[self.group].update(mine)

    def seek(self, partition: Partition, offset: int) -> None:
        """Remember where the consumer goes on."""
        if partition in self.assignment:
            self.sought[partition] = offset

    def hold(self, partition: Partition) -> None:
        """Read nothing more of a partition."""
        self.waiting.add(partition)

    def release(self, partition: Partition) -> None:
        """Read on."""
        self.waiting.discard(partition)

    async def committed(self, partitions: Iterable[Partition]) -> dict[Partition, int | None]:
        """Return what is committed."""
        return {p: self.broker.committed[self.group].get(p) for p in partitions}

    async def starts(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """Return where logs start."""
        return {p: self.broker.starts[p] for p in partitions}

    async def ends(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """Return where logs end."""
        return {p: len(self.broker.logs[p]) for p in partitions}

    async def read_again(
        self, spans: Mapping[Partition, tuple[int, int]], timing: Timing
    ) -> AsyncGenerator[list[Record], None]:
        """Yield records of spans, two of a partition at a time."""
        require(spans, self.broker.starts)
        at = {p: start for p, (start, _) in spans.items()}

        async def fetch(partitions: Collection[Partition]) -> Fetched:
            found = [r for p in partitions for r in self.broker.records(p, at[p], at[p] + 2)]
            at.update({p: at[p] + 2 for p in partitions})
            return Fetched(found, at)

        async for records in in_order(spans, fetch, timing):
            yield records


@dataclass
class MemoryRecoveryStore:
    """The shell's `RecoveryStore`, shared by a stage's workers as a database is."""

    state: "MemoryState"
    given: Order | None = None
    past: dict[str, dict[str, Published]] = field(default_factory=dict)

    def give(self, broker: Broker, stage: str, partitions: Iterable[Partition]) -> None:
        """Order a stage to decide again, as `lapor restored` does."""
        for stream in published_by(stage):
            for record in broker.read(stream.topic()):
                for event in published_events(stage, record):
                    self.past.setdefault(event.subject, {}).setdefault(event.event_id, event)
        until = {p: len(broker.logs[p]) for p in partitions}
        self.given = Order(until, dict(broker.committed[stage]), broker.now_ms)

    async def order(self) -> Order | None:
        """Return the order."""
        if self.given is None:
            parked = {report_id for report_id, s in self.state.kept.items() if s.parked}
            self.past = {s: events for s, events in self.past.items() if s in parked}
        return self.given or (Order() if self.past else None)

    async def published(self, subjects: Sequence[str]) -> dict[str, dict[str, Published]]:
        """Return what was published about some subjects."""
        return {s: dict(self.past[s]) for s in subjects if s in self.past}

    async def subjects(self, after: str) -> list[str]:
        """Return the next subject."""
        return sorted(s for s in self.past if s > after)[:1]

    async def forget(self, published: Sequence[Published]) -> None:
        """Forget what is settled."""
        for event in published:
            del self.past[event.subject][event.event_id]
            if not self.past[event.subject]:
                del self.past[event.subject]

    async def fulfilled(self) -> None:
        """Note that all was decided again."""
        self.given = None


@dataclass
class MemoryState:
    """The shell's `State`, shared by a stage's workers as a database is.

    With a `store` each case is written and read as `PostgresState` does it; `connection` is what
    look-ups get.
    """

    store: CaseStore[Any] | None = None
    connection: Any = None
    rows: dict[str, Lane] = field(default_factory=dict)
    kept: dict[str, Stored] = field(default_factory=dict)
    refused: dict[int, tuple[str, Outbound]] = field(default_factory=dict)
    number: int = 0

    async def lanes(self, ids: Sequence[str], tokens: Sequence[int]) -> dict[str, Lane]:
        """Return rows, made where there were none."""
        for lane_id, token in zip(ids, tokens, strict=True):
            self.rows.setdefault(lane_id, Lane(lane_id, {}, token))
        held = {i: frozenset(o.topic for j, o in self.refused.values() if j == i) for i in ids}
        return {i: replace(_copy(self.rows[i]), held=held[i]) for i in ids}

    async def cases(self, report_ids: Sequence[str]) -> dict[str, Stored]:
        """Return cases."""
        return {r: self.kept[r] for r in report_ids if r in self.kept}

    async def save(self, lanes: Sequence[LaneSave], cases: Mapping[str, Stored]) -> None:
        """Save all or nothing."""
        for save in lanes:
            if self.rows[save.lane.id].fencing_token != save.token_read:
                raise Conflict(save.lane.id)
        for report_id, stored in cases.items():
            if self.kept.get(report_id, Stored(0, 0, b"", None)).version != stored.version - 1:
                raise Conflict(report_id)
        self.rows.update({s.lane.id: _copy(s.lane) for s in lanes})
        self.kept.update({report_id: self._read(stored) for report_id, stored in cases.items()})

    async def hold(self, lane: Lane, token: int, refused: Sequence[Outbound]) -> None:
        """Keep what destinations refuse of a lane whose other events are published."""
        row = self.rows[lane.id]
        if row.fencing_token != lane.fencing_token:
            raise Conflict(lane.id)
        row.fencing_token, row.outbox = token, b""
        for outbound in refused:
            self.number += 1
            self.refused[self.number] = (lane.id, outbound)

    async def held(self, lane_id: str, topic: str, most: int) -> list[tuple[int, Outbound]]:
        """Return the oldest events of a lane that wait for a topic."""
        mine = [(n, o) for n, (i, o) in self.refused.items() if (i, o.topic) == (lane_id, topic)]
        return mine[:most]

    async def release(self, numbers: Sequence[int]) -> None:
        """Forget what a topic took at last."""
        for number in numbers:
            self.refused.pop(number, None)

    async def clear(self, lane_id: str, token: int) -> None:
        """Empty what is confirmed."""
        if self.rows[lane_id].fencing_token == token:
            self.rows[lane_id].outbox = b""

    async def load_lookups(self, collect: Callable[[Any], Awaitable[object]]) -> object:
        """Run look-ups on the connection."""
        return await collect(self.connection)

    def _read(self, stored: Stored) -> Stored:
        if self.store is None or stored.case is None:
            return stored
        written = stored.case.__pydantic_serializer__.to_json(stored.case, exclude_defaults=True)
        return stored._replace(case=self.store.case.__pydantic_validator__.validate_json(written))


def _copy(lane: Lane) -> Lane:
    return Lane(lane.id, dict(lane.offsets), lane.fencing_token, lane.outbox)
