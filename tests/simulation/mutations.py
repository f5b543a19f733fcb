"""The clauses of law 2, each taken back alone in the real shell or in what it stands on.

A simulation that does not notice one of them missing proves nothing about it.
"""

import contextlib
import secrets
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final
from unittest.mock import patch

from aiokafka.errors import KafkaError

from shared.contract.envelope import Outbound
from shared.runtime import decider
from shared.runtime import lanes as lane_rules
from shared.runtime.case_store import LaneSave, Stored
from shared.runtime.lanes import Batch, Lane, Partition
from tests.simulation import without
from tests.simulation.processes import Parts, PointedLog, PointedState


@dataclass(frozen=True)
class Mutation:
    """One clause taken back: other parts of a process, or another function of the lanes."""

    name: str
    parts: Parts = field(default_factory=Parts)
    instead: tuple[tuple[object, str, object], ...] = ()

    @contextmanager
    def applied(self) -> Iterator[Parts]:
        """Take the clause back for as long as this lasts."""
        with ExitStack() as stack:
            for owner, name, other in self.instead:
                stack.enter_context(patch.object(owner, name, other))
            yield self.parts


# ---- the save


class NoTokenCheck(PointedState):
    """A lane is saved over whatever stands there."""

    async def save(self, lanes: Sequence[LaneSave], cases: Mapping[str, Stored]) -> None:
        """Save with the token that the row has."""
        rows = self.state.rows
        await self._do("save", lambda: self.state.save(
            [LaneSave(s.lane, rows[s.lane.id].fencing_token) for s in lanes], cases
        ))  # fmt: skip


class NoVersionCheck(PointedState):
    """A case is saved over whatever stands there."""

    async def save(self, lanes: Sequence[LaneSave], cases: Mapping[str, Stored]) -> None:
        """Save with the version that the case has."""
        nothing = Stored(0, 0, b"", None)

        def versioned() -> dict[str, Stored]:
            kept = self.state.kept
            return {r: s._replace(version=kept.get(r, nothing).version + 1)
                    for r, s in cases.items()}  # fmt: skip

        await self._do("save", lambda: self.state.save(lanes, versioned()))


class CasesSavedApart(PointedState):
    """Lanes and cases are two transactions."""

    async def save(self, lanes: Sequence[LaneSave], cases: Mapping[str, Stored]) -> None:
        """Save the lanes, then the cases."""
        await self._do("save", lambda: self.state.save(lanes, {}))
        await self._do("save", lambda: self.state.save([], cases))


class LanesSavedApart(PointedState):
    """Each lane is a transaction of its own."""

    async def save(self, lanes: Sequence[LaneSave], cases: Mapping[str, Stored]) -> None:
        """Save lane by lane, the cases with the first."""
        for number, lane in enumerate(lanes):
            await self._do("save", partial(self.state.save, [lane], {} if number else cases))


# ---- offsets


def nothing_dropped(
    partitions: Iterable[tuple[Partition, int]], offsets: Mapping[Partition, int]
) -> Batch:
    """Take what lies below the position as if it were new."""
    batch = Batch()
    for index, (partition, offset) in enumerate(partitions):
        at = batch.ends.get(partition, offsets[partition])
        if offset > at:
            batch.skipped[partition] = at, offset
        batch.ends[partition] = max(at, offset + 1)
        batch.fresh.append(index)
    return batch


class NoSeekAtAssignment(PointedLog):
    """The consumer starts where its group has committed, and is never sought anywhere."""

    def seek(self, partition: Partition, offset: int) -> None:
        """Seek only for a gap."""
        if sys._getframe(1).f_code.co_name != "_resume":
            super().seek(partition, offset)


class PositionsOfTheGroup(PointedState):
    """How far a partition was decided is what the group has committed."""

    async def lanes(self, ids: Sequence[str], tokens: Sequence[int]) -> dict[str, Lane]:
        """Return the rows, their offsets replaced."""
        found = await super().lanes(ids, tokens)
        committed = self.process.broker.committed[self.process.group.link.name]
        for lane in found.values():
            lane.offsets = {p: committed.get(p, 0) for p in lane.offsets}
        return found


# ---- what may be unpublished


class ClearsAnyToken(PointedState):
    """A lane's events are emptied whoever saved them."""

    async def clear(self, lane_id: str, token: int) -> None:
        """Empty whatever stands there."""
        del token
        await self._do("clear", lambda: self._empty(lane_id))

    async def _empty(self, lane_id: str) -> None:
        await self.state.clear(lane_id, self.state.rows[lane_id].fencing_token)


# ---- sending


class SendsAllAtOnce(PointedLog):
    """Requests to one partition do not wait for one another: one fails, a later one arrives."""

    def split(self, outbounds: list[Outbound], how: Any) -> tuple[list[Outbound], list[Outbound]]:
        """Lose one out of the list, and send the rest."""
        at = (how.sent or 0) % len(outbounds)
        return outbounds[:at] + outbounds[at + 1 :], [outbounds[at]]


class SendsTheRest(PointedLog):
    """After an error only what was not yet acknowledged is sent again."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self._acknowledged: list[Outbound] = []

    async def publish(self, outbounds: Sequence[Outbound]) -> None:
        """Leave out what the failed attempt before has sent."""
        left = [o for o in outbounds if o not in self._acknowledged]
        if left:
            await super().publish(left)
        self._acknowledged = []

    def split(self, outbounds: list[Outbound], how: Any) -> tuple[list[Outbound], list[Outbound]]:
        """Remember what arrived."""
        sent, left = super().split(outbounds, how)
        self._acknowledged = sent if how.fails else []
        return sent, left


class Backwards(PointedLog):
    """Events are sent in another order than they were decided in."""

    async def publish(self, outbounds: Sequence[Outbound]) -> None:
        """Send the last first."""
        await super().publish(outbounds[::-1])


class ErrorsAreIgnored(PointedLog):
    """A send that failed counts as acknowledged."""

    async def publish(self, outbounds: Sequence[Outbound]) -> None:
        """Send, and look away."""
        with contextlib.suppress(KafkaError):
            await super().publish(outbounds)


def _shell(kind: type[without.AnyShell]) -> Parts:
    return Parts(shell=kind)


def _decider(kind: type[without.AnyDecider]) -> Parts:
    return Parts(decider=kind)


def _log(kind: type[PointedLog]) -> Parts:
    return Parts(log=kind)


def _state(kind: type[PointedState]) -> Parts:
    return Parts(state=kind)


def _never(*_ids: object) -> bool:
    return False


def _same(_bits: int) -> int:
    return 7


def _nothing(_outbounds: object) -> bytes:
    return b""


CAUGHT: Final = (
    Mutation("a lane's token is not checked", _state(NoTokenCheck)),
    Mutation("every save writes the same token", instead=((secrets, "randbits", _same),)),
    Mutation("cases are a transaction of their own", _state(CasesSavedApart)),
    Mutation("each lane is a transaction of its own", _state(LanesSavedApart)),
    Mutation("events are not saved with the batch", instead=((lane_rules, "pack", _nothing),)),
    Mutation("dead letters are not saved with the batch", _decider(without.DeadLettersApart)),
    Mutation("a conflict counts as done", _shell(without.ConflictIsDone)),
    Mutation("lanes of one topic in the core", _shell(without.LanesOfOneTopic)),
    Mutation("offsets are committed before the save", _shell(without.CommitsFirst)),
    Mutation("ids decided are not looked at", instead=((decider, "has_decided", _never),)),
    Mutation("an id whose rule raised is decided", _decider(without.RaisedIsDecided)),
    Mutation("nothing waits behind what raised", _decider(without.NothingWaits)),
    Mutation("a replay decides one record", _decider(without.ReplaysOneRecord)),
    Mutation("a replay leaves no trace", _decider(without.ReplaysLeaveNoTrace)),
    Mutation("a dead letter counts at each try", _decider(without.CountsEachTry)),
    Mutation("a gap is passed over", _shell(without.PassesGaps)),
    Mutation("a transaction's mark is a gap", _shell(without.StopsAtMarks)),
    Mutation(
        "what lies below is not dropped", instead=((lane_rules, "fresh_records", nothing_dropped),)
    ),
    Mutation("nobody seeks back at a gap", _shell(without.StaysAtGaps)),
    Mutation("a gap is judged by old lanes", _shell(without.GapByOldLanes)),
    Mutation("offsets are the group's", _state(PositionsOfTheGroup)),
    Mutation("lanes are read before what they are compared with", _shell(without.LanesReadFirst)),
    Mutation("lanes are not read again at assignment", _shell(without.NoReload)),
    Mutation("lanes are not read again at a conflict", _shell(without.NoReloadAtConflicts)),
    Mutation("assignment publishes nothing", _shell(without.NotAtAssignment)),
    Mutation("a batch publishes nothing first", _shell(without.NotBeforeABatch)),
    Mutation("one acknowledgement for all tokens", _shell(without.BelievesALane)),
    Mutation("saved is confirmed", _shell(without.ConfirmedWhenSaved)),
    Mutation("any token is emptied", _state(ClearsAnyToken)),
    Mutation("requests do not wait for one another", _log(SendsAllAtOnce)),
    Mutation("events are sent in another order", _log(Backwards)),
    Mutation("a failed send is acknowledged", _log(ErrorsAreIgnored)),
    Mutation("now is the worker's clock", _shell(without.WallClock)),
)
"""Noticed, each by the seed that stands in `test_mutations.py`."""

HARMLESS: Final = (
    # Each case of the chain lies in one lane now, whose token is checked; only where lanes share
    # one (a report at intake, a replay) is the version needed: tests/integration/test_state.py.
    Mutation("a case's version is not checked", _state(NoVersionCheck)),
    # Kafka's offsets serve the metrics, and to recognise a restored database: below the position
    # any offset does.
    Mutation("offsets are committed before the sends", _shell(without.CommitsBeforePublishing)),
    # The group's offset is never beyond the position: what is read again is dropped.
    Mutation("no seek at assignment", _log(NoSeekAtAssignment)),
    # What was read before is at worst old, and the save's token finds that out.
    Mutation("lanes are not read again after an error", _shell(without.NoReloadAfterErrors)),
    # These two fail only when a database comes back from a backup (V5).
    Mutation("the committed offset counts as published", _shell(without.BelievesTheGroup)),
    Mutation("offsets instead of tokens", _shell(without.BelievesPositions)),
    # True where it is known what was acknowledged; sending all again needs to know nothing.
    Mutation("only the rest is sent again", _log(SendsTheRest)),
    # Position, gap and token checks hold between two tasks as they do between two processes.
    Mutation("assignment does not wait", _shell(without.AssignedAtOnce)),
)
"""Not noticed in 3,000 histories each: cheap, clear or there for restored databases, but nothing
that the promises without a restore rest on."""
