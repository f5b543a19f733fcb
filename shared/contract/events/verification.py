"""`lapor.verification.national.v1` and `lapor.verification.institution.v1`."""

from typing import Literal

from shared.contract.events.fields import (
    ArchiveReason,
    CategoryId,
    Event,
    InstitutionCode,
    PlaceCode,
    ReportClass,
    ReportId,
    Sealed,
    Utc,
)
from shared.contract.events.intake import Similar


class ReportForwarded(Event):
    """The report is with an institution; opens its holding `holding` (1, 2, …)."""

    institution: InstitutionCode
    holding: int
    by: str
    why: str
    final: bool = False
    report_class: ReportClass | None = None
    category_id: CategoryId | None = None
    place_code: PlaceCode | None = None


class InformationRequested(Event):
    """The reporter is asked; the asking stage's clock rests.

    A completion counts as the answer if its record is later than `asked_at`: the time that the
    asking stage goes by, before the time of this event's own record.
    """

    stage: Literal["national", "institution"]
    institution: InstitutionCode
    holding: int
    by: str
    question: Sealed
    asked_at: Utc | None = None


class ReportArchived(Event):
    """The report ended in the archive (Diarsipkan oleh Admin, Sistem, Pelapor)."""

    by: Literal["admin", "system", "reporter"]
    institution: InstitutionCode
    holding: int
    reason: ArchiveReason
    duplicate_of: ReportId | None = None
    officer: str | None = None
    note: Sealed | None = None


class ReportBlocked(Event):
    """The content is blocked (Konten Terblokir)."""

    by: str
    reason: Sealed


class ReportWithdrawn(Event):
    """The report ended by the reporter's wish."""


class DuplicateSuspected(Event):
    """The report reads like an open one; an officer decides."""

    similar: tuple[Similar, ...]


class ReportAccepted(Event):
    """The institution holds and has classified the report."""

    institution: InstitutionCode
    holding: int
    by: str
    report_class: ReportClass
    category_id: CategoryId | None = None
    place_code: PlaceCode | None = None


class ReportReclassified(Event):
    """Class or category changed: before, after, who, why (audited, domain.md section 1)."""

    institution: InstitutionCode
    holding: int
    by: str
    class_before: ReportClass
    class_after: ReportClass
    category_before: CategoryId | None = None
    category_after: CategoryId | None = None
    why: Sealed


class ReportReturned(Event):
    """The institution gave the report back to the national admin."""

    institution: InstitutionCode
    holding: int
    by: str
    reason: Sealed
    proposed_owner: InstitutionCode | None = None
