"""Reports, facts and causes for the notifier's tests; all people and texts are invented."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel

from services.notifier.renderer import Templates
from services.notifier.rules import Lookups, Policy, field_of
from shared.contract import events as e
from shared.contract.tracking import tracking_number
from shared.rules.decision import Cause
from shared.vault.crypto import ReportKey

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


def lookups(policy: Policy = POLICY, keys: Mapping[str, ReportKey] | None = None) -> Lookups:
    """Build what the shell gathers: the report's key, the real templates."""
    return Lookups(keys={REPORT: KEY} if keys is None else keys, render=RENDER, policy=policy)


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
    """Seal an institution's words as its gateway does."""
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
}
LADDER_STEP = {
    "due_at": datetime(2023, 7, 7, 16, 0, tzinfo=UTC),
    "detected_at": datetime(2023, 7, 7, 16, 0, 5, tzinfo=UTC),
}
LATER = datetime(2023, 7, 11, 16, 0, tzinfo=UTC)  # end of Tuesday 11 July, WITA
WHYS = ("reclassified", "resumed", "late_fact", "calendar", "policy")
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
    unsupervised = e.ReportClass.UNSUPERVISED
    return {
        "received": a_report(),
        "information_requested": e.InformationRequested.model_validate(
            {**at, "stage": "institution", "by": "o-1", "question": sealed("question", QUESTION)}
        ),
        "accepted": e.ReportAccepted.model_validate(
            {**at, "by": "o-1", "report_class": unsupervised}
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
    return {**_set(), **_moved(), **_ladder_step()}


def _set() -> dict[str, e.Event]:
    verify = {"clock": "institution_verification", "owner": "institution", "unit": None}
    starts = {"dispatched": "dispatched", "replied": "answered", "reopened": "reopened"}
    return {
        "forwarded": a_deadline_set(**verify, started_by="forwarded"),
        **{name: a_deadline_set(started_by=by) for name, by in starts.items()},
        "dispatched_to_nobody_yet": a_deadline_set(owner="institution", unit=None),
    }


def _moved() -> dict[str, e.Event]:
    """Return a move for each reason, told to a role holder and to the reporter."""
    mine = {clock: a_move(clock=clock, owner="reporter") for clock in ("completion", "reply")}
    return {
        **{f"deadline_moved_{why}": a_move(why=why) for why in WHYS},
        **{f"reporter_deadline_moved_{why}": a_move(why=why) for why in WHYS},
        **{f"reporter_deadline_moved_{clock}": move for clock, move in mine.items()},
    }


def announced_before(name: str) -> tuple[e.Event, ...]:
    """Return what told somebody the date that the fact of this name moves; nothing otherwise."""
    if "deadline_moved" not in name:
        return ()
    facts = _ladder_step()
    if name in ("reporter_deadline_moved_completion", "reporter_deadline_moved_reply"):
        return (facts[name.replace("_moved", "")],)
    return (a_deadline_set() if name.startswith("reporter") else facts["deadline_approaching"],)


def _ladder_step() -> dict[str, e.OfDeadline]:
    mine = {**DEADLINE, **LADDER_STEP, "report_id": REPORT, "owner": "reporter"}
    return {
        "deadline_approaching": a_warning(),
        **{f"deadline_breached_{n}": a_breach(n, OVERSIGHT) for n in (1, 2, 3)},
        "breach_withdrawn_moved": a_withdrawal(why="moved", deadline_now=LATER),
        "breach_withdrawn_met_in_time": a_withdrawal(why="met_in_time", deadline_now=LATER),
        "breach_withdrawn_never_owed": a_withdrawal(why="never_owed"),
        **{
            f"reporter_deadline_{clock}": e.DeadlineApproaching.model_validate(
                {**mine, "clock": clock}
            )
            for clock in ("completion", "reply")
        },
    }


def a_deadline_set(**fields: object) -> e.DeadlineSet:
    """Build a date that was set: the unit's, for the follow-up."""
    limit = {"limit": 14, "limit_unit": "working_days"}
    return e.DeadlineSet.model_validate({**DEADLINE, **limit, "report_id": REPORT, **fields})


def a_move(**fields: object) -> e.DeadlineMoved:
    """Build the move of that date to a later one."""
    move = {"deadline": LATER, "deadline_before": DEADLINE["deadline"], "why": "calendar"}
    return e.DeadlineMoved.model_validate({**DEADLINE, **move, "report_id": REPORT, **fields})


def a_warning(*recipients: str, **fields: object) -> e.DeadlineApproaching:
    """Build a warning of that date, to the unit's head unless others are named."""
    named = {"recipients": recipients or (HEAD,), "report_id": REPORT}
    return e.DeadlineApproaching.model_validate({**DEADLINE, **LADDER_STEP, **named, **fields})


def a_breach(level: int, *recipients: str) -> e.DeadlineBreached:
    """Build an escalation of that date."""
    named = {"recipients": recipients, "report_id": REPORT, "level": level}
    return e.DeadlineBreached.model_validate({**DEADLINE, **LADDER_STEP, **named})


def a_withdrawal(*recipients: str, **fields: object) -> e.BreachWithdrawn:
    """Build the withdrawal of that escalation's first level."""
    named = {"recipients": recipients or (HEAD,), "report_id": REPORT, "level": 1, "why": "moved"}
    return e.BreachWithdrawn.model_validate({**DEADLINE, **named, **fields})
