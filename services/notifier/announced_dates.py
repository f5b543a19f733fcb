"""Which date was announced to whom by which message, so that a move reaches the same people.

An announced date is kept apart from the deadline: it is what a person read, whatever became of the
deadline since. The case keeps the last of each (person, channel, clock, institution); each ever
announced is a `NotificationRequested` with a `deadline`. Pure.
"""

from datetime import datetime
from typing import Final, NamedTuple

from pydantic import BaseModel

from services.notifier.case import AnnouncedDate, NotificationCase
from shared.contract import events as e
from shared.rules.decision import Cause
from shared.rules.deferral import Deferred

ANNOUNCED_DATES_MAX: Final = (
    40  # per report: a guess far above its clocks times who is told of them
)
EARLY_MAX: Final = 5
NAMED_ELSEWHERE: Final = frozenset({"reply"})
"""Clocks whose date a fact of another stream names to a person (a follow-up does): there the SLA
monitor's word can overtake the message, and can differ from what the notifier reckoned."""


class Date(NamedTuple):
    """A date as a message names it: whose clock, and by when (UTC)."""

    clock: e.Clock
    institution: str
    deadline: datetime


def date_of(event: e.OfDeadline) -> Date:
    """Return the date that an event about a deadline names."""
    return Date(event.clock, event.institution, event.deadline)


def record(case: NotificationCase, announced: AnnouncedDate) -> NotificationCase:
    """Keep an announced date in place of the one before it; past the bound the oldest goes."""
    others = [p for p in case.announced_dates if _key(p) != _key(announced)]
    return case.model_copy(update={"announced_dates": (*others, announced)[-ANNOUNCED_DATES_MAX:]})


def notified_of(case: NotificationCase, date: Date) -> tuple[str, ...]:
    """Return who was notified of a date, each once, in that order."""
    people = (
        p.person for p in case.announced_dates if (p.clock, p.institution, p.deadline) == date
    )
    return tuple(dict.fromkeys(people))


def forget_breached(
    case: NotificationCase, event: e.DeadlineBreached, people: tuple[str, ...]
) -> NotificationCase:
    """Forget the date of those who are now notified that it was breached.

    A move of that date withdraws the breach (`BreachWithdrawn`), which announces the new one.
    """
    breached = date_of(event)
    remaining = tuple(
        p
        for p in case.announced_dates
        if p.person not in people or (p.clock, p.institution, p.deadline) != breached
    )
    return (
        case
        if remaining == case.announced_dates
        else case.model_copy(update={"announced_dates": remaining})
    )


def date_before(event: e.DeadlineMoved) -> Date:
    """Return the date that is no longer true."""
    return Date(event.clock, event.institution, event.deadline_before)


def is_early(case: NotificationCase, event: BaseModel) -> bool:
    """Say whether the message that announces a window's date may still follow this event on it."""
    match event:
        case e.DeadlineMoved() if event.clock in NAMED_ELSEWHERE:
            return not notified_of(case, date_before(event))
        case e.DeadlineSet() if event.clock in NAMED_ELSEWHERE:
            return _named(case, event) is None
    return False


def corrected(case: NotificationCase, event: BaseModel) -> BaseModel:
    """Return the move of a window that was set to another date than the one announced.

    The notifier computes that date from its own files, and a policy may have been published since.
    """
    if not isinstance(event, e.DeadlineSet) or event.clock not in NAMED_ELSEWHERE:
        return event
    announced = _named(case, event)
    if announced is None or announced.deadline == event.deadline:
        return event
    fields = {name: getattr(event, name) for name in e.OfDeadline.model_fields}
    return e.DeadlineMoved(**fields, deadline_before=announced.deadline, why="policy")


def keep_early(case: NotificationCase, event: BaseModel, cause: Cause) -> NotificationCase:
    """Keep an event on a window until a message announces it; past the bound the oldest goes.

    That message may never come: then no date was announced, and none is corrected.
    """
    early = (*case.early, Deferred.of(event, cause))[-EARLY_MAX:]
    return case.model_copy(update={"early": early})


def _named(case: NotificationCase, event: e.DeadlineSet) -> AnnouncedDate | None:
    """Return the date announced by the event that started this very run."""
    started = (event.clock, event.institution, event.started_at)
    return next(
        (p for p in case.announced_dates if (p.clock, p.institution, p.announced_at) == started),
        None,
    )


def _key(announced: AnnouncedDate) -> tuple[str, ...]:
    return announced.person, announced.channel, announced.clock, announced.institution
