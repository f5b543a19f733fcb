"""What `lapor calendar show` and `diff` say of a calendar, as values and as lines. Pure."""

import calendar as months
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final, get_args

from deploy.cli.terminal.text import columns
from shared.contract.events import DayKind
from shared.registry.calendars import Chain, build_calendar
from shared.registry.decrees import Decreed
from shared.worktime.opening_hours import Hours
from shared.worktime.working_days import WEEKDAYS, Calendar, DayOff

FIVE_DAYS: Final = frozenset(range(5))
_MONTHS: Final = tuple(name.lower() for name in months.month_abbr[1:])
_KINDS: Final[Sequence[DayKind]] = get_args(DayKind)


@dataclass(frozen=True)
class Shown:
    """A calendar to show: of an institution, or of a chain with a five-day week in its zone."""

    title: str
    chains: tuple[Chain, ...]
    calendar: Calendar
    as_of: date | datetime
    hours: tuple[Hours, ...] | None = None

    @classmethod
    def of_chain(cls, chain: Chain, as_of: date | datetime) -> "Shown":
        """Show a chain by itself."""
        made = build_calendar(chain.zone, FIVE_DAYS, [chain], [chain.known(as_of)])
        return cls(f"Calendar {chain.written.name}", (chain,), made, as_of)


def days_of(calendar: Calendar, year: int) -> list[DayOff]:
    """List the days off that are known of a year; of one without a decree also those by law."""
    days: dict[date, DayOff] = {}
    if year not in calendar.years:
        fixed = (day._replace(on=day.on.replace(year=year)) for day in calendar.every_year)
        days = {day.on: day for day in fixed}
    days |= {day.on: day for day in calendar.days_off if day.on.year == year}
    return [days[on] for on in sorted(days)]


def working_by_month(calendar: Calendar, year: int) -> list[int]:
    """Count a year's working days by month; of a year without a decree as far as is known."""
    counts = [0] * 12
    day = date(year, 1, 1)
    while day.year == year:
        counts[day.month - 1] += calendar.reason(day) is None
        day += timedelta(days=1)
    return counts


def kinds_of(days: Iterable[DayOff]) -> dict[DayKind, int]:
    """Count days by kind, in the order of the kinds."""
    days_off = list(days)
    counts = {kind: sum(day.kind == kind for day in days_off) for kind in _KINDS}
    return {kind: count for kind, count in counts.items() if count}


# ---- show


def as_dict(shown: Shown, year: int) -> dict[str, Any]:
    """Return a calendar and one year of it as one document."""
    calendar = shown.calendar
    return {
        "calendar": shown.title,
        "version": calendar.version,
        "as_of": shown.as_of.isoformat(),
        "time_zone": str(calendar.zone),
        "working_week": [WEEKDAYS[n] for n in sorted(calendar.working_week)],
        "decreed_years": sorted(calendar.years),
        "versions": [_version(chain, n) for chain in shown.chains for n in _known(chain, shown)],
        "year": year,
        "is_provisional": year not in calendar.years,
        "days": [
            {"day": day.on.isoformat(), "kind": day.kind, "name": day.name, "decree": day.decree}
            for day in days_of(calendar, year)
        ],
        "kinds": kinds_of(days_of(calendar, year)),
        "working_days": dict(zip(_MONTHS, working_by_month(calendar, year), strict=True)),
    }


def _known(chain: Chain, shown: Shown) -> range:
    return range(chain.known(shown.as_of))


def _version(chain: Chain, index: int) -> dict[str, Any]:
    version, since = chain.counting[index]
    return {
        "version": chain.name_of(version),
        "known_from": version.known_from.isoformat(),
        "counts_from": since.isoformat(),
        "decree": version.decree,
        "decides": list(version.decides),
        "adds": len(version.add),
        "removes": len(version.remove),
    }


def show_lines(shown: Shown, year: int) -> list[str]:
    """Write a calendar and one year of it for people."""
    calendar = shown.calendar
    week = ", ".join(WEEKDAYS[n] for n in sorted(calendar.working_week))
    known = [(chain, n) for chain in shown.chains for n in _known(chain, shown)]
    lines = [
        f"{shown.title}: {calendar.version}, as known {_when(shown)}",
        f"works {week}; {calendar.zone}",
        *([f"open {_hours(shown.hours)}"] if shown.hours else []),
        "",
        *columns([("VERSION", "COUNTS FROM", "CHANGES", "DECREE"), *(_row(*at) for at in known)]),
        "",
        *_year_lines(calendar, year, _names(shown.chains)),
    ]
    if not known:
        lines.insert(2, "No decree was known then.")
    return lines


def _when(shown: Shown) -> str:
    if not isinstance(shown.as_of, datetime):
        return f"on {shown.as_of}"
    return f"at {shown.as_of.astimezone(shown.calendar.zone):%Y-%m-%d %H:%M:%S %Z}"


def _hours(hours: Sequence[Hours]) -> str:
    days = [
        f"{WEEKDAYS[n]} {', '.join(f'{_clock(a)}-{_clock(b)}' for a, b in day)}"
        for n, day in enumerate(hours)
        if day
    ]
    return "; ".join(days)


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _row(chain: Chain, index: int) -> tuple[str, str, str, str]:
    version, since = chain.counting[index]
    changes = [f"decides {', '.join(map(str, version.decides))}"] if version.decides else []
    changes += [f"+{len(version.add)}"] if version.add else []
    changes += [f"-{len(version.remove)}"] if version.remove else []
    at = since.astimezone(chain.zone)
    return (chain.name_of(version), f"{at:%Y-%m-%d %H:%M %Z}", " ".join(changes), version.decree)


def _names(chains: Iterable[Chain]) -> dict[str, str]:
    """Return the version's name of each decree, which is shorter."""
    return {v.decree: chain.name_of(v) for chain in chains for v in chain.versions}


def _year_lines(calendar: Calendar, year: int, names: Mapping[str, str]) -> list[str]:
    days = days_of(calendar, year)
    counts = working_by_month(calendar, year)
    summary = (
        ", ".join(f"{count} {kind}" for kind, count in kinds_of(days).items()) or "no days off"
    )
    lines = [f"{year}: {summary}; {sum(counts)} working days"]
    if year not in calendar.years:
        lines.append(
            "No decree decides this year: every deadline that touches it is flagged provisional."
        )
    rows = [("DAY", "", "KIND", "BY", "NAME")]
    rows += [_off(day, names) for day in days]
    return [*lines, *columns(rows), "", *_months([("working days", counts)])]


def _off(day: DayOff, names: Mapping[str, str]) -> tuple[str, str, str, str, str]:
    by = names.get(day.decree, day.decree)
    return (str(day.on), WEEKDAYS[day.on.weekday()], day.kind, by, day.name)


def _months(rows: Iterable[tuple[str, Sequence[int]]], sign: str = "") -> list[str]:
    head = ("", *(f"{name:>4}" for name in _MONTHS), " all")
    table = [
        (what, *(f"{count:{sign}4d}" for count in counts), f"{sum(counts):{sign}4d}")
        for what, counts in rows
    ]
    return columns([head, *table], gap=" ")


# ---- diff


@dataclass(frozen=True)
class CalendarDifference:
    """What a chain's later version says otherwise; working days of a five-day week, by month."""

    before: str
    after: str
    added: tuple[DayOff, ...]
    removed: tuple[DayOff, ...]
    decided: tuple[int, ...]
    working: Mapping[int, Sequence[int]]
    names: Mapping[str, str]

    @classmethod
    def of(cls, chain: Chain, before: int, after: int) -> "CalendarDifference":
        """Compare the first versions of a chain with more, or fewer, of them."""
        old, new = (Decreed.of(chain.versions[:count]) for count in (before, after))
        added = tuple(new.days[day] for day in sorted(new.days.keys() - old.days.keys()))
        removed = tuple(old.days[day] for day in sorted(old.days.keys() - new.days.keys()))
        calendars = [build_calendar(chain.zone, FIVE_DAYS, [chain], [n]) for n in (before, after)]
        years = sorted({day.on.year for day in (*added, *removed)} | (new.years ^ old.years))
        decided = tuple(sorted(new.years - old.years))
        names = chain.name_at(before), chain.name_at(after)
        working = {year: _change(*(working_by_month(c, year) for c in calendars)) for year in years}
        return cls(*names, added, removed, decided, working, _names([chain]))

    def as_dict(self) -> dict[str, Any]:
        """Return the difference as one document."""
        return {
            "before": self.before,
            "after": self.after,
            "added": [_day(day) for day in self.added],
            "removed": [_day(day) for day in self.removed],
            "years_decided": list(self.decided),
            "working_days": {
                str(year): dict(zip(_MONTHS, counts, strict=True))
                for year, counts in self.working.items()
            },
        }

    def lines(self) -> list[str]:
        """Write the difference for people."""
        lines = [f"{self.before} → {self.after}"]
        if self.decided:
            lines.append(f"decides {', '.join(map(str, self.decided))}")
        rows = [
            (sign, *_off(day, self.names))
            for sign, days in (("+", self.added), ("-", self.removed))
            for day in days
        ]
        lines += columns(rows) if rows else ["the same days"]
        if any(any(counts) for counts in self.working.values()):
            lines += ["", "Working days, five-day week:"]
            lines += _months([(str(year), c) for year, c in self.working.items()], sign="+")
        return lines


def _change(before: Sequence[int], after: Sequence[int]) -> list[int]:
    return [new - old for old, new in zip(before, after, strict=True)]


def _day(day: DayOff) -> dict[str, str]:
    return {"day": day.on.isoformat(), "kind": day.kind, "name": day.name, "decree": day.decree}
