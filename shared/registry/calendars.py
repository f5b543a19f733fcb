"""Which decrees of a chain count at a time, and the calendar that they make."""

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time
from typing import NamedTuple, Self
from zoneinfo import ZoneInfo

from shared.registry.decrees import Decreed
from shared.registry.models import CalendarChain, DecreeVersion
from shared.worktime.working_days import Calendar, DayOff

_LEAP_YEAR = 2024  # a day of every year is written without one


def start_of(day: date, zone: ZoneInfo) -> datetime:
    """Return 00:00 local time of a day, in UTC."""
    return datetime.combine(day, time.min, tzinfo=zone).astimezone(UTC)


def numbered(name: str, again: int) -> str:
    """Name the first version of a day by the day alone, the others also by their number."""
    return name if again == 1 else f"{name}-{again}"


def number_in(name: str, day: date) -> int:
    """Return the number of a version of a day from its name; 1 where it has none."""
    number = name.rpartition(f"{day}-")[2]
    return max(int(number), 1) if number.isdecimal() and len(number) <= len("99") else 1


class Counting(NamedTuple):
    """A version of a chain and the instant (UTC) from which it counts."""

    version: DecreeVersion
    since: datetime


class Chain:
    """A chain's versions in the order in which they count.

    One of the files counts from the start of its `known_from` in the chain's zone, a published one
    not before it was seen. `keys[n]` stands for the content of the first n versions.
    """

    __slots__ = ("_days", "_instants", "counting", "keys", "versions", "written", "zone")

    def __init__(
        self, written: CalendarChain, counting: tuple[Counting, ...], zone: ZoneInfo
    ) -> None:
        self.written = written
        self.counting = counting
        self.zone = zone
        self.versions = tuple(version for version, _ in counting)
        keys = [written.name]
        for version in self.versions:
            content = f"{keys[-1]}\0{version.model_dump_json()}".encode()
            keys.append(hashlib.blake2b(content, digest_size=16).hexdigest())
        self.keys = tuple(keys)
        self._instants = tuple(since for _, since in counting)
        self._days = tuple(at.astimezone(zone).date() for at in self._instants)

    @classmethod
    def of(cls, written: CalendarChain) -> Self:
        """Return a chain as its file has it."""
        zone = ZoneInfo(written.time_zone)
        return cls(
            written,
            tuple(Counting(v, start_of(v.known_from, zone)) for v in written.versions),
            zone,
        )

    def with_published(self, version: DecreeVersion, seen_at: datetime) -> "Chain":
        """Return the chain with a version more, at its place."""
        added = Counting(version, self.counts_from(version, seen_at))
        counting = sorted((*self.counting, added), key=lambda counting: counting.since)
        return Chain(self.written, tuple(counting), self.zone)

    def counts_from(self, version: DecreeVersion, seen_at: datetime) -> datetime:
        """Return when a version counts from that was published: seen, and its day begun."""
        return max(seen_at, start_of(version.known_from, self.zone))

    def known(self, as_of: date | datetime) -> int:
        """Count the versions known on a day (at its end) or at an aware instant."""
        if not isinstance(as_of, datetime):
            return bisect_right(self._days, as_of)
        if as_of.tzinfo is None:
            raise ValueError("an instant without a time zone cannot choose a calendar")
        return bisect_right(self._instants, as_of)

    def name_of(self, version: DecreeVersion) -> str:
        """Name a version after the day on which it became known; the second of a day `…-2`."""
        return numbered(f"{self.written.prefix}-{version.known_from}", version.again)

    def name_at(self, count: int) -> str:
        """Name the newest of the first versions."""
        return self.name_of(self.versions[count - 1]) if count else f"{self.written.prefix}-0"

    def named(self, name: str) -> DecreeVersion | None:
        """Return the version of a name."""
        return next((v for v in self.versions if self.name_of(v) == name), None)


def build_calendar(
    zone: ZoneInfo, week: frozenset[int], chains: Sequence[Chain], counts: Iterable[int]
) -> Calendar:
    """Apply the known decrees of each chain in order; a removed day is a working day again."""
    days: dict[date, DayOff] = {}
    years: set[int] = set()
    names: list[str] = []
    for chain, count in zip(chains, counts, strict=True):
        decreed = Decreed.of(chain.versions[:count])
        days |= decreed.days
        years |= decreed.years
        names.append(chain.name_at(count))
    return Calendar(
        version="+".join(names),
        zone=zone,
        working_week=week,
        days_off=tuple(days[day] for day in sorted(days)),
        years=frozenset(years),
        every_year=tuple(
            DayOff(date.fromisoformat(f"{_LEAP_YEAR}-{day}"), kind, name, "by law, no decree yet")
            for chain in chains
            for day, kind, name in chain.written.every_year
        ),
    )
