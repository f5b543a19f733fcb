"""The year's decrees, each published on the day on which it became known."""

from collections.abc import Iterator
from datetime import UTC, datetime, time
from typing import Final
from zoneinfo import ZoneInfo

from deploy.cli.model.change_file import decree_in
from shared.contract.events import CalendarAmended
from shared.registry import Registry

NOON: Final = time(12)  # when the demo's operator publishes, local time of the calendar


def decrees(registry: Registry, year: int) -> Iterator[tuple[datetime, CalendarAmended]]:
    """Yield the decrees that became known within a year, each with when it is published (UTC)."""
    for chain in registry.chains.values():
        zone = ZoneInfo(chain.written.time_zone)
        for version in chain.versions:
            if version.known_from.year == year:
                at = datetime.combine(version.known_from, NOON, zone).astimezone(UTC)
                yield at, decree_in(chain.name_of(version), registry)
