"""Calendars as versions: what was known when, and that the decrees add up to the real years."""

import shutil
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path

import holidays
import pytest

from shared.calendar import CalendarYearMissing
from shared.registry import PACKAGED, load

REGISTRY = load()
TODAY = date(2026, 11, 24)


@pytest.mark.parametrize(
    ("year", "national", "joint_leave"),
    [(2023, 16, 11), (2024, 19, 10), (2025, 17, 11), (2026, 17, 8)],
)
def test_the_totals_of_each_year(year: int, national: int, joint_leave: int) -> None:
    """As counted from the decrees with all amendments."""
    days = [day for day in REGISTRY.calendar("00", TODAY).days_off if day.on.year == year]

    assert Counter(day.kind for day in days) == {"national": national, "joint_leave": joint_leave}
    assert all(day.decree and day.name for day in days)


@pytest.mark.parametrize("year", [2023, 2024, 2025, 2026])
def test_the_decrees_add_up_to_the_days_of_the_holidays_package(year: int) -> None:
    """The chain of versions ends where an independent source says."""
    seed = holidays.country_holidays("ID", years=year, categories=("public", "government"))
    ours = {day.on for day in REGISTRY.calendar("00", TODAY).days_off if day.on.year == year}

    assert ours == set(seed)


@pytest.mark.parametrize(
    ("known_on", "version", "five_days_after_13_august_2025"),
    [
        (date(2025, 8, 6), "id-2024-11-21", date(2025, 8, 20)),
        (date(2025, 8, 7), "id-2025-08-07", date(2025, 8, 21)),
        (datetime(2025, 8, 6, 16, 59, tzinfo=UTC), "id-2024-11-21", date(2025, 8, 20)),
        (datetime(2025, 8, 6, 17, 0, tzinfo=UTC), "id-2025-08-07", date(2025, 8, 21)),
    ],
)
def test_a_late_decree_moves_a_deadline_from_the_day_it_is_known(
    known_on: date, version: str, five_days_after_13_august_2025: date
) -> None:
    """The decree of 7 August 2025 takes out the 18th; its day begins at 00:00 WIB."""
    calendar = REGISTRY.calendar("6308", known_on)

    assert calendar.version == version
    assert calendar.add_working_days(date(2025, 8, 13), 5) == five_days_after_13_august_2025


@pytest.mark.parametrize(
    ("known_on", "off"),
    [
        (date(2023, 3, 28), {21, 24, 25, 26}),
        (date(2023, 3, 29), {19, 20, 21, 24, 25}),
    ],
)
def test_a_decree_may_take_a_day_back(known_on: date, off: set[int]) -> None:
    """The joint leave of Idul Fitri 2023 was moved forward; 26 April became a working day."""
    days = REGISTRY.calendar("00", known_on).days_off

    assert {
        day.on.day
        for day in days
        if day.kind == "joint_leave" and (day.on.year, day.on.month) == (2023, 4)
    } == off


def test_june_2023_got_two_days_on_the_16th() -> None:
    """The second amendment of 2023."""
    before = REGISTRY.calendar("00", date(2023, 6, 15))
    since = REGISTRY.calendar("00", date(2023, 6, 16))

    assert {day.on for day in set(since.days_off) - set(before.days_off)} == {
        date(2023, 6, 28),
        date(2023, 6, 30),
    }


def test_before_the_first_decree_every_year_is_missing() -> None:
    """Refused by the strict count, flagged by the other, never silently counted."""
    calendar = REGISTRY.calendar("00", date(2022, 1, 1))

    assert (calendar.version, calendar.years) == ("id-0", frozenset())
    with pytest.raises(CalendarYearMissing, match="2022"):
        calendar.add_working_days(date(2022, 1, 3), 1)
    assert calendar.reckon(datetime(2022, 1, 3, tzinfo=UTC), 1).is_provisional


def test_the_same_version_is_the_same_object() -> None:
    """A stage may ask for every record; institutions of one zone and week share the calendar."""
    first = REGISTRY.calendar("6308", date(2025, 8, 7))

    assert REGISTRY.calendar("6308", date(2025, 9, 1)) is first
    assert REGISTRY.calendar("00", TODAY) is REGISTRY.calendar("3204", TODAY)


def test_a_regional_calendar_adds_an_institutions_own_days(tmp_path: Path) -> None:
    """Another chain, another part of the version's name; a six-day week counts Saturdays."""
    folder = Path(shutil.copytree(PACKAGED, tmp_path / "registry"))
    (folder / "calendars" / "hsu.toml").write_text(
        'valid_from = 2025-01-01\nsource = "test"\nprefix = "hsu"\ntime_zone = "Asia/Makassar"\n'
        '[[version]]\nknown_from = 2025-02-01\ndecree = "test"\nsource = "test"\n'
        'add = [["2025-05-02", "regional", "Hari Jadi"]]\n',
        encoding="utf-8",
    )
    file = folder / "institutions" / "6308.toml"
    text = file.read_text(encoding="utf-8")
    text = text.replace('calendars = ["indonesia"]', 'calendars = ["indonesia", "hsu"]')
    file.write_text(text.replace('"fri"]', '"fri", "sat"]'), encoding="utf-8")

    calendar = load(folder).calendar("6308", date(2025, 3, 1))

    assert calendar.version == "id-2024-11-21+hsu-2025-02-01"
    assert calendar.add_working_days(date(2025, 4, 30), 1) == date(2025, 5, 3)
    assert calendar.reason(date(2025, 5, 2)) == "Hari Jadi (test)"
