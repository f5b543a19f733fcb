"""Working days: the table of the rules, published vectors, properties, zones, pauses, levels."""

import json
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.sla_monitor.calendar import (
    Pause,
    due,
    due_after_pauses,
    rings_at,
    working_days_used,
)
from shared.calendar import WEEKDAYS, Calendar, CalendarYearMissing, DayOff
from shared.registry import Limit, load
from tests.tables import each

REGISTRY = load()
TODAY = date(2026, 11, 24)
WIB = REGISTRY.calendar("3204", TODAY)
WITA = REGISTRY.calendar("6308", TODAY)
WIT = Calendar(
    version=WIB.version,
    zone=ZoneInfo("Asia/Jayapura"),
    working_week=WIB.working_week,
    days_off=WIB.days_off,
    years=WIB.years,
)
VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "data" / "sla_vectors.json").read_text(encoding="utf-8")
)
HOLIDAYS = [day.on.isoformat() for day in WIB.days_off]


def at(text: str) -> datetime:
    """Read an instant."""
    return datetime.fromisoformat(text)


def working(days: int) -> Limit:
    """State a limit in working days."""
    return Limit(days=days, source="test")


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


@each(
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


@each(
    [v for v in VECTORS["vectors"] + VECTORS["generated"] if v["kind"] == "add_working_days_date"]
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


@each(
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
    ]
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


# ---- properties

DAYS = st.dates(date(2023, 1, 2), date(2026, 6, 30))
COUNTS = st.integers(0, 60)
FIRST = datetime(2023, 1, 2, tzinfo=UTC)
INSTANTS = st.timedeltas(timedelta(0), timedelta(days=1_275)).map(lambda later: FIRST + later)
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


# ---- limits, pauses, levels, what was used


def test_calendar_days_count_weekends_and_holidays() -> None:
    """The reporter's reply window: ten calendar days, to the end of the last."""
    window = Limit(days=10, unit="calendar_days", source="test")

    assert due(WIB, at("2025-12-20T10:00+07:00"), window) == (at("2025-12-31T00:00+07:00"), False)
    assert due(WIB, at("2026-12-30T10:00+07:00"), window).is_provisional is False


@each(
    [
        ([], "2026-07-09T00:00+07:00"),
        # a working day of rest is a working day more
        ([("2026-07-07T10:00", "2026-07-08T10:00")], "2026-07-10T00:00+07:00"),
        # hours of rest move it by hours
        ([("2026-07-07T10:00", "2026-07-07T16:30")], "2026-07-09T06:30+07:00"),
        # over the weekend only its working time moves it
        ([("2026-07-08T12:00", "2026-07-13T00:00")], "2026-07-13T12:00+07:00"),
        # what ends on a weekend resumes on Monday
        ([("2026-07-08T12:00", "2026-07-11T09:00")], "2026-07-13T12:00+07:00"),
        # begins before the start: only what is after it
        ([("2026-07-01T00:00", "2026-07-07T10:00")], "2026-07-10T00:00+07:00"),
        # too late, or upside down: nothing
        ([("2026-07-09T00:00", "2026-07-20T00:00")], "2026-07-09T00:00+07:00"),
        ([("2026-07-08T12:00", "2026-07-08T09:00")], "2026-07-09T00:00+07:00"),
        # overlapping, repeated, in any order: no time rests twice
        (
            [
                ("2026-07-07T12:00", "2026-07-08T10:00"),
                ("2026-07-07T10:00", "2026-07-08T06:00"),
                ("2026-07-07T12:00", "2026-07-08T10:00"),
            ],
            "2026-07-10T00:00+07:00",
        ),
        # one within another
        (
            [
                ("2026-07-07T10:00", "2026-07-08T10:00"),
                ("2026-07-07T12:00", "2026-07-07T13:00"),
            ],
            "2026-07-10T00:00+07:00",
        ),
        # a second pause counts although only the first made room for it
        (
            [
                ("2026-07-09T09:00", "2026-07-10T09:00"),
                ("2026-07-07T10:00", "2026-07-08T10:00"),
            ],
            "2026-07-11T00:00+07:00",
        ),
    ]
)
def test_after_a_pause_the_working_time_is_left_that_was_left(
    pauses: list[tuple[str, str]], expected: str
) -> None:
    """Received Monday 10:00, two working days: the end of Wednesday, moved by the rest."""
    start = at("2026-07-06T10:00+07:00")
    rests = [Pause(at(f"{since}+07:00"), at(f"{until}+07:00")) for since, until in pauses]

    assert due_after_pauses(WIB, start, working(2), rests) == (at(expected), False)
    assert due_after_pauses(WIB, start, working(2), reversed(rests)) == (at(expected), False)


def test_while_the_reporter_is_asked_nobody_owes_anything() -> None:
    """An open pause has no deadline, unless it began when the deadline had passed."""
    start = at("2026-07-06T10:00+07:00")
    asked_in_time = Pause(at("2026-07-08T23:59+07:00"), None)
    asked_too_late = Pause(at("2026-07-09T00:00+07:00"), None)
    answered = Pause(at("2026-07-08T00:00+07:00"), at("2026-07-09T00:00+07:00"))

    assert due_after_pauses(WIB, start, working(2), [asked_in_time]) is None
    assert due_after_pauses(WIB, start, working(2), [asked_in_time, answered]) is None
    assert due_after_pauses(WIB, start, working(2), [asked_too_late]) == (
        at("2026-07-09T00:00+07:00"),
        False,
    )


def test_a_pause_into_a_year_without_a_decree_makes_the_deadline_provisional() -> None:
    """The rest is flagged like a start would be."""
    start = at("2026-12-28T10:00+07:00")
    rest = Pause(at("2026-12-29T10:00+07:00"), at("2027-01-05T10:00+07:00"))

    found = due_after_pauses(WIB, start, working(2), [rest])

    assert found == (at("2027-01-07T00:00+07:00"), True)


@given(
    st.lists(st.tuples(INSTANTS, st.timedeltas(timedelta(0), timedelta(days=20))), max_size=4),
    st.permutations(range(4)),
)
def test_pauses_never_bring_a_deadline_forward(
    rests: list[tuple[datetime, timedelta]], order: list[int]
) -> None:
    """And their order of arrival never matters."""
    start = at("2024-05-02T03:00+00:00")
    pauses = [Pause(since, since + length) for since, length in rests]
    shuffled = [pauses[index] for index in order if index < len(pauses)]

    found = due_after_pauses(WIB, start, working(14), pauses)

    assert found is not None
    assert found == due_after_pauses(WIB, start, working(14), shuffled)
    assert found.at >= WIB.deadline(start, 14)


@each(
    [
        # the end of Monday: warned at the end of Friday, levels 1 to 3 at 0, 3, 7 working days
        ("2026-07-14T00:00+07:00", -1, "2026-07-11T00:00+07:00"),
        ("2026-07-14T00:00+07:00", 0, "2026-07-14T00:00+07:00"),
        ("2026-07-14T00:00+07:00", 3, "2026-07-17T00:00+07:00"),
        ("2026-07-14T00:00+07:00", 7, "2026-07-23T00:00+07:00"),
        # over Independence Day
        ("2026-08-15T00:00+07:00", 3, "2026-08-21T00:00+07:00"),
        # moved by a pause into the day: the hour stays
        ("2026-07-13T12:00+07:00", -1, "2026-07-10T12:00+07:00"),
        ("2026-07-13T12:00+07:00", 3, "2026-07-16T12:00+07:00"),
    ]
)
def test_warnings_and_levels_are_working_days_from_the_deadline(
    deadline: str, working_days: int, rings: str
) -> None:
    """Counted in the institution's working days."""
    assert rings_at(WIB, at(deadline), working_days) == (at(rings), False)


@each(
    [
        ("2026-07-06T00:00", "2026-07-08T12:00", [], 2.5),
        ("2026-07-10T12:00", "2026-07-13T12:00", [], 1.0),
        ("2026-07-11T09:00", "2026-07-12T09:00", [], 0.0),
        ("2026-07-06T00:00", "2026-07-08T12:00", [("2026-07-07T00:00", "2026-07-08T00:00")], 1.5),
        ("2026-07-06T00:00", "2026-07-08T12:00", [("2026-07-01T00:00", "2026-07-07T00:00")], 1.5),
        ("2026-07-06T00:00", "2026-07-08T12:00", [("2026-07-08T00:00", "2026-07-20T00:00")], 2.0),
        ("2026-07-08T00:00", "2026-07-06T00:00", [], 0.0),
    ]
)
def test_what_was_used_of_a_limit(
    start: str, end: str, pauses: list[tuple[str, str]], used: float
) -> None:
    """Working days with their fraction, pauses taken out."""
    rests = [Pause(at(f"{since}+07:00"), at(f"{until}+07:00")) for since, until in pauses]

    assert working_days_used(WIB, at(f"{start}+07:00"), at(f"{end}+07:00"), rests) == used


def test_negative_working_time_cannot_be_added() -> None:
    """A deadline that passed stays where it is."""
    with pytest.raises(ValueError, match="must not be negative"):
        WIB.add_working_time(at("2026-07-06T00:00+07:00"), timedelta(seconds=-1))
