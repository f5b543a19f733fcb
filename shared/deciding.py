"""What becomes of each record of a batch: decided, dropped, a dead letter, or parked.

Reads cases and look-ups through `State`, writes nothing: the shell saves what is found here.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Generic, NamedTuple, TypeVar

import structlog
from pydantic import BaseModel

from shared import lanes
from shared.cases import Stored
from shared.envelope import Outbound, Record, text
from shared.inbound import DeadLetter, Inbound, Reader, Replayed
from shared.lanes import Partition, Refusal, Refused, lane_case
from shared.metrics import Meters
from shared.outbound import TooLarge, Writer
from shared.parking import Action, Kept
from shared.ports import Memory, State
from shared.restoring import Order, Past, Place, Told, compare, letter_key, place_of, sequence_of
from shared.stage import Limits, Stage
from shared.vault import SealBroken

C = TypeVar("C", bound=BaseModel)
P = TypeVar("P")
NOTHING: Final = Stored(0, 0, b"", None)
OTHERWISE: Final = "decided_otherwise"
"""Why a case is parked: a record decided again says something else than the world has read."""
LEFT_OVER: Final = "not_decided_again"
"""Why a case is parked: what the world has read of it, no record that is left says."""
_NOTHING_TOLD: Final[Mapping[str, Told]] = MappingProxyType({})
CASE_FULL: Final = "case_full"


@dataclass(slots=True)
class Work:
    """One batch while it is decided; `lane` is that of the record in hand."""

    cases: dict[str, Stored]
    known: object = None
    past: Past = field(default_factory=dict)  # what was said before the database was restored
    lane: str = ""
    releasing: Action | None = None  # how a replay lets what was parked be decided
    policies: dict[str, object] = field(default_factory=dict)
    changed: dict[str, Stored] = field(default_factory=dict)
    outbounds: list[Outbound] = field(default_factory=list)
    by_lane: dict[str, list[Outbound]] = field(default_factory=dict)
    dead: int = 0
    recent: deque[int] = field(default_factory=deque)  # 1 for a dead letter, 0 for a decision

    def case(self, report_id: str) -> Stored:
        """Return a case as it is by now."""
        return self.cases.get(report_id, NOTHING)

    def change(self, report_id: str, stored: Stored) -> None:
        """Note a case to save; its version is one above the loaded."""
        if report_id not in self.changed:
            stored = Stored(stored.version + 1, *stored[1:])
        self.cases[report_id] = self.changed[report_id] = stored

    def say(self, outbounds: Sequence[Outbound]) -> None:
        """Note events to publish."""
        self.outbounds.extend(outbounds)
        self.by_lane.setdefault(self.lane, []).extend(outbounds)


class Before(NamedTuple):
    """What was said before the database was restored, and the order to decide it again."""

    order: Order
    memory: Memory


class Decider(Generic[C, P]):
    """Decides batches for one stage."""

    def __init__(
        self,
        stage: Stage[C, P],
        *,
        reader: Reader,
        writer: Writer,
        meters: Meters,
        logger: structlog.stdlib.BoundLogger,
        limits: Limits,
    ) -> None:
        self.before: Before | None = None  # to be compared with
        self._stage = stage
        self._reader = reader
        self._writer = writer
        self._meters = meters
        self._logger = logger
        self._limits = limits
        self._lane_of = lanes.door_lane if stage.is_door else lanes.core_lane
        self._recent: deque[int] = deque(maxlen=limits.dead_letter_window)

    async def decide(self, records: Sequence[Record], state: State) -> Work:
        """Decide records in order.

        Raises:
            Refused: past the limit of dead letters; nothing of the batch may be saved.
        """
        self._meters.forget()
        found = self._reader.read(records)
        work = await self._prepared(found, state)
        for item in found:
            work.lane = self._lane(item.record)
            match item:
                case Inbound():
                    self._take(work, item)
                case Replayed():
                    self._replay(work, item)
                case DeadLetter():
                    self._bury(work, item.record, item.reason, item.detail)
        work.recent = self._within_limit(work.dead, len(records))
        return work

    def saved(self, work: Work) -> None:
        """Count a batch once it is saved, however often it was tried."""
        self._recent = work.recent
        self._meters.flush()

    # ---- what the rules may see

    async def _prepared(
        self, found: Sequence[Inbound | Replayed | DeadLetter], state: State
    ) -> Work:
        items = [item for item in found if isinstance(item, Inbound | Replayed)]
        wanted = {item.report_id for item in items}
        if self._stage.policy_of is not None:
            wanted |= {lane_case(item.record.partition) for item in items}
        work = Work(await state.cases(sorted(wanted)) if wanted else {})
        if self.before is not None:
            places = {
                place_of(i.replay.original if isinstance(i, Replayed) else i.record) for i in found
            }
            work.past = await self.before.memory.told(sorted(wanted | places))
        gather = self._stage.gather
        if gather is None or not items:
            work.known = self._stage.policy
            return work
        seen = [inbound for item in items for inbound in self._inbounds(work, item)]
        work.known = await state.gather(lambda c: gather(c, seen))
        return work

    def _inbounds(self, work: Work, item: Inbound | Replayed) -> list[Inbound]:
        """List what may be decided because of a record: itself, or what a replay releases."""
        if isinstance(item, Inbound):
            return [item]
        records = [item.replay.original]
        with suppress(SealBroken):
            records += self._reader.parking.read(work.case(item.report_id).parked)
        read = self._reader.read(records)
        return [inbound for inbound in read if isinstance(inbound, Inbound)]

    def _policy(self, work: Work, partition: int) -> object:
        policy_of = self._stage.policy_of
        if policy_of is None:
            return work.known
        own = lane_case(partition)
        if own not in work.policies:
            work.policies[own] = policy_of(work.case(own).case)  # type: ignore[arg-type]
        return work.policies[own]

    # ---- one record

    def _take(self, work: Work, inbound: Inbound) -> None:
        stored = work.case(inbound.report_id)
        if remembers(stored.decided, inbound.id_hash):
            if not self._stage.is_door:
                self._meters.skipped("repeat")
                return
            inbound = inbound.as_repeat()
        if len(stored.decided) >= self._limits.decided_bytes_max:
            self._turn_away(work, inbound, stored)
        elif stored.parked:
            self._park(work, inbound)
        else:
            self._decide(work, inbound, stored)

    def _turn_away(self, work: Work, inbound: Inbound, stored: Stored) -> None:
        """Decide nothing more for a case that has decided so much: no sender may let it grow.

        A door answers each of its messages, told by their places, and remembers none. Elsewhere
        it is the senders' doing and no sign of a bad release: it does not count against the limit.
        """
        if not self._stage.is_door:
            detail = f"its report has decided {len(stored.decided) // 8} records"
            self._bury(work, inbound.record, CASE_FULL, detail, inbound.report_id)
            return
        if not inbound.cause.is_repeat:
            inbound = inbound.as_repeat()
        self._decide(work, inbound.at_full_case(), stored)

    def _decide(self, work: Work, inbound: Inbound, stored: Stored) -> None:
        policy = self._policy(work, inbound.record.partition)
        told = work.past.get(inbound.report_id)
        sequence = sequence_of(stored.sequence, told) if told else stored.sequence
        try:
            decision = self._stage.decide(
                stored.case, inbound.event, inbound.cause, policy  # type: ignore[arg-type]
            )  # fmt: skip
            outbounds = self._writer.write(decision, inbound, sequence)
        except TooLarge as large:
            self._bury(work, inbound.record, "event_too_large", str(large), inbound.report_id)
            return
        except Exception as bug:
            # Deciding is pure: only this record is affected, and what follows it waits (law 4).
            self._logger.exception("rule_raised", report=inbound.report_id, cause=inbound.cause.id)
            why = type(bug).__name__
            self._bury(work, inbound.record, "rule_raised", why, inbound.report_id)
            self._park(work, inbound)
            return
        unsaid = self._unsaid(work, inbound, outbounds)
        if unsaid is None:
            self._park(work, inbound)
            return
        work.change(
            inbound.report_id,
            Stored(
                stored.version,
                sequence + (len(outbounds) if unsaid else 0),
                stored.decided + (b"" if inbound.cause.is_full else inbound.id_hash),
                decision.case,
                stored.parked,
            ),
        )
        work.policies.pop(inbound.report_id, None)
        work.say(unsaid)
        self._meters.decided(inbound.event, decision)

    def _unsaid(
        self, work: Work, inbound: Inbound, outbounds: list[Outbound]
    ) -> list[Outbound] | None:
        """Return what was not said before a restore: usually all; None if the rest is otherwise."""
        if self.before is None:
            return outbounds
        told = work.past.get(inbound.report_id, _NOTHING_TOLD)
        is_released = work.releasing is not None
        found = compare(told, inbound, outbounds, self.before.order, is_released=is_released)
        if found.differs and work.releasing != "accept":
            self._bury(work, inbound.record, OTHERWISE, found.differs, inbound.report_id)
            return None
        return found.unsaid

    def _bury(
        self, work: Work, record: Record, reason: str, detail: str, report_id: str = ""
    ) -> None:
        work.dead += reason != CASE_FULL
        letter = self._writer.dead_letter(record, reason, detail, report_id)
        key = letter_key(text(dict(letter.headers)["ce_id"]), reason)
        if key not in work.past.get(place_of(record), _NOTHING_TOLD):
            work.say([letter])
        self._meters.dead_letter(reason)
        self._logger.error(
            "dead_letter", reason=reason, detail=detail, topic=record.topic,
            partition=record.partition, offset=record.offset,
        )  # fmt: skip

    # ---- parking

    def _park(self, work: Work, inbound: Inbound) -> None:
        """Put a record at the end of its case's queue; past the bounds it is a dead letter."""
        stored = work.case(inbound.report_id)
        parked = self._reader.parking.add(stored.parked, inbound.record)
        limits = self._limits
        if len(parked) > limits.parked_bytes_max and stored.parked:
            detail = f"its report has {len(stored.parked)} bytes of records parked"
            self._bury(work, inbound.record, "parked_full", detail, inbound.report_id)
            return
        work.change(inbound.report_id, stored._replace(parked=parked))
        self._meters.skipped("parked")

    def _replay(self, work: Work, item: Replayed) -> None:
        """Decide a dead letter's record, or let it go, and then what waited behind it."""
        stored = work.case(item.report_id)
        if remembers(stored.decided, item.id_hash):
            self._meters.skipped("repeat")
            return
        try:
            queue = self._reader.parking.read(stored.parked)
        except SealBroken as broken:
            self._bury(work, item.record, "seal_broken", str(broken), item.report_id)
            return
        is_head = bool(queue) and queue[0].place == item.replay.original.place
        todo = [] if item.replay.action == "discard" else [item.replay.original]
        stored = stored._replace(decided=stored.decided + item.id_hash)
        if is_head:
            todo += queue[1:]
            stored = stored._replace(parked=b"")
        work.change(item.report_id, stored)
        work.releasing = item.replay.action
        self._read_and_take(work, todo)
        work.releasing = None
        self._meters.skipped(f"replayed_{item.replay.action}")

    def _read_and_take(self, work: Work, records: Sequence[Kept]) -> None:
        for item in self._reader.read(records):
            match item:
                case Inbound():
                    self._take(work, item)
                case DeadLetter():
                    self._bury(work, item.record, item.reason, item.detail)

    def left_over(
        self, cases: Mapping[str, Stored], past: Past, events: Mapping[Place, Record], lane: str
    ) -> Work:
        """Park the cases of which the world has read what no record said again.

        The first such event stands in the letter and at the head of the case's queue; a replay
        has nothing to decide in it, and goes on with the queue.
        """
        work = Work(dict(cases), past=past, lane=lane, recent=self._recent)
        for report_id, told in past.items():
            first, *more = told.values()
            record = events[first.topic, first.partition, first.offset]
            detail = f"{text(dict(record.headers).get('ce_type'))} and {len(more)} more"
            self._bury(work, record, LEFT_OVER, detail, report_id)
            stored = work.case(report_id)
            parked = self._reader.parking.add(stored.parked, record)
            number = sequence_of(stored.sequence, told)
            work.change(report_id, stored._replace(parked=parked, sequence=number))
        return work

    # ---- bounds

    def _within_limit(self, dead: int, records: int) -> deque[int]:
        recent = deque(self._recent, maxlen=self._recent.maxlen)
        recent.extend([1] * dead + [0] * (records - dead))
        count, share = sum(recent), sum(recent) / max(1, len(recent))
        limits = self._limits
        if count >= limits.dead_letter_count_max and share > limits.dead_letter_share_max:
            raise Refused([
                Refusal(
                    Partition(self._stage.name, 0),
                    "limit",
                    f"{count} of the last {len(recent)} records could not be decided",
                    "Nothing of this batch was saved. Mend the rule or the sender, start again",
                )
            ])  # fmt: skip
        return recent

    def _lane(self, record: Record) -> str:
        return self._lane_of(Partition(record.topic, record.partition))


def remembers(decided: bytes, id_hash: bytes) -> bool:
    """Say whether a case decided an id: its 8 bytes stand there, aligned."""
    at = decided.find(id_hash)
    while at >= 0 and at % 8:
        at = decided.find(id_hash, at + 1)
    return at >= 0
