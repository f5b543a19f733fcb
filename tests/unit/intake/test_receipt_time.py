"""From when a report counts: by how late it comes, from which channel, and with which reason."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.receipt_time import LATE_MAX, ReceiptTime, receipt_time
from shared.registry import load
from tests.unit.intake.builders import NOON, a_cause, a_submission

DAYS = {"counter": 7}
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


def count(channel: str, ago: timedelta | None, reason: str | None = None) -> ReceiptTime:
    """Return from when a report counts that comes at NOON."""
    at = None if ago is None else NOON - ago
    event = a_submission(submitted_at=at, backdating_reason=reason)
    return receipt_time(event, a_cause(producer=channel), DAYS)


@pytest.mark.parametrize(
    ("channel", "ago", "reason", "at", "claimed"),
    [
        ("website", None, None, NOON, None),
        ("website", -SECOND, None, NOON, None),
        ("website", LATE_MAX, None, NOON - LATE_MAX, None),
        ("website", LATE_MAX + SECOND, "x", NOON, NOON - LATE_MAX - SECOND),
        ("counter", LATE_MAX + SECOND, None, NOON, NOON - LATE_MAX - SECOND),
        ("counter", LATE_MAX + SECOND, " \n", NOON, NOON - LATE_MAX - SECOND),
        ("counter", LATE_MAX + SECOND, "x", NOON - LATE_MAX - SECOND, None),
        ("counter", 7 * DAY, "x", NOON - 7 * DAY, None),
        ("counter", 7 * DAY + SECOND, "x", NOON, NOON - 7 * DAY - SECOND),
        ("counter ", 2 * DAY, "x", NOON, NOON - 2 * DAY),
    ],
)
def test_a_report_counts_from(
    channel: str,
    ago: timedelta | None,
    reason: str | None,
    at: datetime,
    claimed: datetime | None,
) -> None:
    """A day for everybody, the registry's days with a reason, else from when it came."""
    assert count(channel, ago, reason) == ReceiptTime(at, claimed)


@given(
    st.timedeltas(min_value=-DAY, max_value=366 * DAY),
    st.sampled_from(["website", "counter"]),
    st.none() | st.text(max_size=20),
)
def test_nothing_counts_from_further_back_than_it_may(
    ago: timedelta, channel: str, reason: str | None
) -> None:
    """And what is claimed is kept beside, exactly where it does not count."""
    found = count(channel, ago, reason)
    bound = 7 * DAY if channel == "counter" else LATE_MAX
    assert timedelta(0) <= NOON - found.submitted_at <= bound
    assert (found.claimed is None) == (found.submitted_at == NOON - max(ago, timedelta(0)))


def test_the_registry_gives_the_right_to_the_counter_alone() -> None:
    """Whoever is to have it is named in channels.toml."""
    rights = {name: c.backdating_days for name, c in load().channels.items() if c.backdating_days}
    assert rights == {"counter": 7}
    assert "website" in load().channels
