"""What is true of all deadlines: order, sums, inverses, zones, and numpy's opinion."""

from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.worktime.working_days import WEEKDAYS
from tests.unit.cli.compute.requests import (
    OFFICE,
    a_calendar,
    a_spec,
    ask,
    at,
    minutes,
    opening_hours,
)

HOLIDAYS: Final = a_spec()["holidays"]
WEEKS: Final = st.sets(st.integers(0, 6), min_size=1).map(sorted)
DAYS: Final = st.dates(date(2025, 1, 1), date(2027, 12, 31))
COUNTS: Final = st.integers(-300, 300)
MINUTES: Final = st.integers(1, 60_000)
FIRST: Final = datetime(2026, 1, 1, tzinfo=UTC)
INSTANTS: Final = st.timedeltas(timedelta(0), timedelta(days=365)).map(lambda later: FIRST + later)
TABLES: Final = st.sampled_from(
    [OFFICE, "wit_office_lunch_regional", "biz_default", "berlin_9_18_daily", "utc_24_7"]
).map(opening_hours)
ZONES: Final = st.sampled_from(
    ["UTC", "Asia/Jakarta", "Asia/Makassar", "Asia/Jayapura", "America/New_York", "Asia/Kathmandu"]
)
PAUSES: Final = st.lists(
    st.tuples(INSTANTS, st.timedeltas(timedelta(0), timedelta(days=20))).map(
        lambda pause: (pause[0], pause[0] + pause[1])
    ),
    max_size=4,
)


# ---- days


@given(WEEKS, DAYS, COUNTS)
def test_days_are_numpys(week: list[int], day: date, count: int) -> None:
    """busday_offset: from a free day forwards rolls back first, backwards forward, as day 0."""
    found = ask(
        op="add_working_days", start=day.isoformat(), days=count,
        calendar={"time_zone": "Asia/Jakarta", "week": [WEEKDAYS[n] for n in week],
                  "holidays": HOLIDAYS},
    )  # fmt: skip

    mask = [n in week for n in range(7)]
    roll: Literal["forward", "backward"] = "forward" if count < 0 else "backward"
    expected = np.busday_offset(day, count, roll, weekmask=mask, holidays=HOLIDAYS)
    assert found["date"] == str(expected)


@given(WEEKS, DAYS)
def test_working_days_are_numpys(week: list[int], day: date) -> None:
    """is_busday of the same week and holidays."""
    spec = {"time_zone": "UTC", "week": [WEEKDAYS[n] for n in week], "holidays": HOLIDAYS}
    mask = [n in week for n in range(7)]

    found = ask(op="is_working_day", date=day.isoformat(), calendar=spec)

    assert found == bool(np.is_busday(day, weekmask=mask, holidays=HOLIDAYS))


@given(DAYS, DAYS)
def test_days_between_are_numpys(one: date, other: date) -> None:
    """busday_count leaves out the last day, we leave out the first."""
    first, last = sorted((one, other))
    one_day = timedelta(days=1)

    found = a_calendar("Asia/Jakarta", "01234", *HOLIDAYS).working_days_between(first, last)

    assert found == np.busday_count(first + one_day, last + one_day, holidays=HOLIDAYS)


@given(DAYS, COUNTS, st.integers(0, 30), st.integers(0, 30))
def test_days_are_monotone(day: date, count: int, later: int, more: int) -> None:
    """In the start and in the number, the instant as the date."""
    early = ask(op="add_working_days", calendar=a_spec(), start=day.isoformat(), days=count)
    late = ask(
        op="add_working_days", calendar=a_spec(), days=count + more,
        start=(day + timedelta(days=later)).isoformat(),
    )  # fmt: skip

    assert early["date"] <= late["date"]
    assert early["instant"] <= late["instant"]


@given(DAYS, st.integers(0, 150), st.integers(0, 150))
def test_days_add_up(day: date, first: int, second: int) -> None:
    """Forwards in two steps as in one, and the same way back from a working day."""
    calendar = a_calendar("Asia/Jakarta", "01234", *HOLIDAYS)
    between = calendar.add_working_days(day, first)

    assert calendar.add_working_days(between, second) == calendar.add_working_days(
        day, first + second
    )
    back = calendar.add_working_days(calendar.add_working_days(between, second), -second)
    assert back == between


# ---- minutes


@given(TABLES, INSTANTS, MINUTES, PAUSES)
def test_elapsed_is_the_inverse_of_add(
    table: Any, start: datetime, count: int, pauses: list[tuple[datetime, datetime]]
) -> None:
    """Exactly, pauses or not; and no earlier instant has that much behind it."""
    end = table.add(start, minutes(count), pauses)

    assert table.elapsed(start, end, pauses) == minutes(count)
    assert table.elapsed(start, end - timedelta(microseconds=1), pauses) < minutes(count)
    assert table.is_working_instant(end - timedelta(microseconds=1))


@given(TABLES, INSTANTS, MINUTES)
def test_backwards_is_the_inverse_of_forwards(table: Any, start: datetime, count: int) -> None:
    """From the end back the same time has passed, and it began no earlier than it had to."""
    begin = table.add(start, minutes(-count))

    assert begin < start
    assert table.elapsed(begin, start) == minutes(count)
    assert table.elapsed(begin + timedelta(microseconds=1), start) < minutes(count)


@given(TABLES, INSTANTS, MINUTES, MINUTES)
def test_minutes_add_up(table: Any, start: datetime, first: int, second: int) -> None:
    """In two steps as in one."""
    assert table.add(table.add(start, minutes(first)), minutes(second)) == table.add(
        start, minutes(first + second)
    )


@given(TABLES, INSTANTS, INSTANTS, INSTANTS, PAUSES)
def test_elapsed_adds_up(
    table: Any, a: datetime, b: datetime, c: datetime, pauses: list[tuple[datetime, datetime]]
) -> None:
    """Over any point between, pauses across it or not."""
    first, middle, last = sorted((a, b, c))

    assert table.elapsed(first, middle, pauses) + table.elapsed(
        middle, last, pauses
    ) == table.elapsed(first, last, pauses)


@given(TABLES, INSTANTS, INSTANTS, MINUTES, PAUSES)
def test_minutes_are_monotone(
    table: Any,
    one: datetime,
    other: datetime,
    count: int,
    pauses: list[tuple[datetime, datetime]],
) -> None:
    """In the start and in the number; a pause never brings an end forward."""
    start, later = sorted((one, other))
    end = table.add(start, minutes(count), pauses)

    assert end <= table.add(later, minutes(count), pauses)
    assert end < table.add(start, minutes(count + 1), pauses)
    assert table.add(start, minutes(count)) <= end


@given(TABLES, INSTANTS, MINUTES, PAUSES, st.randoms())
def test_the_order_of_pauses_says_nothing(
    table: Any, start: datetime, count: int, pauses: list[tuple[datetime, datetime]], dice: Any
) -> None:
    """Neither does a repetition."""
    shuffled = pauses * 2
    dice.shuffle(shuffled)

    assert table.add(start, minutes(count), shuffled) == table.add(start, minutes(count), pauses)


# ---- zones


@given(INSTANTS, INSTANTS, ZONES, st.integers(0, 9_999))
def test_in_which_zone_an_instant_is_written_says_nothing(
    one: datetime, other: datetime, zone: str, count: int
) -> None:
    """The same answers to the same instants."""
    start, end = sorted((one, other))

    def answers(write: Any) -> list[object]:
        begins, ends = write(start), write(end)
        office = {"calendar": a_spec()}
        return [
            ask(op="add_working_days", start=begins, days=count % 60, **office),
            ask(op="add_working_minutes", start=begins, minutes=count, **office),
            ask(op="elapsed_working_minutes", start=begins, end=ends, **office),
            ask(op="is_working_instant", at=begins, **office),
        ]

    there = answers(lambda moment: moment.astimezone(ZoneInfo(zone)).isoformat())

    assert there == answers(lambda moment: moment.isoformat())


@pytest.mark.parametrize(
    ("written", "calendar", "day_3"),
    [
        # 06:30 WIB on a Saturday: day 0 is that Saturday wherever it is read, Friday in New York
        ("2026-07-11T06:30:00+07:00", "wib_office_lunch", "2026-07-15"),
        ("2026-07-10T23:30:00Z", "wib_office_lunch", "2026-07-15"),
        ("2026-07-10T19:30:00-04:00", "wib_office_lunch", "2026-07-15"),
        # 00:30 WIT on a Monday is still Sunday in WIB and in UTC: day 1 is Tuesday in WIT only
        ("2026-07-13T00:30:00+09:00", "wit_office_lunch_regional", "2026-07-16"),
        ("2026-07-12T15:30:00Z", "wit_office_lunch_regional", "2026-07-16"),
        ("2026-07-13T00:30:00+09:00", "wib_office_lunch", "2026-07-15"),
    ],
)
def test_day_0_is_the_calendars_own_local_day(written: str, calendar: str, day_3: str) -> None:
    """Whatever zone the instant is written in."""
    spec = a_spec(calendar)

    found = ask(op="add_working_days", calendar=spec, start=written, days=3)

    assert found["date"] == day_3
    closes = at(f"{day_3}T16:00").replace(tzinfo=ZoneInfo(spec["time_zone"]))
    assert at(found["instant"]) == closes


@given(INSTANTS, st.integers(0, 60))
def test_an_institutions_days_end_at_midnight(start: datetime, count: int) -> None:
    """Its hari kerja are 00:00 to 24:00 local time, by the decrees of the registry."""
    found = ask(op="add_working_days", institution="6308", start=start.isoformat(), days=count)

    if isinstance(found, str):  # 2027 has no decree
        assert start > datetime(2026, 9, 1, tzinfo=UTC)
        assert found.startswith("beyond_last_year")
        return
    midnight = (at(found["date"]) + timedelta(days=1)).replace(tzinfo=ZoneInfo("Asia/Makassar"))
    assert at(found["instant"]) == midnight
