"""When a reporter may be disturbed."""

from datetime import UTC, datetime, time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.notifier.quiet_hours import QuietHours, earliest

NIGHT = QuietHours()
ZONES = ("Asia/Jakarta", "Asia/Makassar", "Asia/Jayapura")


@pytest.mark.parametrize(
    ("at", "zone", "then"),
    [
        ("2023-06-14T04:00", "Asia/Makassar", "2023-06-14T04:00"),  # noon: at once
        ("2023-06-14T13:00", "Asia/Makassar", "2023-06-14T22:00"),  # 21:00 is quiet
        ("2023-06-14T12:59", "Asia/Makassar", "2023-06-14T12:59"),  # 20:59 is not
        ("2023-06-14T15:59", "Asia/Makassar", "2023-06-14T22:00"),  # 23:59, before midnight
        ("2023-06-14T16:00", "Asia/Makassar", "2023-06-14T22:00"),  # 00:00, after midnight
        ("2023-06-14T22:00", "Asia/Makassar", "2023-06-14T22:00"),  # 06:00 is no longer quiet
        ("2023-06-14T13:00", "Asia/Jakarta", "2023-06-14T13:00"),  # 20:00 in the west
        ("2023-06-14T13:00", "Asia/Jayapura", "2023-06-14T21:00"),  # 22:00 in the east
        ("2023-12-31T15:00", "Asia/Makassar", "2023-12-31T22:00"),  # into the new year
    ],
)
def test_a_message_waits_for_the_morning_of_its_zone(at: str, zone: str, then: str) -> None:
    """Quiet from 21:00 to 06:00, local time."""
    moment = datetime.fromisoformat(at).replace(tzinfo=UTC)
    assert earliest(moment, NIGHT, zone) == datetime.fromisoformat(then).replace(tzinfo=UTC)


def test_equal_times_mean_that_no_hour_is_quiet() -> None:
    """An operator may turn quiet hours off."""
    moment = datetime(2023, 6, 14, 16, 0, tzinfo=UTC)
    assert earliest(moment, QuietHours(time(0), time(0)), "Asia/Jakarta") == moment


@settings(deadline=None)
@given(
    at=st.datetimes(timezones=st.just(UTC), min_value=datetime(2000, 1, 1)),  # noqa: DTZ001
    start=st.times(),
    end=st.times(),
    zone=st.sampled_from(ZONES),
)
def test_the_earliest_moment_is_never_before_never_quiet_and_within_a_day(
    at: datetime, start: time, end: time, zone: str
) -> None:
    """Whatever the hours are."""
    quiet = QuietHours(start, end)
    then = earliest(at, quiet, zone)
    assert then >= at
    assert (then - at).total_seconds() <= 86_400
    assert earliest(then, quiet, zone) == then
