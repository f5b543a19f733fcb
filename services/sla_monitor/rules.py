"""What is said of a report's deadlines: set, moved, met, near, passed. Pure.

The deadlines wanted are a function of the set of facts (`deadlines.py`); a decision is the
difference between them and what was said before, which the case keeps.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

from pydantic import BaseModel

from services.sla_monitor.clocks import Holder
from services.sla_monitor.deadlines import Deadline, deadlines
from services.sla_monitor.facts import Fact, Kind, add, fact_of, ran_out
from services.sla_monitor.ledger import ledger
from services.sla_monitor.policy import Policy
from services.sla_monitor.said import (
    Ring,
    Said,
    Told,
    has_rung,
    remember,
    was_met,
    was_moved,
    was_never_owed,
    was_set,
)
from services.sla_monitor.story import Story
from shared import events as e
from shared.decision import Cause, Decision, decided, then
from shared.lanes import lane_case
from shared.registry import Change


class Monitored(BaseModel, frozen=True):
    """One report's facts, what was said of its deadlines by run, and when it wants to be woken.

    `holder`, `next_deadline` and `next_clock` are for people who look at the table. A recompute
    finds by `institutions`, `counts_from` and `counts_until` (UTC) which cases a decree may move:
    whose clocks run, since when, and when the last level is due. `changes` fills the case of a
    lane itself: what the registry's stream told it.
    """

    report_id: str
    facts: tuple[Fact, ...] = ()
    said: dict[str, Said] = {}
    is_over: bool = False
    holder: str = ""
    next_deadline: datetime | None = None
    next_clock: str | None = None
    alarm_at: datetime | None = None
    institutions: tuple[str, ...] = ()
    counts_from: datetime | None = None
    counts_until: datetime | None = None
    changes: tuple[Change, ...] = ()


def decide(
    case: Monitored | None, event: BaseModel, cause: Cause, policy: Policy
) -> Decision[Monitored]:
    """Add a fact to the set and say what changes by it; say what is due when the alarm rings."""
    if isinstance(event, e.CalendarAmended | e.PolicyChanged):
        return decided(_learned(case, event, cause))
    if isinstance(event, e.Recompute):
        return decided(None) if case is None else _settle(case, policy)
    if isinstance(event, e.AlarmRang):
        return _ring(case, event, cause, policy)
    fact = fact_of(event, cause)
    if fact is None or not isinstance(event, e.Event):
        return decided(case)
    known = case or Monitored(report_id=event.report_id)
    facts = add(known.facts, fact)
    if facts == known.facts:
        return decided(case)
    return _settle(known.model_copy(update={"facts": facts}), policy)


def _learned(
    lane: Monitored | None, event: e.CalendarAmended | e.PolicyChanged, cause: Cause
) -> Monitored:
    """Keep a change of the registry in the lane's own case; it counts from its record's time."""
    known = lane or Monitored(report_id=lane_case(cause.partition), is_over=True)
    change = Change(event=event, seen_at=cause.now)
    return known.model_copy(update={"changes": (*known.changes, change)})


def _settle(case: Monitored, policy: Policy) -> Decision[Monitored]:
    """Publish the difference between the deadlines there are and those that were said."""
    story = Story.of(case.facts)
    wanted = deadlines(story, policy)
    said: dict[str, Said] = {}
    events: list[e.Event] = []
    for deadline in wanted:
        before = case.said.get(deadline.key)
        events += _changes(case.report_id, before, deadline, is_over=story.is_over)
        said[deadline.key] = remember(deadline, before, is_set=not story.is_over)
    for key, before in sorted(case.said.items()):
        if key not in said and before.is_set and before.met_at is None:
            at = max(before.started_at, story.end.at if story.end else before.started_at)
            events.append(was_never_owed(case.report_id, before, at))
    settled = case.model_copy(update={"said": said, "is_over": story.is_over})
    return decided(_armed(settled, story, wanted), *events)


def _changes(
    report_id: str, before: Said | None, deadline: Deadline, *, is_over: bool
) -> Iterator[e.Event]:
    """Say what is new of one run, in the order it happened.

    After an end nothing is set any more: a step that was done before it is only said to be met,
    what the end itself stopped is not mentioned.
    """
    stopped_at = deadline.stopped_at
    if before is None or not (before.is_set or before.met_at):
        stop = deadline.leg.stop
        if not is_over:
            yield was_set(report_id, deadline)
        if stopped_at is not None and not (is_over and stop and stop.kind in _LAST):
            yield was_met(report_id, deadline, stopped_at)
        return
    has_moved = before.deadline != deadline.at
    if stopped_at is not None:
        is_new = before.met_at != stopped_at or has_moved
        if is_new and not _ran_out_before(before, deadline, stopped_at):
            yield was_met(report_id, deadline, stopped_at)
        return
    if is_over:
        return
    if has_moved:
        yield was_moved(report_id, before, deadline)
    if deadline.unit is not None and deadline.unit != before.unit:
        yield was_set(report_id, deadline)


_LAST = (Kind.ENDED, Kind.CLOSED)


def _ran_out_before(before: Said, deadline: Deadline, stopped_at: datetime) -> bool:
    """Say whether the end of this window was published and still holds: then nothing was met."""
    is_window = deadline.leg.row.holder is Holder.REPORTER
    return is_window and bool(before.told) and stopped_at >= deadline.at


def _ring(
    case: Monitored | None, event: e.AlarmRang, cause: Cause, policy: Policy
) -> Decision[Monitored]:
    """Say every level that is due by the alarm's time, in order; an alarm not awaited says nothing.

    The alarm is compared with the case, never with a clock: one that is late, early or repeated
    cannot say anything twice. What became due meanwhile rings next.
    """
    if case is None or case.alarm_at is None or event.due_at != case.alarm_at:
        return decided(case)
    wanted = deadlines(Story.of(case.facts), policy)
    due = [ring for ring in _rings(case, wanted) if ring.due_at <= event.due_at]
    said, facts = dict(case.said), case.facts
    events = [has_rung(case.report_id, ring, cause.now, policy) for ring in due]
    for ring in due:
        leg, before = ring.deadline.leg, said[ring.deadline.key]
        told = (*before.told, Told(level=ring.level, deadline=ring.deadline.at))
        said[leg.key] = before.model_copy(update={"told": told})
        if leg.row.clock == "completion":
            facts = add(facts, ran_out(leg.opened.id, ring.deadline.at))
    rung = case.model_copy(update={"said": said, "facts": facts})
    return then(decided(rung, *events), lambda _: _settle(rung, policy))


def _rings(case: Monitored, wanted: Sequence[Deadline]) -> list[Ring]:
    """List what is still to be said of running clocks, in the order it is due."""
    found = [
        Ring(due_at, level, deadline)
        for deadline in wanted
        if deadline.is_running
        for due_at, level in deadline.rings()
        if not case.said[deadline.key].has_told(level, deadline.at)
    ]
    return sorted(found, key=lambda ring: (ring.due_at, ring.level, ring.deadline.key))


def _armed(case: Monitored, story: Story, wanted: Sequence[Deadline]) -> Monitored:
    """Set the alarm to the next thing to be said, and what people see of the case."""
    rings = [] if case.is_over else _rings(case, wanted)
    running = [(d.at, d.leg.row.clock) for d in wanted if d.is_running and not case.is_over]
    next_deadline, next_clock = min(running, default=(None, None))
    spans = ledger(story, [deadline.leg for deadline in wanted])
    return case.model_copy(
        update={
            "alarm_at": rings[0].due_at if rings else None,
            "holder": spans[-1].holder.value if spans and not case.is_over else "",
            "next_deadline": next_deadline,
            "next_clock": next_clock,
            "institutions": tuple(sorted({d.institution for d in wanted if d.is_running})),
            "counts_from": min((d.started_at for d in wanted if d.is_running), default=None),
            "counts_until": rings[-1].due_at if rings else None,
        }
    )
