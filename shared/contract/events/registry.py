"""Operators' changes of calendars and limits: `lapor.registry.v1`, the same to every partition."""

from datetime import date

from pydantic import Field

from shared.contract.events.fields import DayKind, InstitutionCode, LimitUnit, Name, Part


class RegistryChange(Part):
    """A new version of the operators' files; every lane reads it, none is named in it."""

    version: str = Field(pattern=r"^[a-z0-9-]{1,80}$")


class CalendarAmended(RegistryChange):
    """A decree adds days to a calendar and takes days out; `chain` names the calendar's file.

    `known_from` is the local day on which it became known; a version counts from its record's time.
    """

    chain: Name
    known_from: date
    decree: str = Field(min_length=1, max_length=300)
    source: str = Field(min_length=1, max_length=500)
    decides: tuple[int, ...] = ()
    add: tuple[tuple[date, DayKind, str], ...] = Field(default=(), max_length=200)
    remove: tuple[date, ...] = Field(default=(), max_length=200)


class LimitTerm(Part):
    """How long somebody has, in the unit named; `source` says who decided it."""

    amount: int = Field(ge=1, le=100_000)
    unit: LimitUnit = "working_days"
    source: str = Field(min_length=1, max_length=500)


class PolicyChanged(RegistryChange):
    """The limits of an institution from a day on (`00`: the national ones); the others stay.

    Open cases keep the limit they were promised, unless `applies_to_open`.
    """

    institution: InstitutionCode
    valid_from: date
    limits: dict[str, LimitTerm]
    applies_to_open: bool = False
