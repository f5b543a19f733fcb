"""The table of clocks: what starts and stops each, who owes it (domain.md sections 1 and 2).

`runs_of` turns a history into the runs of these clocks. Which limit a run has is the policy's,
which date that gives the calendar's: `deadlines.py`.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import takewhile
from typing import Final, Literal, NamedTuple

from services.sla_monitor.facts import THREAD, Fact, Kind
from services.sla_monitor.history import History
from shared.contract.events import Clock


class Holder(StrEnum):
    """Who holds a report or owes its next step."""

    NATIONAL = "national"
    INSTITUTION = "institution"
    UNIT = "unit"
    REPORTER = "reporter"


@dataclass(frozen=True, slots=True)
class ClockRow:
    """One clock. `stops_it(start, stop)` says whether a stop is that start's.

    `over(start, fact)` says whether a fact shows that the step was done although the stop itself
    has not come yet: nobody is warned then, and nothing is published before the stop comes. `again`
    marks the clock that later facts of the same holding start anew. `asking_stage` is the stage
    whose questions to the reporter pause it.
    """

    clock: Clock
    holder: Holder
    starts: tuple[Kind, ...]
    stops: tuple[Kind, ...]
    stops_it: Callable[[Fact, Fact], bool]
    over: Callable[[Fact, Fact], bool]
    group: Callable[[Fact], str]
    again: bool = False
    asking_stage: Literal["national", "institution"] | None = None


class Run(NamedTuple):
    """One run of a clock. `start` is what its limit counts from, `opened` the fact of this run.

    `stopped_at` is when the run ended, never before it began (UTC). `is_over`: the stop has not
    come, but others' facts show that the step was done.
    """

    key: str
    row: ClockRow
    opened: Fact
    start: Fact
    stop: Fact | None
    stopped_at: datetime | None
    is_over: bool


def _next_holding(start: Fact, fact: Fact) -> bool:
    return fact.holding == start.holding + 1


def _later_holding(start: Fact, fact: Fact) -> bool:
    return fact.holding > start.holding


def _same_holding(start: Fact, fact: Fact) -> bool:
    return fact.holding == start.holding


def _past_verification(start: Fact, fact: Fact) -> bool:
    past = fact.kind in (Kind.RECLASSIFIED, Kind.HELD, Kind.DISPATCHED) or fact.kind in THREAD
    return fact.holding > start.holding or (fact.holding == start.holding and past)


def awaited_dispatch(start: Fact) -> int:
    """Return the number of the dispatch that an acceptance, a return or a held routing awaits."""
    return start.dispatch + (start.kind is not Kind.HELD)


def _ends_dispatch(start: Fact, fact: Fact) -> bool:
    if not _same_holding(start, fact):
        return False
    match fact.kind:
        case Kind.RETURNED:
            return True
        case Kind.CLOSED if start.kind in THREAD:
            return fact.n > start.n
        case Kind.CLOSED:
            return fact.at >= start.at
    return fact.dispatch >= awaited_dispatch(start)


def _past_dispatch(start: Fact, fact: Fact) -> bool:
    sent = _same_holding(start, fact) and fact.kind in THREAD
    return _later_holding(start, fact) or (sent and fact.dispatch >= awaited_dispatch(start))


def _later_in_thread(start: Fact, fact: Fact) -> bool:
    in_thread = start.kind in THREAD and fact.kind in THREAD
    return _same_holding(start, fact) and (not in_thread or fact.n > start.n)


def _settles_question(start: Fact, fact: Fact) -> bool:
    match fact.kind:
        case Kind.COMPLETED:
            return fact.at >= start.at if start.asked_at is None else fact.at > start.asked_at
        case Kind.ASKED:
            same = fact.stage == start.stage and fact.holding == start.holding
            return same and fact.n > start.n
        case Kind.FORWARDED:
            return start.stage == "national" and _next_holding(start, fact)
    return start.stage == "institution" and _same_holding(start, fact)


def _past_question(start: Fact, fact: Fact) -> bool:
    if start.stage == "institution":
        return _past_verification(start, fact)
    return _later_holding(start, fact)


CLOCKS: Final = (
    ClockRow(
        "national_verification", Holder.NATIONAL,
        starts=(Kind.RECEIVED, Kind.RETURNED), stops=(Kind.FORWARDED,),
        stops_it=_next_holding, over=_later_holding,
        group=lambda f: str(f.holding), asking_stage="national",
    ),
    ClockRow(
        "institution_verification", Holder.INSTITUTION,
        starts=(Kind.FORWARDED,), stops=(Kind.ACCEPTED, Kind.RETURNED),
        stops_it=_same_holding, over=_past_verification,
        group=lambda f: str(f.holding), asking_stage="institution",
    ),
    ClockRow(
        "dispatch", Holder.INSTITUTION,
        starts=(Kind.ACCEPTED, Kind.HELD, Kind.UNIT_RETURNED),
        stops=(Kind.DISPATCHED, Kind.RETURNED, Kind.CLOSED),
        stops_it=_ends_dispatch, over=_past_dispatch,
        group=lambda f: f"{f.holding}:{awaited_dispatch(f)}",
    ),
    ClockRow(
        "follow_up", Holder.UNIT,
        starts=(Kind.DISPATCHED, Kind.ANSWERED, Kind.REOPENED),
        stops=(Kind.FOLLOWED_UP, Kind.CLOSED, Kind.RETURNED),
        stops_it=_later_in_thread, over=_later_holding,
        group=lambda f: str(f.holding), again=True,
    ),
    ClockRow(
        "completion", Holder.REPORTER,
        starts=(Kind.ASKED,),
        stops=(Kind.COMPLETED, Kind.ASKED, Kind.FORWARDED, Kind.ACCEPTED, Kind.RETURNED),
        stops_it=_settles_question, over=_past_question,
        group=lambda f: f.id,
    ),
    ClockRow(
        "reply", Holder.REPORTER,
        starts=(Kind.FOLLOWED_UP,),
        stops=(Kind.ANSWERED, Kind.CLOSED, Kind.FOLLOWED_UP, Kind.RETURNED),
        stops_it=_later_in_thread, over=_later_holding,
        group=lambda f: f.id,
    ),
)  # fmt: skip
"""Every clock also stops at an end (archived, blocked, withdrawn) and never starts after one."""


def runs_of(history: History) -> list[Run]:
    """Return every run of every clock, in the order they began, then of the table."""
    ordered: list[tuple[datetime, int, str, Run]] = []
    kinds = history.by_kind.keys()
    for number, row in enumerate(CLOCKS):
        if not kinds.isdisjoint(row.starts):
            starts = history.all(*row.starts)
            runs = _runs_of_clock(history, row, starts)
            ordered += [(run.opened.at, number, run.key, run) for run in runs]
    return [run for *_, run in sorted(ordered)]


def _runs_of_clock(history: History, row: ClockRow, starts: Sequence[Fact]) -> Iterator[Run]:
    last: dict[str, Run] = {}
    end = history.end
    stops = history.all(*row.stops)
    for opened in sorted(starts, key=_begins) if row.again and len(starts) > 1 else starts:
        group = row.group(opened)
        before = last.get(group)
        is_late = end is not None and opened.at > end.at
        if is_late or (before is not None and not _again(before, opened)):
            continue
        stop = _stop(row, opened, stops)
        if end is not None and (stop is None or end.at < stop.at):
            stop = end
        last[group] = run = _run(history, row, opened, stop, group)
        yield run


def _begins(start: Fact) -> tuple[object, ...]:
    """Order starts: dispatches by number, before what happened at the units, that by offset."""
    return start.holding, start.kind is not Kind.DISPATCHED, start.dispatch, start.n, start.id


def _again(before: Run, opened: Fact) -> bool:
    """Tell whether a fact starts the clock anew: only after the run before it was stopped."""
    stop = before.stop
    if not before.row.again or stop is None or opened.kind not in THREAD:
        return False
    return stop.kind in THREAD and stop.n < opened.n


def _run(history: History, row: ClockRow, opened: Fact, stop: Fact | None, group: str) -> Run:
    """Return a run; after a return the national limit goes on from the report's reception."""
    is_first = not row.again or opened.kind not in THREAD
    counts_from = history.received if row.asking_stage == "national" else opened
    return Run(
        f"{row.clock}:{group if is_first else opened.id}",
        row,
        opened,
        counts_from or opened,
        stop,
        None if stop is None else max(stop.at, opened.at),
        stop is None and any(row.over(opened, fact) for fact in history.facts),
    )


def _stop(row: ClockRow, opened: Fact, stops: Sequence[Fact]) -> Fact | None:
    """Return a run's first stop, of `stops` in canonical order.

    One from before the start counts at the start; of several at one time the lowest number counts.
    """
    late_from = bisect_right(stops, opened.at, key=lambda f: f.at)
    matching = [f for f in stops[:late_from] if f is not opened and row.stops_it(opened, f)]
    if not matching:
        late = (f for f in stops[late_from:] if row.stops_it(opened, f))
        if (first := next(late, None)) is not None:
            matching = [first, *takewhile(lambda f: f.at == first.at, late)]
    return min(matching, key=lambda f: (f.n, f.order), default=None)
