"""When a reporter may be disturbed: pure, in the local time of the report's institution."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class QuietHours:
    """The local hours from `start` (included) to `end` (excluded); may pass midnight.

    Equal times mean that no hour is quiet.
    """

    start: time = time(21, 0)
    end: time = time(6, 0)

    def holds(self, local: time) -> bool:
        """Say whether a local time of day is quiet."""
        if self.start <= self.end:
            return self.start <= local < self.end
        return local >= self.start or local < self.end


def earliest(at: datetime, quiet: QuietHours, zone: str) -> datetime:
    """Return the first moment from `at` on that is not quiet in the zone, UTC.

    Raises:
        ZoneInfoNotFoundError: no zone of that name.
    """
    local = at.astimezone(ZoneInfo(zone))
    if not quiet.holds(local.time()):
        return at.astimezone(UTC)
    day = local.date() if local.time() < quiet.end else local.date() + timedelta(days=1)
    return datetime.combine(day, quiet.end, local.tzinfo).astimezone(UTC)
