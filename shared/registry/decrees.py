"""What decrees say one after the other: the days that are off, and what contradicts them. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Self

from shared.registry.models import DecreeVersion
from shared.worktime.working_days import YEARS, DayOff


@dataclass(slots=True)
class Decreed:
    """The days off by the versions so far, and the years that one of them decided."""

    days: dict[date, DayOff] = field(default_factory=dict)
    years: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, versions: Iterable[DecreeVersion]) -> Self:
        """Apply versions in order."""
        decreed = cls()
        for version in versions:
            decreed.apply(version)
        return decreed

    def apply(self, version: DecreeVersion) -> None:
        """Apply one version; total, the later one wins where two contradict each other.

        The decree that decides a year takes out the days that were assumed for it.
        """
        self.years.update(version.decides)
        for day in version.remove:
            self.days.pop(day, None)
        for day in [day for day in self.days if self._is_assumed(day, version)]:
            del self.days[day]
        for day, kind, name in version.add:
            self.days[day] = DayOff(day, kind, name, version.decree)

    def _is_assumed(self, day: date, version: DecreeVersion) -> bool:
        return day.year in version.decides and self.days[day].kind == "provisional"


def decree_problems(version: DecreeVersion, before: Decreed, at: str) -> Iterator[str]:
    """List what contradicts the versions before it; `at` says where the version is written."""
    for day, count in Counter(day for day, _, _ in version.add).items():
        if count > 1:
            yield f"{at}: day {day} occurs {count} times; keep one"
    for day, count in Counter(version.remove).items():
        if count > 1:
            yield f"{at}: removes {day} {count} times; keep one"
    removed = set(version.remove)
    for day in sorted(removed - set(before.days)):
        yield f"{at}: removes {day}, which no earlier version added; correct the date"
    for year in version.decides:
        if year not in YEARS:
            yield f"{at}: decides {year}, which is outside {YEARS[0]} to {YEARS[-1]}; correct it"
    decided = before.years | set(version.decides)
    kinds = {day: kind for day, kind, _ in version.add}
    for day in sorted(kinds):
        yield from _day_problems(day, kinds[day], version, before, at)
        if not decided or day.year in decided:
            if kinds[day] == "provisional" and day.year in decided:
                yield f"{at}: adds {day} as provisional to a year that is decided; name its kind"
        elif kinds[day] != "provisional":
            yield (
                f"{at}: adds {day} to a year no decree decides; correct the date, put the year "
                "into decides if this is its yearly list, or give the day the kind provisional"
            )


def _day_problems(
    day: date, kind: str, version: DecreeVersion, before: Decreed, at: str
) -> Iterator[str]:
    if day.year not in YEARS:
        yield f"{at}: adds {day}, which is outside {YEARS[0]} to {YEARS[-1]}; correct the date"
    there = before.days.get(day)
    if there is None or day in version.remove:
        return
    if there.kind == "provisional" and (day.year in version.decides or kind != "provisional"):
        return
    yield f"{at}: adds {day}, which an earlier version has; remove one"
