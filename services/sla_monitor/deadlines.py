"""From the history to the dates: which deadline every run of a clock has, and when it fires."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from services.sla_monitor.clocks import Holder, Run, runs_of
from services.sla_monitor.due_dates import (
    Measure,
    Pause,
    due,
    due_after_pauses,
    fires_at,
    share_used_at,
    working_days_used,
)
from services.sla_monitor.facts import LATEST, THREAD, Fact, Kind
from services.sla_monitor.history import History
from services.sla_monitor.policy import WARNING, Policy
from shared.contract.events import ReportClass
from shared.registry import NATIONAL, Limit
from shared.registry import Policy as Limits
from shared.registry.models import REPEATS_MAX, Threshold
from shared.worktime.opening_hours import OpeningHours
from shared.worktime.working_days import Calendar, CalendarYearMissing, Reckoned

PROVISIONAL: Final = "+provisional"
"""Ends the name of a calendar's version where a deadline rests on a year without a decree: such a
year counts its working week less the holidays of fixed date, and every event says so."""

WINDOW: Final = 1  # the only level of a reporter's clock: its window ends
AFTER_RETURN: Final = Limit(days=1, source="(open) a step that nobody could take is no breach")
"""Elapsed time is never lost, but a report that comes back when its limit is used up still gets
until the end of the next working day."""


class Deadline(NamedTuple):
    """One run of a clock with its date, all of it derived from the facts, policy and calendar.

    `known_at` is the time of the last it rests on, fact or decree: it chose the calendar's version.
    `hours` count a limit in minutes. `responded_at` is when the unit first answered in a run of the
    follow-up clock.
    """

    run: Run
    holder: Holder
    institution: str
    unit: str | None
    limit: Limit
    at: datetime
    pauses: tuple[Pause, ...]
    is_paused: bool
    is_provisional: bool
    known_at: datetime
    calendar: Calendar
    limits: Limits
    hours: OpeningHours | None = None
    responded_at: datetime | None = None

    @property
    def key(self) -> str:
        """Return the run's identity in the case."""
        return self.run.key

    @property
    def started_at(self) -> datetime:
        """Return what the limit counts from (UTC)."""
        return self.run.start.at

    @property
    def stopped_at(self) -> datetime | None:
        """Return when the step was done or nothing was owed any more (UTC)."""
        return self.run.stopped_at

    @property
    def paused_for(self) -> timedelta:
        """Return the length of the pauses that are over."""
        closed = (pause.until - pause.since for pause in self.pauses if pause.until is not None)
        return sum(closed, timedelta(0))

    @property
    def calendar_version(self) -> str:
        """Return the calendar's version, flagged where the deadline is provisional."""
        return self.calendar.version + (PROVISIONAL if self.is_provisional else "")

    @property
    def is_running(self) -> bool:
        """Tell whether the clock runs: not stopped, not paused, not known to be over."""
        return self.run.stopped_at is None and not self.is_paused and not self.run.is_over

    def working_days(self, until: datetime) -> float:
        """Measure the working days used, 24 h each, pauses excluded, whatever the limit's unit."""
        used = working_days_used(self.calendar, self.started_at, until, self.pauses)
        return round(used, 3)

    def due_timers(self) -> Iterator[tuple[datetime, int]]:
        """List when which level is due: warnings, then escalations, none before the one below it.

        A warning that would come before the date was known is no warning. A reporter's clock has
        the end of its window only. What would lie beyond all calendars never fires.
        """
        if self.run.row.holder is Holder.REPORTER:
            yield self.at, WINDOW
            return
        with suppress(CalendarYearMissing):
            yield from self._levels()

    @property
    def fires_until(self) -> datetime:
        """Return by when its last level is due, at the latest (UTC)."""
        steps = self.limits.thresholds(self.run.row.clock)
        if self.run.row.holder is Holder.REPORTER or not steps:
            return self.at
        last = steps[-1]
        try:
            latest = max(self.at, self._due(last))
            for step in steps:
                if step.at_share is not None:
                    latest = max(latest, self._due(step))
            if last.repeat_days is not None:
                latest = fires_at(self.calendar, latest, REPEATS_MAX * last.repeat_days).at
        except CalendarYearMissing:
            return LATEST
        return latest

    def _levels(self) -> Iterator[tuple[datetime, int]]:
        known_since = max(self.known_at, self.run.start.at)
        latest: datetime | None = None
        for step in self.limits.thresholds(self.run.row.clock):
            due_at = self._due(step)
            if step.level > WARNING:
                due_at = max(due_at, self.at)
            latest = due_at if latest is None else max(latest, due_at)
            if step.level > WARNING or latest > known_since:
                yield latest, step.level
            if step.repeat_days is not None:
                for number in range(1, REPEATS_MAX + 1):
                    again = fires_at(self.calendar, latest, number * step.repeat_days)
                    yield again.at, step.level + number

    def _due(self, step: Threshold) -> datetime:
        if step.at_share is None:
            return fires_at(self.calendar, self.at, step.after_days or 0).at
        whole = due(self.calendar, self.started_at, self.limit, self.hours).at
        measure = Measure(self.calendar, self.limit.unit, self.hours)
        return share_used_at(measure, self.started_at, whole, step.at_share, self.pauses)


def deadlines_of(history: History, policy: Policy, *, running_only: bool = False) -> list[Deadline]:
    """Return the deadline of every run of every clock: a function of the facts, not their order.

    `running_only` leaves out the runs that were stopped, or are known to be over.
    """
    runs = runs_of(history)
    windows = {
        run.key: _deadline(history, policy, run, ())
        for run in runs
        if run.row.clock == "completion"
    }
    questions = [(window.run.opened, pause_of(history, window)) for window in windows.values()]
    return [
        windows.get(run.key) or _deadline(history, policy, run, _pauses(run, runs, questions))
        for run in runs
        if not running_only or (run.stopped_at is None and not run.is_over)
    ]


def pause_of(history: History, window: Deadline) -> Pause:
    """Return how long the reporter was asked: to the answer, the window's end, or open.

    An answer after the window's end does not prolong the pause, whether that end was read or not.
    """
    opened, stopped_at = window.run.opened, window.stopped_at
    ends = [f.at for f in history.all(Kind.RAN_OUT) if f.id == opened.id]
    if stopped_at is not None:
        ends += (stopped_at, window.at)
    return Pause(opened.at, min(ends, default=None))


Questions = Sequence[tuple[Fact, Pause]]


def _pauses(run: Run, runs: Sequence[Run], questions: Questions) -> tuple[Pause, ...]:
    """List a run's pauses: while its stage asked, and while a returned report was elsewhere."""
    stage, holding = run.row.asking_stage, run.opened.holding
    if stage is None:
        return ()
    is_national = stage == "national"
    pauses = [
        pause
        for asked, pause in questions
        if asked.stage == stage
        and (asked.holding <= holding if is_national else asked.holding == holding)
    ]
    if is_national and holding:
        pauses += _elsewhere([other for other in runs if other.row is run.row], holding)
    return tuple(sorted(set(pauses), key=lambda pause: pause.since)) if pauses else ()


def _elsewhere(runs: Sequence[Run], holding: int) -> Iterator[Pause]:
    """List when a report was with institutions before a holding ended, between national runs."""
    for earlier in runs:
        for later in runs:
            follows = later.opened.holding == earlier.opened.holding + 1 <= holding
            if follows and earlier.stopped_at is not None:
                yield Pause(earlier.stopped_at, later.opened.at)


def _deadline(history: History, policy: Policy, run: Run, pauses: tuple[Pause, ...]) -> Deadline:
    holder, institution, unit = _owner(history, run)
    clock, start = run.row.clock, run.start
    limits = policy.limits(
        institution, policy.limits_time(institution, start.known_at, run.stopped_at)
    )
    class_fact = classified(history, run) if clock == "follow_up" else None
    again = run.row.again and run.opened.kind is not Kind.DISPATCHED
    limit = limits.limit(clock, class_fact.report_class if class_fact else None, again=again)
    known_times = [run.opened.known_at, *(p.until for p in pauses if p.until is not None)]
    if class_fact is not None:
        known_times.append(class_fact.known_at)
    known_at = policy.calendar_time(institution, max(known_times), run.stopped_at)
    calendar = policy.calendar(institution, known_at)
    hours = policy.hours(institution, known_at) if limit.unit == "working_minutes" else None
    reckoned, is_paused = _reckon(calendar, start.at, limit, pauses, hours)
    if run.opened.kind is Kind.RETURNED:
        later = [pause for pause in pauses if pause.since >= run.opened.at]
        at_least, is_paused_after = _reckon(calendar, run.opened.at, AFTER_RETURN, later)
        reckoned, is_paused = max(reckoned, at_least), is_paused or is_paused_after
    return Deadline(
        run, holder, institution, unit, limit, reckoned.at, pauses, is_paused,
        reckoned.is_provisional, known_at, calendar, limits, hours,
        _responded(history, run) if clock == "follow_up" else None,
    )  # fmt: skip


def _reckon(
    calendar: Calendar,
    start: datetime,
    limit: Limit,
    pauses: Sequence[Pause],
    hours: OpeningHours | None = None,
) -> tuple[Reckoned, bool]:
    """Return a date by the pauses that are over, and whether one that is not holds the clock."""
    reckoned: Reckoned | None
    if pauses:
        reckoned = due_after_pauses(calendar, start, limit, pauses, hours)
    else:
        reckoned = due(calendar, start, limit, hours)
    is_paused = reckoned is None
    if reckoned is None:
        closed = [pause for pause in pauses if pause.until is not None]
        reckoned = due_after_pauses(calendar, start, limit, closed, hours)
        reckoned = reckoned or due(calendar, start, limit, hours)
    if reckoned.is_provisional or limit.unit == "calendar_days":
        return reckoned, is_paused
    # Every later year was looked at on the way; in mid-year the year is the same in all zones.
    year = start.year if 1 < start.month < 12 else calendar.local_date(start).year  # noqa: PLR2004
    is_sure = year in calendar.years
    return (reckoned if is_sure else Reckoned(reckoned.at, is_provisional=True)), is_paused


def _owner(history: History, run: Run) -> tuple[Holder, str, str | None]:
    """Return who owes the step, at which institution, in which unit: as of the stop, or now."""
    holder = run.row.holder
    if holder is Holder.NATIONAL:
        return holder, NATIONAL, None
    institution = run.opened.institution or NATIONAL
    if run.row.clock == "reply":
        return holder, institution, run.opened.unit
    if holder is not Holder.UNIT:
        return holder, institution, None
    at_stop = run.stop.unit if run.stop is not None else None
    unit = at_stop or history.unit_at(run.opened.holding, run.stopped_at)
    return (Holder.INSTITUTION if unit is None else holder), institution, unit


def classified(history: History, run: Run) -> Fact | None:
    """Return the fact that classified a follow-up's report last before the step was done.

    By the institution's own stream; the class that the dispatch names counts until that is known.
    """
    until, holding = run.stopped_at, run.opened.holding
    facts: list[Fact] = [
        f for f in history.all(Kind.ACCEPTED, Kind.RECLASSIFIED)
        if f.holding == holding and (until is None or f.at <= until)
    ]  # fmt: skip
    if facts:
        return max(facts, key=lambda f: (f.n, f.order)) if len(facts) > 1 else facts[0]
    sent = [
        f for f in history.all(Kind.DISPATCHED)
        if f.holding == holding and isinstance(f.report_class, ReportClass)
    ]  # fmt: skip
    return max(sent, key=lambda f: (f.dispatch, f.order), default=None)


def _responded(history: History, run: Run) -> datetime | None:
    """Return when the unit gave its initial response within a run of the follow-up clock."""
    opened, stop = run.opened, run.stop
    given = [
        fact.at
        for fact in history.by_kind.get(Kind.RESPONDED, ())
        if fact.holding == opened.holding
        and (fact.n > opened.n if opened.kind in THREAD else fact.at >= opened.at)
        and (stop is None or (fact.n < stop.n if stop.kind in THREAD else fact.at <= stop.at))
    ]
    return min(given, default=None)
