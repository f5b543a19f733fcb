"""Working days: the table of the rules, published vectors, zones, years without a decree."""

import json
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from shared.worktime.working_days import WEEKDAYS, Calendar, CalendarYearMissing, DayOff
from tests.packaged_registry import REGISTRY
from tests.unit.sla_monitor.calendars import WIB, WIT, WITA, at

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "data" / "sla_vectors.json").read_text(encoding="utf-8")
)


@cache
def a_calendar(name: str) -> Calendar:
    """Build a calendar of the vectors' file."""
    spec = VECTORS["calendars"][name]
    return Calendar(
        version=name,
        zone=ZoneInfo(spec["time_zone"]),
        working_week=frozenset(WEEKDAYS.index(day) for day in spec["hours"]),
        days_off=tuple(
            DayOff(date.fromisoformat(day), "national", "", "") for day in spec["holidays"]
        ),
    )


# ---- the table and the vectors


@pytest.mark.parametrize(
    ("calendar", "received", "deadlines"),
    [
        (calendar, received, deadlines)
        for calendar in (WIB, WITA, WIT)
        for received, deadlines in [
            ("2023-04-18", ("2023-04-28", "2023-05-03", "2023-05-10", "2023-05-16", "2023-07-28")),
            ("2024-02-07", ("2024-02-15", "2024-02-19", "2024-02-26", "2024-03-01", "2024-05-22")),
            ("2024-12-24", ("2024-12-31", "2025-01-03", "2025-01-10", "2025-01-16", "2025-03-26")),
            ("2025-03-27", ("2025-04-10", "2025-04-14", "2025-04-22", "2025-04-28", "2025-07-11")),
            ("2025-08-15", ("2025-08-21", "2025-08-25", "2025-09-01", "2025-09-08", "2025-11-11")),
            ("2026-03-13", ("2026-03-25", "2026-03-27", "2026-04-06", "2026-04-10", "2026-06-24")),
        ]
    ],
)
def test_the_table_of_deadlines(
    calendar: Calendar, received: str, deadlines: tuple[str, ...]
) -> None:
    """Any hour of the local day of receipt gives the end of the same local day."""
    for hour in (0, 9, 23):
        start = at(f"{received}T{hour:02}:59:00").replace(tzinfo=calendar.zone)
        for days, expected in zip((3, 5, 10, 14, 60), deadlines, strict=True):
            end = datetime.combine(date.fromisoformat(expected), datetime.min.time())
            midnight = (end + timedelta(days=1)).replace(tzinfo=calendar.zone)
            assert calendar.deadline(start, days) == midnight
            assert calendar.deadline(start, days).tzinfo is UTC


@pytest.mark.parametrize(
    "vector",
    [v for v in VECTORS["vectors"] + VECTORS["generated"] if v["kind"] == "add_working_days_date"],
)
def test_published_vectors_of_working_days(vector: dict[str, Any]) -> None:
    """From other systems' suites and from numpy."""
    found = a_calendar(vector["calendar"]).add_working_days(
        date.fromisoformat(vector["start"]), vector["days"]
    )

    assert found == date.fromisoformat(vector["expected"])


@pytest.mark.parametrize(
    "vector",
    [v for v in VECTORS["vectors"] if v["kind"] == "is_working_day"],
    ids=lambda vector: str(vector["id"]),
)
def test_published_vectors_of_working_and_free_days(vector: dict[str, Any]) -> None:
    """New Year is a working day where no calendar says otherwise."""
    found = a_calendar(vector["calendar"]).is_working_day(date.fromisoformat(vector["date"]))

    assert found is vector["expected"]


# ---- day 0 and zones


@pytest.mark.parametrize(
    ("received", "calendar", "end_of_day_3"),
    [
        # Friday noon; the weekend after it starts on the same day 0
        ("2026-07-10T12:00+07:00", WIB, "2026-07-16T00:00+07:00"),
        ("2026-07-11T06:30+07:00", WIB, "2026-07-16T00:00+07:00"),
        ("2026-07-12T23:59+07:00", WIB, "2026-07-16T00:00+07:00"),
        ("2026-07-13T00:00+07:00", WIB, "2026-07-17T00:00+07:00"),
        # Sunday 23:30 WIB is already Monday in WITA and WIT: another day 0
        ("2026-07-12T23:30+07:00", WITA, "2026-07-17T00:00+08:00"),
        ("2026-07-12T23:30+07:00", WIT, "2026-07-17T00:00+09:00"),
        # Saturday 22:30 WIB is Sunday 00:30 WIT: still the same day 0
        ("2026-07-11T22:30+07:00", WIT, "2026-07-16T00:00+09:00"),
        # Sunday 22:30 WIB is Monday 00:30 WIT
        ("2026-07-12T22:30+07:00", WIT, "2026-07-17T00:00+09:00"),
        # a holiday is day 0 of the working day before it
        ("2026-08-17T09:00+07:00", WIB, "2026-08-21T00:00+07:00"),
        ("2026-08-14T09:00+07:00", WIB, "2026-08-21T00:00+07:00"),
    ],
)
def test_day_0_is_the_institutions_own_day(
    received: str, calendar: Calendar, end_of_day_3: str
) -> None:
    """The same instant may fall on another local day in another institution."""
    assert calendar.deadline(at(received), 3) == at(end_of_day_3)


def test_an_instant_without_a_zone_is_refused() -> None:
    """Nobody can say on which day it falls."""
    naive = at("2026-07-10T12:00")

    with pytest.raises(ValueError, match="without a time zone"):
        WIB.deadline(naive, 3)
    with pytest.raises(ValueError, match="without a time zone"):
        REGISTRY.calendar("00", naive)


def test_a_day_off_says_why() -> None:
    """By name and decree, or by weekday."""
    assert WIB.reason(date(2025, 8, 19)) is None
    assert WIB.reason(date(2025, 8, 24)) == "Minggu"
    reason = WIB.reason(date(2025, 8, 18))
    assert reason is not None
    assert reason.startswith("Cuti Bersama Hari Kemerdekaan Republik Indonesia (Keputusan Bersama")
    assert "933 Tahun 2025" in reason


def test_an_explanation_numbers_every_counted_day() -> None:
    """From the day after receipt to the deadline, skipped days with their reason."""
    start = at("2025-08-15T10:00+07:00")
    days = list(WIB.explain(start, WIB.deadline(start, 3)))

    assert [day.number for day in days] == [None, None, None, 1, 2, 3]
    assert [day.reason is None for day in days] == [False, False, False, True, True, True]
    assert days[-1].on == date(2025, 8, 21)


def test_a_zone_with_daylight_saving_ends_its_days_at_local_midnight() -> None:
    """Any IANA zone works: the night to 29 March 2026 has 23 hours in Berlin."""
    berlin = Calendar("test", ZoneInfo("Europe/Berlin"), frozenset(range(7)))

    assert berlin.deadline(at("2026-03-28T12:00+01:00"), 1) == at("2026-03-29T22:00+00:00")


# ---- years without a decree


def test_a_year_without_a_decree_is_refused_by_name() -> None:
    """2027 is not shipped; the error says what to add."""
    december = at("2026-12-30T09:00+07:00")

    assert WIB.deadline(december, 1) == at("2027-01-01T00:00+07:00")
    with pytest.raises(CalendarYearMissing, match="no decree for 2027: add the decree") as refused:
        WIB.deadline(december, 2)
    assert refused.value.year == 2027
    with pytest.raises(CalendarYearMissing, match="2022"):
        WIB.add_working_days(date(2023, 1, 2), -1)
    with pytest.raises(CalendarYearMissing, match="2027"):
        WIB.is_working_day(date(2027, 1, 4))
    with pytest.raises(CalendarYearMissing, match="2027"):
        WIB.working_days_between(date(2026, 12, 30), date(2027, 1, 4))


def test_a_reckoning_flags_a_year_without_a_decree() -> None:
    """New Year's Day is off every year; what the decree of 2027 will add is not known."""
    december = at("2026-12-30T09:00+07:00")

    assert WIB.reckon(december, 1) == (at("2027-01-01T00:00+07:00"), False)
    assert WIB.reckon(december, 2) == (at("2027-01-05T00:00+07:00"), True)
    assert WIB.reason(date(2027, 1, 1)) == "Tahun Baru Masehi (by law, no decree yet)"


def test_only_days_after_the_receipt_need_a_decree() -> None:
    """Received on the eve of the first decreed year: day 1 is in it."""
    assert WIB.deadline(at("2022-12-31T09:00+07:00"), 1) == at("2023-01-03T00:00+07:00")
    with pytest.raises(CalendarYearMissing, match="2022"):
        WIB.deadline(at("2022-12-30T09:00+07:00"), 1)


def test_a_gap_between_decreed_years_is_found() -> None:
    """A count over the missing year is refused although both ends are decreed."""
    gap = Calendar("gap", WIB.zone, WIB.working_week, years=frozenset({2023, 2025}))

    with pytest.raises(CalendarYearMissing, match="2024"):
        gap.add_working_days(date(2023, 12, 1), 300)
    with pytest.raises(CalendarYearMissing, match="2024"):
        gap.add_working_days(date(2025, 1, 10), -270)


def test_nothing_is_counted_beyond_the_century() -> None:
    """An absurd date is an error, not a wrong deadline."""
    for days in (5, 10**6):
        with pytest.raises(CalendarYearMissing):
            WIB.reckon(at("2099-12-31T00:00+07:00"), days)
    with pytest.raises(CalendarYearMissing):
        WIB.add_working_days(date(1999, 1, 1), 0)


def test_a_working_week_needs_a_day() -> None:
    """Otherwise no deadline would ever come."""
    with pytest.raises(ValueError, match="one to seven"):
        Calendar("none", WIB.zone, frozenset())


def test_negative_working_time_cannot_be_added() -> None:
    """A deadline that passed stays where it is."""
    with pytest.raises(ValueError, match="must not be negative"):
        WIB.add_working_time(at("2026-07-06T00:00+07:00"), timedelta(seconds=-1))
