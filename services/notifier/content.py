"""What an event tells people: the template, and the values that it is rendered from.

Pure. Every value comes from the event or from the policy in force, never from a case, so a fact
says what was true when it happened, however late its message is rendered.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from services.notifier.announced_dates import Date, date_of
from shared.contract import events as e

REPORTER: Final = "reporter"
REPORTER_CLOCKS: Final = frozenset({"completion", "reply"})
"""Owed by the reporter: the registry's ladder names nobody for them."""
AWAITED_BY_REPORTER: Final = frozenset({"institution_verification", "follow_up"})
"""Clocks of which a reporter is told when they start: now somebody has the report, until then.

Not `national_verification` and `dispatch`, which mostly end in the second they start, nor the
reporter's own, which start with a message that says what to do.
"""
_SET_BY: Final = {"answered": "replied", "reopened": "reopened"}
"""What started a follow-up clock, and the template that says so; otherwise it is a dispatch."""
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
class Content:
    """One thing to tell: `sealed` names the fields whose opened text the template quotes.

    `promise` is the date to come that the message names.
    """

    template: str
    values: Mapping[str, object] = field(default_factory=dict)
    sealed: Mapping[str, str] = field(default_factory=dict)
    date: Date | None = None


def for_reporter(event: BaseModel, at: datetime, windows: Windows, zone: str) -> Content | None:
    """Return what the event, of the time `at`, tells the reporter; None if it does not concern.

    Of a moved date: what it tells if the reporter was told the one before.
    """
    match event:
        case e.ReportReceived():
            return Content("received", {"submitted_at": event.submitted_at})
        case e.InformationRequested():
            values = {"institution": event.institution, "days": windows.completion_working_days}
            return Content("information_requested", values, {"question": event.question})
        case e.ReportAccepted():
            values = {"institution": event.institution, "report_class": event.report_class}
            return Content("accepted", values)
        case e.ReportBlocked():
            return Content("blocked", {}, {"reason": event.reason})
        case e.ReportWithdrawn():
            return Content("withdrawn")
        case e.ReportArchived():
            return _archived(event)
        case e.CommandRefused():
            template = REFUSED.get(event.command)
            return Content(template, {"reason": event.reason}) if template else None
        case e.OfDeadline():
            return _by_when(event)
    return _followed_up(event, at, windows, zone)


def _by_when(event: e.OfDeadline) -> Content | None:
    """Tell the reporter of a date: with whom the report is until then, or until when they answer.

    A date is told by the event that sets it: no other names it, and the streams have no order.
    """
    values = {name: getattr(event, name) for name in ("clock", "institution", "unit", "deadline")}
    match event:
        case e.DeadlineSet() if event.started_by == "unit_returned":
            return None  # the institution owes it meanwhile: the reporter hears of the next unit
        case e.DeadlineSet() if event.clock in AWAITED_BY_REPORTER:
            template = _SET_BY.get(event.started_by or "", "dispatched")
            template = "forwarded" if event.clock == "institution_verification" else template
        case e.DeadlineMoved() if event.clock in AWAITED_BY_REPORTER | REPORTER_CLOCKS:
            template = "reporter_deadline_moved"
            values |= {"deadline_before": event.deadline_before, "why": event.why}
        case e.DeadlineApproaching() if event.clock in REPORTER_CLOCKS:
            template = "reporter_deadline_approaching"
        case _:
            return None
    return Content(template, values, date=date_of(event))


def end_of_day(at: datetime, days: int, zone: str) -> datetime:
    """Return the end of the local day so many days after a time, as the SLA monitor counts."""
    local = at.astimezone(ZoneInfo(zone))
    day = local.date() + timedelta(days=days + 1)
    return datetime.combine(day, time(), local.tzinfo).astimezone(UTC)


def _followed_up(event: BaseModel, at: datetime, windows: Windows, zone: str) -> Content | None:
    match event:
        case e.InitialResponseGiven():
            return Content("initial_response", _unit(event), {"text": event.text})
        case e.FollowUpGiven():
            until = end_of_day(at, windows.reply_days, zone)
            values = _unit(event) | {"deadline": until}
            date = Date("reply", event.institution, until)
            return Content("follow_up", values, {"text": event.text}, date)
        case e.ReportClosed():
            values = {
                "by": event.by,
                "solved": event.solved,
                "rating": event.rating,
                "reopen_until": at + timedelta(days=windows.reopen_days),
            }
            return Content("closed", _unit(event) | values)
    return None


def for_roles(event: BaseModel) -> Content | None:
    """Return what the event tells role holders; None if nothing.

    Of a moved date: what it tells those who were told the one before.
    """
    match event:
        case e.DeadlineApproaching():
            return Content("deadline_approaching", _deadline(event), date=date_of(event))
        case e.DeadlineBreached():
            return Content("deadline_breached", _deadline(event) | {"level": event.level})
        case e.DeadlineMoved():
            values = {"deadline_before": event.deadline_before, "why": event.why}
            return Content("deadline_moved", _deadline(event) | values, date=date_of(event))
        case e.BreachWithdrawn():
            return _withdrawn(event)
    return None


def recipients(event: BaseModel) -> tuple[str, ...]:
    """Return the role holders whom the event names, each once."""
    named: tuple[str, ...] = getattr(event, "recipients", ())
    return tuple(dict.fromkeys(r for r in named if r.strip() and r != REPORTER))


def _withdrawn(event: e.BreachWithdrawn) -> Content:
    now, before = event.deadline_now, event.deadline
    values = {"level": event.level, "why": event.why, "deadline_before": before, "deadline": now}
    date = None
    if event.why == "moved" and now is not None:
        date = date_of(event)._replace(deadline=now)
    return Content("breach_withdrawn", _deadline(event) | values, date=date)


def _archived(event: e.ReportArchived) -> Content:
    # Not the number of the report it duplicates: that may be another person's.
    values = {"by": event.by, "reason": event.reason, "institution": event.institution}
    return Content("archived", values, {"note": event.note} if event.note else {})


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
