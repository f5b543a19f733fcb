"""The real shell with one clause of law 2 taken back, one class each."""

import contextlib
import itertools
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from shared.contract.envelope import Outbound
from shared.platform.clock import EPOCH, Clock
from shared.runtime import lanes as lane_rules
from shared.runtime.batch import UnitOfWork, has_decided
from shared.runtime.case_store import Conflict, Stored
from shared.runtime.decider import Decider
from shared.runtime.lanes import Lane, Partition
from shared.runtime.processor import Processor
from shared.runtime.reader import Inbound, Reader, Replayed
from tests.simulation import chain
from tests.simulation.memory import CLEAR

AnyShell = Processor[Any, Any]
AnyDecider = Decider[Any, Any]


class CommitsFirst(AnyShell):
    """Offsets are committed before anything is saved."""

    async def _save_and_publish(
        self, lanes: Mapping[str, Lane], ends: Mapping[Partition, int], work: UnitOfWork
    ) -> None:
        await self._log.commit(ends)
        await super()._save_and_publish(lanes, ends, work)


class CommitsBeforePublishing(AnyShell):
    """Offsets are committed between the save and the sends."""

    async def _publish(self, outbounds: Sequence[Outbound], lanes: Sequence[Lane]) -> None:
        await self._log.commit({p: at for lane in lanes for p, at in lane.offsets.items()})
        await super()._publish(outbounds, lanes)


class LanesOfOneTopic(AnyShell):
    """A lane is one partition of one topic also in the core."""

    def __init__(self, *parts: Any, **more: Any) -> None:
        super().__init__(*parts, **more)
        self._lane_of = lane_rules.gateway_lane


class ConflictIsDone(AnyShell):
    """Whoever was second goes on as if its batch were done."""

    async def _save_and_publish(self, *batch: Any) -> None:
        with contextlib.suppress(Conflict):
            await super()._save_and_publish(*batch)


class DeadLettersApart(AnyDecider):
    """Dead letters are sent, but not saved with the batch."""

    def _dead_letter(self, work: UnitOfWork, *letter: Any) -> None:
        saved = {lane: list(outbounds) for lane, outbounds in work.by_lane.items()}
        super()._dead_letter(work, *letter)
        work.by_lane = saved


class RaisedIsDecided(AnyDecider):
    """A record whose rule raised is among the decided ones."""

    def _decide(self, work: UnitOfWork, inbound: Inbound, stored: Stored) -> None:
        dead = len(work.dead_letter_senders)
        super()._decide(work, inbound, stored)
        if len(work.dead_letter_senders) > dead:
            old = work.case(inbound.case_id)
            decided = old.decided + inbound.id_hash
            work.change(inbound.case_id, old._replace(decided=decided))


class NothingWaits(AnyDecider):
    """What follows a record whose rule raised is decided before it."""

    def _handle(self, work: UnitOfWork, inbound: Inbound) -> None:
        stored = work.case(inbound.case_id)
        if not has_decided(stored.decided, inbound.id_hash):
            self._decide(work, inbound, stored)


class ReplaysOneRecord(AnyDecider):
    """A replay decides its record, and what waited behind it is gone."""

    def _read_and_handle(self, work: UnitOfWork, records: Sequence[Any]) -> None:
        super()._read_and_handle(work, records[:1])


class ReplaysLeaveNoTrace(AnyDecider):
    """A replay is not among the ids decided."""

    def _replay(self, work: UnitOfWork, item: Replayed) -> None:
        super()._replay(work, item)
        old = work.case(item.case_id)
        decided = old.decided.replace(item.id_hash, b"")
        work.change(item.case_id, old._replace(decided=decided))


class CountsEachTry(AnyDecider):
    """A dead letter counts against the limit each time that its batch is tried."""

    def _within_limit(self, dead_letter_senders: Sequence[str], records: int) -> Any:
        self._recent = super()._within_limit(dead_letter_senders, records)
        return self._recent


class PassesGaps(AnyShell):
    """What lies beyond the position is decided as if nothing were missing."""

    async def _is_gap(self, *_skipped: Any) -> bool:
        return False


class StopsAtMarks(AnyShell):
    """What is skipped is always a gap, also where a transaction left its mark."""

    async def _is_gap(self, *_skipped: Any) -> bool:
        return True


class StaysAtGaps(AnyShell):
    """A batch beyond its position is not decided, and nobody seeks back."""

    async def _go_back(self, *_gaps: Any) -> None:
        return None


class GapByOldLanes(AnyShell):
    """A gap is judged by the lanes as they were last read."""

    def _forget(self) -> None:
        if sys._getframe(1).f_code.co_name != "_go_back":
            super()._forget()


class LanesReadFirst(AnyShell):
    """At assignment the lanes are read before what they are compared with."""

    async def _resume(self, mine: set[Partition]) -> None:
        super()._forget()
        await self._load({self._lane_of(p) for p in mine})
        await super()._resume(mine)

    def _forget(self) -> None:
        if sys._getframe(1).f_code.co_name != "_resume":
            super()._forget()


class AssignedAtOnce(AnyShell):
    """An assignment does not wait for the batch in hand."""

    async def assigned(self, partitions: Iterable[Partition]) -> None:
        """Take up without the lock."""
        mine = set(partitions)
        self.offsets = {}
        await self._persist(lambda: self._resume(mine))


class NoReload(AnyShell):
    """Lanes once read are believed for ever, but for conflicts."""

    def _forget(self) -> None:
        if isinstance(sys.exc_info()[1], Conflict):
            super()._forget()


class NoReloadAtConflicts(AnyShell):
    """After a conflict the batch is done again with the lanes in hand."""

    def _forget(self) -> None:
        if not isinstance(sys.exc_info()[1], Conflict):
            super()._forget()


class NoReloadAfterErrors(AnyShell):
    """After an error the batch is done again with the lanes in hand."""

    def _forget(self) -> None:
        error = sys.exc_info()[1]
        if error is None or isinstance(error, Conflict):
            super()._forget()


class NotAtAssignment(AnyShell):
    """What may be unpublished waits for the lane's next record."""

    async def _publish_outbox(self, lanes: Iterable[Lane]) -> None:
        if not self._is_taking_up:
            await super()._publish_outbox(lanes)

    _is_taking_up = False

    async def _resume(self, mine: set[Partition]) -> None:
        self._is_taking_up = True
        try:
            await super()._resume(mine)
        finally:
            self._is_taking_up = False


class NotBeforeABatch(NotAtAssignment):
    """A batch is saved over what may be unpublished."""

    async def _publish_outbox(self, lanes: Iterable[Lane]) -> None:
        if self._is_taking_up:
            await AnyShell._publish_outbox(self, lanes)


class BelievesTheGroup(AnyShell):
    """What the group has committed counts as published."""

    async def _publish_outbox(self, lanes: Iterable[Lane]) -> None:
        for lane in lanes:
            committed = await self._log.committed(lane.offsets)
            if committed != lane.offsets:
                await super()._publish_outbox([lane])


class BelievesALane(AnyShell):
    """A process that once published for a lane believes that it always did."""

    async def _publish_outbox(self, lanes: Iterable[Lane]) -> None:
        await super()._publish_outbox([ln for ln in lanes if ln.id not in self._confirmed])


class BelievesPositions(AnyShell):
    """A process knows by the offsets, not by the token, what it has published."""

    def __init__(self, *parts: Any, **more: Any) -> None:
        super().__init__(*parts, **more)
        self._published: dict[str, dict[Partition, int]] = {}

    async def _publish_outbox(self, lanes: Iterable[Lane]) -> None:
        for lane in lanes:
            if self._published.get(lane.id) != lane.offsets:
                self._confirmed.pop(lane.id, None)
                await super()._publish_outbox([lane])

    async def _publish(self, outbounds: Sequence[Outbound], lanes: Sequence[Lane]) -> None:
        await super()._publish(outbounds, lanes)
        self._published |= {lane.id: dict(lane.offsets) for lane in lanes}


class ConfirmedWhenSaved(AnyShell):
    """What is saved counts as published before it was acknowledged."""

    async def _publish(self, outbounds: Sequence[Outbound], lanes: Sequence[Lane]) -> None:
        await super()._publish([], lanes)
        await super()._publish(outbounds, lanes)


class WallClock(AnyShell):
    """A rule's `now` is the worker's clock."""

    def __init__(self, *parts: Any, **more: Any) -> None:
        super().__init__(*parts, **more)
        name = self._decider._stage.name
        identify = chain.report_of if chain.LINKS[name].is_gateway else None
        self._decider._reader = Reader(name, Ticking(), CLEAR, identify)


class Ticking(Clock):
    """A clock of its own."""

    ticks = itertools.count(1)

    def of_record(self, timestamp_ms: int) -> Any:
        """Return a time that has nothing to do with the record."""
        del timestamp_ms
        return EPOCH + timedelta(seconds=next(self.ticks))
