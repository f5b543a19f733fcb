"""A provisional year of a calendar, from what the package `holidays` expects of it."""

import json
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from typing import Final

from deploy.cli.terminal.console import CliError
from shared.registry import Registry
from shared.worktime.working_days import YEARS

COUNTRY: Final = "ID"
LANGUAGE: Final = "id"
CATEGORIES: Final = ("public", "government")
_ESTIMATED: Final = "(perkiraan)"  # how the package marks a day that it reckoned by the moon


@dataclass(frozen=True)
class Expected:
    """What the package knows of a year; `joint_leave` counts its government days."""

    year: int
    package: str
    days: tuple[tuple[date, str], ...]
    joint_leave: int

    @property
    def estimated(self) -> int:
        """Count the days that no authority has fixed."""
        return sum(_ESTIMATED in name for _, name in self.days)

    def doubts(self) -> list[str]:
        """Say what the package does not know."""
        doubts = []
        if not self.joint_leave:
            doubts.append(
                f"The package knows no joint leave of {self.year}: a decree will take out some "
                "eight to eleven working days more, and every deadline through them will move."
            )
        if self.estimated:
            doubts.append(f"{self.estimated} of the days are estimates, a day early or late.")
        return doubts


def expected(year: int) -> Expected:
    """Ask the package for a year's days.

    Raises:
        CliError: the package is not there, or the year lies outside what is counted.
    """
    if year not in YEARS:
        raise CliError(
            f"{year} is outside {YEARS[0]} to {YEARS[-1]}, which is what is counted.",
            "Name a year within",
        )
    try:
        import holidays  # noqa: PLC0415  an image for production does not carry it
    except ImportError:
        raise CliError(
            "The package holidays is not installed here.",
            "Run this where the project is developed: uv sync, then lapor calendar import",
        ) from None

    def of(*categories: str) -> dict[date, str]:
        return dict(
            holidays.country_holidays(COUNTRY, years=year, categories=categories, language=LANGUAGE)
        )

    days = of(*CATEGORIES)
    return Expected(
        year,
        f"holidays {version('holidays')}",
        tuple(sorted(days.items())),
        len(of("government")),
    )


def refuse_decided(registry: Registry, chain: str, year: int) -> None:
    """Raise CliError if a decree decides the year, or days were assumed for it already."""
    calendar_chain = registry.chains[chain]
    for decree in calendar_chain.versions:
        if year in decree.decides:
            raise CliError(
                f"{year} is decided by {calendar_chain.name_of(decree)} ({decree.decree}).",
                f"There is nothing to assume. See it: lapor calendar show --year {year}",
            )
    for decree in calendar_chain.versions:
        if any(day.year == year and kind == "provisional" for day, kind, _ in decree.add):
            raise CliError(
                f"{calendar_chain.name_of(decree)} assumes days of {year} already.",
                "Publish the decree when there is one: it takes the assumed days out by itself",
            )


def as_toml(expected: Expected, chain: str, known_from: date) -> str:
    """Write the year as one [[version]] that assumes days and decides nothing."""
    rows = [
        f'    [{json.dumps(str(day))}, "provisional", {json.dumps(name, ensure_ascii=False)}],'
        for day, name in expected.days
    ]
    lines = [
        f"# No decree decides {expected.year} yet: these days are assumed, and every deadline that",
        "# touches the year stays flagged provisional. The decree that decides it takes them out.",
        *(f"# {doubt}" for doubt in expected.doubts()),
        f"chain = {json.dumps(chain)}",
        "",
        "[[version]]",
        f"known_from = {known_from}",
        f'decree = "Perkiraan {expected.year}, belum ada keputusan"',
        f'source = "{expected.package} ({COUNTRY}, {" and ".join(CATEGORIES)})"',
        "decides = []",
        "add = [",
        *rows,
        "]",
        "remove = []",
    ]
    return "\n".join(lines) + "\n"
