"""What is said of a report's deadlines: set, moved, met, near, passed. Pure.

The deadlines wanted are a function of the set of facts (`deadlines.py`); a decision is the
difference between them and what was said before, which the case keeps.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from pydantic import BaseModel

from services.sla_monitor.announcements import (
    DueTimer,
    Said,
    level_reached,
    remember,
    was_met,
    was_moved,
    was_never_owed,
    was_set,
)
from services.sla_monitor.breaches import Moment, correct, withdraw_all
from services.sla_monitor.clocks import Holder
from services.sla_monitor.deadlines import Deadline, deadlines
from services.sla_monitor.facts import (
    FACTS_MAX,
    LATEST,
    Fact,
    Kind,
    add,
    fact_of,
    ran_out,
)
from services.sla_monitor.history import Story
from services.sla_monitor.ledger import holder_now
from services.sla_monitor.policy import Policy
from shared.contract import events as e
from shared.contract.topics import lane_case
from shared.registry import Change
from shared.rules.decision import Cause, Decision, decided, then


class Monitored(BaseModel, frozen=True, hide_input_in_errors=True):
    """One report's facts, what was said of its deadlines by run, and when it wants to be woken.

    `holder`, `next_deadline` and `next_clock` are for people who look at the table. A recompute
    finds by `institutions`, `counts_from` and `counts_until` (UTC) which cases a decree may move:
    whose clocks are open, since when, and when the last level is due. `changes` fills the case of a
    lane itself: what the registry's stream told it.
    """

    report_id: str
    facts: tuple[Fact, ...] = ()
    said: dict[str, Said] = {}
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
    case: Monitored | None, event: BaseModel, cause: Cause, policy: Policy
) -> Decision[Monitored]:
    """Add a fact to the set and say what changes by it; say what is due when the timer fires."""
    if isinstance(event, e.TimerFired):
        return _fire(case, event, cause, policy)
    if isinstance(event, e.CalendarAmended | e.PolicyChanged):
        return decided(_learned(case, event, cause))
    if isinstance(event, e.Recompute):
        return _recompute(case, cause, policy)
    fact = fact_of(event, cause)
    if fact is None or not isinstance(event, e.Event):
        return decided(case)
    known = case or Monitored(report_id=event.report_id)
    facts = add(known.facts, fact)
    if facts is known.facts:
        return decided(case)
    return _settle(known, facts, known.said, cause.now, policy)


def _learned(
    lane: Monitored | None, event: e.CalendarAmended | e.PolicyChanged, cause: Cause
) -> Monitored:
    """Keep a change of the registry in the lane's own case; it counts from its record's time."""
    known = lane or Monitored(report_id=lane_case(cause.partition), is_over=True)
    change = Change(event=event, seen_at=cause.now)
    return known.model_copy(update={"changes": (*known.changes, change)})


# ---- what there is to say


def _settle(
    case: Monitored, facts: tuple[Fact, ...], said: dict[str, Said], now: datetime, policy: Policy
) -> Decision[Monitored]:
    """Publish the difference between the deadlines there are by some facts and those once said."""
    story = Story.of(facts)
    wanted = deadlines(story, policy)
    moment = Moment(case.report_id, now, story.over_at, policy)
    said, events = _differences(moment, said, story, wanted, is_full=len(facts) >= FACTS_MAX)
    return decided(_armed(case, facts, said, story, wanted), *events)


def _differences(
    moment: Moment,
    before: dict[str, Said],
    story: Story,
    wanted: Sequence[Deadline],
    *,
    is_full: bool,
) -> tuple[dict[str, Said], list[e.Event]]:
    """Return what is said now of each run, and what is to be published for it.

    Of a case that `is_full` the oldest facts were dropped: what was met is a closed book then, and
    a run that is no more was forgotten, not wrong.
    """
    said: dict[str, Said] = {}
    events: list[e.Event] = []
    for deadline in wanted:
        key, was = deadline.leg.key, before.get(deadline.leg.key)
        if is_full and was is not None and was.met_at is not None:
            said[key] = was
            continue
        said[key], more = _changes(moment, was, deadline)
        events += more
    for key, was in sorted(before.items()):
        if key not in said and not is_full:
            events += _forgotten(moment, key, was, story)
    return said, events


def _forgotten(moment: Moment, run: str, was: Said, story: Story) -> Iterator[e.Event]:
    """Take back what was said of a run that there never was."""
    yield from withdraw_all(moment, run, was)
    if was.is_set and was.met_at is None:
        at = max(was.started_at, story.end.at if story.end else was.started_at)
        yield was_never_owed(moment.report_id, run, was, at)


def _changes(moment: Moment, before: Said | None, deadline: Deadline) -> tuple[Said, list[e.Event]]:
    """Say what is new of one run, in the order it happened: its date, its levels, its end."""
    is_over = moment.over_at is not None
    said = remember(deadline, before, is_set=not is_over)
    if said is before and (before.met_at is not None or (not before.told and not is_over)):
        return said, []
    events = list(_dated(moment, before, deadline, is_over=is_over))
    said, levels = correct(moment, before, said, deadline)
    events += levels
    if _is_newly_met(before, said, deadline, is_over=is_over):
        events.append(was_met(moment.report_id, deadline, said.met_at or moment.now))
    return said, events


_LAST: Final = (Kind.ENDED, Kind.CLOSED)
_OF_MEETING: Final = (
    "met_at", "deadline", "started_at", "rest_seconds", "responded_at", "calendar_version",
)  # fmt: skip
"""What the event of a step that was done says: when, whether in time, after how much work."""


def _dated(
    moment: Moment, before: Said | None, deadline: Deadline, *, is_over: bool
) -> Iterator[e.Event]:
    """Say that a date is set or has moved; after an end nothing is any more."""
    if is_over:
        return
    if before is None or not (before.is_set or before.met_at):
        yield was_set(moment.report_id, deadline)
        return
    if deadline.leg.stopped_at is not None:
        return
    if before.deadline != deadline.at:
        yield was_moved(moment.report_id, before, deadline)
    is_other = (deadline.holder.value, deadline.unit) != (before.owner, before.unit)
    if is_other or before.met_at is not None:
        yield was_set(moment.report_id, deadline, before)


def _is_newly_met(before: Said | None, said: Said, deadline: Deadline, *, is_over: bool) -> bool:
    """Say whether it is news that a step was done, or when, or whether in time.

    A step that was done before an end is said to be met, what the end itself stopped is not
    mentioned unless it was set. The end of a window that was published and holds is no meeting.
    """
    met_at, stop = said.met_at, deadline.leg.stop
    if met_at is None:
        return False
    if before is None or not (before.is_set or before.met_at):
        return not (is_over and stop is not None and stop.kind in _LAST)
    is_news = any(getattr(before, name) != getattr(said, name) for name in _OF_MEETING)
    is_window = deadline.leg.row.holder is Holder.REPORTER
    has_run_out = is_window and bool(before.told) and met_at >= deadline.at
    return is_news and not has_run_out


# ---- timers


class _Due(NamedTuple):
    """What is due of a case by a time, in the order it is due, and when something is next (UTC)."""

    due_timers: list[DueTimer]
    next_at: datetime | None


def _due(said: dict[str, Said], wanted: Sequence[Deadline], by: datetime | None) -> _Due:
    """List what is still to be said of running clocks."""
    found: list[DueTimer] = []
    later: list[datetime] = []
    for deadline in wanted:
        if not deadline.is_running:
            continue
        told = said[deadline.leg.key]
        for due_at, level in deadline.due_timers():
            if told.told and told.has_told(level, deadline.at):
                continue
            if by is None or due_at > by:
                later.append(due_at)
                break
            found.append(DueTimer(due_at, level, deadline))
    found.sort(key=lambda due_timer: (due_timer.due_at, due_timer.level, due_timer.deadline.key))
    return _Due(found, min(later, default=None))


def _fire(
    case: Monitored | None, event: e.TimerFired, cause: Cause, policy: Policy
) -> Decision[Monitored]:
    """Say every level that is due by the timer's time, in order; an timer not awaited says nothing.

    The timer is compared with the case, never with a clock: one that is late, early or repeated
    cannot say anything twice. What became due meanwhile fires next. A date that the registry moved
    unseen is moved first.
    """
    if case is None or case.timer_at is None or event.due_at != case.timer_at:
        return decided(case)
    running = deadlines(Story.of(case.facts), policy, running_only=True)
    first = decided(case)
    if any(_differs(case.said.get(deadline.key), deadline) for deadline in running):
        first = _settle(case, case.facts, case.said, cause.now, policy)
        case = first.case
        if case is None or event.due_at != case.timer_at:
            return first
    ladder_step = _rung(case, running, event.due_at, cause.now, policy)
    return then(first, lambda _: ladder_step) if first.events else ladder_step


def _differs(said: Said | None, deadline: Deadline) -> bool:
    return said is None or said.deadline != deadline.at or said.unit != deadline.unit


def _rung(
    case: Monitored, running: Sequence[Deadline], by: datetime, now: datetime, policy: Policy
) -> Decision[Monitored]:
    """Say what is due by a time; that a window ran out is a fact: what rested for it goes on."""
    due = _due(case.said, running, by)
    said, facts = dict(case.said), case.facts
    events = [level_reached(case.report_id, due_timer, now, policy) for due_timer in due.due_timers]
    for due_timer in due.due_timers:
        leg = due_timer.deadline.leg
        said[leg.key] = said[leg.key].with_told((*said[leg.key].told, due_timer.told))
        if leg.row.clock == "completion":
            facts = add(facts, ran_out(leg.opened.id, due_timer.deadline.at))
    if facts is not case.facts:
        settled = _settle(case, facts, said, now, policy)
        return then(decided(settled.case, *events), lambda _: settled)
    return decided(case.model_copy(update={"said": said, "timer_at": due.next_at}), *events)


def _recompute(case: Monitored | None, cause: Cause, policy: Policy) -> Decision[Monitored]:
    """Move what a change of the registry moves; a case that it does not touch stays to the byte."""
    if case is None:
        return decided(None)
    settled = _settle(case, case.facts, case.said, cause.now, policy)
    return settled if settled.events or _when(settled.case) != _when(case) else decided(case)


def _when(case: Monitored | None) -> tuple[datetime | None, ...]:
    """Return the first and the last time that a case has something to say."""
    return (case.timer_at, case.counts_until) if case else ()


# ---- the case as it is kept


def _armed(
    case: Monitored,
    facts: tuple[Fact, ...],
    said: dict[str, Said],
    story: Story,
    wanted: Sequence[Deadline],
) -> Monitored:
    """Set the timer to the next thing to be said, and what people and recomputes look for."""
    is_over = story.is_over
    pending = [] if is_over else [d for d in wanted if d.stopped_at is None and not d.leg.is_over]
    running = [d for d in pending if not d.is_resting]
    next_deadline, next_clock = min(
        ((d.at, d.leg.row.clock) for d in running), default=(None, None)
    )
    is_resting = len(running) < len(pending)
    return case.model_copy(
        update={
            "facts": facts,
            "said": said,
            "is_over": is_over,
            "holder": "" if is_over else holder_now(story, wanted),
            "next_deadline": next_deadline,
            "next_clock": next_clock,
            "timer_at": _due(said, running, None).next_at,
            "institutions": tuple(sorted({d.institution for d in pending})),
            "counts_from": min((d.started_at for d in pending), default=None),
            "counts_until": LATEST
            if is_resting
            else max((d.fires_until for d in running), default=None),
        }
    )
