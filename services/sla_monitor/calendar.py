"""Deadlines as the SLA monitor needs them: a limit from a start, pauses, warnings and levels.

The arithmetic of working days is `shared/calendar.py`; everything here is pure and never refuses: a
result that rests on a year without a decree says so (`is_provisional`).
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from shared.calendar import Calendar, Reckoned
from shared.registry import Limit

_DAY = timedelta(days=1)


class Pause(NamedTuple):
    """A rest of the clock while the reporter is asked; open as long as `until` is None."""

    since: datetime
    until: datetime | None


def due(calendar: Calendar, start: datetime, limit: Limit) -> Reckoned:
    """Return the end of day N, local time, after the day of an aware start.

    Working days by the calendar; a limit in calendar days counts every day and no decree.
    """
    if limit.unit == "working_days":
        return calendar.reckon(start, limit.amount)
    last = calendar.local_date(start) + timedelta(days=limit.amount)
    return Reckoned(calendar.end_of_day(last), is_provisional=False)


def due_after_pauses(
    calendar: Calendar, start: datetime, limit: Limit, pauses: Iterable[Pause]
) -> Reckoned | None:
    """Return a deadline past its pauses: after each the working time is left that was left before.

    Order, overlap and repetition of the pauses do not matter; of one that began before the start
    the part after it counts, one that begins at or after the deadline came too late to rest it, one
    that ends before it begins rests nothing. None while a pause that counts is still open.
    """
    found = due(calendar, start, limit)
    clipped = (Pause(max(start, pause.since), pause.until) for pause in pauses)
    for pause in _merged(clipped):
        if pause.since >= found.at:
            break
        if pause.until is None:
            return None
        left = calendar.working_time(pause.since, found.at)
        moved = calendar.add_working_time(pause.until, left)
        is_decreed = calendar.is_decreed(pause.since, moved - timedelta(microseconds=1))
        found = Reckoned(moved, found.is_provisional or not is_decreed)
    return found


def rings_at(calendar: Calendar, deadline: datetime, working_days: int) -> Reckoned:
    """Return when a level is due: so many working days after the deadline, or before it.

    A deadline at the end of a working day is warned about at the end of the working day before.
    """
    return calendar.shift(deadline, working_days)


def working_days_used(
    calendar: Calendar, start: datetime, end: datetime, pauses: Sequence[Pause] = ()
) -> float:
    """Measure what was used of a limit: working days (24 h each) from start to end, less pauses."""
    used = calendar.working_time(start, max(start, end))
    for pause in _merged(pauses):
        since = max(start, pause.since)
        until = end if pause.until is None else min(end, pause.until)
        if since < until:
            used -= calendar.working_time(since, until)
    return used / _DAY


def _merged(pauses: Iterable[Pause]) -> list[Pause]:
    """Sort pauses and join those that touch, so that no time rests twice."""
    merged: list[Pause] = []
    for pause in sorted(set(pauses), key=lambda pause: pause.since):
        if pause.until is not None and pause.until <= pause.since:
            continue
        last = merged[-1] if merged else None
        if last is None or (last.until is not None and last.until < pause.since):
            merged.append(pause)
        elif last.until is not None:
            until = None if pause.until is None else max(last.until, pause.until)
            merged[-1] = Pause(last.since, until)
    return merged
