"""The days of one count, from the start's to the deadline's: which count and why others do not."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from math import ceil
from typing import Final

from services.sla_monitor.calendar import Pause, due, working_days_used
from services.sla_monitor.deadlines import Deadline
from services.sla_monitor.explanation import Day, Skip

_DAY: Final = timedelta(days=1)
_MICROSECOND: Final = timedelta(microseconds=1)


def used_until(deadline: Deadline, at: datetime) -> timedelta:
    """Measure the working time from the start of a count to an instant, its pauses taken out."""
    days = working_days_used(deadline.calendar, deadline.started_at, at, deadline.pauses)
    return timedelta(days=days)


def left_at(deadline: Deadline, at: datetime) -> timedelta:
    """Return the working time that is left of a limit at an instant; negative past the limit."""
    whole = due(deadline.calendar, deadline.started_at, deadline.limit).at
    budget = deadline.calendar.working_time(deadline.started_at, whole)
    return budget - used_until(deadline, max(at, deadline.started_at))


def days_of(deadline: Deadline) -> Iterator[Day]:
    """List every local day of a count in order; their counted time is the limit, or past it."""
    calendar, start = deadline.calendar, deadline.started_at
    zero = calendar.local_date(start)
    last = max(zero, calendar.local_date(deadline.at - _MICROSECOND))
    into_limit = calendar.working_time(start, calendar.end_of_day(zero))
    used = timedelta(0)
    for ordinal in range(zero.toordinal(), last.toordinal() + 1):
        on = date.fromordinal(ordinal)
        begins, ends = calendar.end_of_day(on - _DAY), calendar.end_of_day(on)
        before, used = used, used_until(deadline, min(ends, max(deadline.at, start)))
        yield _day(
            deadline, on,
            number=0 if on == zero else ceil((used - into_limit) / _DAY),
            counted=used - before,
            pauses=_touching(deadline.pauses, max(begins, start), ends),
        )  # fmt: skip


def _day(
    deadline: Deadline, on: date, *, number: int, counted: timedelta, pauses: tuple[int, ...]
) -> Day:
    calendar, is_zero = deadline.calendar, on == deadline.calendar.local_date(deadline.started_at)
    if deadline.limit.unit == "calendar_days":
        days = (on - calendar.local_date(deadline.started_at)).days
        return Day(on=on, number=days, counted_seconds=0 if is_zero else _DAY.total_seconds())
    off = calendar.day_off(on)
    skipped: Skip | None = None
    if off is not None:
        skipped = "holiday"
    elif on.weekday() not in calendar.working_week:
        skipped = "weekend"
    elif not counted and pauses:
        skipped = "paused"
    return Day(
        on=on,
        number=number if is_zero or skipped is None else None,
        counted_seconds=counted.total_seconds(),
        skipped=skipped,
        name=off.name if off else None,
        decree=off.decree if off else None,
        kind=off.kind if off else None,
        is_provisional=on.year not in calendar.years,
        pauses=pauses,
    )


def _touching(pauses: Sequence[Pause], begins: datetime, ends: datetime) -> tuple[int, ...]:
    """Return the places of the pauses that hold a part of a stretch of time."""
    return tuple(
        place
        for place, pause in enumerate(pauses)
        if pause.since < ends and (pause.until is None or max(begins, pause.since) < pause.until)
    )
