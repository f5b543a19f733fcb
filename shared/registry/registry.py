"""Ask the registry about institutions, units, policy, directory, calendar and ladder: no I/O."""

from bisect import bisect_right
from collections import defaultdict
from datetime import date, datetime
from types import MappingProxyType
from typing import TypeVar
from zoneinfo import ZoneInfo

from shared.calendar import Calendar
from shared.events import Clock
from shared.registry.calendars import build_calendar, known_versions
from shared.registry.directory import Directory
from shared.registry.models import (
    Category,
    Contact,
    Contents,
    Institution,
    Policy,
    Unit,
)
from shared.registry.policies import policies_of

Found = TypeVar("Found")

NATIONAL = "00"


class UnknownCode(LookupError):  # noqa: N818  an answer about the data, not a fault
    """No institution, unit, category or place has that code."""


class Registry:
    """Everything the operators' files say, checked, immutable, by code."""

    def __init__(self, contents: Contents) -> None:
        self.institutions = MappingProxyType({i.code: i for i in contents.institutions})
        self.units = MappingProxyType({unit.code: unit for unit in contents.units})
        self.topics = MappingProxyType({topic.code: topic for topic in contents.topics})
        self.categories = MappingProxyType({c.id: c for c in contents.categories})
        self.places = MappingProxyType({place.code: place for place in contents.places})
        self._calendars = {chain.name: chain for chain in contents.calendars}
        self._made: dict[tuple[object, ...], Calendar] = {}
        self._policies = {i.code: policies_of(i, contents.policies) for i in contents.institutions}
        self._zones = {i.code: ZoneInfo(i.time_zone) for i in contents.institutions}
        self._units_of: dict[str, list[Unit]] = defaultdict(list)
        for unit in contents.units:
            self._units_of[unit.institution].append(unit)
        self._unit_names = {(unit.institution, unit.name): unit for unit in contents.units}
        topics = {category.id: category.topic for category in contents.categories}
        self._directories = {
            code: Directory([rule for owner, rule in contents.rules if owner == code], topics)
            for code in self.institutions
        }

    # ---- institutions and units

    def institution(self, code: str) -> Institution:
        """Return an institution by its code; UnknownCode if there is none."""
        return _known(self.institutions.get(code), f"institution {code}")

    def unit(self, code: str) -> Unit:
        """Return a unit by its code; UnknownCode if there is none."""
        return _known(self.units.get(code), f"unit {code}")

    def units_of(self, institution: str) -> tuple[Unit, ...]:
        """List an institution's units in the order of their file."""
        return tuple(self._units_of.get(institution, ()))

    def unit_named(self, institution: str, name: str) -> Unit | None:
        """Return the unit of that exact name, as the official export spells it, or None."""
        return self._unit_names.get((institution, name))

    # ---- categories and places

    def category(self, category_id: str) -> Category | None:
        """Return a category by its id, or None."""
        return self.categories.get(category_id)

    # ---- rules' data

    def directory(self, institution: str) -> Directory:
        """Return an institution's directory; UnknownCode if there is no such institution."""
        return _known(self._directories.get(institution), f"institution {institution}")

    def policy(self, institution: str, on: date | datetime) -> Policy:
        """Return the policy in force on a day, the institution's tighter limits merged in.

        An aware instant counts as the institution's local day. A day before the first version gets
        the first: a report is never without a limit.
        """
        days, policies = _known(self._policies.get(institution), f"institution {institution}")
        if isinstance(on, datetime):
            on = on.astimezone(self._zones[institution]).date()
        return policies[max(bisect_right(days, on) - 1, 0)]

    def calendar(self, institution: str, as_of: date | datetime) -> Calendar:
        """Return the institution's calendar as it was known on a day or at an aware instant.

        A decree is known from the start of its day in the chain's zone. The version's name is that
        of the newest decree of each chain, joined by "+".
        """
        owner = self.institution(institution)
        chains = [self._calendars[name] for name in owner.calendars]
        known = tuple(known_versions(chain, as_of) for chain in chains)
        key = (owner.time_zone, owner.working_week, owner.calendars, known)
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = build_calendar(owner, chains, known)
        return made

    def ladder(
        self,
        institution: str,
        level: int,
        clock: Clock,
        *,
        unit: str | None = None,
        on: date | datetime | None = None,
    ) -> tuple[Contact, ...]:
        """List who is told at a level (0 = the warning) about a clock that the institution owes.

        Completion and reply are owed by the reporter, whom the notifier reaches: nobody here.
        """
        policy = self.policy(institution, on or date.max)
        told: dict[Contact, None] = {}
        for rung in policy.rungs:
            if rung.level == level and (not rung.clocks or clock in rung.clocks):
                for to in rung.to:
                    told |= dict.fromkeys(self._told(to, institution, clock, unit))
        return tuple(told)

    def _told(
        self, to: str, institution: str, clock: Clock, unit: str | None
    ) -> tuple[Contact, ...]:
        if clock in ("completion", "reply"):
            return ()
        at_unit = self.units.get(unit) if unit is not None and clock == "follow_up" else None
        if to == "owner":
            return (_liaison(at_unit),) if at_unit else self._contacts(institution, "admin")
        if to == "unit_head":
            return (_head(at_unit),) if at_unit else ()
        owner, _, role = to.rpartition(".")
        return self._contacts(NATIONAL if owner else institution, role)

    def _contacts(self, institution: str, role: str) -> tuple[Contact, ...]:
        return tuple(c for c in self.institution(institution).contacts if c.role == role)


def _liaison(unit: Unit) -> Contact:
    return Contact(role="liaison", title=f"Penghubung {unit.name}", email=unit.liaison_email)


def _head(unit: Unit) -> Contact:
    return Contact(role="unit_head", title=f"Kepala {unit.name}", email=unit.head_email)


def _known(found: Found | None, what: str) -> Found:
    if found is None:
        raise UnknownCode(f"{what} is not in the registry")
    return found
