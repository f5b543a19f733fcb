"""What the clocks ask of the registry: limits, calendars and ladders, by institution and time."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from shared.contract.events import CalendarAmended, Clock, PolicyChanged
from shared.registry import NATIONAL, Registry
from shared.registry import Policy as Limits
from shared.worktime.opening_hours import OpeningHours
from shared.worktime.working_days import Calendar

WARNING: Final = 0  # the level of the last warning before the deadline; earlier ones lie below


@dataclass(frozen=True, slots=True)
class Policy:
    """The registry as the SLA monitor sees it; an institution it does not know is ruled as `00`.

    Total: a report must have a deadline also where an operator forgot an institution's file.
    """

    registry: Registry

    def limits(self, institution: str, at: datetime) -> Limits:
        """Return the limits and the ladder in force at an aware instant."""
        return self.registry.policy(self._registered(institution), at)

    def calendar(self, institution: str, at: datetime) -> Calendar:
        """Return the calendar as it was known at an aware instant."""
        return self.registry.calendar(self._registered(institution), at)

    def hours(self, institution: str, at: datetime) -> OpeningHours | None:
        """Return the opening hours on the calendar known at an instant, if there are any."""
        return self.registry.hours(self._registered(institution), at)

    def calendar_time(
        self, institution: str, known_at: datetime, stopped_at: datetime | None
    ) -> datetime:
        """Return the time whose calendar rules a run: of its newest fact, or a later decree's.

        A decree of a calendar that the institution keeps counts if it was published while the clock
        ran; one published after the stop does not.
        """
        chains = self.registry.institution(self._registered(institution)).calendars
        for change in self.registry.published:
            event = change.event
            is_decree = isinstance(event, CalendarAmended) and event.chain in chains
            if is_decree and (stopped_at is None or change.seen_at <= stopped_at):
                known_at = max(known_at, change.seen_at)
        return known_at

    def limits_time(
        self, institution: str, known_at: datetime, stopped_at: datetime | None
    ) -> datetime:
        """Return the time whose limits rule a run: its start, or a later change for open cases.

        That brings the limits in force then, those too that an earlier change left to new cases.
        """
        concerned = (institution, NATIONAL)
        for change in self.registry.published:
            event = change.event
            if (
                isinstance(event, PolicyChanged)
                and event.applies_to_open
                and event.institution in concerned
                and (stopped_at is None or change.seen_at <= stopped_at)
            ):
                known_at = max(known_at, change.seen_at)
        return known_at

    def recipients(
        self, institution: str, clock: Clock, level: int, unit: str | None, limits: Limits
    ) -> tuple[str, ...]:
        """List the addresses of those whom the ladder of limits notifies at a level, each once.

        The same ladder says when the level is due: no level fires whose people are unknown.
        """
        contacts = self.registry.ladder(
            self._registered(institution), level, clock, unit=unit, on=limits
        )
        return tuple(dict.fromkeys(contact.email for contact in contacts))

    def _registered(self, institution: str) -> str:
        return institution if institution in self.registry.institutions else NATIONAL
