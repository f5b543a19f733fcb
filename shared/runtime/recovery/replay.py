"""What the shell asks of the past after its database was restored: in what order, what is left."""

import json
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import NamedTuple

from shared.contract.envelope import Record, id_hash, text
from shared.registry import NATIONAL
from shared.runtime.batch import NOTHING, has_decided
from shared.runtime.case_store import Stored
from shared.runtime.lanes import Partition
from shared.runtime.ports import Log, RecoveryStore, State
from shared.runtime.reader import Reader, memory_of
from shared.runtime.recovery.comparison import Order, Past, Place, Told, When, decided_when


class LeftOver(NamedTuple):
    """Of some reports of one lane: what no record said again, its records, and the cases."""

    lane: str
    past: dict[str, dict[str, Told]]
    events: dict[Place, Record]
    cases: Mapping[str, Stored]


class Recovery:
    """Answers from the memory of what was said and from the stage's own streams."""

    def __init__(
        self,
        memory: RecoveryStore,
        log: Log,
        reader: Reader,
        lane_of: Callable[[Partition], str],
        decided_bytes_max: int,
    ) -> None:
        self._decided_bytes_max = decided_bytes_max
        self._memory = memory
        self._log = log
        self._reader = reader
        self._lane_of = lane_of

    async def when(self, records: Sequence[Record]) -> list[When]:
        """Return when records were decided, as far as what they said tells."""
        keys = [text(record.key) for record in records]
        past = await self._memory.told(sorted(set(keys)))
        times = [self._reader.now(record).isoformat() for record in records]
        return decided_when(zip(records, keys, times, strict=True), past)

    async def left_over(self, order: Order, state: State) -> AsyncGenerator[LeftOver, None]:
        """Yield what was said and, with all decided again, by no record; forget what was.

        A case that is parked says more when it is released: of it nothing is left over yet.
        """
        lanes = {self._lane_of(p) for p in order.until}
        after = ""
        while subjects := await self._memory.subjects(after):
            after, past = subjects[-1], await self._memory.told(subjects)
            cases = await state.cases(subjects)
            by_lane: dict[str, dict[str, dict[str, Told]]] = {}
            for report_id, told in self._unsaid(past, cases).items():
                own = str(next(iter(told.values())).partition)  # in the core the lane's name
                lane = own if own in lanes else min(lanes)
                by_lane.setdefault(lane, {})[report_id] = told
            for lane, mine in by_lane.items():
                events = await self._events(mine)
                left = await self._not_aside(mine, events, state)
                if left:
                    yield LeftOver(lane, left, events, cases)
            await self._memory.forget(
                [
                    t
                    for subject, told in past.items()
                    for t in told.values()
                    if t.is_letter or not cases.get(subject, NOTHING).parked
                ]
            )

    def _unsaid(self, past: Past, cases: Mapping[str, Stored]) -> dict[str, dict[str, Told]]:
        """Return what was said because of a record that the case has not decided.

        A case that has decided as much as it may remembers no more of what it answered. What has
        no number (a dead letter, the answer to a message refused) no case remembers.
        """
        found: dict[str, dict[str, Told]] = {}
        for subject, told in past.items():
            case = cases.get(subject, NOTHING)
            if case.parked or len(case.decided) >= self._decided_bytes_max:
                continue
            left = {
                t.event_id: t
                for t in told.values()
                if t.sequence and not has_decided(case.decided, id_hash(t.cause_id))
            }
            if left:
                found[subject] = left
        return found

    async def _not_aside(
        self, past: dict[str, dict[str, Told]], events: Mapping[Place, Record], state: State
    ) -> dict[str, dict[str, Told]]:
        """Leave out what answers a command that is remembered under its institution.

        An answer names that institution; only what 00 did may name another, or none.
        """
        asides = {
            t: [memory_of(subject, code) for code in _institutions(events[_place(t)])]
            for subject, told in past.items()
            for t in told.values()
        }
        rows = await state.cases(sorted({row for rows in asides.values() for row in rows}))
        found: dict[str, dict[str, Told]] = {}
        for subject, told in past.items():
            for event_id, t in told.items():
                decided = [rows.get(row, NOTHING).decided for row in asides[t]]
                if not any(has_decided(ids, id_hash(t.cause_id)) for ids in decided):
                    found.setdefault(subject, {})[event_id] = t
        return found

    async def _events(self, past: Past) -> dict[Place, Record]:
        """Read the stage's own events where they lie."""
        wanted = {_place(t) for told in past.values() for t in told.values()}
        spans: dict[Partition, tuple[int, int]] = {}
        for topic, number, offset in wanted:
            p = Partition(topic, number)
            start, end = spans.get(p, (offset, offset + 1))
            spans[p] = min(start, offset), max(end, offset + 1)
        found: dict[Place, Record] = {}
        async with aclosing(self._log.read_again(spans, self.when)) as batches:
            async for records in batches:
                found |= {(r.topic, r.partition, r.offset): r for r in records}
        return {place: found[place] for place in wanted}


def _place(told: Told) -> Place:
    return told.topic, told.partition, told.offset


def _institutions(event: Record) -> set[str]:
    return {str(json.loads(event.value or b"{}").get("institution", NATIONAL)), NATIONAL}
