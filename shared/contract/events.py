"""Every event and command of the system, one class each, as JSON in the value of a record.

Facts are in the past tense, commands in the imperative. All times are aware and UTC. A field of
type `Sealed` holds text sealed with the report's key (`shared/vault/crypto.py`); a `Words` field is
clear on a gateway's own topic and sealed on every stream behind the gateway.
"""

from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, FailFast, Field

ReportId = Annotated[str, Field(pattern=r"^[0-9A-HJKMNP-TV-Z]{12}$")]
InstitutionCode = Annotated[str, Field(pattern=r"^[0-9]{2,10}$")]
UnitCode = Annotated[str, Field(pattern=r"^[0-9]{2,10}-[0-9]{3}$")]
CategoryId = Annotated[str, Field(pattern=r"^[0-9]{1,6}$")]
PlaceCode = Annotated[str, Field(pattern=r"^[0-9]{2}(\.[0-9]{2}(\.[0-9]{2}(\.[0-9]{4})?)?)?$")]
ChannelName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
Name = Annotated[str, Field(min_length=1, max_length=100)]
Sealed = Annotated[str, Field(min_length=1, max_length=60_000)]
Words = Annotated[str, Field(min_length=1, max_length=60_000)]
Language = Literal["id", "en"]


def _in_utc(at: datetime) -> datetime:
    if at.tzinfo is UTC:
        return at
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError("lies outside the years 1 to 9999 in UTC") from None


Utc = Annotated[AwareDatetime, AfterValidator(_in_utc)]


class ReportClass(StrEnum):
    """The four classes, exact strings of the real system (domain.md section 4)."""

    SUPERVISED = "Pengaduan Berkadar Pengawasan"
    UNSUPERVISED = "Pengaduan Tidak Berkadar Pengawasan"
    INFORMATION = "Permintaan Informasi"
    ASPIRATION = "Aspirasi"


ArchiveReason = Literal[
    "hate_speech", "no_evidence", "unclear", "not_relevant", "out_of_scope", "duplicate",
    "reporter_wish", "expired",
]  # fmt: skip
Clock = Literal[
    "national_verification", "institution_verification", "dispatch", "follow_up", "completion",
    "reply",
]  # fmt: skip

StartedBy = Literal[
    "received", "returned", "forwarded", "accepted", "held", "unit_returned", "dispatched",
    "answered", "reopened", "asked", "followed_up",
]  # fmt: skip
LimitUnit = Literal["working_days", "calendar_days", "working_minutes"]
DayKind = Literal["national", "joint_leave", "regional", "provisional"]


class Part(BaseModel):
    """A piece of an event: frozen, and deaf to fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class Event(Part):
    """What happened to, or is asked for, one report."""

    report_id: ReportId


# ---- people's gateways: lapor.channel.<name>.submissions.v1 and …answers.v1


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
    """A reporter's word about an existing report; the secret or the same sender proves it."""

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

    `counted_from` is said where the clocks do not go by the `submitted_at` that was given.
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


# ---- lapor.intake.v1


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

    `claimed_submitted_at` is what its channel says instead, where it may not decide that.
    Here and in all events of this stream `message_id` is a keyed hash of the channel's own id, and
    `sender` one of who writes, said only where the reporter is not anonymous.
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
    """A reporter's word that the gateway has checked."""

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


# ---- institutions' commands: words clear in lapor.agency.<code>.outbox.v1, sealed behind it


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
    """A unit's word, sent through its institution's outbox."""

    unit: UnitCode


class InitialResponse(UnitCommand):
    """The liaison officer's first word; it does not end the follow-up clock."""

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


# ---- lapor.verification.national.v1 and lapor.verification.institution.v1


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


# ---- lapor.routing.v1


class ReportDispatched(Event):
    """The report is with a unit (Terdisposisi ke); `dispatch` counts within the holding."""

    institution: InstitutionCode
    holding: int
    dispatch: int
    unit: UnitCode
    rule: str
    why: str
    by: str
    final: bool = False
    report_class: ReportClass


class RoutingHeld(Event):
    """No rule names a unit; the institution's admin has to."""

    institution: InstitutionCode
    holding: int
    reason: Literal["nothing_fits", "returned_twice", "unit_unknown"]
    tried: tuple[UnitCode, ...] = ()


# ---- lapor.follow-up.v1


class AtUnit(Event):
    """A fact about a report that a unit has."""

    institution: InstitutionCode
    holding: int
    dispatch: int
    unit: UnitCode


class InitialResponseGiven(AtUnit):
    """The unit gave its first word."""

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


# ---- lapor.sla.v1


class OfDeadline(Event):
    """A fact about one deadline: a clock, who owes it, and by which calendar and policy.

    A clock may run several times about a report. `run` names one of them, the same in all that is
    said of it whatever moves; its text means nothing. Absent in what was said before it was added.
    """

    clock: Clock
    run: str | None = None
    owner: str
    institution: InstitutionCode
    unit: UnitCode | None = None
    started_at: Utc
    deadline: Utc
    calendar_version: str
    policy_version: str


class DeadlineSet(OfDeadline):
    """Somebody owes the next step by a date; `started_by` is the fact that made it theirs."""

    limit: int
    limit_unit: LimitUnit
    started_by: StartedBy | None = None


class DeadlineMoved(OfDeadline):
    """The date changed: another class, a rest while the reporter was asked, a decree, a policy."""

    deadline_before: Utc
    why: Literal["reclassified", "resumed", "late_fact", "calendar", "policy"]
    calendar_version_before: str | None = None
    policy_version_before: str | None = None


class DeadlineMet(OfDeadline):
    """What was owed was done, in time or late; of a follow-up also when the unit first answered."""

    met_at: Utc
    on_time: bool
    working_days: float
    initial_response_working_days: float | None = None


class DeadlineApproaching(OfDeadline):
    """A warning to whoever owes it, before the date; level 0 is the last, -1 the one before it."""

    due_at: Utc
    detected_at: Utc
    recipients: tuple[str, ...] = ()
    level: int = 0


class DeadlineBreached(OfDeadline):
    """The date passed: the escalation of this level, to its people."""

    level: int
    due_at: Utc
    detected_at: Utc
    recipients: tuple[str, ...] = ()


class BreachWithdrawn(OfDeadline):
    """A breach that was published is not true: `deadline` and `level` are those that it named.

    `deadline_now` is the date that counts instead, none where the step was never owed or the clock
    rests.
    """

    level: int
    why: Literal["moved", "met_in_time", "never_owed"]
    deadline_now: Utc | None = None
    recipients: tuple[str, ...] = ()


class TimeRanOut(Event):
    """A reporter's window closed; `opened_by` is the id of the event that opened it."""

    window: Literal["completion", "reply"]
    opened_by: str
    ran_out_at: Utc


class TimerFired(Event):
    """It is `due_at`: the stage looks at its own case (internal)."""

    due_at: Utc


class Recompute(Event):
    """A version of the registry was published that may move this report's dates (internal)."""

    version: str
    changed: Literal["calendar", "policy"]


class DeliveryReported(Event):
    """What became of one attempt to deliver a notification (internal to the notifier)."""

    notification_id: str
    outcome: Literal["sent", "temporary", "permanent"]
    reason: str = ""


# ---- operators: lapor.registry.v1, the same to every partition


class RegistryChange(Part):
    """A new version of what the operators' files say; every lane sees it, none is named in it."""

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


# ---- institutions' inboxes and the way out to people


class ReportView(Part):
    """What an institution may see of a report: an allow-list, words in the clear."""

    tracking_number: str
    channel: ChannelName
    submitted_at: Utc
    claimed_submitted_at: Utc | None = None
    backdating_reason: str | None = None
    title: str | None = None
    body: str | None = None
    place: str | None = None
    place_code: PlaceCode | None = None
    reporter: str | None = None
    contact: str | None = None
    anonymous: bool = False
    confidential: bool = False
    report_class: ReportClass | None = None
    category_id: CategoryId | None = None


class InboxEntry(Event):
    """One line of an institution's inbox; `entry` names the fact it tells."""

    institution: InstitutionCode
    entry: str
    holding: int = 0
    unit: UnitCode | None = None
    report: ReportView | None = None
    text: str | None = None
    reason: str | None = None
    message_id: str | None = None
    clock: Clock | None = None
    run: str | None = None
    deadline: Utc | None = None
    level: int | None = None
    final: bool | None = None


NotificationChannel = Literal["email", "webhook", "file"]


class Notification(Event):
    """One message: (about, person, channel) is its identity and the provider's idempotency key."""

    notification_id: str
    about: str
    template: str
    person: str
    channel: NotificationChannel


class NotificationRequested(Notification):
    """A message is to be sent; what it says is sealed until it leaves.

    With a `deadline` it promises: it names the date until which the step of `clock` is owed at
    `institution`.
    """

    language: Language
    message: Sealed
    clock: Clock | None = None
    institution: InstitutionCode | None = None
    deadline: Utc | None = None


class NotificationSent(Notification):
    """The provider took the message."""

    attempts: int


class NotificationFailed(Notification):
    """The message will not be sent, and why."""

    attempts: int
    reason: str
    permanent: bool
