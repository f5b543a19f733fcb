"""People's gateways: `lapor.channel.<name>.submissions.v1` and `…answers.v1`."""

from typing import Annotated, Literal

from pydantic import FailFast, Field

from shared.contract.events.fields import (
    CategoryId,
    InstitutionCode,
    Language,
    Part,
    PlaceCode,
    ReportClass,
    ReportId,
    Utc,
)


class Reporter(Part):
    """Who writes, as the channel knows them: clear at the gateway, sealed behind it."""

    name: str | None = Field(default=None, max_length=100)
    phone: str | None = Field(default=None, max_length=32)
    email: str | None = Field(default=None, max_length=254)
    sender_id: str | None = Field(default=None, max_length=128)
    webhook: str | None = Field(default=None, max_length=500)
    language: Language = "id"


class SubmitReport(Part):
    """A report as a channel hands it in; limits of domain.md section 5."""

    title: str = Field(min_length=1, max_length=170)
    body: str = Field(min_length=1, max_length=3_000)
    reporter: Reporter = Reporter()
    report_class: ReportClass | None = None
    category_id: CategoryId | None = None
    institution: InstitutionCode | None = None
    place_code: PlaceCode | None = None
    place: str | None = Field(default=None, max_length=200)
    incident_on: str | None = Field(default=None, pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")
    attachments: Annotated[
        tuple[Annotated[str, Field(max_length=300)], ...], Field(max_length=10), FailFast()
    ] = ()
    anonymous: bool = False
    confidential: bool = False
    submitted_at: Utc | None = None
    backdating_reason: str | None = Field(default=None, max_length=300)


class ReporterMessage(Part):
    """A reporter's message about an existing report; the secret or the same sender proves it."""

    tracking_number: str = Field(min_length=12, max_length=40)
    secret: str | None = Field(default=None, max_length=40)
    reporter: Reporter = Reporter()
    text: str | None = Field(default=None, max_length=3_000)


class CompleteInformation(ReporterMessage):
    """The reporter answers what was asked."""

    text: str = Field(min_length=1, max_length=3_000)


class ReplyToFollowUp(ReporterMessage):
    """The reporter replies to a follow-up and expects another."""

    text: str = Field(min_length=1, max_length=3_000)


class CloseReport(ReporterMessage):
    """The reporter closes the report."""

    rating: int = Field(ge=1, le=5)
    solved: bool


class WithdrawReport(ReporterMessage):
    """The reporter takes the report back."""


class ReopenReport(ReporterMessage):
    """The reporter asks to open a closed report again."""

    text: str = Field(min_length=1, max_length=3_000)


class ChannelAnswer(Part):
    """The one answer to each message of a channel, on that channel's own topic.

    `counted_from` is given where the clocks do not go by the `submitted_at` of the submission.
    """

    message_id: str
    outcome: Literal["received", "repeated", "rejected", "accepted", "refused"]
    report_id: ReportId | None = None
    tracking_number: str | None = None
    secret: str | None = None
    reason: str | None = None
    detail: str | None = None
    counted_from: Utc | None = None
    topic: str | None = None
    partition: int | None = None
    offset: int | None = None
