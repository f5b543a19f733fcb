"""Limits by a calendar: calendar days, pauses, the days of warnings and levels, what was used."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.sla_monitor.due_dates import (
    Pause,
    due,
    due_after_pauses,
    fires_at,
    working_days_used,
)
from shared.registry import Limit
from tests.unit.sla_monitor.calendars import INSTANTS, WIB, at


def working(days: int) -> Limit:
    """State a limit in working days."""
    return Limit(days=days, source="test")


def test_calendar_days_count_weekends_and_holidays() -> None:
    """The reporter's reply window: ten calendar days, to the end of the last."""
    window = Limit(days=10, unit="calendar_days", source="test")

    assert due(WIB, at("2025-12-20T10:00+07:00"), window) == (at("2025-12-31T00:00+07:00"), False)
    assert due(WIB, at("2026-12-30T10:00+07:00"), window).is_provisional is False


@pytest.mark.parametrize(
    ("pauses", "expected"),
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
    ],
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


@pytest.mark.parametrize(
    ("deadline", "working_days", "fires"),
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
    ],
)
def test_warnings_and_levels_are_working_days_from_the_deadline(
    deadline: str, working_days: int, fires: str
) -> None:
    """Counted in the institution's working days."""
    assert fires_at(WIB, at(deadline), working_days) == (at(fires), False)


@pytest.mark.parametrize(
    ("start", "end", "pauses", "used"),
    [
        ("2026-07-06T00:00", "2026-07-08T12:00", [], 2.5),
        ("2026-07-10T12:00", "2026-07-13T12:00", [], 1.0),
        ("2026-07-11T09:00", "2026-07-12T09:00", [], 0.0),
        ("2026-07-06T00:00", "2026-07-08T12:00", [("2026-07-07T00:00", "2026-07-08T00:00")], 1.5),
        ("2026-07-06T00:00", "2026-07-08T12:00", [("2026-07-01T00:00", "2026-07-07T00:00")], 1.5),
        ("2026-07-06T00:00", "2026-07-08T12:00", [("2026-07-08T00:00", "2026-07-20T00:00")], 2.0),
        ("2026-07-08T00:00", "2026-07-06T00:00", [], 0.0),
    ],
)
def test_what_was_used_of_a_limit(
    start: str, end: str, pauses: list[tuple[str, str]], used: float
) -> None:
    """Working days with their fraction, pauses taken out."""
    rests = [Pause(at(f"{since}+07:00"), at(f"{until}+07:00")) for since, until in pauses]

    assert working_days_used(WIB, at(f"{start}+07:00"), at(f"{end}+07:00"), rests) == used
