"""Decides each record of a batch: handled, skipped, dead-lettered, or parked.

Reads cases and look-ups through `State` and writes nothing: the processor saves the result.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Final, Generic, TypeVar

import structlog
from pydantic import BaseModel

from shared.contract.envelope import Outbound, Record, text
from shared.contract.events import RegistryChange
from shared.contract.topics import READS, REPLAYS, lane_case
from shared.rules.decision import Decision
from shared.runtime import lanes
from shared.runtime.batch import Recovering, UnitOfWork, has_decided
from shared.runtime.case_store import Stored
from shared.runtime.gateway import dead_letter_limit, throttle
from shared.runtime.gateway.rejections import RejectionThrottle
from shared.runtime.lanes import Partition, Refusal, StageRefused
from shared.runtime.metrics import Meters
from shared.runtime.parking import ParkedRecord
from shared.runtime.ports import State
from shared.runtime.reader import DeadLetter, Inbound, Reader, Replayed
from shared.runtime.recovery.comparison import (
    Position,
    Published,
    PublishedBefore,
    compare,
    dead_letter_event_id,
    position_of,
    sequence_of,
)
from shared.runtime.stage import ShellLimits, Stage
from shared.runtime.writer import TooLarge, Writer
from shared.vault.crypto import SealBroken

C = TypeVar("C", bound=BaseModel)
P = TypeVar("P")
DECIDED_OTHERWISE: Final = "decided_otherwise"
"""Why a case is parked: a record decided again gives other events than consumers have read."""
NOT_DECIDED_AGAIN: Final = "not_decided_again"
"""Why a case is parked: consumers have read events of it that no remaining record gives."""
_REPLAYS: Final = REPLAYS.topic()
_NOTHING_PUBLISHED: Final[Mapping[str, Published]] = MappingProxyType({})
CASE_FULL: Final = "case_full"


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
        limits: ShellLimits,
    ) -> None:
        self.recovering: Recovering | None = None  # set while decisions are compared
        self._stage = stage
        self._reader = reader
        self._writer = writer
        self._meters = meters
        self._logger = logger
        self._limits = limits
        self._has_lane_cases = any(
            issubclass(event, RegistryChange)
            for events in READS[stage.name].values()
            for event in events
        )
        self._lane_of = lanes.gateway_lane if stage.is_gateway else lanes.core_lane
        self._rejections = RejectionThrottle(stage, meters=meters, logger=logger, limits=limits)
        self._recent: deque[str] = deque(maxlen=limits.dead_letter_window)

    async def decide(self, records: Sequence[Record], state: State) -> UnitOfWork:
        """Decide records in order.

        Raises:
            StageRefused: past the limit of dead letters; nothing of the batch may be saved.
        """
        self._meters.forget()
        items = self._reader.read(records)
        work = await self._prepared(items, state)
        for item in items:
            work.lane = self._lane(item.record)
            match item:
                case Inbound():
                    self._handle(work, item)
                case Replayed():
                    self._replay(work, item)
                case DeadLetter():
                    self._dead_letter(work, item.record, item.reason, item.detail)
        work.recent = self._within_limit(work.dead_letter_senders, len(records))
        return work

    def saved(self, work: UnitOfWork) -> None:
        """Count a batch once it is saved, however often it was tried."""
        self._recent = work.recent
        self._meters.flush()

    # ---- what the rules may know

    async def _prepared(
        self, read: Sequence[Inbound | Replayed | DeadLetter], state: State
    ) -> UnitOfWork:
        items = [item for item in read if isinstance(item, Inbound | Replayed)]
        names = {item.case_id for item in items}
        names |= {i.aside_id for i in items if isinstance(i, Inbound) and i.aside_id}
        if self._stage.is_gateway:
            names |= {throttle.throttle_row(self._lane(item.record)) for item in items}
        if self._has_lane_cases:
            names |= {lane_case(item.record.partition) for item in items}
        work = UnitOfWork(await state.cases(sorted(names)) if names else {})
        if self.recovering is not None:
            positions = {
                position_of(i.replay.original if isinstance(i, Replayed) else i.record)
                for i in read
            }
            work.past = await self.recovering.store.published(sorted(names | positions))
        load_lookups = self._stage.load_lookups
        if load_lookups is not None and items:
            inbounds = [inbound for item in items for inbound in self._inbounds(work, item)]
            work.lookups = await state.load_lookups(lambda c: load_lookups(c, inbounds))
        return work

    def _inbounds(self, work: UnitOfWork, item: Inbound | Replayed) -> list[Inbound]:
        """List what may be decided because of a record: itself, or what a replay releases."""
        if isinstance(item, Inbound):
            return [item]
        records = [item.replay.original]
        with suppress(SealBroken):
            records += self._reader.parking.read(work.case(item.case_id).parked)
        read = self._reader.read(records)
        return [inbound for inbound in read if isinstance(inbound, Inbound)]

    def _context(self, work: UnitOfWork, inbound: Inbound) -> P:
        lane = work.case(lane_case(inbound.record.partition)).case if self._has_lane_cases else None
        return self._stage.context(inbound.cause, work.lookups, lane)  # type: ignore[arg-type]

    # ---- one record

    def _handle(self, work: UnitOfWork, inbound: Inbound) -> None:
        stored = work.case(inbound.case_id)
        if self._is_repeat(work, inbound, stored):
            if not self._stage.is_gateway:
                self._meters.skipped("repeat")
                return
            inbound = inbound.as_repeat()
        if len(stored.decided) >= self._limits.decided_bytes_max and not inbound.cause.is_repeat:
            self._reject_full_case(work, inbound, stored)
        elif stored.parked:
            self._park(work, inbound)
        else:
            self._decide(work, inbound, stored)

    def _is_repeat(self, work: UnitOfWork, inbound: Inbound, stored: Stored) -> bool:
        if has_decided(stored.decided, inbound.id_hash):
            return True
        aside = inbound.aside_id
        return bool(aside) and has_decided(work.case(aside).decided, inbound.id_hash)

    def _reject_full_case(self, work: UnitOfWork, inbound: Inbound, stored: Stored) -> None:
        """Decide nothing more for a case at its limit of decided ids: no sender may let it grow.

        A gateway answers each of its messages, identified by its offset, and remembers none. In the
        core the record is a dead letter that does not count against the limit: it is the senders'
        doing and no sign of a bad release.
        """
        if not self._stage.is_gateway:
            self._dead_letter_full_case(work, inbound, stored)
            return
        self._decide(work, inbound.at_full_case(), stored)

    def _dead_letter_full_case(self, work: UnitOfWork, inbound: Inbound, stored: Stored) -> None:
        detail = f"{len(stored.decided) // 8} records were decided for it"
        self._dead_letter(work, inbound.record, CASE_FULL, detail, inbound.case_id)

    def _decide(self, work: UnitOfWork, inbound: Inbound, stored: Stored) -> None:
        published = work.past.get(inbound.case_id)
        sequence = sequence_of(stored.sequence, published) if published else stored.sequence
        if self._stage.is_gateway:
            inbound = self._rejections.pause(work, inbound)
        try:
            context = self._context(work, inbound)
            decision = self._stage.decide(
                stored.case, inbound.event, inbound.cause, context  # type: ignore[arg-type]
            )  # fmt: skip
            if decision.refused or inbound.cause.is_repeat:
                self._answer_only(work, inbound, decision, context)
                return
            aside = inbound.aside_id if _is_aside(decision, stored) else ""
            outbounds = self._writer.write(decision, inbound, None if aside else sequence)
        except TooLarge as large:
            self._dead_letter(work, inbound.record, "event_too_large", str(large), inbound.case_id)
            return
        except Exception as bug:
            # Deciding is pure: only this record is affected, and what follows it waits (law 4).
            self._logger.exception("rule_raised", report=inbound.case_id, cause=inbound.cause.id)
            why = type(bug).__name__
            self._dead_letter(work, inbound.record, "rule_raised", why, inbound.case_id)
            self._park(work, inbound)
            return
        new = self._unpublished(work, inbound, outbounds)
        if new is None:
            self._park(work, inbound)
        elif aside and len(work.case(aside).decided) >= self._limits.decided_bytes_max:
            self._dead_letter_full_case(work, inbound, work.case(aside))
        else:
            number = sequence + len(outbounds) if new and not aside else sequence
            self._remember(
                work, inbound, aside, stored._replace(case=decision.case, sequence=number)
            )
            work.emit(new)
            self._meters.decided(inbound.event, decision)

    def _remember(self, work: UnitOfWork, inbound: Inbound, aside: str, stored: Stored) -> None:
        """Note the case as it is now, and the record's id there or under its sender."""
        own = inbound.case_id
        if aside:
            there = work.case(aside)
            work.change(aside, there._replace(decided=there.decided + inbound.id_hash))
        else:
            stored = stored._replace(decided=stored.decided + inbound.id_hash)
        if stored != work.case(own):
            work.change(own, stored)

    # ---- rejections of a gateway

    def _answer_only(
        self, work: UnitOfWork, inbound: Inbound, decision: Decision[C], context: P
    ) -> None:
        """Answer a message that no case remembers: rejected, or a repeat.

        The id of the answer is derived from the record's offset, and its sequence number is 0.

        Raises:
            TooLarge: the answer would not fit.
        """
        placed = inbound.at_its_offset()
        if decision.refused and work.releasing is None:
            decision = self._rejections.count(work, placed, decision, context)
        outbounds = self._writer.write(decision, placed, None)
        new = self._unpublished(work, placed, outbounds)
        if new is None:
            self._park(work, inbound)
            return
        work.emit(new)
        self._meters.decided(inbound.event, decision)

    def _unpublished(
        self, work: UnitOfWork, inbound: Inbound, outbounds: list[Outbound]
    ) -> list[Outbound] | None:
        """Return the events that are not published yet; None if the others differ."""
        if self.recovering is None:
            return outbounds
        published = work.past.get(inbound.case_id, _NOTHING_PUBLISHED)
        is_released = work.releasing is not None
        comparison = compare(
            published, inbound, outbounds, self.recovering.order, is_released=is_released
        )
        if comparison.differs and work.releasing != "accept":
            self._dead_letter(
                work, inbound.record, DECIDED_OTHERWISE, comparison.differs, inbound.case_id
            )
            return None
        return comparison.unpublished

    def _dead_letter(
        self, work: UnitOfWork, record: Record, reason: str, detail: str, case_id: str = ""
    ) -> None:
        """Keep a record as a dead letter.

        It counts for its sender: at a gateway the lane, in the core the report. A case that is full
        is its sender's doing, and a replay that does not open was never this stage's to decide:
        neither counts.
        """
        if reason != CASE_FULL and record.topic != _REPLAYS:
            work.dead_letter_senders.append(self._sender(record, case_id))
        letter = self._writer.dead_letter(record, reason, detail, case_id)
        key = dead_letter_event_id(text(dict(letter.headers)["ce_id"]), reason)
        if key not in work.past.get(position_of(record), _NOTHING_PUBLISHED):
            work.emit([letter])
        self._meters.dead_letter(reason)
        self._logger.error(
            "dead_letter", reason=reason, detail=detail, topic=record.topic,
            partition=record.partition, offset=record.offset,
        )  # fmt: skip

    # ---- parking

    def _park(self, work: UnitOfWork, inbound: Inbound) -> None:
        """Put a record at the end of its case's queue; past the bounds it is a dead letter."""
        stored = work.case(inbound.case_id)
        parked = self._reader.parking.add(stored.parked, inbound.record)
        limits = self._limits
        if len(parked) > limits.parked_bytes_max and stored.parked:
            detail = f"its report has {len(stored.parked)} bytes of records parked"
            self._dead_letter(work, inbound.record, "parked_full", detail, inbound.case_id)
            return
        work.change(inbound.case_id, stored._replace(parked=parked))
        self._meters.skipped("parked")

    def _replay(self, work: UnitOfWork, item: Replayed) -> None:
        """Decide or discard a dead letter's record, and then what was parked behind it."""
        stored = work.case(item.case_id)
        if has_decided(stored.decided, item.id_hash):
            self._meters.skipped("repeat")
            return
        try:
            queue = self._reader.parking.read(stored.parked)
        except SealBroken as broken:
            self._dead_letter(work, item.record, "seal_broken", str(broken), item.case_id)
            return
        is_head = bool(queue) and queue[0].position == item.replay.original.position
        todo = [] if item.replay.action == "discard" else [item.replay.original]
        stored = stored._replace(decided=stored.decided + item.id_hash)
        if is_head:
            todo += queue[1:]
            stored = stored._replace(parked=b"")
        work.change(item.case_id, stored)
        work.releasing = item.replay.action
        self._read_and_handle(work, todo)
        work.releasing = None
        self._meters.skipped(f"replayed_{item.replay.action}")

    def _read_and_handle(self, work: UnitOfWork, records: Sequence[ParkedRecord]) -> None:
        for item in self._reader.read(records):
            match item:
                case Inbound():
                    self._handle(work, item)
                case DeadLetter():
                    self._dead_letter(work, item.record, item.reason, item.detail)

    def left_over(
        self,
        cases: Mapping[str, Stored],
        past: PublishedBefore,
        events: Mapping[Position, Record],
        lane: str,
    ) -> UnitOfWork:
        """Park the cases of which consumers have read events that no record gave again.

        The first such event stands in the letter and at the head of the case's queue; a replay
        has nothing to decide in it, and goes on with the queue.
        """
        work = UnitOfWork(dict(cases), past=past, lane=lane, recent=self._recent)
        for report_id, published in past.items():
            first, *more = published.values()
            record = events[first.topic, first.partition, first.offset]
            detail = f"{text(dict(record.headers).get('ce_type'))} and {len(more)} more"
            self._dead_letter(work, record, NOT_DECIDED_AGAIN, detail, report_id)
            stored = work.case(report_id)
            parked = self._reader.parking.add(stored.parked, record)
            number = sequence_of(stored.sequence, published)
            work.change(report_id, stored._replace(parked=parked, sequence=number))
        return work

    # ---- bounds

    def _within_limit(self, senders: Sequence[str], records: int) -> deque[str]:
        recent = dead_letter_limit.extended(self._recent, senders, records)
        is_gateway, limits = self._stage.is_gateway, self._limits
        if dead_letter_limit.is_past(recent, limits, is_gateway=is_gateway):
            count = dead_letter_limit.counted(recent, limits, is_gateway=is_gateway)
            raise StageRefused([
                Refusal(
                    Partition(self._stage.name, 0),
                    "limit",
                    f"{count} of the last {len(recent)} records could not be decided",
                    "Nothing of this batch was saved. Mend the rule or the sender, start again",
                )
            ])  # fmt: skip
        each = dead_letter_limit.of_each(recent)
        for sender in set(senders):
            if each[sender] > limits.dead_letter_own_max:
                self._meters.skipped("sender_held")
                self._logger.error("sender_held", sender=sender, dead_letters=each[sender])
        return recent

    def _sender(self, record: Record, case_id: str) -> str:
        """Return whose dead letter it is: a gateway's lane, a report, or the record itself."""
        if self._stage.is_gateway:
            return self._lane(record)
        return case_id or text(record.key) or position_of(record)

    def _lane(self, record: Record) -> str:
        return self._lane_of(Partition(record.topic, record.partition))


def _is_aside(decision: Decision[C], stored: Stored) -> bool:
    """Return whether a command is remembered under its sender: it did nothing to the case."""
    return decision.aside or decision.case == stored.case
