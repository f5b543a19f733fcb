"""Which unit do an institution's rules name, of those not tried yet? Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from shared.registry.directory import Directory
from shared.registry.models import Rule

Unnamed = Literal["nothing_fits", "unit_unknown"]


@dataclass(frozen=True, slots=True)
class Named:
    """The unit that gets the report, the rule that says so, and why, for people to read."""

    unit: str
    rule: str
    why: str


@dataclass(frozen=True, slots=True)
class Directories:
    """Each institution's directory, and every unit that there is."""

    of: Mapping[str, Directory]
    units: frozenset[str]

    def has_unit(self, institution: str, unit: str) -> bool:
        """Say whether the unit is one of the institution's."""
        return unit in self.units and unit.startswith(f"{institution}-")

    def name_unit(
        self, institution: str, category: str | None, place: str | None, tried: Collection[str]
    ) -> Named | Unnamed:
        """Name a unit that was not tried yet, or say why there is none.

        `unit_unknown`: rules fit, but what they name besides the units tried is none of the
        institution's units.
        """
        reason: Unnamed = "nothing_fits"
        directory = self.of.get(institution)
        for rule in directory.matching(category, place) if directory else ():
            if rule.unit in tried:
                continue
            if self.has_unit(institution, rule.unit):
                return Named(rule.unit, rule.name, _why(rule))
            reason = "unit_unknown"
        return reason


def _why(rule: Rule) -> str:
    named = [
        f"{what} {code}"
        for what, code in (
            ("category", rule.category),
            ("topic", rule.topic),
            ("place", rule.place),
        )
        if code is not None
    ]
    return f"{', '.join(named) or 'every report'}: {rule.why}"
