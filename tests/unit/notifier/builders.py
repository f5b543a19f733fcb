"""Reports, facts and causes for the notifier's tests; all people and texts are invented."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel

from services.notifier.rendering import Templates
from services.notifier.rules import Known, Policy, field_of
from shared import events as e
from shared.decision import Cause
from shared.tracking import tracking_number
from shared.vault import ReportKey

REPORT = "K7QF2M9XTD3A"
NUMBER = tracking_number(REPORT)
KEY = ReportKey(bytes(range(32)), REPORT)
RENDER = Templates()
NOON = datetime(2023, 6, 14, 4, 0, tzinfo=UTC)  # noon in HSU, a Wednesday
NAMES: Mapping[str, str] = {
    "00": "Admin Nasional",
    "6308": "Pemerintah Kabupaten Hulu Sungai Utara",
    "6308-004": "Dinas Perhubungan",
}
POLICY = Policy(zone="Asia/Makassar", names=NAMES)
EMAIL = "pelapor@contoh.example"
HOOK = "https://kanal.example/kabar"


def known(policy: Policy = POLICY, keys: Mapping[str, ReportKey] | None = None) -> Known:
    """Build what the shell gathers: the report's key, the real templates."""
    return Known(keys={REPORT: KEY} if keys is None else keys, render=RENDER, policy=policy)


def a_cause(identity: str = "cause-1", now: datetime = NOON) -> Cause:
    """Build the record's side of an event."""
    return Cause(id=identity, type="t", now=now, topic="x", partition=0, offset=0)


def identity(**fields: object) -> str:
    """Seal a reporter as intake does."""
    return KEY.seal("identity", e.Reporter.model_validate(fields).model_dump_json())


def a_report(
    *,
    sealed_identity: str | None = None,
    language: e.Language = "id",
    anonymous: bool = False,
    institution: str | None = None,
    reporter: Mapping[str, object] | None = None,
) -> e.ReportReceived:
    """Build a received report; its reporter has an e-mail address unless others are given."""
    return e.ReportReceived(
        report_id=REPORT,
        tracking_number=NUMBER,
        channel="web",
        message_id="m-1",
        submitted_at=NOON - timedelta(hours=1, minutes=45),
        language=language,
        anonymous=anonymous,
        institution=institution,
        identity=sealed_identity or identity(**(reporter or {"email": EMAIL})),
        content=KEY.seal("content", json.dumps({"title": "Lampu", "body": "Lampu jalan mati."})),
    )


def sealed(name: str, text: str) -> str:
    """Seal an institution's words as its door does."""
    return KEY.seal(name, text)


def message_of(event: BaseModel) -> dict[str, str]:
    """Open what a requested notification will say."""
    assert isinstance(event, e.NotificationRequested)
    opened = json.loads(KEY.open(field_of(event.notification_id), event.message))
    assert isinstance(opened, dict)
    return opened


UNIT = {"institution": "6308", "holding": 1, "dispatch": 1, "unit": "6308-004"}
DEADLINE = {
    "clock": "follow_up",
    "owner": "6308-004",
    "institution": "6308",
    "unit": "6308-004",
    "started_at": datetime(2023, 6, 14, 4, 0, tzinfo=UTC),
    "deadline": datetime(2023, 7, 7, 16, 0, tzinfo=UTC),  # end of Friday 7 July, WITA
    "calendar_version": "2023b",
    "policy_version": "2019",
    "due_at": datetime(2023, 7, 7, 16, 0, tzinfo=UTC),
    "detected_at": datetime(2023, 7, 7, 16, 0, 5, tzinfo=UTC),
}
ANSWER = "Lampu di Jalan Melati sudah diganti pada 13 Juni.\nTerima kasih atas laporannya."
QUESTION = "Di tiang nomor berapa lampu yang mati?"
HEAD, OVERSIGHT = "kepala@hsu.example", "inspektorat@hsu.example"


def every_fact() -> dict[str, e.Event]:
    """Return one event for each message there is, by a name for its golden file."""
    archived = {"report_id": REPORT, "institution": "00", "holding": 0}
    reasons = e.ReportArchived.model_fields["reason"].annotation
    archives: dict[str, e.Event] = {
        f"archived_{reason}": e.ReportArchived.model_validate(
            {**archived, "by": "system" if reason == "expired" else "admin", "reason": reason}
        )
        for reason in reasons.__args__  # type: ignore[union-attr]
    }
    noted = {"by": "admin", "reason": "unclear", "note": sealed("note", "Lokasi tidak disebut.")}
    return {
        **_verified(),
        **archives,
        "archived_with_note": e.ReportArchived.model_validate(archived | noted),
        **_followed_up(),
        **_deadlines(),
    }


def _verified() -> dict[str, e.Event]:
    at = {"report_id": REPORT, "institution": "6308", "holding": 1}
    forwarded = {**at, "by": "auto", "why": "suggested"}
    unsupervised = e.ReportClass.UNSUPERVISED
    return {
        "received": a_report(),
        "forwarded": e.ReportForwarded.model_validate(forwarded),
        "forwarded_again": e.ReportForwarded.model_validate(forwarded | {"holding": 2}),
        "information_requested": e.InformationRequested.model_validate(
            {**at, "stage": "institution", "by": "o-1", "question": sealed("question", QUESTION)}
        ),
        "accepted": e.ReportAccepted.model_validate(
            {**at, "by": "o-1", "report_class": unsupervised}
        ),
        "dispatched": e.ReportDispatched.model_validate(
            {
                **UNIT,
                "report_id": REPORT,
                "rule": "r",
                "why": "w",
                "by": "auto",
                "report_class": unsupervised,
            }
        ),
        "blocked": e.ReportBlocked(
            report_id=REPORT, by="o-1", reason=sealed("reason", "Memuat fitnah terhadap warga.")
        ),
        "withdrawn": e.ReportWithdrawn(report_id=REPORT),
    }


def _followed_up() -> dict[str, e.Event]:
    unit = {**UNIT, "report_id": REPORT}
    text = {"by": "o-2", "text": sealed("text", ANSWER)}
    refused = {"report_id": REPORT, "institution": "6308", "message_id": "m-2", "refused": "c"}
    return {
        "initial_response": e.InitialResponseGiven.model_validate(unit | text),
        "follow_up": e.FollowUpGiven.model_validate({**unit, **text, "round": 1}),
        "closed_by_system": e.ReportClosed.model_validate({**unit, "by": "system"}),
        "closed_by_admin": e.ReportClosed.model_validate({**unit, "by": "admin", "solved": True}),
        "closed_by_reporter": e.ReportClosed.model_validate(
            {**unit, "by": "reporter", "solved": True, "rating": 4}
        ),
        "reopened": e.ReportReopened.model_validate(unit),
        **{
            name: e.CommandRefused.model_validate(
                {**refused, "command": command, "holding": 1, "reason": reason}
            )
            for name, command, reason in (
                ("reopen_refused", "ReopenRequested", "window_over"),
                ("reply_refused", "ReporterReplied", "already_closed"),
                ("close_refused", "ReporterClosed", "not_followed_up"),
            )
        },
    }


def _deadlines() -> dict[str, e.Event]:
    owed = {**DEADLINE, "report_id": REPORT}
    mine = {**owed, "owner": "reporter", "recipients": ()}
    return {
        "deadline_approaching": e.DeadlineApproaching.model_validate(
            {**owed, "recipients": (HEAD,)}
        ),
        **{
            f"deadline_breached_{level}": e.DeadlineBreached.model_validate(
                {**owed, "level": level, "recipients": (OVERSIGHT,)}
            )
            for level in (1, 2, 3)
        },
        **{
            f"reporter_deadline_{clock}": e.DeadlineApproaching.model_validate(
                {**mine, "clock": clock}
            )
            for clock in ("completion", "reply")
        },
    }
