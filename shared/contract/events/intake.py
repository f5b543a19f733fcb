"""What people sent, checked and sealed: `lapor.intake.v1`."""

from pydantic import Field

from shared.contract.events.fields import (
    CategoryId,
    ChannelName,
    Event,
    InstitutionCode,
    Language,
    Part,
    PlaceCode,
    ReportClass,
    ReportId,
    Sealed,
    Utc,
)


class Suggestion(Part):
    """A value that screening proposes, how sure it is (0 to 1), and why.

    `reasons` are kinds, for rules: `claimed`, `phrase`, `word`, `name`, `place`. The words that
    they stand for are the text's: `why` has them, sealed as the field `screening.<name>`.
    """

    value: str
    confidence: float = Field(ge=0, le=1)
    reasons: tuple[str, ...] = ()
    why: Sealed | None = None


class Similar(Part):
    """An earlier report that reads like this one; no same sender where either is anonymous."""

    report_id: ReportId
    same_sender: bool
    distance: int


class Screening(Part):
    """What intake derives once from the text, for stages that never see it."""

    similar: tuple[Similar, ...] = ()
    report_class: Suggestion | None = None
    category: Suggestion | None = None
    institution: Suggestion | None = None


class ReportReceived(Event):
    """A report entered the system; the clocks count from `submitted_at`.

    `claimed_submitted_at` is the time that its channel gave, where that does not count.
    Here and in all events of this stream `message_id` is a keyed hash of the channel's own id, and
    `sender` one of who writes, given only where the reporter is not anonymous.
    """

    tracking_number: str
    channel: ChannelName
    message_id: str
    submitted_at: Utc
    claimed_submitted_at: Utc | None = None
    backdating_reason: Sealed | None = None
    report_class: ReportClass | None = None
    category_id: CategoryId | None = None
    institution: InstitutionCode | None = None
    place_code: PlaceCode | None = None
    anonymous: bool = False
    confidential: bool = False
    language: Language = "id"
    sender: str | None = None
    identity: Sealed | None = None
    content: Sealed
    screening: Screening = Screening()


class SubmissionRepeated(Event):
    """The same channel sent the same message again; it has the number it had."""

    channel: ChannelName
    message_id: str


class FromReporter(Event):
    """A reporter's message that the gateway has checked."""

    channel: ChannelName
    message_id: str
    text: Sealed | None = None


class InformationCompleted(FromReporter):
    """The reporter completed the report."""


class ReporterReplied(FromReporter):
    """The reporter replied to a follow-up."""


class ReporterClosed(FromReporter):
    """The reporter wants the report closed."""

    rating: int = Field(ge=1, le=5)
    solved: bool


class ReporterWithdrew(FromReporter):
    """The reporter takes the report back."""


class ReopenRequested(FromReporter):
    """The reporter asks for another round."""
