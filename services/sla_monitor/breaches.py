"""Which escalations of a run are true: those whose level was due while the step was owed. Pure.

A function of the facts: what was published and is not true is withdrawn, what is true and was not
published (the stop was read before the timer) is published. So the breaches that stand are the same
whatever came first, the timer or the fact.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from services.sla_monitor.announcements import DueTimer, Said, Told, level_reached, was_withdrawn
from services.sla_monitor.clocks import Holder
from services.sla_monitor.deadlines import Deadline
from services.sla_monitor.policy import WARNING, Policy
from shared.contract import events as e


class Moment(NamedTuple):
    """What a decision knows beside the run: of which report, now, and since when all is over."""

    report_id: str
    now: datetime
    over_at: datetime | None
    policy: Policy


def correct(
    moment: Moment, before: Said | None, said: Said, deadline: Deadline
) -> tuple[Said, list[e.Event]]:
    """Withdraw what was told of a run and is not true, and tell what it missed.

    A level is true if the clock ran past it: of a run that ended, levels due before its end; of one
    that rests no level for the date before which the rest began. A running one's are the timer's.
    """
    if deadline.leg.row.holder is Holder.REPORTER:
        return said, []
    ended_at = _ended_at(deadline, moment.over_at)
    if ended_at is None and not said.told:
        return said, []
    passed = None if ended_at is None else list(_passed(deadline, ended_at))
    levels = None if passed is None else {level for _, level, _ in passed}
    kept: list[Told] = []
    events: list[e.Event] = []
    report_id, policy = moment.report_id, moment.policy
    for told in said.told:
        if told.level <= WARNING or _is_true(told, deadline, levels):
            kept.append(told)
        else:
            run, last = deadline.key, before or said
            events.append(was_withdrawn(report_id, run, last, told, now=deadline, policy=policy))
    # The stop may have been read before the start: found at the later of both, never before due.
    found_at = moment.now if ended_at is None else max(moment.now, ended_at)
    for due_timer in passed or ():
        if not said.has_told(due_timer.level, deadline.at):
            events.append(level_reached(report_id, due_timer, found_at, policy))
            kept.append(due_timer.told)
    return (said.with_told(tuple(kept)) if events else said), events


def withdraw_all(moment: Moment, run: str, said: Said) -> list[e.Event]:
    """Withdraw every breach of a run that was never owed."""
    if said.owner == Holder.REPORTER:
        return []
    return [
        was_withdrawn(moment.report_id, run, said, told, now=None, policy=moment.policy)
        for told in said.told
        if told.level > WARNING
    ]


def _is_true(told: Told, deadline: Deadline, levels: set[int] | None) -> bool:
    if deadline.is_resting or told.deadline != deadline.at:
        return False
    return levels is None or told.level in levels


def _ended_at(deadline: Deadline, over_at: datetime | None) -> datetime | None:
    """Return until when the step was owed: to its stop, or until nobody owed anything."""
    if deadline.leg.stopped_at is not None or deadline.leg.is_over or over_at is None:
        return deadline.leg.stopped_at
    return max(over_at, deadline.leg.opened.at)


def _passed(deadline: Deadline, ended_at: datetime) -> Iterator[DueTimer]:
    """List the levels that were due while the step was owed; one due at its very end was not."""
    if deadline.is_resting or ended_at <= deadline.at:
        return
    for due_at, level in deadline.due_timers():
        if due_at >= ended_at:
            return
        if level > WARNING:
            yield DueTimer(due_at, level, deadline)
