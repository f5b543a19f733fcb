"""Business time from real time: the same, or scaled so that a year passes in a minute."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shared.platform.settings import Settings

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Clock:
    """Maps real time to business time; every process of a stack has the same mapping."""

    scale: float = 1.0
    real_origin: datetime = EPOCH
    business_origin: datetime = EPOCH

    @classmethod
    def of(cls, settings: Settings) -> "Clock":
        """Read the mapping from the settings.

        Raises:
            ValueError: a scale without both origins, or an origin that is not an aware time.
        """
        if settings.clock_scale == 1.0 and not settings.clock_real_origin:
            return cls()
        origins = [
            datetime.fromisoformat(text)
            for text in (settings.clock_real_origin, settings.clock_business_origin)
        ]
        if any(origin.tzinfo is None for origin in origins):
            raise ValueError("LAPOR_CLOCK_*_ORIGIN must be times with an offset, e.g. …T00:00Z")
        return cls(settings.clock_scale, origins[0].astimezone(UTC), origins[1].astimezone(UTC))

    def at(self, real: datetime) -> datetime:
        """Return the business time of a real time, UTC."""
        if self.scale == 1.0 and self.real_origin == self.business_origin:
            return real
        return self.business_origin + (real - self.real_origin) * self.scale

    def of_record(self, timestamp_ms: int) -> datetime:
        """Return the business time of a record's broker timestamp, UTC."""
        return self.at(EPOCH + timedelta(milliseconds=timestamp_ms))

    def now(self) -> datetime:
        """Return the business time, UTC: for timer loops and edges, never for a rule."""
        return self.at(datetime.now(UTC))

    def real(self, business: datetime) -> datetime:
        """Return the real time at which it is `business`, UTC."""
        return self.real_origin + (business - self.business_origin) / self.scale
