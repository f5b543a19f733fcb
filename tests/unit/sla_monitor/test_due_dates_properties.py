"""Working days by properties: equal to numpy, additive, monotone, the same in every zone."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shared.worktime.working_days import Calendar
from tests.unit.sla_monitor.calendars import INSTANTS, WIB, WIT, WITA

HOLIDAYS = [day.on.isoformat() for day in WIB.days_off]
DAYS = st.dates(date(2023, 1, 2), date(2026, 6, 30))
COUNTS = st.integers(0, 60)
CALENDARS = st.sampled_from([WIB, WITA, WIT])


@given(DAYS, COUNTS)
def test_equal_to_numpy(day: date, days: int) -> None:
    """busday_offset of the same week and holidays, rolled back to day 0."""
    expected = np.busday_offset(day, days, roll="backward", holidays=HOLIDAYS)

    assert WIB.add_working_days(day, days) == expected.astype(date)
    assert WIB.is_working_day(day) is bool(np.is_busday(day, holidays=HOLIDAYS))


@given(DAYS.filter(lambda day: day > date(2023, 4, 30)), st.integers(1, 60))
def test_backwards_equal_to_numpy(day: date, days: int) -> None:
    """The days strictly before; from a free day the first is the working day before it."""
    expected = np.busday_offset(day, -days, roll="forward", holidays=HOLIDAYS)

    assert WIB.add_working_days(day, -days) == expected.astype(date)


@given(DAYS, DAYS)
def test_between_is_equal_to_numpy(first: date, last: date) -> None:
    """Days later than the first and not later than the last; negative backwards."""
    after, until = first + timedelta(days=1), last + timedelta(days=1)
    expected = int(np.busday_count(after, until, holidays=HOLIDAYS))
    if until < after:  # numpy counts other ends when it goes backwards
        expected = -int(np.busday_count(until, after, holidays=HOLIDAYS))

    assert WIB.working_days_between(first, last) == expected


@given(DAYS, COUNTS, COUNTS)
def test_additive(day: date, first: int, then: int) -> None:
    """Five and then three days are eight days."""
    stepwise = WIB.add_working_days(WIB.add_working_days(day, first), then)

    assert stepwise == WIB.add_working_days(day, first + then)


@given(DAYS, COUNTS)
def test_between_undoes_add(day: date, days: int) -> None:
    """The days between a day and its N-th working day are N."""
    assert WIB.working_days_between(day, WIB.add_working_days(day, days)) == days


@given(CALENDARS, INSTANTS, INSTANTS, COUNTS, COUNTS)
def test_monotone_in_start_and_days(
    calendar: Calendar, start: datetime, other: datetime, days: int, more: int
) -> None:
    """Later receipt or more days never give an earlier deadline; a deadline is in the future."""
    first, last = sorted((start, other))

    assert calendar.deadline(first, days) <= calendar.deadline(last, days)
    assert calendar.deadline(first, days) <= calendar.deadline(first, days + more)
    assert calendar.deadline(first, days + 1) > first


@given(CALENDARS, INSTANTS, COUNTS, st.sampled_from(["Asia/Jakarta", "Asia/Jayapura", "UTC"]))
def test_the_same_whatever_zone_the_instant_is_written_in(
    calendar: Calendar, start: datetime, days: int, zone: str
) -> None:
    """Only the institution's zone matters."""
    written = start.astimezone(ZoneInfo(zone))

    assert calendar.deadline(written, days) == calendar.deadline(start, days)


@given(CALENDARS, INSTANTS, st.timedeltas(timedelta(0), timedelta(days=40)))
def test_working_time_undoes_adding_it(
    calendar: Calendar, start: datetime, amount: timedelta
) -> None:
    """What was added is measured, to the microsecond."""
    end = calendar.add_working_time(start, amount)

    assert calendar.working_time(start, end) == amount
    assert calendar.working_time(end, start) == -amount


@given(CALENDARS, INSTANTS, COUNTS)
def test_a_shift_of_a_deadline_is_the_deadline_of_more_days(
    calendar: Calendar, start: datetime, more: int
) -> None:
    """24:00 stays 24:00, forward and back."""
    deadline = calendar.deadline(start, 5)

    assert calendar.shift(deadline, more).at == calendar.deadline(start, 5 + more)
    assert calendar.shift(calendar.deadline(start, 5 + more), -more).at == deadline
