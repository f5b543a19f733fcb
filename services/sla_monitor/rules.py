"""Which events a report's deadlines make: set, moved, met, approaching, breached. Pure.

The deadlines are a function of the set of facts (`deadlines.py`); a decision is the difference
between them and what was published before, which the case keeps.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from pydantic import BaseModel

from services.sla_monitor.announcements import (
    Announcement,
    DueTimer,
    announcement_of,
    deadline_met,
    deadline_moved,
    deadline_set,
    deadline_withdrawn,
    due_event,
)
from services.sla_monitor.breaches import Moment, correct, withdraw_all
from services.sla_monitor.clocks import Holder
from services.sla_monitor.deadlines import Deadline, deadlines_of
from services.sla_monitor.facts import (
    FACTS_MAX,
    LATEST,
    Fact,
    Kind,
    add,
    fact_of,
    ran_out,
)
from services.sla_monitor.history import History
from services.sla_monitor.ledger import holder_now
from services.sla_monitor.policy import Policy
from shared.contract import events as e
from shared.contract.topics import lane_case
from shared.registry import Change
from shared.rules.decision import Cause, Decision, decided, then


class MonitoredCase(BaseModel, frozen=True, hide_input_in_errors=True):
    """One report's facts, what was published of its deadlines by run, and its timer.

    `holder`, `next_deadline` and `next_clock` are for people who look at the table. A recompute
    finds by `institutions`, `counts_from` and `counts_until` (UTC) which cases a decree may move:
    whose clocks are open, since when, and when the last level is due. `changes` fills the case of a
    lane itself: the changes read from the registry's stream.
    """

    report_id: str
    facts: tuple[Fact, ...] = ()
    announcements: dict[str, Announcement] = {}
    is_over: bool = False
    holder: str = ""
    next_deadline: datetime | None = None
    next_clock: str | None = None
    timer_at: datetime | None = None
    institutions: tuple[str, ...] = ()
    counts_from: datetime | None = None
    counts_until: datetime | None = None
    changes: tuple[Change, ...] = ()


def decide(
    case: MonitoredCase | None, event: BaseModel, cause: Cause, policy: Policy
) -> Decision[MonitoredCase]:
    """Add a fact to the set and publish what changes by it, or what is due when the timer fires."""
    if isinstance(event, e.TimerFired):
        return _fire(case, event, cause, policy)
    if isinstance(event, e.CalendarAmended | e.PolicyChanged):
        return decided(_with_change(case, event, cause))
    if isinstance(event, e.Recompute):
        return _recompute(case, cause, policy)
    fact = fact_of(event, cause)
    if fact is None or not isinstance(event, e.Event):
        return decided(case)
    before = case or MonitoredCase(report_id=event.report_id)
    facts = add(before.facts, fact)
    if facts is before.facts:
        return decided(case)
    return _settle(before, facts, before.announcements, cause.now, policy)


def _with_change(
    lane: MonitoredCase | None, event: e.CalendarAmended | e.PolicyChanged, cause: Cause
) -> MonitoredCase:
    """Keep a change of the registry in the lane's own case; it counts from its record's time."""
    case = lane or MonitoredCase(report_id=lane_case(cause.partition), is_over=True)
    change = Change(event=event, seen_at=cause.now)
    return case.model_copy(update={"changes": (*case.changes, change)})


# ---- the difference to what was published


def _settle(
    case: MonitoredCase,
    facts: tuple[Fact, ...],
    announcements: dict[str, Announcement],
    now: datetime,
    policy: Policy,
) -> Decision[MonitoredCase]:
    """Publish the difference between the deadlines by these facts and those published before."""
    history = History.of(facts)
    deadlines = deadlines_of(history, policy)
    moment = Moment(case.report_id, now, history.over_at, policy)
    announcements, events = _differences(
        moment, announcements, history, deadlines, is_full=len(facts) >= FACTS_MAX
    )
    return decided(_armed(case, facts, announcements, history, deadlines), *events)


def _differences(
    moment: Moment,
    before: dict[str, Announcement],
    history: History,
    deadlines: Sequence[Deadline],
    *,
    is_full: bool,
) -> tuple[dict[str, Announcement], list[e.Event]]:
    """Return what is published of each run from now on, and the events that do so.

    Of a case that `is_full` the oldest facts were dropped: what was met is a closed book then, and
    a run that is no more was forgotten, not wrong.
    """
    announcements: dict[str, Announcement] = {}
    events: list[e.Event] = []
    for deadline in deadlines:
        key, was = deadline.run.key, before.get(deadline.run.key)
        if is_full and was is not None and was.met_at is not None:
            announcements[key] = was
            continue
        announcements[key], more = _changes(moment, was, deadline)
        events += more
    for key, was in sorted(before.items()):
        if key not in announcements and not is_full:
            events += _withdrawn(moment, key, was, history)
    return announcements, events


def _withdrawn(moment: Moment, run: str, was: Announcement, history: History) -> Iterator[e.Event]:
    """Withdraw what was published of a run that never was."""
    yield from withdraw_all(moment, run, was)
    if was.is_set and was.met_at is None:
        at = max(was.started_at, history.end.at if history.end else was.started_at)
        yield deadline_withdrawn(moment.report_id, run, was, at)


def _changes(
    moment: Moment, before: Announcement | None, deadline: Deadline
) -> tuple[Announcement, list[e.Event]]:
    """Return what is new of one run, in the order it happened: its date, its levels, its end."""
    is_over = moment.over_at is not None
    announcement = announcement_of(deadline, before, is_set=not is_over)
    if announcement is before and (
        before.met_at is not None or (not before.levels and not is_over)
    ):
        return announcement, []
    events = list(_date_events(moment, before, deadline, is_over=is_over))
    announcement, levels = correct(moment, before, announcement, deadline)
    events += levels
    if _is_newly_met(before, announcement, deadline, is_over=is_over):
        events.append(deadline_met(moment.report_id, deadline, announcement.met_at or moment.now))
    return announcement, events


_LAST: Final = (Kind.ENDED, Kind.CLOSED)
_OF_MEETING: Final = (
    "met_at", "deadline", "started_at", "paused_seconds", "responded_at", "calendar_version",
)  # fmt: skip
"""What `DeadlineMet` depends on: when, whether in time, after how many working days."""


def _date_events(
    moment: Moment, before: Announcement | None, deadline: Deadline, *, is_over: bool
) -> Iterator[e.Event]:
    """Yield that a date is set or has moved; nothing after an end."""
    if is_over:
        return
    if before is None or not (before.is_set or before.met_at):
        yield deadline_set(moment.report_id, deadline)
        return
    if deadline.run.stopped_at is not None:
        return
    if before.deadline != deadline.at:
        yield deadline_moved(moment.report_id, before, deadline)
    is_other = (deadline.holder.value, deadline.unit) != (before.owner, before.unit)
    if is_other or before.met_at is not None:
        yield deadline_set(moment.report_id, deadline, before)


def _is_newly_met(
    before: Announcement | None, announcement: Announcement, deadline: Deadline, *, is_over: bool
) -> bool:
    """Tell whether it is news that a step was done, or when, or whether in time.

    A step that was done before an end is met; what the end itself stopped is published only if
    it was set. The end of a window that was published and holds is no meeting.
    """
    met_at, stop = announcement.met_at, deadline.run.stop
    if met_at is None:
        return False
    if before is None or not (before.is_set or before.met_at):
        return not (is_over and stop is not None and stop.kind in _LAST)
    is_news = any(getattr(before, name) != getattr(announcement, name) for name in _OF_MEETING)
    is_window = deadline.run.row.holder is Holder.REPORTER
    has_run_out = is_window and bool(before.levels) and met_at >= deadline.at
    return is_news and not has_run_out


# ---- timers


class _Due(NamedTuple):
    """What is due of a case by a time, in the order it is due, and when something is next (UTC)."""

    due_timers: list[DueTimer]
    next_at: datetime | None


def _due(
    announcements: dict[str, Announcement], deadlines: Sequence[Deadline], by: datetime | None
) -> _Due:
    """List the levels of running clocks that are still to be published."""
    due_timers: list[DueTimer] = []
    later: list[datetime] = []
    for deadline in deadlines:
        if not deadline.is_running:
            continue
        announcement = announcements[deadline.run.key]
        for due_at, level in deadline.due_timers():
            if announcement.levels and announcement.has_published(level, deadline.at):
                continue
            if by is None or due_at > by:
                later.append(due_at)
                break
            due_timers.append(DueTimer(due_at, level, deadline))
    due_timers.sort(
        key=lambda due_timer: (due_timer.due_at, due_timer.level, due_timer.deadline.key)
    )
    return _Due(due_timers, min(later, default=None))


def _fire(
    case: MonitoredCase | None, event: e.TimerFired, cause: Cause, policy: Policy
) -> Decision[MonitoredCase]:
    """Publish every level due by the timer's time, in order; nothing for a timer not awaited.

    The timer is compared with the case, never with a clock: one that is late, early or repeated
    publishes nothing twice. What became due meanwhile fires next. A date that the registry moved
    unseen is moved first.
    """
    if case is None or case.timer_at is None or event.due_at != case.timer_at:
        return decided(case)
    running = deadlines_of(History.of(case.facts), policy, running_only=True)
    first = decided(case)
    if any(_differs(case.announcements.get(deadline.key), deadline) for deadline in running):
        first = _settle(case, case.facts, case.announcements, cause.now, policy)
        case = first.case
        if case is None or event.due_at != case.timer_at:
            return first
    fired = _publish_due(case, running, event.due_at, cause.now, policy)
    return then(first, lambda _: fired) if first.events else fired


def _differs(before: Announcement | None, deadline: Deadline) -> bool:
    return before is None or before.deadline != deadline.at or before.unit != deadline.unit


def _publish_due(
    case: MonitoredCase, running: Sequence[Deadline], by: datetime, now: datetime, policy: Policy
) -> Decision[MonitoredCase]:
    """Publish what is due by a time. A window that ran out is a fact: the paused clock goes on."""
    due = _due(case.announcements, running, by)
    announcements, facts = dict(case.announcements), case.facts
    events = [due_event(case.report_id, due_timer, now, policy) for due_timer in due.due_timers]
    for due_timer in due.due_timers:
        run = due_timer.deadline.run
        before = announcements[run.key]
        announcements[run.key] = before.with_levels((*before.levels, due_timer.published))
        if run.row.clock == "completion":
            facts = add(facts, ran_out(run.opened.id, due_timer.deadline.at))
    if facts is not case.facts:
        settled = _settle(case, facts, announcements, now, policy)
        return then(decided(settled.case, *events), lambda _: settled)
    return decided(
        case.model_copy(update={"announcements": announcements, "timer_at": due.next_at}), *events
    )


def _recompute(case: MonitoredCase | None, cause: Cause, policy: Policy) -> Decision[MonitoredCase]:
    """Move what a change of the registry moves; a case that it does not touch stays to the byte."""
    if case is None:
        return decided(None)
    settled = _settle(case, case.facts, case.announcements, cause.now, policy)
    return settled if settled.events or _when(settled.case) != _when(case) else decided(case)


def _when(case: MonitoredCase | None) -> tuple[datetime | None, ...]:
    """Return the first and the last time that a case has something to publish."""
    return (case.timer_at, case.counts_until) if case else ()


# ---- the case as it is kept


def _armed(
    case: MonitoredCase,
    facts: tuple[Fact, ...],
    announcements: dict[str, Announcement],
    history: History,
    deadlines: Sequence[Deadline],
) -> MonitoredCase:
    """Set the timer to the next level that is due, and the columns for people and recomputes."""
    is_over = history.is_over
    pending = (
        [] if is_over else [d for d in deadlines if d.stopped_at is None and not d.run.is_over]
    )
    running = [d for d in pending if not d.is_paused]
    next_deadline, next_clock = min(
        ((d.at, d.run.row.clock) for d in running), default=(None, None)
    )
    has_paused = len(running) < len(pending)
    return case.model_copy(
        update={
            "facts": facts,
            "announcements": announcements,
            "is_over": is_over,
            "holder": "" if is_over else holder_now(history, deadlines),
            "next_deadline": next_deadline,
            "next_clock": next_clock,
            "timer_at": _due(announcements, running, None).next_at,
            "institutions": tuple(sorted({d.institution for d in pending})),
            "counts_from": min((d.started_at for d in pending), default=None),
            "counts_until": LATEST
            if has_paused
            else max((d.fires_until for d in running), default=None),
        }
    )
