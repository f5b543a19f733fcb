"""A stage's processes for the simulation: each waits at every step outward for its outcome.

A step outward (a query, a send, a commit) is a *point*. The history decides there whether it
succeeds, fails before or after its effect, half succeeds, or never returns.
"""

import contextlib
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Coroutine,
    Iterable,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import asyncpg
from aiokafka.errors import KafkaConnectionError, KafkaTimeoutError, UnknownError

from shared.contract.envelope import Outbound, Record
from shared.platform.postgres import PASSING
from shared.runtime.case_store import LaneSave, Stored
from shared.runtime.decider import Decider
from shared.runtime.lanes import Lane, Partition, StageRefused
from shared.runtime.processor import Processor, Stopping
from shared.runtime.recovery.comparison import Timing
from shared.runtime.stage import ShellLimits
from tests.simulation import chain
from tests.simulation.memory import Broker, Crash, MemoryRecord, MemoryState
from tests.simulation.virtual import VirtualLoop

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")
LIMITS = ShellLimits(dead_letter_count_max=60, dead_letter_share_max=0.0)


class How(NamedTuple):
    """How a point goes: with or without its effect, with or without an error.

    Of a list sent, `sent` records arrive (of each other partition all, if `others`), and the one
    after lands later if `is_late`; with no error, the rest is sent at a next point.
    """

    has_effect: bool = True
    fails: bool = False
    sent: int | None = None
    others: bool = True
    is_late: bool = False


WELL = How()
BEFORE = How(has_effect=False, fails=True)
AFTER = How(fails=True)


class Point(NamedTuple):
    """Where a task of a process waits: what it is about to do."""

    name: str
    size: int
    answer: "asyncio.Future[How]"


@dataclass
class Group:
    """A stage's consumer group and database: what outlives its processes."""

    link: chain.Link
    partitions: tuple[Partition, ...]
    release: chain.Release
    state: MemoryState = field(default_factory=MemoryState)
    generation: int = 0
    assignment: list[set[Partition]] = field(default_factory=lambda: [set(), set()])

    def position(self, partition: Partition) -> int:
        """Return how far a partition was decided, as the database says."""
        return max((row.offsets.get(partition, 0) for row in self.state.rows.values()), default=0)


@dataclass
class Parts:
    """What a process is made of; a mutation gives others."""

    shell: "type[Processor[Any, Any]]" = Processor
    decider: "type[Decider[Any, Any]]" = Decider
    log: "type[PointedLog] | None" = None
    state: "type[PointedState] | None" = None


class Process:
    """One process of a stage: its shell, its consumer, its tasks, and the points they wait at."""

    def __init__(
        self, group: Group, slot: int, broker: Broker, loop: VirtualLoop, parts: Parts
    ) -> None:
        self.group = group
        self.slot = slot
        self.broker = broker
        self.generation = -1  # of the group, as this process knows it
        self.assignment: set[Partition] = set()
        self.fetch: dict[Partition, int] = {}  # where its consumer reads on
        self.points: list[Point] = []
        self.is_dead = self.is_leaving = False
        self.is_zombie = self.is_twin = False  # another has its place; and its id as well
        self.batch: asyncio.Task[None] | None = None
        self.late: list[Outbound] = []
        self.violations: list[str] = []
        self._loop = loop
        self._tasks: set[asyncio.Task[None]] = set()
        link = group.link
        self.shell: Processor[chain.Fold, chain.Release] = parts.shell(
            link.stage(group.release),
            log=(parts.log or PointedLog)(self),
            state=(parts.state or PointedState)(self, group.state),
            reader=chain.reader(link.name),
            writer=chain.writer(link.name),
            meters=chain.meters(link.name),
            logger=chain.quiet(),
            limits=LIMITS,
            decider=parts.decider,
        )

    def __str__(self) -> str:
        return f"{self.group.link.name}#{self.slot}{' (zombie)' if self.is_zombie else ''}"

    @property
    def is_busy(self) -> bool:
        """Say whether a task of it is under way."""
        return bool(self._tasks)

    # ---- what happens in it

    def join(self) -> None:
        """Learn the group's assignment and take it up, as the rebalance listener does."""
        self.generation = self.group.generation
        self.assignment = set(self.group.assignment[self.slot])
        committed = self.broker.committed[self.group.link.name]
        self.fetch = {
            p: max(committed.get(p, 0), self.broker.starts[p]) for p in sorted(self.assignment)
        }
        self.begin(self.shell.assigned(self.assignment))

    def take(self, most: int, only: int | None) -> list[MemoryRecord]:
        """Take records out of the consumer, interleaved or of one partition, and move it on."""
        ready = [p for p, at in self.fetch.items() if at < len(self.broker.logs[p])]
        if only is not None and ready:
            ready = [ready[only % len(ready)]]
        taken = []
        for p in ready:
            at = max(self.fetch[p], self.broker.starts[p])
            self.fetch[p] = min(at + most, len(self.broker.logs[p]))
            taken.append(self.broker.records(p, at, self.fetch[p]))
        return [r[i] for i in range(most) for r in taken if i < len(r)]

    def deliver(self, records: Sequence[MemoryRecord]) -> None:
        """Hand a batch to the shell."""
        self.batch = self.begin(self.shell.batch(records))

    def rest(self) -> None:
        """Empty what is confirmed, as a process does once a second."""
        self.begin(self._idle())

    async def _idle(self) -> None:
        with contextlib.suppress(*PASSING):
            await self.shell.idle(seconds=0)

    def begin(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Start a task of this process."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        self._loop.settle()
        return task

    def go_on(self, how: How) -> str:
        """Let the first task that waits at a point go on; return the point's name."""
        point = self.points.pop(0)
        point.answer.set_result(how)
        self._loop.settle()
        return point.name

    def crash(self) -> None:
        """Nothing of it runs on: what it was about to do is not done."""
        self.is_dead = True
        for point in self.points:
            point.answer.set_exception(Crash())
        self.points.clear()
        self._loop.settle()
        for task in self._tasks:
            task.cancel()  # it waits for time to pass
        self._loop.settle()

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if task is self.batch:
            self.batch = None
        if task.cancelled():
            return
        error = task.exception()
        if isinstance(error, StageRefused):
            self.violations.append(f"refused without cause: {self}: {error}")
        elif error is not None and not isinstance(error, Crash | Stopping):
            self.violations.append(f"the shell failed: {self}: {error!r}")
        if error is not None:
            self.is_dead = True

    async def reach(self, name: str, size: int = 0) -> How:
        """Wait to be told how a step outward goes."""
        if self.is_dead:
            raise Crash
        answer: asyncio.Future[How] = self._loop.create_future()
        self.points.append(Point(name, size, answer))
        return await answer


class PointedLog:
    """The shell's `Log`, every call of which is a point."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.broker = process.broker

    async def publish(self, outbounds: Sequence[Outbound]) -> None:
        """Send in order per partition; partitions are independent of one another."""
        left = list(outbounds)
        while left:
            how = await self.process.reach("publish", len(left))
            if how.sent is None:
                sent, left = left if how.has_effect else [], []
            else:
                sent, left = self.split(left, how)
            for outbound in sent:
                self.broker.append(outbound)
            if how.fails:
                if how.is_late and left:
                    self.process.late.append(left[0])
                raise KafkaTimeoutError

    def split(self, outbounds: list[Outbound], how: How) -> tuple[list[Outbound], list[Outbound]]:
        """Return what arrives and what does not: of one partition a beginning."""
        at = (how.sent or 0) % len(outbounds)
        place = outbounds[at].topic, outbounds[at].partition
        sent, left = outbounds[:at], [outbounds[at]]
        for later in outbounds[at + 1 :]:
            elsewhere = (later.topic, later.partition) != place
            (sent if how.others and elsewhere else left).append(later)
        return sent, left

    async def commit(self, offsets: Mapping[Partition, int]) -> None:
        """Commit, if this process is still the group's; a twin's id is fenced with an error."""
        process = self.process
        how = await process.reach("commit")
        if process.is_twin:
            raise UnknownError  # aiokafka has no name for a fenced instance
        if how.has_effect and process.generation == process.group.generation:
            mine = {p: o for p, o in offsets.items() if p in process.assignment}
            self.broker.committed[process.group.link.name].update(mine)
        if how.fails:
            raise KafkaConnectionError

    def seek(self, partition: Partition, offset: int) -> None:
        """Read on at an offset, if the partition is still assigned."""
        if partition in self.process.assignment:
            self.process.fetch[partition] = offset

    def hold(self, partition: Partition) -> None:
        """Read nothing more; no destination refuses here."""

    def release(self, partition: Partition) -> None:
        """Read on."""

    async def committed(self, partitions: Iterable[Partition]) -> dict[Partition, int | None]:
        """Return what is committed."""
        await self._ask("committed")
        committed = self.broker.committed[self.process.group.link.name]
        return {p: committed.get(p) for p in partitions}

    async def starts(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """Return where the logs start."""
        await self._ask("starts")
        return {p: self.broker.starts[p] for p in partitions}

    async def ends(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """Return where the logs end."""
        await self._ask("ends")
        return {p: len(self.broker.logs[p]) for p in partitions}

    async def read_again(
        self, spans: Mapping[Partition, tuple[int, int]], timing: Timing
    ) -> AsyncGenerator[list[Record], None]:
        """Yield records of spans, as far as they lie there; nothing is ever removed here."""
        del timing
        await self._ask("read_again")
        for p, (start, end) in spans.items():
            if found := self.broker.records(p, start, end):
                yield list(found)

    async def _ask(self, name: str) -> None:
        if (await self.process.reach(name)).fails:
            raise KafkaConnectionError


class PointedState:
    """The shell's `State`, every call of which is a point."""

    def __init__(self, process: Process, state: MemoryState) -> None:
        self.process = process
        self.state = state

    async def lanes(self, ids: Sequence[str], tokens: Sequence[int]) -> dict[str, Lane]:
        """Return rows, made where there were none."""
        return await self._do("lanes", lambda: self.state.lanes(ids, tokens))

    async def cases(self, report_ids: Sequence[str]) -> dict[str, Stored]:
        """Return cases."""
        return await self._do("cases", lambda: self.state.cases(report_ids))

    async def save(self, lanes: Sequence[LaneSave], cases: Mapping[str, Stored]) -> None:
        """Save all or nothing."""
        await self._do("save", lambda: self.state.save(lanes, cases))

    async def hold(self, lane: Lane, token: int, refused: Sequence[Outbound]) -> None:
        """Keep what destinations refuse."""
        await self._do("hold", lambda: self.state.hold(lane, token, refused))

    async def held(self, lane_id: str, topic: str, most: int) -> list[tuple[int, Outbound]]:
        """Return what waits for a topic."""
        return await self._do("held", lambda: self.state.held(lane_id, topic, most))

    async def release(self, numbers: Sequence[int]) -> None:
        """Forget what a topic took at last."""
        await self._do("release", lambda: self.state.release(numbers))

    async def clear(self, lane_id: str, token: int) -> None:
        """Empty what is confirmed, if the token still is."""
        await self._do("clear", lambda: self.state.clear(lane_id, token))

    async def load_lookups(self, collect: Callable[[Any], Awaitable[object]]) -> object:
        """Run look-ups; no stage of the chain has any."""
        return await collect(None)

    async def _do(self, name: str, effect: Callable[[], Awaitable[T]]) -> T:
        how = await self.process.reach(name)
        if not how.has_effect:
            raise asyncpg.ConnectionDoesNotExistError
        result = await effect()
        if how.fails:
            raise asyncpg.ConnectionDoesNotExistError
        return result
