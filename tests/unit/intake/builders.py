"""Builders of what channels send to intake, decided with what the shell would look up."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

from pydantic import BaseModel

from services.intake.case import SubmissionCase
from services.intake.classifier import Model
from services.intake.duplicates import fingerprint
from services.intake.reporter import hash_senders
from services.intake.rules import Lookups, Screened, decide, identify
from services.intake.screening import MODEL_PATH
from services.intake.validation import RegisteredCodes, message_fault, submission_fault
from shared.contract import events as e
from shared.contract.topics import SUBMISSIONS
from shared.contract.tracking import tracking_number
from shared.rules.decision import Cause, Decision
from shared.vault.crypto import Vault

NOON = datetime(2023, 5, 2, 5, 0, tzinfo=UTC)
VAULT = Vault(b"m" * 32)
CODES = RegisteredCodes(frozenset({"6308"}), frozenset({"110"}), frozenset({"63.08"}))
CHANNEL = "web"
M_1 = VAULT.message_digest(CHANNEL, "m-1")
REPORT = VAULT.report_id(CHANNEL, "m-1")
KEY = VAULT.unwrap(VAULT.new_key(REPORT), REPORT)
SITI = e.Reporter(name="Siti Contoh", phone="0812-3456-7890", email="siti@contoh.example")
NUMBER = tracking_number(REPORT)
SECRET = KEY.reporter_secret()
SCREENING = e.Screening(report_class=e.Suggestion(value="Aspirasi", confidence=0.5))


@cache
def the_model() -> Model:
    """Load the committed model once."""
    return Model.load(MODEL_PATH)


def a_cause(event: type[BaseModel] = e.SubmitReport, **changes: Any) -> Cause:
    """Build the cause of a record on the web channel's topic."""
    fields = {
        "id": "gateway-1",
        "type": SUBMISSIONS.type_of(event),
        "now": NOON,
        "topic": "lapor.channel.web.submissions.v1",
        "partition": 0,
        "offset": 7,
        "producer": CHANNEL,
        "message_id": "m-1",
    }
    return Cause(**{**fields, **changes})


def a_submission(**changes: Any) -> e.SubmitReport:
    """Build a sound submission."""
    fields = {"title": "Lampu jalan", "body": "Lampu jalan padam sejak Senin.", "reporter": SITI}
    return e.SubmitReport.model_validate({**fields, **changes})


def a_message(event: type[e.ReporterMessage], **changes: Any) -> e.ReporterMessage:
    """Build a reporter's message, proved by the secret."""
    fields: dict[str, Any] = {"tracking_number": NUMBER, "secret": SECRET, "text": "Di depan pasar"}
    if event is e.CloseReport:
        fields |= {"rating": 4, "solved": True}
    return event.model_validate({**fields, **changes})


def look_up(event: BaseModel, cause: Cause, keys: Mapping[str, Any] | None = None) -> Lookups:
    """Look up what `load_lookups` would."""
    id_ = cause.first_id
    lookups = Lookups(VAULT.message_digest, keys={REPORT: KEY} if keys is None else keys)
    if isinstance(event, e.SubmitReport):
        fault = message_fault(cause) or submission_fault(event, cause, CODES)
        if fault is None:
            screened = Screened(fingerprint(event.title, event.body), SCREENING)
            lookups = replace(lookups, screened={id_: screened})
        else:
            faults = {(cause.topic, cause.partition, cause.offset): fault}
            lookups = replace(lookups, faults=faults)
    if isinstance(event, e.SubmitReport | e.ReporterMessage):
        senders = hash_senders(VAULT, cause.producer, event.reporter)
        lookups = replace(lookups, senders={id_: senders})
    return lookups


def identified(event: BaseModel, cause: Cause) -> Cause:
    """Return a cause that names its report, as the shell reads it."""
    return cause._replace(report_id=identify(event, cause, VAULT.report_id))


def handle(
    case: SubmissionCase | None, event: BaseModel, cause: Cause | None = None, **more: Any
) -> Decision[SubmissionCase]:
    """Decide with what is looked up."""
    cause = identified(event, cause or a_cause(type(event)))
    return decide(case, event, cause, look_up(event, cause, **more))


def received() -> SubmissionCase:
    """Return the case of a received report."""
    case = handle(None, a_submission()).case
    assert case is not None
    return case


def published(decision: Decision[SubmissionCase]) -> list[BaseModel]:
    """List a decision's events."""
    return [outgoing.event for outgoing in decision.events]


def answer(decision: Decision[SubmissionCase]) -> e.ChannelAnswer:
    """Return the one answer of a decision."""
    (only,) = [event for event in published(decision) if isinstance(event, e.ChannelAnswer)]
    return only
