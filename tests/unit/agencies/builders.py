"""Builders of what the gateways of institutions read and write."""

from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel

from shared.contract import events as e
from shared.contract.topics import OUTBOX
from shared.contract.tracking import report_id, tracking_number
from shared.rules.decision import Cause
from shared.vault.crypto import Vault

NOON = datetime(2023, 5, 2, 5, 0, tzinfo=UTC)
VAULT = Vault(b"m" * 32)
REPORT = report_id(b"tests", "web", "m-1")
OTHER = report_id(b"tests", "web", "m-2")
KEY = VAULT.unwrap(VAULT.new_key(REPORT), REPORT)
INSTITUTIONS = frozenset({"00", "6308", "3204"})
HSU, BANDUNG, NATIONAL = "6308", "3204", "00"
NAME, PHONE, EMAIL = "Siti Contoh", "+6281234567890", "siti@contoh.example"
BODY = "Lampu jalan di depan pasar padam sejak Senin."

_COMMANDS: dict[type[BaseModel], dict[str, Any]] = {
    e.Forward: {"to": HSU, "note": "Mohon ditangani"},
    e.Block: {"reason": "Ujaran kebencian"},
    e.AskForInformation: {"question": "Di jalan apa?"},
    e.Archive: {"reason": "unclear", "note": "Tidak jelas"},
    e.Accept: {"report_class": e.ReportClass.ASPIRATION, "category_id": "110", "note": "Baik"},
    e.ReturnReport: {"reason": "Bukan kewenangan kami", "proposed_owner": BANDUNG},
    e.Reclassify: {"report_class": e.ReportClass.INFORMATION, "why": "Hanya bertanya"},
    e.Dispatch: {"unit": "6308-001"},
    e.InitialResponse: {"unit": "6308-001", "text": "Kami periksa"},
    e.FollowUp: {"unit": "6308-001", "text": "Lampu sudah diganti"},
    e.ReturnToInstitution: {"unit": "6308-001", "reason": "Bukan tugas unit kami"},
    e.CloseCase: {"solved": True, "note": "Selesai"},
}


def a_command(command: type[e.Command], **changes: Any) -> e.Command:
    """Build a sound command of HSU, or of 00 where only 00 may give it."""
    fields = {"report_id": REPORT, "holding": 1, "by": "officer-1", **_COMMANDS[command]}
    return command.model_validate({**fields, **changes})


def sender_of(command: type[e.Command]) -> str:
    """Name an institution that may give a command."""
    return NATIONAL if command in (e.Forward, e.Block) else HSU


def a_cause(event: type[BaseModel] = e.FollowUp, **changes: Any) -> Cause:
    """Build the cause of a record in HSU's outbox."""
    fields: dict[str, Any] = {
        "id": "gateway-1",
        "type": OUTBOX.type_of(event),
        "now": NOON,
        "topic": "lapor.agency.6308.outbox.v1",
        "partition": 0,
        "offset": 7,
        "producer": HSU,
        "message_id": "c-1",
        "report_id": REPORT,
    }
    return Cause(**{**fields, **changes})


def a_received(**changes: Any) -> e.ReportReceived:
    """Build a report of Siti's, sealed as intake seals it."""
    fields: dict[str, Any] = {
        "report_id": REPORT,
        "tracking_number": tracking_number(REPORT),
        "channel": "web",
        "message_id": "m-1",
        "submitted_at": NOON,
        "category_id": "110",
        "identity": KEY.seal(
            "identity", f'{{"name":"{NAME}","phone":"{PHONE}","email":"{EMAIL}"}}'
        ),
        "content": KEY.seal(
            "content", f'{{"title":"Lampu jalan","body":"{BODY}","place":"Pasar","attachments":[]}}'
        ),
    }
    return e.ReportReceived.model_validate({**fields, **changes})


_AT_UNIT = {"dispatch": 1, "unit": "6308-001"}
_DEADLINE = {
    "clock": "follow_up", "owner": "6308-001", "unit": "6308-001", "started_at": NOON,
    "deadline": NOON, "calendar_version": "c", "policy_version": "p",
}  # fmt: skip
_OWN: dict[type[BaseModel], dict[str, Any]] = {
    e.InformationRequested: {
        "stage": "institution", "question": KEY.seal("question", "Di jalan apa?"),
    },
    e.ReportForwarded: {"why": "auto"},
    e.ReportArchived: {"by": "admin", "reason": "unclear"},
    e.ReportBlocked: {"reason": KEY.seal("reason", "Ujaran kebencian")},
    e.ReportAccepted: {"report_class": e.ReportClass.ASPIRATION},
    e.ReportReclassified: {
        "class_before": e.ReportClass.ASPIRATION, "class_after": e.ReportClass.INFORMATION,
        "why": KEY.seal("why", "Hanya bertanya"),
    },
    e.ReportReturned: {
        "reason": KEY.seal("reason", "Bukan kewenangan"), "proposed_owner": BANDUNG,
    },
    e.DuplicateSuspected: {
        "similar": [{"report_id": OTHER, "same_sender": False, "distance": 3}],
    },
    e.ReportDispatched: {
        **_AT_UNIT, "rule": "r", "why": "w", "report_class": e.ReportClass.ASPIRATION,
    },
    e.RoutingHeld: {"reason": "nothing_fits"},
    e.InitialResponseGiven: {**_AT_UNIT, "text": KEY.seal("text", "Kami periksa")},
    e.FollowUpGiven: {**_AT_UNIT, "round": 1, "text": KEY.seal("text", "Sudah diganti")},
    e.UnitReturned: {
        **_AT_UNIT, "reason": KEY.seal("reason", "Bukan kami"), "proposed_unit": "6308-002",
    },
    e.ReporterAnswered: {**_AT_UNIT, "round": 1},
    e.ReportClosed: {**_AT_UNIT, "by": "system"},
    e.ReportReopened: {**_AT_UNIT, "text": KEY.seal("text", "Padam lagi")},
    e.InformationCompleted: {"text": KEY.seal("text", "Di Jalan Merdeka")},
    e.ReporterReplied: {"text": KEY.seal("text", "Masih padam")},
    e.ReporterClosed: {"rating": 4, "solved": True},
    e.DeadlineSet: {**_DEADLINE, "limit": 5, "limit_unit": "working_days"},
    e.DeadlineMoved: {**_DEADLINE, "deadline_before": NOON, "why": "resumed"},
    e.DeadlineApproaching: {**_DEADLINE, "due_at": NOON, "detected_at": NOON},
    e.DeadlineBreached: {**_DEADLINE, "level": 1, "due_at": NOON, "detected_at": NOON},
    e.BreachWithdrawn: {**_DEADLINE, "level": 1, "why": "moved", "deadline_now": NOON},
    e.CommandRefused: {
        "message_id": "c-1", "refused": "x", "command": "FollowUp", "reason": "archived",
    },
}  # fmt: skip


def a_fact(event: type[BaseModel], **changes: Any) -> Any:
    """Build a fact of the core about HSU's first holding."""
    fields = {
        "report_id": REPORT, "institution": HSU, "holding": 1, "by": "officer-1",
        "channel": "web", "message_id": "m-2",
    }  # fmt: skip
    return event.model_validate({**fields, **_OWN.get(event, {}), **changes})
