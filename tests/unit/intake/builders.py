"""Builders of what channels send to intake, decided with what the shell would look up."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

from pydantic import BaseModel

from services.intake.classifier import Model
from services.intake.duplicates import fingerprint
from services.intake.redaction import Names
from services.intake.reporter import senders
from services.intake.rules import (
    Known,
    Screened,
    Submission,
    decide,
    is_sound,
)
from services.intake.screening import MODEL_PATH
from services.intake.validation import Named
from shared.contract import events as e
from shared.contract.topics import SUBMISSIONS
from shared.contract.tracking import tracking_number
from shared.rules.decision import Cause, Decision
from shared.vault.crypto import Vault

NOON = datetime(2023, 5, 2, 5, 0, tzinfo=UTC)
VAULT = Vault(b"m" * 32)
NAMED = Named(frozenset({"6308"}), frozenset({"110"}), frozenset({"63.08"}))
CHANNEL = "web"
NAMES = Names.of(VAULT)
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


def known(event: BaseModel, cause: Cause, keys: Mapping[str, Any] | None = None) -> Known:
    """Look up what `load_lookups` would."""
    id_ = cause.first_id
    found = Known(names=NAMES, keys={REPORT: KEY} if keys is None else keys, named=NAMED)
    if isinstance(event, e.SubmitReport):
        screened = Screened(fingerprint(event.title, event.body), SCREENING)
        found = replace(found, screened={id_: screened} if is_sound(event, cause, NAMED) else {})
    if isinstance(event, e.SubmitReport | e.ReporterMessage):
        found = replace(found, senders={id_: senders(VAULT, cause.producer, event.reporter)})
    return found


def take(
    case: Submission | None, event: BaseModel, cause: Cause | None = None, **more: Any
) -> Decision[Submission]:
    """Decide with what is known."""
    cause = cause or a_cause(type(event))
    return decide(case, event, cause, known(event, cause, **more))


def received() -> Submission:
    """Return the case of a received report."""
    case = take(None, a_submission()).case
    assert case is not None
    return case


def said(decision: Decision[Submission]) -> list[BaseModel]:
    """List a decision's events."""
    return [outgoing.event for outgoing in decision.events]


def answer(decision: Decision[Submission]) -> e.ChannelAnswer:
    """Return the one answer of a decision."""
    (found,) = [event for event in said(decision) if isinstance(event, e.ChannelAnswer)]
    return found
