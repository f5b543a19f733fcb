"""The days of one count, from the start's to the deadline's: which count and why others do not."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from math import ceil
from typing import Final

from services.sla_monitor.audit.explanation import Day, Skip
from services.sla_monitor.deadlines import Deadline
from services.sla_monitor.due_dates import Measure, Pause, due, used

_DAY: Final = timedelta(days=1)
_MICROSECOND: Final = timedelta(microseconds=1)


def used_until(deadline: Deadline, at: datetime) -> timedelta:
    """Measure the time of a limit that is used from its start to an instant, pauses taken out."""
    return used(_measure(deadline), deadline.started_at, at, deadline.pauses)


def left_at(deadline: Deadline, at: datetime) -> timedelta:
    """Return the time that is left of a limit at an instant; negative past the limit."""
    start = deadline.started_at
    whole = due(deadline.calendar, start, deadline.limit, deadline.hours).at
    return _measure(deadline).elapsed(start, max(start, whole)) - used_until(deadline, at)


def _measure(deadline: Deadline) -> Measure:
    return Measure(deadline.calendar, deadline.limit.unit, deadline.hours)


def days_of(deadline: Deadline) -> Iterator[Day]:
    """List every local day of a count in order; their counted time is the limit, or past it."""
    calendar, start = deadline.calendar, deadline.started_at
    zero = calendar.local_date(start)
    last = max(zero, calendar.local_date(deadline.at - _MICROSECOND))
    so_far, number = timedelta(0), 0
    into_limit = _measure(deadline).elapsed(start, calendar.end_of_day(zero))
    for ordinal in range(zero.toordinal(), last.toordinal() + 1):
        on = date.fromordinal(ordinal)
        begins, ends = calendar.end_of_day(on - _DAY), calendar.end_of_day(on)
        before, so_far = so_far, used_until(deadline, min(ends, max(deadline.at, start)))
        if on != zero and deadline.limit.unit == "working_days":
            number = ceil((so_far - into_limit) / _DAY)
        elif on != zero and so_far > before:
            number += 1
        pauses = _touching(deadline.pauses, max(begins, start), ends)
        yield _day(deadline, on, number=number, counted=so_far - before, pauses=pauses)


def _day(
    deadline: Deadline, on: date, *, number: int, counted: timedelta, pauses: tuple[int, ...]
) -> Day:
    calendar = deadline.calendar
    off = calendar.day_off(on) if deadline.limit.unit != "calendar_days" else None
    skipped: Skip | None = None
    if off is not None:
        skipped = "holiday"
    elif deadline.limit.unit != "calendar_days" and on.weekday() not in calendar.working_week:
        skipped = "weekend"
    elif not counted:
        skipped = "paused" if pauses else "closed"
    is_zero = on == calendar.local_date(deadline.started_at)
    return Day(
        on=on,
        number=number if is_zero or skipped is None else None,
        counted_seconds=counted.total_seconds(),
        skipped=skipped,
        name=off.name if off else None,
        decree=off.decree if off else None,
        kind=off.kind if off else None,
        is_provisional=deadline.is_provisional and on.year not in calendar.years,
        pauses=pauses,
    )


def _touching(pauses: Sequence[Pause], begins: datetime, ends: datetime) -> tuple[int, ...]:
    """Return the indexes of the pauses that hold a part of a stretch of time."""
    return tuple(
        index
        for index, pause in enumerate(pauses)
        if pause.since < ends and (pause.until is None or max(begins, pause.since) < pause.until)
    )
