"""May this enter, and what becomes of it? Pure: case, record, keys and look-ups are arguments.

Every message of a channel gets one answer. What is not its sender's to know is told alike: an
unknown report, a wrong secret and a strange sender are all `not_proved`, so nobody can find out
by asking which tracking numbers exist. Only a number that cannot exist (its check character is
wrong) is `unknown_tracking_number`, which anybody can compute.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from services.intake.duplicates import Fingerprint
from services.intake.receipt_time import counted, reason_of
from services.intake.redaction import Names, content_of, sealed, sealed_words, unnamed
from services.intake.reporter import identity_of
from services.intake.validation import Named, submission_fault
from shared.contract import events as e
from shared.contract import text_checks, tracking
from shared.contract.reasons import Fault, advice
from shared.contract.topics import REPORTER_MESSAGES, SUBMISSIONS
from shared.rules.decision import Cause, Decision, Unreadable, decided, refused
from shared.vault.crypto import ReportKey

_CHANNEL: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_MESSAGE_TYPES: Final = frozenset(SUBMISSIONS.type_of(message) for message in REPORTER_MESSAGES)


class Submission(BaseModel):
    """What intake remembers of a report: who handed it in and what it is like, never what it says.

    What is turned away is remembered nowhere.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    received: bool = False
    channel: str = ""
    message_id: str = ""
    senders: tuple[str, ...] = ()
    anonymous: bool = False
    fingerprint: Fingerprint | None = None

    @property
    def sender(self) -> str | None:
        """By whom later reports may be told to be of the same person; none of the anonymous."""
        return self.senders[0] if self.senders and not self.anonymous else None


@dataclass(frozen=True, slots=True)
class Screened:
    """What screening derived from one submission's text."""

    fingerprint: Fingerprint
    screening: e.Screening


@dataclass(frozen=True, slots=True)
class Known:
    """What the shell looked up for a batch; `senders` and `screened` by the message's first id.

    A report without key in `keys` is unknown, or was erased.
    """

    names: Names
    keys: Mapping[str, ReportKey] = field(default_factory=dict)
    named: Named = field(default_factory=Named)
    senders: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    screened: Mapping[str, Screened] = field(default_factory=dict)


class _Words(NamedTuple):
    """How a reporter's message is told to the core."""

    event: type[e.FromReporter]
    also: tuple[str, ...] = ()


_TOLD_AS: Final[Mapping[type[e.ReporterMessage], _Words]] = {
    e.CompleteInformation: _Words(e.InformationCompleted),
    e.ReplyToFollowUp: _Words(e.ReporterReplied),
    e.CloseReport: _Words(e.ReporterClosed, ("rating", "solved")),
    e.WithdrawReport: _Words(e.ReporterWithdrew),
    e.ReopenReport: _Words(e.ReopenRequested),
}


def identify(event: BaseModel, cause: Cause, names: Names) -> str:
    """Return the report that a record is about; of its own where it names none that can be read.

    A report's id is of (channel, message id): sent twice, it is the same report.
    """
    if isinstance(event, e.SubmitReport) and cause.message_id:
        return names.report_id(cause.producer, cause.message_id)
    if isinstance(event, e.ReporterMessage):
        named = _named_report(event)
        if named is not None:
            return named
    return tracking.record_id(cause.first_id)


def is_sound(event: BaseModel, cause: Cause, named: Named) -> bool:
    """Tell whether a record is a submission without fault, so that a key is made for it."""
    return (
        isinstance(event, e.SubmitReport)
        and _fault_of_message(cause) is None
        and submission_fault(event, cause, named) is None
    )


def decide(
    case: Submission | None, event: BaseModel, cause: Cause, known: Known
) -> Decision[Submission]:
    """Take a report or a reporter's word in, or say why not; one answer to each message."""
    return unnamed(_decide(case, event, cause, known), cause, known.names)


def _decide(
    case: Submission | None, event: BaseModel, cause: Cause, known: Known
) -> Decision[Submission]:
    match event:
        case e.SubmitReport():
            return _submission(case, event, cause, known)
        case e.ReporterMessage():
            return _message(case, event, cause, known)
        case Unreadable():
            return _unreadable(case, event, cause)
    return decided(case)


# ---- a report


def _submission(
    case: Submission | None, event: e.SubmitReport, cause: Cause, known: Known
) -> Decision[Submission]:
    report_id = identify(event, cause, known.names)
    key = known.keys.get(report_id)
    fault = _fault_of_message(cause)
    if fault is None and case is not None and case.received:
        mine = known.names.digest(cause.producer, cause.message_id)
        if (case.channel, case.message_id) == (cause.producer, mine):
            return _repeated(case, cause, report_id, key)
        fault = Fault("try_another_message_id")
    fault = fault or submission_fault(event, cause, known.named)
    if fault is not None:
        return _reject(case, cause, fault, event.reporter.language)
    screened = known.screened.get(cause.first_id)
    if key is None or screened is None:  # looked up for every sound one: the key was destroyed
        return _reject(case, cause, Fault("erased"), event.reporter.language)
    return _receive(event, cause, key, screened, known, report_id=report_id)


def _receive(
    event: e.SubmitReport,
    cause: Cause,
    key: ReportKey,
    screened: Screened,
    known: Known,
    *,
    report_id: str,
) -> Decision[Submission]:
    who = known.senders.get(cause.first_id, ())
    counts = counted(event, cause, known.named.backdating_days)
    received = e.ReportReceived(
        report_id=report_id,
        tracking_number=tracking.tracking_number(report_id),
        channel=cause.producer,
        message_id=cause.message_id,
        submitted_at=counts.submitted_at,
        claimed_submitted_at=counts.claimed,
        backdating_reason=sealed_words(key, "backdating_reason", reason_of(event)),
        report_class=event.report_class,
        category_id=event.category_id,
        institution=event.institution,
        place_code=event.place_code,
        anonymous=event.anonymous,
        confidential=event.confidential,
        language=event.reporter.language,
        sender=who[0] if who and not event.anonymous else None,
        identity=sealed_words(key, "identity", identity_of(event.reporter)),
        content=key.seal("content", content_of(event)),
        screening=sealed(screened.screening, key),
    )
    from_then = None if counts.claimed is None else counts.submitted_at
    answer = _yes(cause, "received", report_id, key)
    answer = answer.model_copy(update={"counted_from": from_then})
    return decided(_kept(event, cause, screened, known), received, answer)


def _kept(event: e.SubmitReport, cause: Cause, screened: Screened, known: Known) -> Submission:
    return Submission(
        received=True,
        channel=cause.producer,
        message_id=known.names.digest(cause.producer, cause.message_id),
        senders=known.senders.get(cause.first_id, ()),
        anonymous=event.anonymous,
        fingerprint=screened.fingerprint,
    )


def _repeated(
    case: Submission, cause: Cause, report_id: str, key: ReportKey | None
) -> Decision[Submission]:
    """Give the channel that asks again the number and the secret it had."""
    said = e.SubmissionRepeated(
        report_id=report_id, channel=cause.producer, message_id=cause.message_id
    )
    return decided(case, said, _yes(cause, "repeated", report_id, key))


def _yes(
    cause: Cause,
    outcome: Literal["received", "accepted", "repeated"],
    report_id: str,
    key: ReportKey | None = None,
) -> e.ChannelAnswer:
    """Answer with the report's number, and with its secret where the key is given."""
    return e.ChannelAnswer(
        message_id=cause.message_id,
        outcome=outcome,
        report_id=report_id,
        tracking_number=tracking.tracking_number(report_id),
        secret=None if key is None else key.reporter_secret(),
    )


# ---- a reporter's word about a report


def _message(
    case: Submission | None, event: e.ReporterMessage, cause: Cause, known: Known
) -> Decision[Submission]:
    report_id = _named_report(event)
    fault = _message_fault(case, event, cause, known)
    if fault is not None or report_id is None or case is None:
        fault = fault or Fault("unknown_tracking_number")
        return _refuse(case, cause, fault, event.reporter.language)
    if cause.is_repeat:
        return decided(case, _yes(cause, "repeated", report_id))
    told = _TOLD_AS[type(event)]
    key, text = known.keys[report_id], _text(event)
    said = told.event(
        report_id=report_id,
        channel=cause.producer,
        message_id=cause.message_id,
        text=sealed_words(key, "text", text),
        **{name: getattr(event, name) for name in told.also},
    )
    return decided(case, said, _yes(cause, "accepted", report_id))


def _message_fault(
    case: Submission | None, event: e.ReporterMessage, cause: Cause, known: Known
) -> Fault | None:
    fault = _fault_of_message(cause)
    if fault is not None:
        return fault
    control = text_checks.control_fields(event)
    if control is not None:
        return Fault("control_characters", control)
    if type(event).model_fields["text"].is_required() and not _text(event):
        return Fault("blank_text", "text")
    report_id = _named_report(event)
    if report_id is None:
        return Fault("unknown_tracking_number", "tracking_number")
    key = known.keys.get(report_id)
    if case is None or not case.received or not _is_proved(case, event, cause, known, key):
        return _not_proved(cause)
    return Fault("erased") if key is None else None


def _not_proved(cause: Cause) -> Fault:
    """Say that it is not proved, or until when no other guess of this channel is looked at.

    A right proof is taken at any time: a secret has 50 bits, so pauses need not hold up its owner
    to make guessing hopeless. They are counted for unknown numbers as well, so they tell nothing.
    """
    if cause.paused_until is None:
        return Fault("not_proved")
    return Fault("slow_down", f"{cause.paused_until:%Y-%m-%dT%H:%M:%SZ}")


def _is_proved(
    case: Submission,
    event: e.ReporterMessage,
    cause: Cause,
    known: Known,
    key: ReportKey | None,
) -> bool:
    """Tell whether the message has the report's secret, or comes from its sender.

    A channel vouches for its own people only: the sender counts where the same channel handed the
    report in; from another channel it takes the secret.
    """
    if key is not None and event.secret is not None and key.is_secret(event.secret):
        return True
    mine = known.senders.get(cause.first_id, ())
    return cause.producer == case.channel and not set(mine).isdisjoint(case.senders)


def _text(event: e.ReporterMessage) -> str | None:
    """Return what the reporter wrote; white space alone is nothing."""
    return text_checks.unix_lines(event.text) if event.text and event.text.strip() else None


def _named_report(event: e.ReporterMessage) -> str | None:
    try:
        return tracking.parse_tracking_number(event.tracking_number)
    except tracking.TrackingNumberInvalid:
        return None


# ---- no


def _fault_of_message(cause: Cause) -> Fault | None:
    """Return what is wrong with a message whatever it says: how many came, its id, its topic."""
    if cause.is_full:
        return Fault("too_many_messages")
    bad_id = text_checks.message_id_fault(cause.message_id)
    if bad_id is not None:
        return Fault(bad_id)
    return None if _CHANNEL.fullmatch(cause.producer) else Fault("unknown_channel")


def _unreadable(case: Submission | None, event: Unreadable, cause: Cause) -> Decision[Submission]:
    fault = Fault(event.reason, event.detail)
    turn_away = _refuse if cause.type in _MESSAGE_TYPES else _reject
    return turn_away(case, cause, fault, "id")


def _reject(
    case: Submission | None, cause: Cause, fault: Fault, language: e.Language
) -> Decision[Submission]:
    """Turn a submission away; only the channel is told."""
    return refused(case, _no(cause, "rejected", fault, language))


def _refuse(
    case: Submission | None, cause: Cause, fault: Fault, language: e.Language
) -> Decision[Submission]:
    """Turn a reporter's message away; only the channel is told."""
    answer = _no(cause, "refused", fault, language)
    return refused(case, answer, is_wrong_proof=fault.reason == "not_proved")


def _no(cause: Cause, outcome: str, fault: Fault, language: e.Language) -> e.ChannelAnswer:
    """Answer with the reason and what to do; the record's place where its id cannot name it."""
    is_slow = fault.reason == "slow_down"  # stands for more messages than the one it names
    is_named = text_checks.message_id_fault(cause.message_id) is None and not is_slow
    return e.ChannelAnswer.model_validate(
        {
            "message_id": cause.message_id[: text_checks.MESSAGE_ID_MAX],
            "outcome": outcome,
            "reason": fault.reason,
            "detail": advice(fault.reason, language, fault.fields),
            "topic": None if is_named else cause.topic,
            "partition": None if is_named else cause.partition,
            "offset": None if is_named else cause.offset,
        }
    )
