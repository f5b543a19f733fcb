"""Decides again after a restore: in what order, and which published events nothing explains."""

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
from shared.runtime.recovery.comparison import (
    Order,
    Position,
    Published,
    PublishedBefore,
    When,
    decided_when,
)


class LeftOver(NamedTuple):
    """Published events of one lane that no record decided again gave, with their cases."""

    lane: str
    past: dict[str, dict[str, Published]]
    events: dict[Position, Record]
    cases: Mapping[str, Stored]


class Recovery:
    """Answers from the recovery store and from the stage's own streams."""

    def __init__(
        self,
        store: RecoveryStore,
        log: Log,
        reader: Reader,
        lane_of: Callable[[Partition], str],
        decided_bytes_max: int,
    ) -> None:
        self._decided_bytes_max = decided_bytes_max
        self._store = store
        self._log = log
        self._reader = reader
        self._lane_of = lane_of

    async def when(self, records: Sequence[Record]) -> list[When]:
        """Return when records were decided, as far as their published events tell."""
        keys = [text(record.key) for record in records]
        past = await self._store.published(sorted(set(keys)))
        times = [self._reader.now(record).isoformat() for record in records]
        return decided_when(zip(records, keys, times, strict=True), past)

    async def left_over(self, order: Order, state: State) -> AsyncGenerator[LeftOver, None]:
        """Yield what was published and, with all decided again, by no record; forget the rest.

        A parked case publishes more when it is released: of it nothing is left over yet.
        """
        lanes = {self._lane_of(p) for p in order.until}
        after = ""
        while subjects := await self._store.subjects(after):
            after, past = subjects[-1], await self._store.published(subjects)
            cases = await state.cases(subjects)
            by_lane: dict[str, dict[str, dict[str, Published]]] = {}
            for report_id, published in self._unexplained(past, cases).items():
                own = str(next(iter(published.values())).partition)  # in the core the lane's name
                lane = own if own in lanes else min(lanes)
                by_lane.setdefault(lane, {})[report_id] = published
            for lane, unexplained in by_lane.items():
                events = await self._events(unexplained)
                left = await self._not_aside(unexplained, events, state)
                if left:
                    yield LeftOver(lane, left, events, cases)
            await self._store.forget(
                [
                    event
                    for subject, published in past.items()
                    for event in published.values()
                    if event.is_dead_letter or not cases.get(subject, NOTHING).parked
                ]
            )

    def _unexplained(
        self, past: PublishedBefore, cases: Mapping[str, Stored]
    ) -> dict[str, dict[str, Published]]:
        """Return what was published because of a record that the case has not decided.

        A case that has decided as much as it may remembers no more of what it answered. Without a
        sequence number (a dead letter, the answer to a rejected message) no case remembers it.
        """
        unexplained: dict[str, dict[str, Published]] = {}
        for subject, published in past.items():
            case = cases.get(subject, NOTHING)
            if case.parked or len(case.decided) >= self._decided_bytes_max:
                continue
            left = {
                event_id: event
                for event_id, event in published.items()
                if event.sequence and not has_decided(case.decided, id_hash(event.cause_id))
            }
            if left:
                unexplained[subject] = left
        return unexplained

    async def _not_aside(
        self, past: dict[str, dict[str, Published]], events: Mapping[Position, Record], state: State
    ) -> dict[str, dict[str, Published]]:
        """Leave out what answers a command that is remembered under its institution.

        An answer names that institution; only what 00 did may name another, or none.
        """
        asides = {
            event: [memory_of(subject, code) for code in _institutions(events[_position(event)])]
            for subject, published in past.items()
            for event in published.values()
        }
        rows = await state.cases(sorted({row for rows in asides.values() for row in rows}))
        left: dict[str, dict[str, Published]] = {}
        for subject, published in past.items():
            for event_id, event in published.items():
                decided = [rows.get(row, NOTHING).decided for row in asides[event]]
                if not any(has_decided(ids, id_hash(event.cause_id)) for ids in decided):
                    left.setdefault(subject, {})[event_id] = event
        return left

    async def _events(self, past: PublishedBefore) -> dict[Position, Record]:
        """Read the stage's own events where they lie."""
        positions = {
            _position(event) for published in past.values() for event in published.values()
        }
        spans: dict[Partition, tuple[int, int]] = {}
        for topic, number, offset in positions:
            p = Partition(topic, number)
            start, end = spans.get(p, (offset, offset + 1))
            spans[p] = min(start, offset), max(end, offset + 1)
        events: dict[Position, Record] = {}
        async with aclosing(self._log.read_again(spans, self.when)) as batches:
            async for records in batches:
                events |= {(r.topic, r.partition, r.offset): r for r in records}
        return {position: events[position] for position in positions}


def _position(event: Published) -> Position:
    return event.topic, event.partition, event.offset


def _institutions(event: Record) -> set[str]:
    return {str(json.loads(event.value or b"{}").get("institution", NATIONAL)), NATIONAL}
