"""Promises: which date was told to whom by which message, so that a move can be told to the same.

A promise is kept apart from the internal deadline: it is what a person was told, whatever became
of the date since. Standing promises lie in the case, the last of each (person, channel, clock,
institution); every promise ever made is a `NotificationRequested` with a `deadline`. Pure.
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
    """Return the date that a fact about a deadline names."""
    return Date(event.clock, event.institution, event.deadline)


def record(case: NotificationCase, announced: AnnouncedDate) -> NotificationCase:
    """Keep a promise in the place of the one before it; past the bound the oldest goes."""
    others = [p for p in case.announced_dates if _place(p) != _place(announced)]
    return case.model_copy(update={"announced_dates": (*others, announced)[-ANNOUNCED_DATES_MAX:]})


def notified_of(case: NotificationCase, date: Date) -> tuple[str, ...]:
    """Return who was told a date, each once, in the order they were told."""
    people = (
        p.person for p in case.announced_dates if (p.clock, p.institution, p.deadline) == date
    )
    return tuple(dict.fromkeys(people))


def forget_breached(
    case: NotificationCase, event: e.DeadlineBreached, people: tuple[str, ...]
) -> NotificationCase:
    """Let go of what people were told who now hear that it was broken.

    A move of that date takes the breach back (`BreachWithdrawn`), and that tells them the new one.
    """
    broken = date_of(event)
    kept = tuple(
        p
        for p in case.announced_dates
        if p.person not in people or (p.clock, p.institution, p.deadline) != broken
    )
    return (
        case if kept == case.announced_dates else case.model_copy(update={"announced_dates": kept})
    )


def date_before(event: e.DeadlineMoved) -> Date:
    """Return the date that is no longer true."""
    return Date(event.clock, event.institution, event.deadline_before)


def is_early(case: NotificationCase, event: BaseModel) -> bool:
    """Say whether the message that names a window's date may still come after this word on it."""
    match event:
        case e.DeadlineMoved() if event.clock in NAMED_ELSEWHERE:
            return not notified_of(case, date_before(event))
        case e.DeadlineSet() if event.clock in NAMED_ELSEWHERE:
            return _named(case, event) is None
    return False


def corrected(case: NotificationCase, event: BaseModel) -> BaseModel:
    """Return the move of a window that was set to another date than the one that was told.

    The notifier reckons that date by its own files, and a policy may have been published since.
    """
    if not isinstance(event, e.DeadlineSet) or event.clock not in NAMED_ELSEWHERE:
        return event
    told = _named(case, event)
    if told is None or told.deadline == event.deadline:
        return event
    fields = {name: getattr(event, name) for name in e.OfDeadline.model_fields}
    return e.DeadlineMoved(**fields, deadline_before=told.deadline, why="policy")


def keep_early(case: NotificationCase, event: BaseModel, cause: Cause) -> NotificationCase:
    """Keep a word on a window until the message that names it; past the bound the oldest goes.

    That message may never come: then nobody was told a date, and nobody is told another.
    """
    early = (*case.early, Deferred.of(event, cause))[-EARLY_MAX:]
    return case.model_copy(update={"early": early})


def _named(case: NotificationCase, event: e.DeadlineSet) -> AnnouncedDate | None:
    """Return the promise made by the fact that started this very run."""
    started = (event.clock, event.institution, event.started_at)
    return next(
        (p for p in case.announced_dates if (p.clock, p.institution, p.announced_at) == started),
        None,
    )


def _place(announced: AnnouncedDate) -> tuple[str, ...]:
    return announced.person, announced.channel, announced.clock, announced.institution
