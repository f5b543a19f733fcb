"""What the registry's data say, as frozen models; how files spell it is `load.py`'s business."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Annotated, Final, Literal, NamedTuple, get_args

from pydantic import Field, field_validator

from shared.contract.events import (
    CategoryId,
    ChannelName,
    Clock,
    DayKind,
    InstitutionCode,
    PlaceCode,
    ReportClass,
    UnitCode,
)
from shared.registry.limit import DataEntry, Limit
from shared.worktime.opening_hours import Hours, hours_of
from shared.worktime.working_days import WEEKDAYS

Email = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$", max_length=254)]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Role = Literal["admin", "head", "oversight", "ombudsman", "liaison", "unit_head"]
Told = Literal[
    "owner", "admin", "head", "oversight", "unit_head", "national.admin", "national.ombudsman",
]  # fmt: skip
LimitName = Literal[
    "national_verification", "institution_verification", "dispatch", "follow_up_information",
    "follow_up_unsupervised", "follow_up_supervised", "follow_up_aspiration", "follow_up_again",
    "completion", "reply",
]  # fmt: skip

NATIONAL: Final = "00"
"""The code of the national admin: the one institution above all others."""
LIMIT_NAMES: tuple[LimitName, ...] = get_args(LimitName)
_FOLLOW_UP: Mapping[ReportClass, LimitName] = {
    ReportClass.INFORMATION: "follow_up_information",
    ReportClass.UNSUPERVISED: "follow_up_unsupervised",
    ReportClass.SUPERVISED: "follow_up_supervised",
    ReportClass.ASPIRATION: "follow_up_aspiration",
}


class Contact(DataEntry):
    """Somebody who is notified, by role; the address is the institution's, never a person's own."""

    role: Role
    title: str
    email: Email


class Unit(DataEntry):
    """A unit of an institution; `same_as` names the unit it is another spelling of."""

    code: UnitCode
    name: str
    parent: UnitCode | None = None
    place: PlaceCode | None = None
    status: Literal["confirmed", "expected", "external"]
    same_as: UnitCode | None = None
    liaison_email: Email
    head_email: Email

    @property
    def institution(self) -> str:
        """The code of the institution it belongs to."""
        return self.code.split("-", maxsplit=1)[0]


class Channel(DataEntry):
    """A channel that may hand in reports; `backdating_days` is its right to date them back."""

    name: ChannelName
    about: str
    backdating_days: int = Field(default=0, ge=0, le=31)


class Topic(DataEntry):
    """One of the 38 national topics, with a short code of ours."""

    code: str
    name: str
    subtopics: int


class Category(DataEntry):
    """A real category id, its name, its topic, and how often it was seen in 2,367 reports."""

    id: CategoryId
    name: str
    topic: str
    seen: int


class Place(DataEntry):
    """A region by its Kemendagri code."""

    code: PlaceCode
    name: str
    level: Literal["provinsi", "kabupaten", "kecamatan", "kelurahan", "desa"]


class Rule(DataEntry):
    """One line of a directory: a category or topic, a place, or both, and the unit they lead to."""

    name: str
    category: CategoryId | None = None
    topic: str | None = None
    place: PlaceCode | None = None
    unit: UnitCode
    why: str


REPEATS_MAX: Final = 52
"""(open) A last level that repeats each week is published for a year (52 times at most)."""


class Threshold(NamedTuple):
    """When a level of a clock is due: by working days from the deadline or a share of the limit."""

    level: int
    after_days: int | None
    at_share: float | None
    repeat_days: int | None = None


class LadderStep(DataEntry):
    """Who is notified at a level: 0 is the last warning, -1 the one before; 1 and on escalate.

    Due `after_days` working days after the deadline (negative: before it), or at a share of the
    limit used, in working time without the pauses. `repeat_days`: again so many working days after
    each, at levels that go on counting, at most `REPEATS_MAX` times.
    """

    level: int = Field(ge=-9, le=9)
    after_days: int | None = Field(default=None, ge=-60, le=365)
    at_share: float | None = Field(default=None, gt=0, le=10)
    repeat_days: int | None = Field(default=None, ge=1, le=365)
    to: tuple[Told, ...]
    clocks: tuple[Clock, ...] = ()
    source: str

    @property
    def threshold(self) -> Threshold:
        """Return when it is due."""
        return Threshold(self.level, self.after_days, self.at_share, self.repeat_days)

    def is_of(self, clock: Clock) -> bool:
        """Say whether it is a level of a clock."""
        return not self.clocks or clock in self.clocks


class Limits(DataEntry):
    """The limit of each clock; a follow-up's by class."""

    national_verification: Limit
    institution_verification: Limit
    dispatch: Limit
    follow_up_information: Limit
    follow_up_unsupervised: Limit
    follow_up_supervised: Limit
    follow_up_aspiration: Limit
    follow_up_again: Limit
    completion: Limit
    reply: Limit

    def of(self, name: LimitName) -> Limit:
        """Return one limit by its name."""
        limit: Limit = getattr(self, name)
        return limit

    def by_name(self) -> dict[str, Limit]:
        """Return all limits by their names."""
        return {name: self.of(name) for name in LIMIT_NAMES}


class Policy(DataEntry):
    """The limits, numbers and ladder of one institution from one day on.

    `version` names the national version and, where the institution has limits of its own, theirs.
    `day_minutes` are those of its shortest open day, none where it states no opening hours.
    """

    version: str
    limits: Limits = Field(repr=False)
    ladder_steps: tuple[LadderStep, ...] = Field(repr=False)
    reopen_days: int
    returns_max: int
    unit_returns_max: int
    command_wait_days: int
    auto_forward_confidence: float
    day_minutes: int | None = None

    def __hash__(self) -> int:
        """Hash the version alone: it names all the rest."""
        return hash(self.version)

    def limit(
        self, clock: Clock, report_class: ReportClass | None = None, *, again: bool = False
    ) -> Limit:
        """Return the limit of a clock; a follow-up's by class, `again` after a reply or reopening.

        A report nobody has classified counts as not subject to supervision (open). A further
        follow-up never has more time than the first of its class (where one is in days and one in
        minutes, the first counts if it is surely no looser).
        """
        if clock != "follow_up":
            return self.limits.of(clock)
        first = self.limits.of(_FOLLOW_UP[report_class or ReportClass.UNSUPERVISED])
        further = self.limits.follow_up_again
        is_further = again and not first.is_no_looser_than(further, self.day_minutes)
        return further if is_further else first

    def thresholds(self, clock: Clock) -> tuple[Threshold, ...]:
        """List when each level of a clock is due, warnings (level 0 and below) first, by level."""
        return self._thresholds[clock]

    @cached_property
    def _thresholds(self) -> Mapping[Clock, tuple[Threshold, ...]]:
        """Keep the thresholds by clock: a pure function of the rungs, asked in every decision."""
        return {
            clock: tuple(
                sorted({r.threshold for r in self.ladder_steps if r.is_of(clock)}, key=_level)
            )
            for clock in get_args(Clock)
        }

    @cached_property
    def _steps(self) -> Mapping[Clock, tuple[LadderStep, ...]]:
        """Keep the rungs by clock, as the thresholds."""
        return {
            clock: tuple(r for r in self.ladder_steps if r.is_of(clock))
            for clock in get_args(Clock)
        }

    def ladder_steps_at(self, level: int, clock: Clock) -> tuple[LadderStep, ...]:
        """List the rungs of a clock that a level tells; beyond the last, those that repeat it."""
        steps = self._steps[clock]
        last = max((ladder_step.level for ladder_step in steps), default=level)
        if level <= last:
            return tuple(ladder_step for ladder_step in steps if ladder_step.level == level)
        repeats = level <= last + REPEATS_MAX
        return tuple(
            step
            for step in steps
            if repeats and step.level == last and step.repeat_days is not None
        )


def _level(threshold: Threshold) -> int:
    return threshold.level


class Number(DataEntry):
    """A number of the policy and where it comes from."""

    value: float
    source: str


class Numbers(DataEntry):
    """The policy's numbers that are no clock's limit."""

    reopen_days: Number
    returns_max: Number
    unit_returns_max: Number
    command_wait_days: Number
    auto_forward_confidence: Number


class NationalPolicy(DataEntry):
    """The national policy from one day on."""

    valid_from: date
    source: str
    limits: Limits
    numbers: Numbers
    ladder: tuple[LadderStep, ...]


class OwnLimits(DataEntry):
    """The tighter limits of one institution from one day on; the others stay national."""

    valid_from: date
    national_verification: Limit | None = None
    institution_verification: Limit | None = None
    dispatch: Limit | None = None
    follow_up_information: Limit | None = None
    follow_up_unsupervised: Limit | None = None
    follow_up_supervised: Limit | None = None
    follow_up_aspiration: Limit | None = None
    follow_up_again: Limit | None = None
    completion: Limit | None = None
    reply: Limit | None = None

    def given(self) -> dict[str, Limit]:
        """Return the limits it states."""
        return {name: limit for name in LIMIT_NAMES if (limit := getattr(self, name)) is not None}


class Institution(DataEntry):
    """An institution: its code never changes, its name may."""

    code: InstitutionCode
    name: str
    short_name: str
    place: PlaceCode | None = None
    admin: str
    email: Email
    time_zone: str
    working_week: tuple[Weekday, ...]
    opening_hours: tuple[Hours, ...] | None = None
    calendars: tuple[str, ...]
    keywords: tuple[str, ...] = ()
    contacts: tuple[Contact, ...] = Field(default=(), validation_alias="contact")
    own_limits: tuple[OwnLimits, ...] = Field(default=(), validation_alias="limits")
    own_ladder: tuple[LadderStep, ...] = Field(default=(), validation_alias="ladder")
    valid_from: date
    source: str

    @field_validator("opening_hours", mode="before")
    @classmethod
    def _read_hours(cls, value: object) -> object:
        """Read `{mon = [["08:00", "12:00"], …], …}`; BadHours says which day and time is wrong."""
        return hours_of(value) if isinstance(value, dict) else value

    def week(self) -> frozenset[int]:
        """Return the working week as weekday numbers, Monday 0."""
        return frozenset(WEEKDAYS.index(day) for day in self.working_week)

    def shortest_day(self) -> int | None:
        """Return the minutes of the shortest open day; None without opening hours."""
        if self.opening_hours is None:
            return None
        days = (self.opening_hours[weekday] for weekday in self.week())
        return min((sum(closes - opens for opens, closes in day) for day in days), default=0)


class DecreeVersion(DataEntry):
    """One decree in a calendar's chain: what it adds, removes, and which years it settles.

    `again` numbers the versions of one day, so that a mistake is corrected without waiting.
    """

    known_from: date
    again: int = Field(default=1, ge=1, le=99)
    decree: str
    source: str
    decides: tuple[int, ...] = ()
    add: tuple[tuple[date, DayKind, str], ...]
    remove: tuple[date, ...] = ()


class CalendarChain(DataEntry):
    """A calendar as the chain of its decrees, oldest first."""

    name: str
    prefix: str
    time_zone: str
    valid_from: date
    source: str
    every_year: tuple[tuple[str, Literal["national", "regional"], str], ...] = ()
    versions: tuple[DecreeVersion, ...] = Field(validation_alias="version")


@dataclass(frozen=True, slots=True)
class Contents:
    """All entries of the registry's files, each in its form, before they are checked together."""

    policies: tuple[NationalPolicy, ...]
    institutions: tuple[Institution, ...]
    units: tuple[Unit, ...]
    topics: tuple[Topic, ...]
    categories: tuple[Category, ...]
    places: tuple[Place, ...]
    rules: tuple[tuple[str, Rule], ...]
    calendars: tuple[CalendarChain, ...]
    channels: tuple[Channel, ...] = ()
