"""Calendars as versions: what was known when, and that the decrees add up to the real years."""

import shutil
from collections import Counter
from datetime import UTC, date, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

import holidays
import pytest

from shared.contract.events import CalendarAmended
from shared.registry import PACKAGED, Change, RegistryError, load, problems_of
from shared.worktime.working_days import CalendarYearMissing, Reckoned
from tests.packaged_registry import REGISTRY

TODAY = date(2026, 11, 24)
REGIONAL = """valid_from = 2025-01-01
source = "test"
prefix = "hsu"
time_zone = "Asia/Makassar"
[[version]]
known_from = 2025-02-01
decree = "test"
source = "test"
add = [["2025-05-02", "regional", "Hari Jadi"]]
"""


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


@pytest.mark.parametrize(
    ("received", "deadlines"),
    [
        ("2023-04-18", "2023-04-28 2023-05-03 2023-05-10 2023-05-16 2023-07-28"),
        ("2024-02-07", "2024-02-15 2024-02-19 2024-02-26 2024-03-01 2024-05-22"),
        ("2024-12-24", "2024-12-31 2025-01-03 2025-01-10 2025-01-16 2025-03-26"),
        ("2025-03-27", "2025-04-10 2025-04-14 2025-04-22 2025-04-28 2025-07-11"),
        ("2025-08-15", "2025-08-21 2025-08-25 2025-09-01 2025-09-08 2025-11-11"),
        ("2026-03-13", "2026-03-25 2026-03-27 2026-04-06 2026-04-10 2026-06-24"),
    ],
)
@pytest.mark.parametrize("institution", ["00", "6308"])
def test_limits_of_3_5_10_14_and_60_working_days(
    received: str, deadlines: str, institution: str
) -> None:
    """Counted out by hand from the holiday lists, around the years' long holidays."""
    calendar, day = REGISTRY.calendar(institution, TODAY), date.fromisoformat(received)
    start = datetime.combine(day, time(10), tzinfo=calendar.zone)

    found = [calendar.add_working_days(day, limit) for limit in (3, 5, 10, 14, 60)]

    assert found == [date.fromisoformat(text) for text in deadlines.split()]
    ends = [calendar.deadline(start, limit) for limit in (3, 5, 10, 14, 60)]
    assert ends == [calendar.end_of_day(day) for day in found]


def the_registry(tmp_path: Path, *edits: tuple[str, str]) -> Path:
    """Copy the shipped files, with Hulu Sungai Utara's edited."""
    folder = Path(shutil.copytree(PACKAGED, tmp_path / "registry"))
    file = folder / "institutions" / "6308.toml"
    text = file.read_text(encoding="utf-8")
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    file.write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("zone", "end_of_17_march"),
    [
        ("Asia/Jakarta", datetime(2026, 3, 17, 17, tzinfo=UTC)),
        ("Asia/Makassar", datetime(2026, 3, 17, 16, tzinfo=UTC)),
        ("Asia/Jayapura", datetime(2026, 3, 17, 15, tzinfo=UTC)),
        ("America/New_York", datetime(2026, 3, 18, 4, tzinfo=UTC)),
    ],
)
def test_any_zone_has_its_own_end_of_day(
    tmp_path: Path, zone: str, end_of_17_march: datetime
) -> None:
    """WIB, WITA, WIT, and one with daylight saving: the same instant is another day."""
    folder = the_registry(tmp_path, ("Asia/Makassar", zone))
    calendar = load(folder).calendar("6308", TODAY)

    start = datetime(2026, 3, 16, 12, tzinfo=UTC)  # Monday everywhere
    assert calendar.deadline(start, 1) == end_of_17_march
    # 06:30 WIB on a Saturday is Friday evening in New York.
    early = datetime(2026, 3, 7, 6, 30, tzinfo=ZoneInfo("Asia/Jakarta"))
    assert calendar.local_date(early) == early.astimezone(ZoneInfo(zone)).date()


def a_year(**fields: object) -> CalendarAmended:
    """Assume two days of 2027."""
    given: dict[str, object] = {
        "version": "id-2026-10-01", "chain": "indonesia", "known_from": date(2026, 10, 1),
        "decree": "Perkiraan 2027", "source": "test",
        "add": (
            (date(2027, 2, 5), "provisional", "assumed"),
            (date(2027, 3, 10), "provisional", "assumed"),
        ),
    }  # fmt: skip
    return CalendarAmended.model_validate(given | fields)


def test_assumed_days_count_and_the_year_stays_flagged_until_its_decree() -> None:
    """The decree that decides a year takes the assumed days out by itself."""
    assumed = Change(event=a_year(), seen_at=datetime(2026, 10, 1, tzinfo=UTC))
    decided = a_year(
        version="id-2026-10-15", known_from=date(2026, 10, 15), decree="SKB 2027", decides=(2027,),
        add=((date(2027, 2, 5), "joint_leave", "decreed"), (date(2027, 1, 1), "national", "new")),
    )  # fmt: skip
    decree = Change(event=decided, seen_at=datetime(2026, 10, 15, tzinfo=UTC))
    registry = REGISTRY.amended((assumed, decree))
    start = datetime(2027, 2, 3, 3, tzinfo=UTC)  # a Wednesday

    before = registry.calendar("00", date(2026, 10, 2))
    since = registry.calendar("00", date(2026, 10, 16))

    assert before.reckon(start, 2) == Reckoned(
        before.end_of_day(date(2027, 2, 8)), is_provisional=True
    )
    assert since.reckon(start, 2) == Reckoned(
        since.end_of_day(date(2027, 2, 8)), is_provisional=False
    )
    assert [day.kind for day in since.days_off if day.on.year == 2027] == [
        "national",
        "joint_leave",
    ]
    assert problems_of(decree, REGISTRY.amended((assumed,))) == []
    with pytest.raises(CalendarYearMissing, match="2027"):
        before.add_working_days(date(2027, 2, 3), 2)


def test_a_regional_day_may_be_published_for_those_who_keep_that_calendar(tmp_path: Path) -> None:
    """The other institutions' calendars stay the very same objects."""
    folder = the_registry(tmp_path, ('["indonesia"]', '["indonesia", "hsu"]'))
    (folder / "calendars" / "hsu.toml").write_text(REGIONAL, encoding="utf-8")
    registry = load(folder)
    event = a_year(
        version="hsu-2026-10-01", chain="hsu", add=((date(2026, 11, 3), "regional", "Haul"),)
    )
    amended = registry.amended((Change(event=event, seen_at=datetime(2026, 10, 1, tzinfo=UTC)),))

    calendar = amended.calendar("6308", TODAY)
    assert calendar.version == "id-2025-09-19+hsu-2026-10-01"
    assert calendar.reason(date(2026, 11, 3)) == "Haul (Perkiraan 2027)"
    assert amended.calendar("3204", TODAY) is registry.calendar("3204", TODAY)


def test_two_calendars_cannot_have_one_prefix(tmp_path: Path) -> None:
    """A version's name must say which calendar it is of."""
    folder = the_registry(tmp_path)
    text = REGIONAL.replace('prefix = "hsu"', 'prefix = "id"')
    (folder / "calendars" / "hsu.toml").write_text(text, encoding="utf-8")

    with pytest.raises(RegistryError, match="prefix id occurs 2 times; keep one"):
        load(folder)


def test_a_regional_calendar_adds_an_institutions_own_days(tmp_path: Path) -> None:
    """Another chain, another part of the version's name; a six-day week counts Saturdays."""
    folder = the_registry(
        tmp_path, ('["indonesia"]', '["indonesia", "hsu"]'), ('"fri"]', '"fri", "sat"]')
    )
    (folder / "calendars" / "hsu.toml").write_text(REGIONAL, encoding="utf-8")

    calendar = load(folder).calendar("6308", date(2025, 3, 1))

    assert calendar.version == "id-2024-11-21+hsu-2025-02-01"
    assert calendar.add_working_days(date(2025, 4, 30), 1) == date(2025, 5, 3)
    assert calendar.reason(date(2025, 5, 2)) == "Hari Jadi (test)"
