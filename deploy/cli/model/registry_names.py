"""Codes with their names beside them, as the registry has them; an unknown code stands alone."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final
from zoneinfo import ZoneInfo

from shared.registry import NATIONAL, Registry, load

UTC_ZONE: Final = ZoneInfo("UTC")


@dataclass(frozen=True)
class Names:
    """What people call institutions, units and categories."""

    @cached_property
    def registry(self) -> Registry:
        """The registry's files, read once."""
        return load()

    def institution(self, code: str) -> str:
        """Return `6308 Kab. Hulu Sungai Utara`."""
        entry = self.registry.institutions.get(code)
        return f"{code} {entry.short_name}" if entry else code

    def unit(self, code: str) -> str:
        """Return `6308-004 Dinas Perhubungan`."""
        name = self.unit_name(code)
        return code if name == code else f"{code} {name}"

    def unit_name(self, code: str) -> str:
        """Return the unit's name alone, its code if it has none."""
        entry = self.registry.units.get(code)
        return entry.name if entry else code

    def category(self, category_id: str) -> str:
        """Return `27 Infrastruktur`."""
        entry = self.registry.categories.get(category_id)
        return f"{category_id} {entry.name}" if entry else category_id

    def owner(self, owner: str, institution: str, unit: str | None) -> str:
        """Name who owes something: the reporter, a unit, or an institution."""
        if owner == "reporter":
            return owner
        return self.unit(unit) if unit and owner == "unit" else self.institution(institution)

    def zone(self, institution: str) -> ZoneInfo:
        """Return an institution's time zone; the national admin's for one that is not known."""
        institutions = self.registry.institutions
        entry = institutions.get(institution) or institutions.get(NATIONAL)
        return ZoneInfo(entry.time_zone) if entry else UTC_ZONE
