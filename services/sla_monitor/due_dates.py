"""Deadlines as the SLA monitor needs them: a limit from a start, pauses, warnings and levels.

The arithmetic of working days and opening hours is the room `shared/worktime`; everything here is
pure and never refuses: a result that rests on a year without a decree says so (`is_provisional`).
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from shared.contract.events import LimitUnit
from shared.registry import Limit
from shared.worktime.opening_hours import OpeningHours, merged
from shared.worktime.working_days import Calendar, Reckoned

_DAY: Final = timedelta(days=1)
_MICROSECOND: Final = timedelta(microseconds=1)


class Pause(NamedTuple):
    """A pause of the clock while the reporter is asked; open as long as `until` is None."""

    since: datetime
    until: datetime | None


class Measure(NamedTuple):
    """The time that a limit's unit counts: of whole working days, of opening hours, or all of it.

    Minutes where no opening hours are known count whole working days: tighter, never a refusal.
    """

    calendar: Calendar
    unit: LimitUnit = "working_days"
    hours: OpeningHours | None = None

    def elapsed(self, start: datetime, end: datetime) -> timedelta:
        """Return the time that counts between two aware instants, the end not before the start."""
        if self.unit == "calendar_days":
            return end - start
        if self.unit == "working_minutes" and self.hours is not None:
            return self.hours.elapsed(start, end)
        return self.calendar.working_time(start, end)

    def add(self, start: datetime, amount: timedelta) -> datetime:
        """Return the earliest instant (UTC) by which so much time has counted."""
        if self.unit == "calendar_days":
            return start + amount
        if self.unit == "working_minutes" and self.hours is not None:
            return self.hours.add(start, amount) or start
        return self.calendar.add_working_time(start, amount)


def due(
    calendar: Calendar, start: datetime, limit: Limit, hours: OpeningHours | None = None
) -> Reckoned:
    """Return when a limit ends that counts from an aware start.

    Days end with day N after the start's, local time: working days by the calendar, calendar days
    all of them and no decree. Minutes end to the second, in opening hours.
    """
    if limit.unit == "working_days":
        return calendar.reckon(start, limit.amount)
    if limit.unit == "calendar_days":
        last = calendar.local_date(start) + timedelta(days=limit.amount)
        return Reckoned(calendar.end_of_day(last), is_provisional=False)
    at = Measure(calendar, limit.unit, hours).add(start, timedelta(minutes=limit.amount))
    return Reckoned(at, is_provisional=not calendar.is_decreed(start, at - _MICROSECOND))


def due_after_pauses(
    calendar: Calendar,
    start: datetime,
    limit: Limit,
    pauses: Iterable[Pause],
    hours: OpeningHours | None = None,
) -> Reckoned | None:
    """Return a deadline past its pauses: after each the time is left that was left before.

    Order, overlap and repetition of the pauses do not matter; of one that began before the start
    the part after it counts, one that begins at or after the deadline came too late to pause it,
    one that ends before it begins pauses nothing. None while a pause that counts is still open.
    """
    reckoned = due(calendar, start, limit, hours)
    if not pauses:
        return reckoned
    measure = Measure(calendar, limit.unit, hours)
    counts_years = limit.unit != "calendar_days"
    for since, until in merged(_from(start, pauses)):
        if since >= reckoned.at:
            break
        if until is None:
            return None
        moved = measure.add(until, measure.elapsed(since, reckoned.at))
        is_decreed = not counts_years or calendar.is_decreed(since, moved - _MICROSECOND)
        reckoned = Reckoned(moved, reckoned.is_provisional or not is_decreed)
    return reckoned


def share_used_at(
    measure: Measure, start: datetime, end: datetime, share: float, pauses: Iterable[Pause]
) -> datetime:
    """Return when a share of a limit is used (UTC), of the time that counts less the pauses.

    `end` is where the limit would end without any; a share above one lies behind its end.
    """
    at = measure.add(start, measure.elapsed(start, max(start, end)) * share)
    for since, until in merged(_from(start, pauses)):
        if since >= at or until is None:
            break
        at = measure.add(until, measure.elapsed(since, at))
    return at


def _from(start: datetime, pauses: Iterable[Pause]) -> Iterator[Pause]:
    """Return of each pause the part after the start."""
    return (Pause(max(start, pause.since), pause.until) for pause in pauses)


def fires_at(calendar: Calendar, deadline: datetime, working_days: int) -> Reckoned:
    """Return when a level is due: so many working days after the deadline, or before it.

    A deadline at the end of a working day is warned about at the end of the working day before.
    """
    return calendar.shift(deadline, working_days)


def used(
    measure: Measure, start: datetime, until: datetime, pauses: Iterable[Pause] = ()
) -> timedelta:
    """Measure the time that counts from a start to an instant, pauses taken out."""
    whole = measure.elapsed(start, max(start, until))
    for since, over_at in merged(pauses):
        begins, ends = max(start, since), until if over_at is None else min(until, over_at)
        if begins < ends:
            whole -= measure.elapsed(begins, ends)
    return whole


def working_days_used(
    calendar: Calendar, start: datetime, end: datetime, pauses: Sequence[Pause] = ()
) -> float:
    """Measure what was used of a limit: working days (24 h each) from start to end, less pauses."""
    return used(Measure(calendar), start, end, pauses) / _DAY
