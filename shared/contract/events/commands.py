"""Institutions' commands: words clear in `lapor.agency.<code>.outbox.v1`, sealed behind it."""

from pydantic import Field

from shared.contract.events.fields import (
    ArchiveReason,
    CategoryId,
    Event,
    InstitutionCode,
    PlaceCode,
    ReportClass,
    ReportId,
    UnitCode,
    Words,
)


class Command(Event):
    """What an institution decides about a report it holds, in its `holding`.

    `institution` and `message_id` are stamped by the gateway, from the topic's name and the
    sender's `ce_id`; what a sender writes there is overwritten.
    """

    holding: int = Field(ge=0, le=1_000)
    by: str = Field(min_length=1, max_length=64)
    institution: InstitutionCode = "00"
    message_id: str = Field(default="", max_length=128)


class Forward(Command):
    """The national admin hands the report to an institution."""

    to: InstitutionCode
    note: Words | None = None


class Block(Command):
    """The national admin blocks the content for good."""

    reason: Words


class AskForInformation(Command):
    """The report cannot be acted on before the reporter completes it."""

    question: Words


class Archive(Command):
    """The report ends here, for one of the allowed reasons."""

    reason: ArchiveReason
    duplicate_of: ReportId | None = None
    note: Words | None = None


class Accept(Command):
    """The institution takes the report and classifies it."""

    report_class: ReportClass
    category_id: CategoryId | None = None
    place_code: PlaceCode | None = None
    note: Words | None = None


class ReturnReport(Command):
    """Not our authority (bukan kewenangan): back one level."""

    reason: Words
    proposed_owner: InstitutionCode | None = None


class Reclassify(Command):
    """Another class or category, until the report is closed."""

    report_class: ReportClass
    category_id: CategoryId | None = None
    why: Words


class Dispatch(Command):
    """The institution's admin names the unit."""

    unit: UnitCode


class UnitCommand(Command):
    """A unit's command, sent through its institution's outbox."""

    unit: UnitCode


class InitialResponse(UnitCommand):
    """The liaison officer's first response; it does not end the follow-up clock."""

    text: Words


class FollowUp(UnitCommand):
    """What was done about the report."""

    text: Words


class ReturnToInstitution(UnitCommand):
    """Not this unit's authority."""

    reason: Words
    proposed_unit: UnitCode | None = None


class CloseCase(Command):
    """The institution's admin closes a report that was followed up."""

    solved: bool
    note: Words | None = None


class CommandRefused(Event):
    """A well-formed command that does not fit the report as it stands."""

    institution: InstitutionCode
    message_id: str
    refused: str
    command: str
    holding: int
    reason: str
