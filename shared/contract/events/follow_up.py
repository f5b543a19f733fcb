"""What a unit did, and how a report ends: `lapor.follow-up.v1`."""

from typing import Literal

from shared.contract.events.fields import Event, InstitutionCode, Sealed, UnitCode


class AtUnit(Event):
    """A fact about a report that a unit has."""

    institution: InstitutionCode
    holding: int
    dispatch: int
    unit: UnitCode


class InitialResponseGiven(AtUnit):
    """The unit gave its initial response."""

    by: str
    text: Sealed


class FollowUpGiven(AtUnit):
    """The unit followed up; opens the reporter's reply window `round`."""

    by: str
    round: int
    text: Sealed


class UnitReturned(AtUnit):
    """The unit gave the report back to its institution."""

    by: str
    reason: Sealed
    proposed_unit: UnitCode | None = None


class ReporterAnswered(AtUnit):
    """The reporter replied; another follow-up is owed."""

    round: int
    text: Sealed | None = None


class ReportClosed(AtUnit):
    """The report is closed (Ditutup oleh Sistem, Admin, Pelapor)."""

    by: Literal["system", "admin", "reporter"]
    solved: bool | None = None
    rating: int | None = None


class ReportReopened(AtUnit):
    """A closed report is in progress again; another follow-up is owed."""

    text: Sealed | None = None
