"""Build the calendar of an institution from the decrees known at a time."""

from collections.abc import Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

from shared.calendar import Calendar, DayOff
from shared.registry.models import CalendarChain, Institution

_LEAP_YEAR = 2024  # a day of every year is written without one


def known_versions(chain: CalendarChain, as_of: date | datetime) -> int:
    """Count the versions of a chain that were known on a day or at an aware instant."""
    if isinstance(as_of, datetime):
        if as_of.tzinfo is None:
            raise ValueError("an instant without a time zone cannot choose a calendar")
        as_of = as_of.astimezone(ZoneInfo(chain.time_zone)).date()
    return sum(1 for version in chain.versions if version.known_from <= as_of)


def build_calendar(
    institution: Institution, chains: Sequence[CalendarChain], known: Sequence[int]
) -> Calendar:
    """Apply the known decrees of each chain in order; a removed day is a working day again."""
    days: dict[date, DayOff] = {}
    years: set[int] = set()
    fixed: list[DayOff] = []
    for chain, count in zip(chains, known, strict=True):
        for version in chain.versions[:count]:
            years.update(version.decides)
            for day in version.remove:
                del days[day]
            for day, kind, name in version.add:
                days[day] = DayOff(day, kind, name, version.decree)
        fixed += [
            DayOff(date.fromisoformat(f"{_LEAP_YEAR}-{day}"), kind, name, "by law, no decree yet")
            for day, kind, name in chain.every_year
        ]
    return Calendar(
        version="+".join(map(version_name, chains, known)),
        zone=ZoneInfo(institution.time_zone),
        working_week=institution.week(),
        days_off=tuple(days[day] for day in sorted(days)),
        years=frozenset(years),
        every_year=tuple(fixed),
    )


def version_name(chain: CalendarChain, known: int) -> str:
    """Name the version after the day its newest known decree became known."""
    return (
        f"{chain.prefix}-{chain.versions[known - 1].known_from}" if known else f"{chain.prefix}-0"
    )
