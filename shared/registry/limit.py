"""The form of every entry of the registry's files, and the limit: how long somebody has."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from shared.contract.events import LimitTerm, LimitUnit


class DataEntry(BaseModel):
    """One entry of a data file: frozen, and strict about fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Limit(DataEntry):
    """How long somebody has: `days`, working days by default, or `minutes` of opening hours."""

    days: int | None = Field(default=None, ge=1, le=365)
    minutes: int | None = Field(default=None, ge=1, le=100_000)
    unit: LimitUnit = "working_days"
    source: str

    @model_validator(mode="before")
    @classmethod
    def _minutes_are_working_minutes(cls, value: object) -> object:
        if isinstance(value, dict) and "minutes" in value:
            return {"unit": "working_minutes"} | value
        return value

    @model_validator(mode="after")
    def _amount_is_in_its_unit(self) -> Self:
        if (self.days is None) == (self.minutes is None):
            raise ValueError("a limit states either days or minutes")
        if (self.unit == "working_minutes") != (self.minutes is not None):
            raise ValueError("minutes are working_minutes, days are working_days or calendar_days")
        return self

    @classmethod
    def of(cls, term: LimitTerm) -> Self:
        """Return a limit as it was published; ValidationError where it is none."""
        amount = "minutes" if term.unit == "working_minutes" else "days"
        given = {amount: term.amount, "unit": term.unit, "source": term.source}
        return cls.model_validate(given)

    @property
    def amount(self) -> int:
        """How much time, in the limit's unit."""
        return self.minutes or self.days or 0

    def is_no_looser_than(self, other: "Limit", day_minutes: int | None = None) -> bool:
        """Say whether this limit can never end later than another from the same start.

        Working minutes against N working days: until the end of day N at least N open days have
        passed, so at most N times the shortest open day (`day_minutes`) is surely no later, pauses
        apart, which hold each in its own unit. Nothing else is compared between units.
        """
        if self.minutes is not None and other.unit == "working_days":
            return day_minutes is not None and self.minutes <= other.amount * day_minutes
        return self.unit == other.unit and self.amount <= other.amount

    def __str__(self) -> str:
        """Write `3 working days`."""
        return f"{self.amount} {self.unit.replace('_', ' ')}"
