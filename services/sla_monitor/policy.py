"""What the clocks ask of the registry: limits, calendars and ladders, by institution and time."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from shared.calendar import Calendar
from shared.events import CalendarAmended, Clock, PolicyChanged
from shared.registry import NATIONAL, Registry
from shared.registry import Policy as Limits

WARNING: Final = 0  # the level of a warning, before the deadline


@dataclass(frozen=True, slots=True)
class Policy:
    """The registry as the SLA monitor sees it; an institution it does not know is ruled as `00`.

    Total: a report must have a deadline also where an operator forgot an institution's file.
    """

    registry: Registry

    def limits(self, institution: str, at: datetime) -> Limits:
        """Return the limits and the ladder in force at an aware instant."""
        return self.registry.policy(self._known(institution), at)

    def calendar(self, institution: str, at: datetime) -> Calendar:
        """Return the calendar as it was known at an aware instant."""
        return self.registry.calendar(self._known(institution), at)

    def calendar_time(self, known_at: datetime, stopped_at: datetime | None) -> datetime:
        """Return the time whose calendar rules a run: of its newest fact, or a later decree's.

        A decree published while the clock runs counts, one published after the stop does not.
        """
        return self._moved(known_at, stopped_at, CalendarAmended)

    def limits_time(self, known_at: datetime, stopped_at: datetime | None) -> datetime:
        """Return the time whose limits rule a run: its start, or a later change for open cases."""
        return self._moved(known_at, stopped_at, PolicyChanged)

    def _moved(
        self,
        known_at: datetime,
        stopped_at: datetime | None,
        kind: type[CalendarAmended | PolicyChanged],
    ) -> datetime:
        times = (
            change.seen_at
            for change in self.registry.published
            if isinstance(change.event, kind)
            and getattr(change.event, "applies_to_open", True)
            and (stopped_at is None or change.seen_at <= stopped_at)
        )
        return max(known_at, max(times, default=known_at))

    def recipients(
        self, institution: str, clock: Clock, level: int, unit: str | None, at: datetime
    ) -> tuple[str, ...]:
        """List the addresses of those whom the ladder in force tells at a level, each once."""
        told = self.registry.ladder(self._known(institution), level, clock, unit=unit, on=at)
        return tuple(dict.fromkeys(contact.email for contact in told))

    def _known(self, institution: str) -> str:
        return institution if institution in self.registry.institutions else NATIONAL
