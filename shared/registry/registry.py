"""Ask the registry about institutions, units, policy, directory, calendar and ladder: no I/O."""

from bisect import bisect_right
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from types import MappingProxyType
from typing import Final, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from shared.contract.events import CalendarAmended, Clock
from shared.registry.calendars import Chain, build_calendar
from shared.registry.changes import (
    Change,
    is_known,
    problems_of,
    step_of,
    version_of,
)
from shared.registry.directory import Directory
from shared.registry.models import (
    NATIONAL,
    Category,
    Channel,
    Contact,
    Contents,
    Institution,
    NationalPolicy,
    Place,
    Policy,
    Topic,
    Unit,
)
from shared.registry.policies import PolicyHistory
from shared.worktime.opening_hours import Hours, OpeningHours
from shared.worktime.working_days import Calendar

Entry = TypeVar("Entry")

AMENDED_MAX: Final = 64  # registries kept beside the files': 12 lanes, some versions each


class UnknownCode(LookupError):  # noqa: N818  an answer about the data, not a fault
    """No institution, unit, category or place has that code."""


class Eras(NamedTuple):
    """The instants at which an institution's calendar changes, and those before and after each."""

    instants: list[datetime]
    calendars: list[Calendar | None]

    @classmethod
    def of(cls, chains: Iterable[Chain]) -> "Eras":
        """Begin with no calendar made."""
        instants = sorted({since for chain in chains for _, since in chain.counting})
        return cls(instants, [None] * (len(instants) + 1))


@dataclass(frozen=True, slots=True, eq=False)
class RegistryData:
    """What the operators' files say, by code, and what was published since."""

    institutions: Mapping[str, Institution]
    units: Mapping[str, Unit]
    channels: Mapping[str, Channel]
    topics: Mapping[str, Topic]
    categories: Mapping[str, Category]
    places: Mapping[str, Place]
    chains: Mapping[str, Chain]
    national: tuple[NationalPolicy, ...]
    units_of: Mapping[str, tuple[Unit, ...]]
    unit_names: Mapping[tuple[str, str], Unit]
    directories: Mapping[str, Directory]
    published: tuple[Change, ...] = ()

    @classmethod
    def of(cls, contents: Contents) -> "RegistryData":
        """Lay out the contents of the files, which were checked."""
        topics = {category.id: category.topic for category in contents.categories}
        institutions = {i.code: i for i in contents.institutions}
        units_of: dict[str, list[Unit]] = defaultdict(list)
        for unit in contents.units:
            units_of[unit.institution].append(unit)
        return cls(
            institutions=MappingProxyType(institutions),
            units=MappingProxyType({unit.code: unit for unit in contents.units}),
            channels=MappingProxyType({c.name: c for c in contents.channels}),
            topics=MappingProxyType({topic.code: topic for topic in contents.topics}),
            categories=MappingProxyType({c.id: c for c in contents.categories}),
            places=MappingProxyType({place.code: place for place in contents.places}),
            chains=MappingProxyType({chain.name: Chain.of(chain) for chain in contents.calendars}),
            national=contents.policies,
            units_of={code: tuple(units) for code, units in units_of.items()},
            unit_names={(unit.institution, unit.name): unit for unit in contents.units},
            directories={
                code: Directory([rule for owner, rule in contents.rules if owner == code], topics)
                for code in institutions
            },
        )


class _SharedCache:
    """Made once for all amended registries: what is the same by value is the same object."""

    def __init__(self) -> None:
        self.calendars: dict[tuple[object, ...], Calendar] = {}
        self.hours: dict[tuple[int, tuple[Hours, ...]], OpeningHours] = {}
        self.policies: dict[Policy, Policy] = {}


class Registry:
    """Everything the operators' files say, checked, immutable, by code."""

    def __init__(
        self,
        data: RegistryData,
        shared: _SharedCache | None = None,
        histories: dict[str, PolicyHistory] | None = None,
        eras: dict[str, Eras] | None = None,
    ) -> None:
        self.institutions = data.institutions
        self.units = data.units
        self.channels = data.channels
        self.topics = data.topics
        self.categories = data.categories
        self.places = data.places
        self.chains = data.chains
        self.published = data.published
        self._data = data
        self._shared = shared or _SharedCache()
        self._histories: dict[str, PolicyHistory] = {} if histories is None else histories
        self._eras: dict[str, Eras] = {} if eras is None else eras
        self._amended: OrderedDict[tuple[Change, ...], Registry] = OrderedDict()

    @classmethod
    def of(cls, contents: Contents) -> "Registry":
        """Return the registry of some files' contents, which were checked."""
        return cls(RegistryData.of(contents))

    # ---- institutions and units

    def institution(self, code: str) -> Institution:
        """Return an institution by its code; UnknownCode if there is none."""
        return _existing(self.institutions.get(code), f"institution {code}")

    def unit(self, code: str) -> Unit:
        """Return a unit by its code; UnknownCode if there is none."""
        return _existing(self.units.get(code), f"unit {code}")

    def units_of(self, institution: str) -> tuple[Unit, ...]:
        """List an institution's units in the order of their file."""
        return self._data.units_of.get(institution, ())

    def unit_named(self, institution: str, name: str) -> Unit | None:
        """Return the unit of that exact name, as the official export spells it, or None."""
        return self._data.unit_names.get((institution, name))

    # ---- categories and places

    def category(self, category_id: str) -> Category | None:
        """Return a category by its id, or None."""
        return self.categories.get(category_id)

    # ---- rules' data

    def directory(self, institution: str) -> Directory:
        """Return an institution's directory; UnknownCode if there is no such institution."""
        return _existing(self._data.directories.get(institution), f"institution {institution}")

    def policy(self, institution: str, on: date | datetime) -> Policy:
        """Return the policy in force on a day, the institution's tighter limits merged in.

        An aware instant counts as the institution's local day. A day before the first version gets
        the first: a report is never without a limit.
        """
        return self.policy_history(institution).at(on)

    def policy_history(self, institution: str) -> PolicyHistory:
        """Return an institution's policy from each day on which it changes; UnknownCode if none."""
        history = self._histories.get(institution)
        if history is None:
            history = PolicyHistory.of(self.institution(institution), self._data.national)
            for change in self.published:
                step = step_of(change, history)
                if step is not None and history.stated(step.name) is None:
                    history = history.with_published(step)
            history.share(self._shared.policies)
            self._histories[institution] = history
        return history

    def calendar(self, institution: str, as_of: date | datetime) -> Calendar:
        """Return the institution's calendar as it was known on a day or at an aware instant.

        A decree is known from the start of its day in the chain's zone, a published one not before
        it was seen. The version's name is that of the newest decree of each chain, joined by "+".
        """
        if not isinstance(as_of, datetime) or as_of.tzinfo is None:
            return self._calendar(institution, as_of)
        era = self._eras.get(institution)
        if era is None:
            chains = [self.chains[name] for name in self.institution(institution).calendars]
            era = self._eras[institution] = Eras.of(chains)
        index = bisect_right(era.instants, as_of)
        calendar = era.calendars[index]
        if calendar is None:
            calendar = era.calendars[index] = self._calendar(institution, as_of)
        return calendar

    def _calendar(self, institution: str, as_of: date | datetime) -> Calendar:
        owner = self.institution(institution)
        chains = [self.chains[name] for name in owner.calendars]
        counts = [chain.known(as_of) for chain in chains]
        keys = (chain.keys[count] for chain, count in zip(chains, counts, strict=True))
        key = (owner.time_zone, owner.working_week, *keys)
        made = self._shared.calendars.get(key)
        if made is None:
            made = self._shared.calendars[key] = build_calendar(
                ZoneInfo(owner.time_zone), owner.week(), chains, counts
            )
        return made

    def hours(self, institution: str, as_of: date | datetime) -> OpeningHours | None:
        """Return an institution's opening hours, by which limits in working minutes are counted.

        On the days of the calendar known at that time; None if it states no opening hours.
        """
        week = self.institution(institution).opening_hours
        if week is None:
            return None
        calendar = self.calendar(institution, as_of)
        key = (id(calendar), week)  # a calendar once made is kept
        made = self._shared.hours.get(key)
        if made is None:
            made = self._shared.hours[key] = OpeningHours(calendar, week)
        return made

    # ---- changes

    def amended(self, changes: tuple[Change, ...]) -> "Registry":
        """Return the registry with changes that were published, in the order they were seen.

        Total: a change that contradicts what is known when it counts is left out, a repetition
        changes nothing. One that the files have too changes no calendar and no policy, but stays
        among `published`: since then it counts for what is open. Pure, and the same object for the
        same changes.
        """
        if not changes:
            return self
        made = self._amended.get(changes)
        if made is None:
            made = self
            for change in changes:
                made = made._with(change)
            self._amended[changes] = made
            if len(self._amended) > AMENDED_MAX:
                self._amended.popitem(last=False)
        else:
            self._amended.move_to_end(changes)
        return made

    def _with(self, change: Change) -> "Registry":
        event, is_there = change.event, is_known(change, self)
        is_repeated = any(other.event.version == event.version for other in self.published)
        if (is_there and is_repeated) or problems_of(change, self):
            return self
        data = replace(self._data, published=(*self.published, change))
        if is_there:
            return Registry(data, self._shared, self._histories, self._eras)
        if isinstance(event, CalendarAmended):
            chain = self.chains[event.chain].with_published(version_of(event), change.seen_at)
            data = replace(data, chains=MappingProxyType({**self.chains, event.chain: chain}))
            return Registry(data, self._shared, self._histories)
        if event.institution == NATIONAL:
            return Registry(data, self._shared)
        histories = {k: v for k, v in self._histories.items() if k != event.institution}
        return Registry(data, self._shared, histories)

    def ladder(
        self,
        institution: str,
        level: int,
        clock: Clock,
        *,
        unit: str | None = None,
        on: date | datetime | Policy | None = None,
    ) -> tuple[Contact, ...]:
        """List who is notified at a level (0 = last warning) of a clock that the institution owes.

        By the ladder of a policy, or of the policy in force at a time. Completion and reply are
        owed by the reporter, whom the notifier reaches: nobody here.
        """
        policy = on if isinstance(on, Policy) else self.policy(institution, on or date.max)
        contacts: dict[Contact, None] = {}
        for ladder_step in policy.ladder_steps_at(level, clock):
            for to in ladder_step.to:
                contacts |= dict.fromkeys(self._addressed(to, institution, clock, unit))
        return tuple(contacts)

    def _addressed(
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


def _existing(entry: Entry | None, what: str) -> Entry:
    if entry is None:
        raise UnknownCode(f"{what} is not in the registry")
    return entry
