"""Bad requests: each is refused by name, or has a result that is defined here."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from deploy.cli.compute import InvalidRequest, WorkTimetable, compute
from deploy.cli.compute.operations import Elapsed
from shared.worktime.working_days import Calendar
from tests.unit.cli.compute.requests import a_spec, ask, at

DAYS: dict[str, Any] = {
    "op": "add_working_days", "calendar": a_spec(), "start": "2026-07-10", "days": 3,
}  # fmt: skip
MINUTES: dict[str, Any] = {
    "op": "add_working_minutes", "calendar": a_spec(), "start": "2026-07-10T01:00:00Z",
    "minutes": 30,
}  # fmt: skip
ELAPSED: dict[str, Any] = {
    "op": "elapsed_working_minutes", "calendar": a_spec(),
    "start": "2026-07-10T01:00:00Z", "end": "2026-07-10T02:00:00Z",
}  # fmt: skip
WHOLE_DAYS: dict[str, Any] = {"time_zone": "Asia/Jakarta", "week": ["mon", "tue"]}
HSU: dict[str, Any] = {"op": "is_working_day", "institution": "6308", "date": "2026-07-10"}


@pytest.mark.parametrize(("fields", "changed", "code"), [
        # the calendar
        (DAYS, {"calendar": a_spec(time_zone="Asia/Amuntai")}, "unknown_time_zone"),
        (DAYS, {"calendar": a_spec(time_zone="../etc/passwd")}, "unknown_time_zone"),
        (DAYS, {"calendar": a_spec(time_zone="Asia")}, "unknown_time_zone"),
        (DAYS, {"calendar": a_spec(time_zone="")}, "no_time_zone"),
        (DAYS, {"calendar": a_spec(time_zone=None)}, "no_time_zone"),
        (DAYS, {"calendar": a_spec(holidays=["2026-02-30"])}, "malformed_holiday"),
        (DAYS, {"calendar": a_spec(holidays=["20260217"])}, "malformed_holiday"),
        (DAYS, {"calendar": a_spec(holidays=["17 Agustus 2026"])}, "malformed_holiday"),
        (DAYS, {"calendar": a_spec(holidays=[20260217])}, "malformed_holiday"),
        (DAYS, {"calendar": a_spec(holidays="2026-02-17")}, "malformed_holidays"),
        (DAYS, {"calendar": a_spec(holidays=["2026-02-17"] * 2)}, "duplicate_holiday"),
        (DAYS, {"calendar": a_spec(hours={})}, "no_hours"),
        (DAYS, {"calendar": a_spec(hours={"mon": []})}, "no_hours"),
        (DAYS, {"calendar": a_spec(hours={"senin": [["08:00", "16:00"]]})}, "unknown_weekday"),
        (DAYS, {"calendar": a_spec(hours={"mon": [["8", "16"]]})}, "malformed_hours"),
        (DAYS, {"calendar": a_spec(hours={"mon": "08:00"})}, "malformed_hours"),
        (DAYS, {"calendar": a_spec(hours=None)}, "malformed_hours"),
        (DAYS, {"calendar": a_spec(hours={"mon": [["16:00", "08:00"]]})}, "closes_before_it_opens"),
        (
            DAYS,
            {"calendar": a_spec(hours={"mon": [["08:00", "12:00"], ["11:00", "16:00"]]})},
            "overlapping_hours",
        ),
        (DAYS, {"calendar": a_spec(week=["mon"])}, "hours_or_week"),
        (DAYS, {"calendar": {"time_zone": "Asia/Jakarta"}}, "hours_or_week"),
        (DAYS, {"calendar": WHOLE_DAYS | {"week": []}}, "malformed_week"),
        (DAYS, {"calendar": WHOLE_DAYS | {"week": ["mon", "sabtu"]}}, "unknown_weekday"),
        (DAYS, {"calendar": WHOLE_DAYS | {"week": [["mon"]]}}, "unknown_weekday"),
        (DAYS, {"calendar": a_spec(holiday=["2026-02-17"])}, "unknown_calendar_field"),
        (DAYS, {"calendar": []}, "malformed_calendar"),
        (DAYS, {"calendar": None}, "one_calendar"),
        (DAYS, {"institution": "6308"}, "one_calendar"),
        # the institution
        (HSU, {"institution": "9999"}, "unknown_institution"),
        (HSU, {"institution": 6308}, "malformed_institution"),
        (HSU, {"institution": ["6308"]}, "malformed_institution"),
        (HSU, {"as_of": "yesterday"}, "malformed_as_of"),
        (HSU, {"as_of": "2026-01-01T00:00:00"}, "no_time_zone"),
        # years
        (HSU, {"date": "2022-12-30"}, "before_first_year"),
        (HSU, {"date": "2027-01-04"}, "beyond_last_year"),
        (DAYS, {"start": "1999-06-01"}, "before_first_year"),
        (DAYS, {"start": "0001-01-01"}, "before_first_year"),
        (DAYS, {"start": "2026-01-01", "days": -9_999}, "before_first_year"),
        (DAYS, {"start": "2099-12-30", "days": 5}, "beyond_last_year"),
        (DAYS, {"start": "9999-12-31T23:00:00-01:00"}, "beyond_last_year"),
        (DAYS, {"days": 10**30}, "beyond_last_year"),
        (MINUTES, {"start": "1999-06-01T00:00:00Z"}, "before_first_year"),
        (MINUTES, {"start": "2099-12-31T08:59:00Z"}, "beyond_last_year"),
        (MINUTES, {"minutes": 10**9}, "beyond_last_year"),
        (MINUTES, {"minutes": -(10**9)}, "before_first_year"),
        (MINUTES, {"minutes": 10**18}, "too_large"),
        (MINUTES, {"minutes": 1e300}, "too_large"),
        # pauses
        (
            MINUTES,
            {"pauses": [["2026-07-10T02:00:00Z", "2026-07-10T01:59:59Z"]]},
            "pause_ends_before_start",
        ),
        (
            ELAPSED,
            {"pauses": [["2026-07-10T02:00:00Z", "2026-07-10T01:59:59Z"]]},
            "pause_ends_before_start",
        ),
        (MINUTES, {"pauses": [["2026-07-10T01:10:00Z", None]]}, "pause_still_open"),
        (MINUTES, {"pauses": [["2026-07-10T01:10:00Z"]]}, "malformed_pauses"),
        (MINUTES, {"pauses": ["2026-07-10T01:10:00Z"]}, "malformed_pauses"),
        (MINUTES, {"pauses": "none"}, "malformed_pauses"),
        (MINUTES, {"pauses": [["2026-07-10", "2026-07-11"]]}, "malformed_pause"),
        # the rest
        (ELAPSED, {"end": "2026-07-10T00:59:59Z"}, "end_before_start"),
        (ELAPSED, {"end": "2026-07-10"}, "malformed_end"),
        (MINUTES, {"start": "2026-07-10"}, "malformed_start"),
        (MINUTES, {"start": "2026-07-10T09:00:00"}, "no_time_zone"),
        (MINUTES, {"start": "2026-07-10T25:00:00Z"}, "malformed_start"),
        (MINUTES, {"start": 1783648800}, "malformed_start"),
        (MINUTES, {"minutes": "30"}, "malformed_minutes"),
        (MINUTES, {"minutes": True}, "malformed_minutes"),
        (MINUTES, {"minutes": float("nan")}, "malformed_minutes"),
        (DAYS, {"start": "2026-7-10"}, "malformed_start"),
        (DAYS, {"start": "2026-02-29"}, "malformed_start"),
        (DAYS, {"start": None}, "malformed_start"),
        (DAYS, {"days": 3.5}, "malformed_days"),
        (DAYS, {"days": False}, "malformed_days"),
        (DAYS, {"op": "add_days"}, "unknown_op"),
        (DAYS, {"op": None}, "unknown_op"),
        (DAYS, {"op": ["add_working_days"]}, "unknown_op"),
        (MINUTES, {"pause": []}, "unknown_field"),
        (DAYS, {"pauses": []}, "unknown_field"),
        (DAYS, {"op": "is_working_day"}, "unknown_field"),
        ({"op": "is_working_day", "calendar": a_spec()}, {}, "missing_field"),
        ({"op": "add_working_days", "calendar": a_spec(), "days": 1}, {}, "missing_field"),
    ])  # fmt: skip
def test_bad_input_is_refused_by_name(
    fields: dict[str, Any], changed: dict[str, Any], code: str
) -> None:
    """The error begins with the code, and says what was given."""
    found = ask(**fields | changed)

    assert isinstance(found, str)
    assert found.partition(":")[0] == code
    assert len(found) > len(code) + 5


def test_pauses_that_overlap_rest_once() -> None:
    """They are joined, not refused: two reasons to rest at once are one rest."""
    first = ["2026-07-10T02:00:00Z", "2026-07-10T03:00:00Z"]
    second = ["2026-07-10T02:30:00Z", "2026-07-10T03:30:00Z"]
    both = ["2026-07-10T02:00:00Z", "2026-07-10T03:30:00Z"]
    request = MINUTES | {"minutes": 120}

    joined = ask(**request, pauses=[both])

    assert joined == "2026-07-10T04:30:00Z"  # 8 to 9, 10:30 to 11:30 WIB
    assert ask(**request, pauses=[first, second]) == joined
    assert ask(**request, pauses=[second, first, second]) == joined


def test_a_pause_without_length_is_no_pause() -> None:
    """It ends when it starts: nothing rested, nothing is wrong."""
    moment = "2026-07-10T01:10:00Z"

    assert ask(**MINUTES, pauses=[[moment, moment]]) == ask(**MINUTES)


def test_an_open_pause_stops_elapsed_time() -> None:
    """The question until when is answered by the end."""
    assert ask(**ELAPSED, pauses=[["2026-07-10T01:20:00Z", None]]) == 20


def test_a_year_without_a_decree_is_never_silently_counted() -> None:
    """The last day of 2026 has an end, one working day more has none."""
    days = {"op": "add_working_days", "institution": "6308", "start": "2026-12-30"}
    minutes = {"op": "add_working_minutes", "institution": "6308", "start": "2026-12-30T16:00:00Z"}

    assert ask(**days, days=1)["instant"] == "2026-12-31T16:00:00Z"
    assert ask(**days, days=2).startswith("beyond_last_year: calendar id-")
    assert ask(**minutes, minutes=1440) == "2026-12-31T16:00:00Z"
    assert ask(**minutes, minutes=1441).startswith("beyond_last_year: calendar id-")


def test_an_institutions_calendar_is_as_it_was_known() -> None:
    """Monday 18 August 2025 is off by a decree of 7 August; without `as_of` the newest counts."""
    day = {"op": "is_working_day", "institution": "6308", "date": "2025-08-18"}
    deadline = {
        "op": "add_working_days", "institution": "6308", "days": 5,
        "start": "2025-08-13T09:00:00+08:00",
    }  # fmt: skip

    assert ask(**day, as_of="2025-08-06") is True
    assert ask(**day, as_of="2025-08-07") is False
    assert ask(**day, as_of="2025-08-06T23:59:59+07:00") is True
    assert ask(**day, as_of="2025-08-07T00:00:00+07:00") is False
    assert ask(**day) is False
    assert ask(**deadline, as_of="2025-08-06")["date"] == "2025-08-20"
    assert ask(**deadline, as_of="2025-08-07")["date"] == "2025-08-21"


def test_before_the_first_decree_was_known_no_year_is() -> None:
    """Not even the law's fixed holidays make a calendar."""
    assert ask(**HSU, as_of="2000-01-01").startswith("no_decree_known")


def test_a_year_between_without_a_decree_is_named() -> None:
    """Both ends may be known; the count in between is not."""
    calendar = Calendar(
        "gap", ZoneInfo("Asia/Jakarta"), frozenset(range(5)), years=frozenset({2023, 2025})
    )
    since, until = at("2023-12-01T00:00Z"), at("2025-01-10T00:00Z")

    with pytest.raises(
        InvalidRequest, match="year_without_decree: calendar gap has no decree for 2024"
    ):
        compute(Elapsed(WorkTimetable(calendar), since, until, ()))
