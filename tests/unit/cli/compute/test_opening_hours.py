"""Opening hours: the boundary, split days, pauses, days on which a zone changes its clock."""

from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.worktime.opening_hours import (
    BadHours,
    OpeningHours,
    Pause,
    closing_time,
    hours_of,
    merged,
)
from shared.worktime.working_days import CalendarYearMissing
from tests.unit.cli.compute.requests import a_calendar, at, minutes, opening_hours

OFFICE = opening_hours()
NIGHT_SHIFT = hours_of({day: [["00:00", "02:30"], ["22:00", "24:00"]] for day in ("sat", "sun")})


@pytest.mark.parametrize(
    ("start", "amount", "end"),
    [
        # within a morning, over lunch, into the next day, over a weekend
        ("2026-07-06T09:00+07:00", 60, "2026-07-06T10:00+07:00"),
        ("2026-07-06T11:00+07:00", 61, "2026-07-06T13:01+07:00"),
        ("2026-07-06T15:59+07:00", 2, "2026-07-07T08:01+07:00"),
        ("2026-07-10T16:00+07:00", 31, "2026-07-13T08:01+07:00"),
        # an end on a closing time is that closing: lunch, evening, Friday
        ("2026-07-06T11:00+07:00", 60, "2026-07-06T12:00+07:00"),
        ("2026-07-06T15:00+07:00", 60, "2026-07-06T16:00+07:00"),
        ("2026-07-10T16:00+07:00", 30, "2026-07-10T16:30+07:00"),
        # from outside the hours: the next opening is where counting begins
        ("2026-07-11T09:00+07:00", 1, "2026-07-13T08:01+07:00"),
        ("2026-08-17T09:00+07:00", 420, "2026-08-18T16:00+07:00"),
        # no time at all moves nothing
        ("2026-07-11T09:00+07:00", 0, "2026-07-11T09:00+07:00"),
        # backwards: an end on an opening is that opening
        ("2026-07-06T09:00+07:00", -30, "2026-07-06T08:30+07:00"),
        ("2026-07-06T09:00+07:00", -60, "2026-07-06T08:00+07:00"),
        ("2026-07-06T09:00+07:00", -61, "2026-07-03T16:29+07:00"),
        ("2026-07-06T13:01+07:00", -2, "2026-07-06T11:59+07:00"),
    ],
)
def test_minutes_are_exact_and_an_end_on_closing_time_is_that_closing(
    start: str, amount: int, end: str
) -> None:
    """Never the next opening; counted backwards never the closing before."""
    assert OFFICE.add(at(start), minutes(amount)) == at(end)


@pytest.mark.parametrize(
    ("when", "is_open"),
    [
        ("2026-07-06T07:59:59+07:00", False),
        ("2026-07-06T08:00:00+07:00", True),
        ("2026-07-06T11:59:59+07:00", True),
        ("2026-07-06T12:00:00+07:00", False),
        ("2026-07-06T13:00:00+07:00", True),
        ("2026-07-06T16:00:00+07:00", False),
        ("2026-07-05T09:00:00+07:00", False),
        ("2026-08-17T09:00:00+07:00", False),
    ],
)
def test_an_opening_is_working_time_and_a_closing_is_not(when: str, *, is_open: bool) -> None:
    """So two openings that touch never count an instant twice."""
    assert OFFICE.is_working_instant(at(when)) is is_open


def test_a_day_closes_when_its_last_opening_does() -> None:
    """Fridays later than the other days; a day without hours at 24:00."""
    zone, week = OFFICE.calendar.zone, OFFICE.week

    assert closing_time(zone, week, at("2026-07-09").date()) == at("2026-07-09T16:00+07:00")
    assert closing_time(zone, week, at("2026-07-10").date()) == at("2026-07-10T16:30+07:00")
    assert closing_time(zone, week, at("2026-07-11").date()) == at("2026-07-12T00:00+07:00")


# ---- pauses


def test_pauses_that_overlap_rest_once() -> None:
    """Those that touch, repeat or lie in another are one; upside down is none."""
    first, second, third = (at(f"2026-07-0{day}T09:00Z") for day in (6, 7, 8))

    assert merged([(second, third), (first, second)]) == [(first, third)]
    assert merged([(first, third), (second, second), (first, second)]) == [(first, third)]
    assert merged([(third, first)]) == []
    assert merged([(first, None), (second, third)]) == [(first, None)]
    assert merged([(first, third), (second, None)]) == [(first, None)]
    assert merged([(first, second), (third, None)]) == [(first, second), (third, None)]


@pytest.mark.parametrize(("pauses", "end"), [
        ([], "2026-07-06T12:00+07:00"),
        # two hours of rest: over lunch into the afternoon
        ([("2026-07-06T09:00", "2026-07-06T11:00")], "2026-07-06T15:00+07:00"),
        ([("2026-07-06T09:00", "2026-07-06T10:00"), ("2026-07-06T10:00", "2026-07-06T11:00")],
         "2026-07-06T15:00+07:00"),
        # before the start, around the start
        ([("2026-07-01T09:00", "2026-07-02T11:00")], "2026-07-06T12:00+07:00"),
        ([("2026-07-01T09:00", "2026-07-06T10:00")], "2026-07-06T14:00+07:00"),
        # begins at the end, or over lunch: too late, and without working time
        ([("2026-07-06T12:00", "2026-07-20T12:00")], "2026-07-06T12:00+07:00"),
        # over the weekend only its working time counts
        ([("2026-07-06T11:00", "2026-07-13T08:00")], "2026-07-13T09:00+07:00"),
    ])  # fmt: skip
def test_after_a_pause_the_minutes_are_left_that_were_left(
    pauses: list[tuple[str, str]], end: str
) -> None:
    """Three hours from nine, to noon, moved by what rests."""
    rests: list[Pause] = [(at(f"{since}+07:00"), at(f"{until}+07:00")) for since, until in pauses]
    start = at("2026-07-06T09:00+07:00")

    assert OFFICE.add(start, minutes(180), rests) == at(end)
    assert OFFICE.elapsed(start, at(end), rests) == minutes(180)


def test_backwards_pauses_are_taken_out_too() -> None:
    """An hour before eleven with half an hour of rest began at half past nine."""
    rest = [(at("2026-07-06T10:00+07:00"), at("2026-07-06T10:30+07:00"))]

    assert OFFICE.add(at("2026-07-06T11:00+07:00"), minutes(-60), rest) == at(
        "2026-07-06T09:30+07:00"
    )
    assert OFFICE.add(at("2026-07-06T11:00+07:00"), minutes(-30), rest) == at(
        "2026-07-06T10:30+07:00"
    )


def test_while_a_pause_is_open_nobody_knows_the_end() -> None:
    """Unless it began when the end had come; elapsed time stands still meanwhile."""
    start = at("2026-07-06T09:00+07:00")
    resting: list[Pause] = [(at("2026-07-06T10:00+07:00"), None)]

    assert OFFICE.add(start, minutes(61), resting) is None
    assert OFFICE.add(start, minutes(60), resting) == at("2026-07-06T10:00+07:00")
    assert OFFICE.elapsed(start, at("2026-07-20T09:00+07:00"), resting) == minutes(60)


# ---- days on which a clock changes


@pytest.mark.parametrize(
    ("zone", "hours", "day", "open_minutes"),
    [
        # Berlin: 29 March 2026 has no 2 to 3, 25 October has it twice
        ("Europe/Berlin", [["00:00", "24:00"]], "2026-03-29", 23 * 60),
        ("Europe/Berlin", [["00:00", "24:00"]], "2026-10-25", 25 * 60),
        ("Europe/Berlin", [["09:00", "17:00"]], "2026-03-29", 8 * 60),
        ("Europe/Berlin", [["01:00", "02:30"]], "2026-03-29", 60),
        ("Europe/Berlin", [["02:15", "02:45"]], "2026-03-29", 0),
        ("Europe/Berlin", [["02:30", "04:00"]], "2026-03-29", 60),
        # what comes twice opens and closes at its first coming
        ("Europe/Berlin", [["01:00", "02:30"]], "2026-10-25", 90),
        ("Europe/Berlin", [["02:30", "04:00"]], "2026-10-25", 150),
        # Beirut's clock changes at midnight, Samoa had no 30 December 2011
        ("Asia/Beirut", [["00:00", "24:00"]], "2026-03-29", 23 * 60),
        ("Pacific/Apia", [["00:00", "24:00"]], "2011-12-30", 0),
        ("Pacific/Apia", [["08:00", "16:00"]], "2011-12-31", 8 * 60),
    ],
)
def test_on_the_day_of_a_change_real_time_counts(
    zone: str, hours: list[list[str]], day: str, open_minutes: int
) -> None:
    """Wall-clock hours, real time between them."""
    names = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    table = OpeningHours(a_calendar(zone, "0123456"), hours_of(dict.fromkeys(names, hours)))
    begins = at(day).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    ends = (at(day) + timedelta(days=1)).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)

    assert table.elapsed(begins, ends) == minutes(open_minutes)


@cache
def night_shift(zone: str) -> OpeningHours:
    """Count out the night shift of a zone, once."""
    return OpeningHours(a_calendar(zone, "56"), NIGHT_SHIFT)


@given(
    st.sampled_from(["Europe/Berlin", "America/New_York", "America/St_Johns", "Asia/Makassar"]),
    st.integers(0, 20 * 1440),
    st.integers(0, 4_000),
)
def test_equal_to_walking_minute_by_minute(zone: str, later: int, length: int) -> None:
    """Over the nights of change too: a minute is open if its wall clock is for the first time."""
    table = night_shift(zone)
    begins = datetime(2009, 10, 20, tzinfo=UTC) + minutes(later)
    walked = [begins + minutes(n) for n in range(length)]

    found = table.elapsed(begins, begins + minutes(length))

    assert found == minutes(sum(map(table.is_working_instant, walked)))
    if not any(moment.astimezone(ZoneInfo(zone)).fold for moment in walked):
        assert found == minutes(sum(is_open(zone, moment) for moment in walked))


def is_open(zone: str, moment: datetime) -> bool:
    """Say whether the night shift is on by the wall clock."""
    wall = moment.astimezone(ZoneInfo(zone))
    minute = wall.hour * 60 + wall.minute
    return any(opens <= minute < closes for opens, closes in NIGHT_SHIFT[wall.weekday()])


# ---- what is no opening hours


@pytest.mark.parametrize(
    ("hours", "code"),
    [
        ({"monday": [["08:00", "16:00"]]}, "unknown_weekday"),
        ({"mon": [["8:00", "16:00"]]}, "malformed_hours"),
        ({"mon": [["08:00", "24:01"]]}, "malformed_hours"),
        ({"mon": [["08:00"]]}, "malformed_hours"),
        ({"mon": ["08:00"]}, "malformed_hours"),
        ({"mon": [[8, 16]]}, "malformed_hours"),
        ({"mon": [["16:00", "08:00"]]}, "closes_before_it_opens"),
        ({"mon": [["08:00", "08:00"]]}, "closes_before_it_opens"),
        ({"mon": [["08:00", "12:01"], ["12:00", "16:00"]]}, "overlapping_hours"),
    ],
)
def test_hours_that_contradict_themselves_are_refused_by_name(
    hours: dict[str, list[list[str]]], code: str
) -> None:
    """Before anything is counted by them."""
    with pytest.raises(BadHours) as refused:
        hours_of(hours)
    assert refused.value.code == code


def test_openings_that_touch_are_one_and_may_come_in_any_order() -> None:
    """So a split at noon without a break changes nothing."""
    assert hours_of({"mon": [["12:00", "16:00"], ["08:00", "12:00"]]})[0] == ((480, 960),)


def test_hours_belong_to_working_days() -> None:
    """A week without hours, or hours on a free day, is a mistake of the file."""
    with pytest.raises(BadHours, match="without opening hours"):
        OpeningHours(a_calendar(), ((),) * 7)
    with pytest.raises(BadHours, match="sat has hours and is no working day"):
        OpeningHours(a_calendar(), hours_of({"sat": [["08:00", "12:00"]]}))


def test_what_lies_outside_the_century_is_no_working_time() -> None:
    """An absurd instant is an error, not a wrong deadline."""
    for when in ("1999-12-31T00:00Z", "2100-02-01T00:00Z"):
        with pytest.raises(CalendarYearMissing):
            OFFICE.elapsed(at(when), at(when))
    with pytest.raises(CalendarYearMissing):
        OFFICE.add(at("2099-12-31T08:59Z"), minutes(2))
    with pytest.raises(CalendarYearMissing):
        OFFICE.add(at("2000-01-03T01:01Z"), minutes(-2))
    with pytest.raises(ValueError, match="without a time zone"):
        OFFICE.is_working_instant(at("2026-07-06T09:00"))
    with pytest.raises(ValueError, match="ends before it starts"):
        OFFICE.elapsed(at("2026-07-06T09:00Z"), at("2026-07-06T08:59Z"))
