"""The shell of every stage: law 2 of docs/architecture.md, clause by clause, around a pure rule.

One batch at a time: drop and check, decide (`decider.py`), save all or nothing, publish in order,
commit last. It knows Kafka and PostgreSQL only as `Log` and `State`, so the same code runs over
both and over their fakes in memory in tests.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from enum import StrEnum
from time import monotonic
from typing import Generic, TypeVar

import structlog
from aiokafka.errors import KafkaError
from pydantic import BaseModel

from shared.contract.envelope import Outbound, Record
from shared.platform.postgres import PASSING
from shared.runtime import lanes as lane_rules
from shared.runtime.batch import Recovering, UnitOfWork
from shared.runtime.case_store import Conflict, LaneSave
from shared.runtime.decider import Decider
from shared.runtime.gateway.destinations import Destinations
from shared.runtime.kafka.record_batches import first_offset
from shared.runtime.lanes import Bounds, Lane, Partition, Refusal, StageRefused
from shared.runtime.metrics import Meters
from shared.runtime.ports import DestinationsUnavailable, Log, RecoveryStore, State
from shared.runtime.reader import Reader
from shared.runtime.recovery.comparison import Gone, Order, Timing, When
from shared.runtime.recovery.replay import Recovery
from shared.runtime.stage import ShellLimits, Stage
from shared.runtime.writer import Writer

C = TypeVar("C", bound=BaseModel)
P = TypeVar("P")
T = TypeVar("T")
PROGRESS_LOG_SECONDS = 10.0  # deciding a million records again takes minutes


async def _as_they_came(records: Sequence[Record]) -> list[When]:
    return [(record.timestamp, record.offset) for record in records]


class ShellState(StrEnum):
    """Where a shell is in its life; the watchdog, readiness and a log line read it."""

    STARTING = "starting"  # no assignment yet
    RESTORING = "restoring"  # decides again what `lapor restored` ordered
    RUNNING = "running"  # was assigned partitions, if only none
    WAITING = "waiting"  # for the database or the broker
    REFUSED = "refused"  # must not run before an operator has acted
    STOPPING = "stopping"


class Stopping(Exception):  # noqa: N818 - the process was asked to stop
    """The stage stops; what was in hand is decided again by whoever comes next."""


class Processor(Generic[C, P]):
    """Runs one stage; `assigned` and `batch` are all that a consumer has to call."""

    def __init__(
        self,
        stage: Stage[C, P],
        *,
        log: Log,
        state: State,
        reader: Reader,
        writer: Writer,
        meters: Meters,
        logger: structlog.stdlib.BoundLogger,
        limits: ShellLimits | None = None,
        failpoint: Callable[[str], None] = lambda _name: None,
        recovery_store: RecoveryStore | None = None,
        decider: type[Decider[C, P]] = Decider,
    ) -> None:
        self._stage = stage
        self._log = log
        self._state = state
        self._meters = meters
        self._logger = logger
        self._limits = limits or ShellLimits()
        self._failpoint = failpoint
        self._lane_of = lane_rules.gateway_lane if stage.is_gateway else lane_rules.core_lane
        self._decider = decider(
            stage, reader=reader, writer=writer, meters=meters, logger=logger, limits=self._limits
        )
        self._reader = reader
        self._destinations = Destinations(state, log, logger, is_gateway=stage.is_gateway)
        self._recovery_store = recovery_store
        self._lock = asyncio.Lock()
        self._lanes: dict[str, Lane] = {}
        self._confirmed: dict[str, int] = {}  # lane -> fencing token whose events are acknowledged
        self._to_clear: dict[str, tuple[int, float]] = {}  # lane -> fencing token, since
        self.offsets: dict[Partition, int] = {}
        self.stopping = asyncio.Event()
        self.state = ShellState.STARTING
        self.attempt_since: float | None = None  # monotonic seconds; None between attempts

    # ---- what the consumer calls

    async def assigned(self, partitions: Iterable[Partition]) -> None:
        """Load the lanes, publish what may be unpublished, and seek to the stored offsets.

        Raises:
            StageRefused: a position says that going on would lose or repeat records.
        """
        assigned = set(partitions)
        async with self._lock:
            self.offsets = {}
            await self._persist(lambda: self._resume(assigned))

    async def batch(self, records: Sequence[Record]) -> None:
        """Decide a batch, wholly or not at all; waits as long as database or broker are away.

        Raises:
            StageRefused: past the limit of dead letters. Stopping: the process stops.
        """
        async with self._lock:
            await self._persist(lambda: self._batch(records))

    async def reposition(self, partitions: Iterable[Partition]) -> None:
        """Go on at the stored offsets of some partitions: an operator may have moved them."""
        moved = list(partitions)
        async with self._lock:
            await self._persist(lambda: self._reposition(moved))

    async def _reposition(self, partitions: Sequence[Partition]) -> None:
        for partition in partitions:
            lane_id = self._lane_of(partition)
            self._lanes.pop(lane_id, None)
            position = (await self._load([lane_id]))[lane_id].offsets.get(partition, 0)
            self._log.seek(partition, position)
            self.offsets[partition] = position

    async def redeliver(self) -> None:
        """Publish events held for destinations that are available again."""
        async with self._lock:
            lanes = await self._load(self._destinations.lanes)
            await self._destinations.redeliver(lanes.values())

    async def restore(self) -> None:
        """Decide again what an operator ordered, before anything new; resumable.

        Raises:
            StageRefused: past the limit of dead letters, or what was to be decided again is gone.
        """
        async with self._lock:
            await self._persist(self._restore, ShellState.STARTING)

    def stop(self) -> None:
        """Let the batch in hand finish; waits for infrastructure end at once."""
        self.stopping.set()
        self._enter(ShellState.STOPPING)

    async def idle(self, seconds: float = 1.0) -> None:
        """Empty the outbox of lanes that had nothing to do for some seconds."""
        async with self._lock:
            for lane_id, (token, since) in list(self._to_clear.items()):
                if monotonic() - since >= seconds:
                    await self._state.clear(lane_id, token)
                    del self._to_clear[lane_id]

    # ---- assignment

    async def _resume(self, assigned: set[Partition]) -> None:
        # In this order: what is committed or removed later than we looked cannot look like a
        # restored database or a lost record, since offsets only grow.
        committed = await self._log.committed(assigned)
        starts = await self._log.starts(assigned)
        self._forget()
        lanes = await self._load({self._lane_of(p) for p in assigned})
        ends = await self._log.ends(assigned)
        go_on: dict[Partition, int] = {}
        refusals: list[Refusal] = []
        for partition in sorted(assigned):
            lane = lanes[self._lane_of(partition)]
            bounds = Bounds(starts[partition], ends[partition], committed[partition])
            position = lane.offsets.get(partition)
            at = lane_rules.start_at(self._stage.name, partition, position, bounds)
            if isinstance(at, Refusal):
                refusals.append(at)
            else:
                go_on[partition] = at
        if refusals:
            raise StageRefused(refusals)
        await self._publish_outbox(lanes.values())
        for partition, offset in go_on.items():
            self._log.seek(partition, offset)
        self._destinations.lanes.clear()
        for lane in lanes.values():
            self._destinations.resume(lane)
        self.offsets = go_on

    async def _load(self, ids: Iterable[str]) -> dict[str, Lane]:
        ordered = sorted(ids)
        missing = [lane_id for lane_id in ordered if lane_id not in self._lanes]
        if missing:
            tokens = [secrets.randbits(62) for _ in missing]
            self._lanes.update(await self._state.lanes(missing, tokens))
        return {lane_id: self._lanes[lane_id] for lane_id in ordered}

    async def _publish_outbox(self, lanes: Iterable[Lane]) -> None:
        for lane in lanes:
            if lane.outbox and self._confirmed.get(lane.id) != lane.fencing_token:
                await self._publish(lane_rules.unpack(lane.outbox), [lane])

    def _forget(self) -> None:
        self._lanes.clear()

    # ---- a batch

    async def _batch(self, records: Sequence[Record]) -> None:
        partitions = [Partition(r.topic, r.partition) for r in records]
        touched = dict.fromkeys(partitions)
        lanes = await self._load({self._lane_of(p) for p in touched})
        await self._publish_outbox(lanes.values())
        offsets = {p: lanes[self._lane_of(p)].offsets.get(p, 0) for p in touched}
        batch = lane_rules.fresh_records(
            ((p, first_offset(r), r.offset) for p, r in zip(partitions, records, strict=True)),
            offsets,
        )
        if batch.skipped and await self._is_gap(batch.skipped, records):
            await self._go_back(touched, batch.skipped)
            return
        if batch.ends:
            work = await self._decider.decide([records[i] for i in batch.fresh], self._state)
            await self._save_and_publish(lanes, batch.ends, work)
        self.offsets.update(offsets | batch.ends)
        await self._log.commit({p: batch.ends.get(p, offsets[p]) for p in touched})

    async def _is_gap(
        self, skipped: Mapping[Partition, tuple[int, int]], records: Sequence[Record]
    ) -> bool:
        """Return whether spans hold a record that did not come, or one that retention removed.

        Others hold nothing but transaction markers and aborted records.
        """
        came = {(r.topic, r.partition, r.offset) for r in records}
        try:
            async with aclosing(self._log.read_again(skipped, _as_they_came)) as batches:
                async for lying in batches:
                    if any((r.topic, r.partition, r.offset) not in came for r in lying):
                        return True
        except Gone:
            return True
        return False

    async def _go_back(self, touched: Iterable[Partition], gaps: Iterable[Partition]) -> None:
        committed = await self._log.committed(gaps)
        starts = await self._log.starts(gaps)
        self._forget()  # another may have decided since what retention has removed since
        lanes = await self._load({self._lane_of(p) for p in touched})
        offsets = {p: lanes[self._lane_of(p)].offsets.get(p, 0) for p in touched}
        starting = [
            lane_rules.start_at(
                self._stage.name, p, offsets[p], Bounds(starts[p], offsets[p], committed[p])
            )
            for p in gaps
        ]
        lost = [refusal for refusal in starting if isinstance(refusal, Refusal)]
        if lost:
            raise StageRefused(lost)
        for partition, offset in offsets.items():
            self._log.seek(partition, offset)
        names = [f"{p.topic}/{p.partition}" for p in gaps]
        self._meters.gaps.inc(len(names))
        self._logger.warning("gap_seek_back", partitions=names)

    # ---- after the database was restored

    async def _restore(self) -> None:
        store = self._recovery_store
        if store is None or (order := await store.order()) is None:
            return
        self._decider.recovering = Recovering(order, store)
        if not order.until:
            return
        self._enter(ShellState.RESTORING)
        most = self._limits.decided_bytes_max
        recovery = Recovery(store, self._log, self._reader, self._lane_of, most)
        while spans := await self._spans(order):
            if not await self._decide_again(spans, recovery.when):
                break  # their offsets have no record
        parked = await self._park_left_over(recovery, order)
        await store.fulfilled()
        compared = await store.order()
        self._decider.recovering = None if compared is None else Recovering(compared, store)
        self._logger.warning("decided_again", not_decided_again=parked)

    async def _decide_again(self, spans: Mapping[Partition, tuple[int, int]], when: Timing) -> bool:
        """Decide the records of spans, log the progress; return whether there were any."""
        left, logged_at, are_any = sum(end - start for start, end in spans.values()), 0.0, False
        try:
            async with aclosing(self._log.read_again(spans, when)) as batches:
                async for records in batches:
                    if monotonic() - logged_at >= PROGRESS_LOG_SECONDS:
                        self._logger.warning("deciding_again", records=left)
                        logged_at = monotonic()
                    await self._batch(records)
                    left, are_any = left - len(records), True
        except Gone as gone:
            bounds = Bounds(gone.start, gone.start)
            at = lane_rules.start_at(self._stage.name, gone.partition, gone.position, bounds)
            raise StageRefused([at] if isinstance(at, Refusal) else []) from gone
        return are_any

    async def _spans(self, order: Order) -> dict[Partition, tuple[int, int]]:
        """Return what is still to be decided again: of each partition first offset and end."""
        lanes = await self._load({self._lane_of(p) for p in order.until})
        spans = {
            p: (lanes[self._lane_of(p)].offsets.get(p, 0), end) for p, end in order.until.items()
        }
        return {p: (start, end) for p, (start, end) in spans.items() if start < end}

    async def _park_left_over(self, recovery: Recovery, order: Order) -> int:
        """Park cases with published events that nothing gave again; return how many."""
        any_of = {self._lane_of(p): p for p in order.until}
        parked = 0
        async with aclosing(recovery.left_over(order, self._state)) as groups:
            async for left in groups:
                lanes = await self._load([left.lane])
                await self._publish_outbox(lanes.values())
                work = self._decider.left_over(left.cases, left.past, left.events, left.lane)
                at = any_of[left.lane]
                ends = {at: lanes[left.lane].offsets.get(at, 0)}
                await self._save_and_publish(lanes, ends, work)
                parked += len(left.past)
        return parked

    # ---- save, publish

    async def _save_and_publish(
        self, lanes: Mapping[str, Lane], ends: Mapping[Partition, int], work: UnitOfWork
    ) -> None:
        self._failpoint("before_save")
        saves = []
        for lane_id in sorted({self._lane_of(p) for p in ends}):
            old = lanes[lane_id]
            moved = {p: end for p, end in ends.items() if self._lane_of(p) == lane_id}
            packed = lane_rules.pack(work.by_lane.get(lane_id, []))
            new = Lane(lane_id, old.offsets | moved, secrets.randbits(62), packed, old.held)
            saves.append(LaneSave(new, old.fencing_token))
        await self._state.save(saves, work.changed)
        self._decider.saved(work)
        self._failpoint("saved")
        for save in saves:
            self._lanes[save.lane.id] = save.lane
        await self._publish(work.outbounds, [save.lane for save in saves])
        self._failpoint("published")

    async def _publish(self, outbounds: Sequence[Outbound], lanes: Sequence[Lane]) -> None:
        """Publish events and confirm their lanes; hold those for unavailable destinations."""
        unavailable: frozenset[str] = frozenset()
        if any(lane.held for lane in lanes):
            outbounds = [
                o for n in lanes for o in lane_rules.unpack(n.outbox) if o.topic not in n.held
            ]
        if outbounds:
            try:
                await self._log.publish(outbounds)
            except DestinationsUnavailable as error:
                unavailable = error.topics
        for lane in lanes:
            if unavailable or lane.held:
                await self._destinations.hold(lane, unavailable)
            self._confirmed[lane.id] = lane.fencing_token
            if lane.outbox:
                self._to_clear[lane.id] = (lane.fencing_token, monotonic())

    # ---- state, waiting

    def _enter(self, state: ShellState) -> None:
        """Change the state; a shell that stops does nothing else any more."""
        if state != self.state and self.state is not ShellState.STOPPING:
            self._logger.info("shell_state", state=state.value, was=self.state.value)
            self.state = state

    async def _persist(
        self, action: Callable[[], Awaitable[T]], then: ShellState = ShellState.RUNNING
    ) -> T:
        """Try until it succeeds, however long; `then` is the state after it."""
        delay = 0.1
        while True:
            try:
                result = await self._attempt(action)
            except Conflict as lost:
                self._logger.warning("conflict_again", why=str(lost))
                self._meters.conflicts.inc()
                self._forget()
            except (KafkaError, *PASSING) as away:
                self._logger.warning(
                    "waiting_for_infrastructure", error=type(away).__name__, seconds=delay
                )
                self._enter(ShellState.WAITING)
                self._forget()
                await self._pause(delay)
                delay = min(delay * 2, self._limits.backoff_seconds_max)
            except BaseException as error:
                self._forget()  # what was in hand is unknown: read it anew
                if isinstance(error, StageRefused):
                    self._enter(ShellState.REFUSED)
                raise
            else:
                self._enter(then)
                return result

    async def _attempt(self, action: Callable[[], Awaitable[T]]) -> T:
        self.attempt_since = monotonic()
        try:
            return await action()
        finally:
            self.attempt_since = None

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self.stopping.wait(), seconds)
        except TimeoutError:
            return
        raise Stopping
