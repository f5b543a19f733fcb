"""Which escalations of a run are true: those whose level was due while the step was owed. Pure.

A function of the facts: what was published and is not true is withdrawn, what is true and was not
published (the stop was read before the timer) is published. So the breaches that stand are the same
whatever came first, the timer or the fact.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from services.sla_monitor.announcements import (
    Announcement,
    DueTimer,
    PublishedLevel,
    breach_withdrawn,
    due_event,
)
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
    moment: Moment, before: Announcement | None, announcement: Announcement, deadline: Deadline
) -> tuple[Announcement, list[e.Event]]:
    """Withdraw the levels of a run that were published and are not true; publish the missed ones.

    A level is true if the clock ran past it: of a run that ended, levels due before its end; of one
    that is paused no level for the date before which the pause began. A running one's are the
    timer's.
    """
    if deadline.run.row.holder is Holder.REPORTER:
        return announcement, []
    ended_at = _ended_at(deadline, moment.over_at)
    if ended_at is None and not announcement.levels:
        return announcement, []
    passed = None if ended_at is None else list(_passed(deadline, ended_at))
    levels = None if passed is None else {level for _, level, _ in passed}
    remaining: list[PublishedLevel] = []
    events: list[e.Event] = []
    report_id, policy = moment.report_id, moment.policy
    last = before or announcement
    for level in announcement.levels:
        if level.level <= WARNING or _is_true(level, deadline, levels):
            remaining.append(level)
        else:
            events.append(
                breach_withdrawn(report_id, deadline.key, last, level, now=deadline, policy=policy)
            )
    # The stop may have been read before the start: found at the later of both, never before due.
    found_at = moment.now if ended_at is None else max(moment.now, ended_at)
    for due_timer in passed or ():
        if not announcement.has_published(due_timer.level, deadline.at):
            events.append(due_event(report_id, due_timer, found_at, policy))
            remaining.append(due_timer.published)
    return (announcement.with_levels(tuple(remaining)) if events else announcement), events


def withdraw_all(moment: Moment, run: str, announcement: Announcement) -> list[e.Event]:
    """Withdraw every breach of a run that was never owed."""
    if announcement.owner == Holder.REPORTER:
        return []
    return [
        breach_withdrawn(moment.report_id, run, announcement, level, now=None, policy=moment.policy)
        for level in announcement.levels
        if level.level > WARNING
    ]


def _is_true(level: PublishedLevel, deadline: Deadline, levels: set[int] | None) -> bool:
    if deadline.is_paused or level.deadline != deadline.at:
        return False
    return levels is None or level.level in levels


def _ended_at(deadline: Deadline, over_at: datetime | None) -> datetime | None:
    """Return until when the step was owed: to its stop, or until nobody owed anything."""
    if deadline.run.stopped_at is not None or deadline.run.is_over or over_at is None:
        return deadline.run.stopped_at
    return max(over_at, deadline.run.opened.at)


def _passed(deadline: Deadline, ended_at: datetime) -> Iterator[DueTimer]:
    """List the levels that were due while the step was owed; one due at its very end was not."""
    if deadline.is_paused or ended_at <= deadline.at:
        return
    for due_at, level in deadline.due_timers():
        if due_at >= ended_at:
            return
        if level > WARNING:
            yield DueTimer(due_at, level, deadline)
