"""May this enter, and what becomes of it? Pure: case, record, keys and look-ups are arguments.

Every message of a channel gets one answer. What is not its sender's to know is answered alike: an
unknown report, a wrong secret and a strange sender are all `not_proved`, so nobody can find out
by asking which tracking numbers exist. Only a number that cannot exist (its check character is
wrong) is `unknown_tracking_number`, which anybody can compute.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from pydantic import BaseModel

from services.intake.case import SubmissionCase
from services.intake.duplicates import Fingerprint
from services.intake.receipt_time import backdating_reason, receipt_time
from services.intake.redaction import content_of, hash_message_id, seal_optional, seal_screening
from services.intake.reporter import identity_of
from services.intake.validation import message_fault
from shared.contract import events as e
from shared.contract import text_checks, tracking
from shared.contract.reasons import Fault, advice
from shared.contract.topics import REPORTER_MESSAGES, SUBMISSIONS
from shared.rules.decision import Cause, Decision, Unreadable, decided, refused
from shared.vault.crypto import ReportKey

_MESSAGE_TYPES: Final = frozenset(SUBMISSIONS.type_of(message) for message in REPORTER_MESSAGES)
Position = tuple[str, int, int]
"""Topic, partition and offset of a record."""


@dataclass(frozen=True, slots=True)
class Screened:
    """What screening derived from one submission's text."""

    fingerprint: Fingerprint
    screening: e.Screening


@dataclass(frozen=True, slots=True)
class Lookups:
    """What the rule may know of a batch; `senders` and `screened` by the message's first id.

    A report without key in `keys` is unknown, or was erased. `faults` are those of submissions, by
    the record's position: the same message may come again a moment later and be sound.
    """

    message_digest: Callable[[str, str], str]  # (channel, message id) -> keyed hash
    keys: Mapping[str, ReportKey] = field(default_factory=dict)
    backdating_days: Mapping[str, int] = field(default_factory=dict)  # by channel
    senders: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    screened: Mapping[str, Screened] = field(default_factory=dict)
    faults: Mapping[Position, Fault] = field(default_factory=dict)


class _Fact(NamedTuple):
    """What a reporter's message becomes: the event, and the message's fields that it repeats."""

    event: type[e.FromReporter]
    fields: tuple[str, ...] = ()


_FACTS: Final[Mapping[type[e.ReporterMessage], _Fact]] = {
    e.CompleteInformation: _Fact(e.InformationCompleted),
    e.ReplyToFollowUp: _Fact(e.ReporterReplied),
    e.CloseReport: _Fact(e.ReporterClosed, ("rating", "solved")),
    e.WithdrawReport: _Fact(e.ReporterWithdrew),
    e.ReopenReport: _Fact(e.ReopenRequested),
}


def identify(event: BaseModel, cause: Cause, report_id: Callable[[str, str], str]) -> str:
    """Return the report that a record is about; of its own where it names none that can be read.

    `report_id` derives a report's id from (channel, message id): sent twice, it is the same report.
    """
    if isinstance(event, e.SubmitReport) and cause.message_id:
        return report_id(cause.producer, cause.message_id)
    if isinstance(event, e.ReporterMessage):
        try:
            return tracking.parse_tracking_number(event.tracking_number)
        except tracking.TrackingNumberInvalid:
            pass
    return tracking.record_id(cause.first_id)


def decide(
    case: SubmissionCase | None, event: BaseModel, cause: Cause, lookups: Lookups
) -> Decision[SubmissionCase]:
    """Receive a report or a reporter's message, or reject it; one answer to each message."""
    match event:
        case e.SubmitReport():
            decision = _submission(case, event, cause, lookups)
        case e.ReporterMessage():
            decision = _reporter_message(case, event, cause, lookups)
        case Unreadable():
            decision = _unreadable(case, event, cause)
        case _:
            return decided(case)
    return hash_message_id(decision, lookups.message_digest(cause.producer, cause.message_id))


# ---- a report


def _submission(
    case: SubmissionCase | None, event: e.SubmitReport, cause: Cause, lookups: Lookups
) -> Decision[SubmissionCase]:
    key = lookups.keys.get(cause.report_id)
    fault = message_fault(cause)
    if fault is None and case is not None and case.received:
        digest = lookups.message_digest(cause.producer, cause.message_id)
        if (case.channel, case.message_id) == (cause.producer, digest):
            return _repeated(case, cause, key)
        fault = Fault("try_another_message_id")
    fault = fault or lookups.faults.get((cause.topic, cause.partition, cause.offset))
    if fault is not None:
        return _reject(case, cause, fault, event.reporter.language)
    screened = lookups.screened.get(cause.first_id)
    if key is None or screened is None:  # looked up for every sound one: the key was destroyed
        return _reject(case, cause, Fault("erased"), event.reporter.language)
    return _receive(event, cause, key, screened, lookups)


def _receive(
    event: e.SubmitReport, cause: Cause, key: ReportKey, screened: Screened, lookups: Lookups
) -> Decision[SubmissionCase]:
    senders = lookups.senders.get(cause.first_id, ())
    time = receipt_time(event, cause, lookups.backdating_days)
    received = e.ReportReceived(
        report_id=cause.report_id,
        tracking_number=tracking.tracking_number(cause.report_id),
        channel=cause.producer,
        message_id=cause.message_id,
        submitted_at=time.submitted_at,
        claimed_submitted_at=time.claimed,
        backdating_reason=seal_optional(key, "backdating_reason", backdating_reason(event)),
        report_class=event.report_class,
        category_id=event.category_id,
        institution=event.institution,
        place_code=event.place_code,
        anonymous=event.anonymous,
        confidential=event.confidential,
        language=event.reporter.language,
        sender=senders[0] if senders and not event.anonymous else None,
        identity=seal_optional(key, "identity", identity_of(event.reporter)),
        content=key.seal("content", content_of(event)),
        screening=seal_screening(screened.screening, key),
    )
    case = SubmissionCase(
        received=True,
        channel=cause.producer,
        message_id=lookups.message_digest(cause.producer, cause.message_id),
        senders=senders,
        anonymous=event.anonymous,
        fingerprint=screened.fingerprint,
    )
    counted_from = None if time.claimed is None else time.submitted_at
    answer = _acceptance(cause, "received", key)
    return decided(case, received, answer.model_copy(update={"counted_from": counted_from}))


def _repeated(
    case: SubmissionCase, cause: Cause, key: ReportKey | None
) -> Decision[SubmissionCase]:
    """Give the channel that asks again the number and the secret it had."""
    repeated = e.SubmissionRepeated(
        report_id=cause.report_id, channel=cause.producer, message_id=cause.message_id
    )
    return decided(case, repeated, _acceptance(cause, "repeated", key))


def _acceptance(
    cause: Cause,
    outcome: Literal["received", "accepted", "repeated"],
    key: ReportKey | None = None,
) -> e.ChannelAnswer:
    """Answer with the report's number, and with its secret where the key is given."""
    return e.ChannelAnswer(
        message_id=cause.message_id,
        outcome=outcome,
        report_id=cause.report_id,
        tracking_number=tracking.tracking_number(cause.report_id),
        secret=None if key is None else key.reporter_secret(),
    )


# ---- a reporter's message about a report


def _reporter_message(
    case: SubmissionCase | None, event: e.ReporterMessage, cause: Cause, lookups: Lookups
) -> Decision[SubmissionCase]:
    fault = _reporter_message_fault(case, event, cause, lookups)
    if fault is not None or case is None:
        fault = fault or Fault("unknown_tracking_number")
        return _refuse(case, cause, fault, event.reporter.language)
    if cause.is_repeat:
        return decided(case, _acceptance(cause, "repeated"))
    fact = _FACTS[type(event)]
    published = fact.event(
        report_id=cause.report_id,
        channel=cause.producer,
        message_id=cause.message_id,
        text=seal_optional(lookups.keys[cause.report_id], "text", _text(event)),
        **{name: getattr(event, name) for name in fact.fields},
    )
    return decided(case, published, _acceptance(cause, "accepted"))


def _reporter_message_fault(
    case: SubmissionCase | None, event: e.ReporterMessage, cause: Cause, lookups: Lookups
) -> Fault | None:
    fault = message_fault(cause)
    if fault is not None:
        return fault
    control = text_checks.control_fields(event)
    if control is not None:
        return Fault("control_characters", control)
    if type(event).model_fields["text"].is_required() and not _text(event):
        return Fault("blank_text", "text")
    if not tracking.is_tracking_number(event.tracking_number):
        return Fault("unknown_tracking_number", "tracking_number")
    key = lookups.keys.get(cause.report_id)
    if case is None or not case.received or not _is_proved(case, event, cause, lookups, key):
        return _not_proved(cause)
    return Fault("erased") if key is None else None


def _not_proved(cause: Cause) -> Fault:
    """Say that it is not proved, or until when no other guess of this channel is looked at.

    A right proof counts at any time: a secret has 50 bits, so pauses need not hold up its owner
    to make guessing hopeless. They are counted for unknown numbers as well, so they tell nothing.
    """
    if cause.paused_until is None:
        return Fault("not_proved")
    return Fault("slow_down", f"{cause.paused_until:%Y-%m-%dT%H:%M:%SZ}")


def _is_proved(
    case: SubmissionCase,
    event: e.ReporterMessage,
    cause: Cause,
    lookups: Lookups,
    key: ReportKey | None,
) -> bool:
    """Tell whether the message has the report's secret, or comes from its sender.

    A channel vouches for its own people only: the sender counts where the same channel handed the
    report in; from another channel it takes the secret.
    """
    if key is not None and event.secret is not None and key.is_secret(event.secret):
        return True
    senders = lookups.senders.get(cause.first_id, ())
    return cause.producer == case.channel and not set(senders).isdisjoint(case.senders)


def _text(event: e.ReporterMessage) -> str | None:
    """Return what the reporter wrote; white space alone is nothing."""
    return text_checks.unix_lines(event.text) if event.text and event.text.strip() else None


# ---- rejections


def _unreadable(
    case: SubmissionCase | None, event: Unreadable, cause: Cause
) -> Decision[SubmissionCase]:
    fault = Fault(event.reason, event.detail)
    answer = _refuse if cause.type in _MESSAGE_TYPES else _reject
    return answer(case, cause, fault, "id")


def _reject(
    case: SubmissionCase | None, cause: Cause, fault: Fault, language: e.Language
) -> Decision[SubmissionCase]:
    """Reject a submission; only the channel learns of it."""
    return refused(case, _rejection(cause, "rejected", fault, language))


def _refuse(
    case: SubmissionCase | None, cause: Cause, fault: Fault, language: e.Language
) -> Decision[SubmissionCase]:
    """Refuse a reporter's message; only the channel learns of it."""
    answer = _rejection(cause, "refused", fault, language)
    return refused(case, answer, is_wrong_proof=fault.reason == "not_proved")


def _rejection(
    cause: Cause, outcome: Literal["rejected", "refused"], fault: Fault, language: e.Language
) -> e.ChannelAnswer:
    """Answer with the reason and what to do; the record's position where its id cannot name it."""
    is_slow = fault.reason == "slow_down"  # stands for more messages than the one it names
    is_named = text_checks.message_id_fault(cause.message_id) is None and not is_slow
    return e.ChannelAnswer(
        message_id=cause.message_id[: text_checks.MESSAGE_ID_MAX],
        outcome=outcome,
        reason=fault.reason,
        detail=advice(fault.reason, language, fault.fields),
        topic=None if is_named else cause.topic,
        partition=None if is_named else cause.partition,
        offset=None if is_named else cause.offset,
    )
