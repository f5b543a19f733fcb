"""Promises: which date was told to whom by which message, so that a move can be told to the same.

A promise is kept apart from the internal deadline: it is what a person was told, whatever became
of the date since. Standing promises lie in the case, the last of each (person, channel, clock,
institution); every promise ever made is a `NotificationRequested` with a `deadline`. Pure.
"""

from datetime import datetime
from typing import Final, NamedTuple

from services.notifier.case import Notifying, Promise
from shared import events as e
from shared.decision import Cause
from shared.waiting import Waiting

PROMISES_MAX: Final = 40  # per report: a guess far above its clocks times who is told of them
MOVES_KEPT_MAX: Final = 5
NAMED_ELSEWHERE: Final = frozenset({"reply"})
"""Clocks whose date a fact of another stream names to a person (a follow-up does): there a move
can overtake the message that names the old date."""


class Date(NamedTuple):
    """A date as a message names it: whose clock, and by when (UTC)."""

    clock: e.Clock
    institution: str
    deadline: datetime


def date_of(event: e.OfDeadline) -> Date:
    """Return the date that a fact about a deadline names."""
    return Date(event.clock, event.institution, event.deadline)


def promised(case: Notifying, promise: Promise) -> Notifying:
    """Keep a promise in the place of the one before it; past the bound the oldest goes."""
    others = [p for p in case.promises if _place(p) != _place(promise)]
    return case.model_copy(update={"promises": (*others, promise)[-PROMISES_MAX:]})


def told_of(case: Notifying, date: Date) -> tuple[str, ...]:
    """Return who was told a date, each once, in the order they were told."""
    people = (p.person for p in case.promises if (p.clock, p.institution, p.deadline) == date)
    return tuple(dict.fromkeys(people))


def told_too_late(case: Notifying, event: e.DeadlineBreached, people: tuple[str, ...]) -> Notifying:
    """Let go of what people were told who now hear that it was broken.

    A move of that date takes the breach back (`BreachWithdrawn`), and that tells them the new one.
    """
    broken = date_of(event)
    kept = tuple(
        p
        for p in case.promises
        if p.person not in people or (p.clock, p.institution, p.deadline) != broken
    )
    return case if kept == case.promises else case.model_copy(update={"promises": kept})


def before(event: e.DeadlineMoved) -> Date:
    """Return the date that is no longer true."""
    return Date(event.clock, event.institution, event.deadline_before)


def may_come_early(case: Notifying, event: e.DeadlineMoved) -> bool:
    """Say whether the message that names the old date may still come."""
    return event.clock in NAMED_ELSEWHERE and not told_of(case, before(event))


def keep_move(case: Notifying, event: e.DeadlineMoved, cause: Cause) -> Notifying:
    """Keep a move until the message that names the old date comes; past the bound the oldest goes.

    It may never come: then nobody was told, and nobody is told.
    """
    moves = (*case.moves, Waiting.of(event, cause))[-MOVES_KEPT_MAX:]
    return case.model_copy(update={"moves": moves})


def _place(promise: Promise) -> tuple[str, ...]:
    return promise.person, promise.channel, promise.clock, promise.institution
