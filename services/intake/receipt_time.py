"""From when the clocks of a report count, whatever its sender says of the past. Pure.

Who writes the past decides who is late: a report dated back a year breaches every deadline the
moment it comes. So a channel is believed for a day, which no limit of a clock fits into, and
longer only where the registry gives it the right (`channels.toml`) and it says why.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from shared.contract.events import SubmitReport
from shared.rules.decision import Cause

LATE_MAX: Final = timedelta(hours=24)
"""An adapter may have kept its messages for so long. The tightest clock that counts from here has 3
working days (policy.toml), with a warning one before: what comes within a day breaches and warns of
nothing on arrival."""


class ReceiptTime(NamedTuple):
    """When the clocks begin; and what the sender claims, where they do not go by it (UTC)."""

    submitted_at: datetime
    claimed: datetime | None = None


def receipt_time(event: SubmitReport, cause: Cause, days: Mapping[str, int]) -> ReceiptTime:
    """Return from when a report counts; `days` are those that named channels may go back.

    A sender's clock may run a little ahead: no time counts from before it began.
    """
    claimed = min(event.submitted_at or cause.now, cause.now)
    ago = cause.now - claimed
    has_right = ago <= timedelta(days=days.get(cause.producer, 0))
    if ago <= LATE_MAX or (has_right and backdating_reason(event) is not None):
        return ReceiptTime(claimed)
    return ReceiptTime(cause.now, claimed)


def backdating_reason(event: SubmitReport) -> str | None:
    """Return why a report is dated back; white space is no reason."""
    return (event.backdating_reason or "").strip() or None
