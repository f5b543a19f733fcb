"""What an event tells people: the template, and the values that it is rendered from.

Pure. Every value comes from the event or from the policy in force, never from a case, so a fact
says what was true when it happened, however late its message is rendered.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from pydantic import BaseModel

from shared import events as e

REPORTER: Final = "reporter"
REPORTER_CLOCKS: Final = frozenset({"completion", "reply"})
"""Owed by the reporter: the registry's ladder names nobody for them."""
# The follow-up stage refuses three kinds of a reporter's words; named by what it reads or by what
# the reporter sent.
REFUSED: Final[Mapping[str, str]] = {
    "ReopenRequested": "reopen_refused",
    "ReopenReport": "reopen_refused",
    "ReporterReplied": "reply_refused",
    "ReplyToFollowUp": "reply_refused",
    "ReporterClosed": "close_refused",
    "CloseReport": "close_refused",
}


@dataclass(frozen=True, slots=True)
class Windows:
    """How long a reporter has, as the messages say it; the SLA monitor is what counts."""

    completion_working_days: int = 10  # domain.md section 1, clock 4 (open)
    reply_days: int = 10  # domain.md section 1, clock 5, calendar days (open)
    reopen_days: int = 30  # domain.md section 4 (open)


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing to tell: `sealed` names the fields whose opened text the template quotes."""

    template: str
    values: Mapping[str, object] = field(default_factory=dict)
    sealed: Mapping[str, str] = field(default_factory=dict)


def for_reporter(event: BaseModel, at: datetime, windows: Windows) -> Fact | None:
    """Return what the event, of the time `at`, tells the reporter; None if it does not concern."""
    match event:
        case e.ReportReceived():
            return Fact("received", {"submitted_at": event.submitted_at})
        case e.ReportForwarded():
            values = {"institution": event.institution, "again": event.holding > 1}
            return Fact("forwarded", values)
        case e.InformationRequested():
            values = {"institution": event.institution, "days": windows.completion_working_days}
            return Fact("information_requested", values, {"question": event.question})
        case e.ReportAccepted():
            values = {"institution": event.institution, "report_class": event.report_class}
            return Fact("accepted", values)
        case e.ReportDispatched():
            return Fact("dispatched", {"institution": event.institution, "unit": event.unit})
        case e.ReportBlocked():
            return Fact("blocked", {}, {"reason": event.reason})
        case e.ReportWithdrawn():
            return Fact("withdrawn")
        case e.ReportArchived():
            return _archived(event)
        case e.CommandRefused():
            template = REFUSED.get(event.command)
            return Fact(template, {"reason": event.reason}) if template else None
        case e.DeadlineApproaching() if event.clock in REPORTER_CLOCKS:
            values = {"clock": event.clock, "deadline": event.deadline}
            return Fact("reporter_deadline_approaching", values)
    return _followed_up(event, at, windows)


def _followed_up(event: BaseModel, at: datetime, windows: Windows) -> Fact | None:
    match event:
        case e.InitialResponseGiven():
            return Fact("initial_response", _unit(event), {"text": event.text})
        case e.FollowUpGiven():
            until = at + timedelta(days=windows.reply_days)
            return Fact("follow_up", _unit(event) | {"until": until}, {"text": event.text})
        case e.ReportClosed():
            values = {
                "by": event.by,
                "solved": event.solved,
                "rating": event.rating,
                "until": at + timedelta(days=windows.reopen_days),
            }
            return Fact("closed", _unit(event) | values)
        case e.ReportReopened():
            return Fact("reopened", _unit(event))
    return None


def for_roles(event: BaseModel) -> tuple[Fact, tuple[str, ...]] | None:
    """Return what the event tells role holders, and to whom, each once; None if nothing."""
    match event:
        case e.DeadlineApproaching():
            fact = Fact("deadline_approaching", _deadline(event))
        case e.DeadlineBreached():
            fact = Fact("deadline_breached", _deadline(event) | {"level": event.level})
        case _:
            return None
    people = tuple(dict.fromkeys(r for r in event.recipients if r.strip() and r != REPORTER))
    return (fact, people) if people else None


def _archived(event: e.ReportArchived) -> Fact:
    # Not the number of the report it duplicates: that may be another person's.
    values = {"by": event.by, "reason": event.reason, "institution": event.institution}
    return Fact("archived", values, {"note": event.note} if event.note else {})


def _unit(event: e.AtUnit) -> dict[str, object]:
    return {"institution": event.institution, "unit": event.unit}


def _deadline(event: e.OfDeadline) -> dict[str, object]:
    return {
        "clock": event.clock,
        "owner": event.owner,
        "institution": event.institution,
        "unit": event.unit,
        "started_at": event.started_at,
        "deadline": event.deadline,
    }
