"""Working days of one institution under one version of its calendar: pure, precomputed arithmetic.

A working day is 00:00 to 24:00 local time of a day in the working week that no decree takes out;
the day of receipt is day 0 and a deadline is the end of working day N (SP4N-LAPOR!'s hari kerja).
An end that falls on midnight is the closing of the day before, never the opening of the next
working day. Local time is wall-clock time: where a zone has daylight saving (none of Indonesia's
has) the day of the change counts 24 hours too.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import compress
from typing import NamedTuple
from zoneinfo import ZoneInfo

from shared.contract.events import DayKind

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
YEARS = range(2000, 2100)  # what is counted out at all; nothing real lies outside

_DAY_SECONDS = 86_400
_WEEKDAY_NAMES = ("Senin", "Selasa", "Rabu", "Kamis", "Jumat", "Sabtu", "Minggu")


class CalendarYearMissing(LookupError):  # noqa: N818  a state of the data, not a caller's mistake
    """The count touches a year for which no decree is loaded."""

    def __init__(self, year: int, version: str) -> None:
        super().__init__(
            f"calendar {version} has no decree for {year}: add the decree as a new version to the "
            "calendar's file in deploy/registry/calendars, or reckon provisionally"
        )
        self.year = year


class DayOff(NamedTuple):
    """A day that a decree takes out of the working week, and which decree."""

    on: date
    kind: DayKind
    name: str
    decree: str


class Reckoned(NamedTuple):
    """A deadline (UTC), and whether it rests on a year without a decree."""

    at: datetime
    is_provisional: bool


class CountedDay(NamedTuple):
    """One day of a count: its number, or why it does not count."""

    on: date
    number: int | None
    reason: str | None


class Calendar:
    """The working days of one institution as one version of its calendar knows them.

    `years` are those with a decree; `every_year` is what the law fixes for all others. Equality is
    that of these facts; the hash is that of version and zone.
    """

    __slots__ = (
        "_decreed_from", "_decreed_until", "_off", "_working", "days_off", "every_year", "version",
        "working_week", "years", "zone",
    )  # fmt: skip

    def __init__(
        self,
        version: str,
        zone: ZoneInfo,
        working_week: frozenset[int],
        days_off: tuple[DayOff, ...] = (),
        *,
        years: frozenset[int] = frozenset(YEARS),
        every_year: tuple[DayOff, ...] = (),
    ) -> None:
        self.version = version
        self.zone = zone
        self.working_week = working_week
        self.days_off = days_off
        self.years = years
        self.every_year = every_year
        self._count_out()

    @property
    def _facts(self) -> tuple[object, ...]:
        return (
            self.version, self.zone, self.working_week, self.days_off, self.years, self.every_year,
        )  # fmt: skip

    def __eq__(self, other: object) -> bool:
        """Compare what the calendar says, not what is calculated from it."""
        return isinstance(other, Calendar) and (self is other or self._facts == other._facts)

    def __hash__(self) -> int:
        """Hash the version and the zone."""
        return hash((self.version, self.zone))

    def __repr__(self) -> str:
        """Name the calendar without its days."""
        return f"Calendar({self.version!r}, {self.zone!r}, {self.working_week!r})"

    def _count_out(self) -> None:
        """Count out every working day once, so that a deadline is one search."""
        if not self.working_week or not self.working_week <= set(range(7)):
            raise ValueError("a working week has one to seven of the days 0 (Monday) to 6 (Sunday)")
        off = {
            day.on.replace(year=year).toordinal(): day._replace(on=day.on.replace(year=year))
            for year in YEARS
            if year not in self.years
            for day in self.every_year
        }
        off |= {day.on.toordinal(): day for day in self.days_off}
        days = range(date(YEARS[0], 1, 1).toordinal(), date(YEARS[-1], 12, 31).toordinal() + 1)
        week = bytes((n - 1) % 7 in self.working_week for n in days[:7])
        counts = bytearray(week * (len(days) // 7 + 1))
        for n in off:
            if n in days:
                counts[n - days.start] = False
        self._off = off
        self._working = array("i", compress(days, counts))
        until: dict[int, int] = {}
        since: dict[int, int] = {}
        for year in sorted(self.years):
            since[year] = since.get(year - 1) or date(year, 1, 1).toordinal()
        for year in sorted(self.years, reverse=True):
            until[year] = until.get(year + 1) or date(year, 12, 31).toordinal()
        self._decreed_from = since
        self._decreed_until = until

    @property
    def working_ordinals(self) -> "array[int]":
        """Return the proleptic ordinals of all working days of YEARS, ascending; read only."""
        return self._working

    # ---- days

    def local_date(self, at: datetime) -> date:
        """Return the institution's local date of an aware instant."""
        return self._local(at).date()

    def is_working_day(self, day: date) -> bool:
        """Say whether the day counts; a year without a decree raises CalendarYearMissing."""
        if day.year not in self.years:
            raise CalendarYearMissing(day.year, self.version)
        return self._position(day.toordinal()) is not None

    def is_working_instant(self, at: datetime) -> bool:
        """Say whether the instant lies in a working day, local time."""
        return self.is_working_day(self.local_date(at))

    def day_off(self, day: date) -> DayOff | None:
        """Return what takes a day out of the working week, by a decree or by law, or None."""
        return self._off.get(day.toordinal())

    def reason(self, day: date) -> str | None:
        """Say why a day does not count (decree and name, or the weekday), or None if it does."""
        off = self.day_off(day)
        if off is not None:
            return f"{off.name} ({off.decree})"
        return None if day.weekday() in self.working_week else _WEEKDAY_NAMES[day.weekday()]

    def add_working_days(self, day: date, days: int) -> date:
        """Return the working day that is `days` after the day, which itself never counts.

        Zero gives the last working day not after it; a negative number the working days strictly
        before it. Raises CalendarYearMissing where the count touches a year without a decree.
        """
        target, year_missing = self._count(day.toordinal(), days)
        if year_missing is not None:
            raise CalendarYearMissing(year_missing, self.version)
        return date.fromordinal(target)

    def working_days_between(self, after: date, until: date) -> int:
        """Count the working days later than `after` and not later than `until`; negative backwards.

        So `working_days_between(d, add_working_days(d, n)) == n` for every n that is not negative.
        """
        first, last = sorted((after.toordinal(), until.toordinal()))
        for year in range(date.fromordinal(first + 1).year, date.fromordinal(last).year + 1):
            if year not in self.years:
                raise CalendarYearMissing(year, self.version)
        return bisect_right(self._working, until.toordinal()) - bisect_right(
            self._working, after.toordinal()
        )

    # ---- deadlines

    def deadline(self, start: datetime, working_days: int) -> datetime:
        """Return the end (UTC) of working day N after the local day of an aware start.

        Raises CalendarYearMissing where the count touches a year without a decree.
        """
        target, year_missing = self._count(self._local(start).toordinal(), working_days)
        if year_missing is not None:
            raise CalendarYearMissing(year_missing, self.version)
        return self._end_of(target)

    def reckon(self, start: datetime, working_days: int) -> Reckoned:
        """Return the deadline, flagged where it rests on a year without a decree.

        Such a year counts the working week without the holidays of a fixed date.
        """
        target, year_missing = self._count(self._local(start).toordinal(), working_days)
        return Reckoned(self._end_of(target), year_missing is not None)

    def shift(self, at: datetime, working_days: int) -> Reckoned:
        """Move an aware instant by working days, keeping its local time; 24:00 stays 24:00.

        Zero leaves it where it is; a move through a year without a decree is flagged.
        """
        if not working_days:
            return Reckoned(at.astimezone(UTC), is_provisional=False)
        local = self._local(at)
        ordinal = local.toordinal()
        if local.time() == time.min:
            ordinal -= 1  # the end of the day before
        target, year_missing = self._count(ordinal, working_days)
        moved = local + timedelta(days=target - ordinal)  # by the local clock, whatever its zone
        return Reckoned(moved.astimezone(UTC), year_missing is not None)

    def end_of_day(self, day: date) -> datetime:
        """Return 24:00 local time of a day, in UTC."""
        return self._end_of(day.toordinal())

    def explain(self, start: datetime, until: datetime) -> Iterator[CountedDay]:
        """List each local day after the start's up to an instant: its number or its reason."""
        first = self.local_date(start).toordinal() + 1
        last = self.local_date(until - timedelta(microseconds=1)).toordinal()
        number = 0
        for ordinal in range(first, last + 1):
            day = date.fromordinal(ordinal)
            reason = self.reason(day)
            number += reason is None
            yield CountedDay(day, number if reason is None else None, reason)

    # ---- working time: seconds of 00:00 to 24:00 local of working days; a year without a decree
    # counts provisionally, `is_decreed` says whether one was touched

    def is_decreed(self, start: datetime, end: datetime) -> bool:
        """Say whether every year from one aware instant to the other has a decree."""
        first, last = sorted((self._local(start).year, self._local(end).year))
        return all(year in self.years for year in range(first, last + 1))

    def working_time(self, start: datetime, end: datetime) -> timedelta:
        """Measure the working time between two aware instants; negative if the end is earlier."""
        return timedelta(
            microseconds=self._working_until(self._local(end))
            - self._working_until(self._local(start))
        )

    def add_working_time(self, start: datetime, amount: timedelta) -> datetime:
        """Return the earliest instant (UTC) by which that much working time has passed.

        The amount must not be negative; zero gives the start. Whole working days end at 24:00.
        """
        if amount < timedelta(0):
            raise ValueError("working time to add must not be negative")
        if not amount:
            return start.astimezone(UTC)
        local = self._local(start)
        until = timedelta(microseconds=self._working_until(local))
        whole, into = divmod(until, timedelta(days=1))
        days, rest = divmod(into + amount, timedelta(days=1))
        if not rest:
            days, rest = days - 1, timedelta(days=1)
        if whole + days >= len(self._working):
            raise CalendarYearMissing(YEARS[-1] + 1, self.version)
        naive = datetime.fromordinal(self._working[whole + days]) + rest
        return naive.replace(tzinfo=self.zone).astimezone(UTC)

    # ---- the counting itself

    def _local(self, at: datetime) -> datetime:
        if at.tzinfo is None:
            raise ValueError("an instant without a time zone cannot be placed in a calendar")
        return at.astimezone(self.zone)

    def _end_of(self, ordinal: int) -> datetime:
        return datetime.fromordinal(ordinal + 1).replace(tzinfo=self.zone).astimezone(UTC)

    def _position(self, ordinal: int) -> int | None:
        index = bisect_left(self._working, ordinal)
        is_working = index < len(self._working) and self._working[index] == ordinal
        return index if is_working else None

    def _count(self, ordinal: int, days: int) -> tuple[int, int | None]:
        """Return the target's ordinal and the first year without a decree on the way, if any."""
        if days > 0:
            index = bisect_right(self._working, ordinal) + days - 1
        elif days == 0:
            index = bisect_right(self._working, ordinal) - 1
        else:
            index = bisect_left(self._working, ordinal) + days
        if not 0 <= index < len(self._working):
            raise CalendarYearMissing(YEARS[-1] + 1 if days > 0 else YEARS[0] - 1, self.version)
        target = self._working[index]
        if days > 0:
            year = date.fromordinal(ordinal + 1).year
            until = self._decreed_until.get(year)
            if until is None:
                return target, year
            return target, date.fromordinal(until).year + 1 if target > until else None
        year = date.fromordinal(ordinal if days == 0 else ordinal - 1).year
        since = self._decreed_from.get(year)
        if since is None:
            return target, year
        return target, date.fromordinal(since).year - 1 if target < since else None

    def _working_until(self, local: datetime) -> int:
        """Count the working microseconds from the first counted day to a local instant."""
        ordinal = local.toordinal()
        index = bisect_left(self._working, ordinal)
        seconds = index * _DAY_SECONDS
        if index == len(self._working) or self._working[index] != ordinal:
            return seconds * 1_000_000
        seconds += local.hour * 3600 + local.minute * 60 + local.second
        return seconds * 1_000_000 + local.microsecond
