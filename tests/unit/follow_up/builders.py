"""Builders of follow-up's tests: one report at a unit of HSU, and its histories."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final, TypeVar

from pydantic import BaseModel

from services.follow_up.case import FollowUpCase, Policy
from services.follow_up.rules import decide
from shared.contract import events as e
from shared.rules.decision import event_id
from tests.support.builders import NOON, REPORT, a_cause, at
from tests.support.history import History

HEALTH, ROADS = "6308-008", "6308-009"
POLICY: Final = Policy(reopen_days=30, command_wait=timedelta(days=1))
E = TypeVar("E", bound=BaseModel)


def _built(model: type[E], changes: dict[str, Any], **plain: Any) -> E:
    return model(**({"report_id": REPORT, "institution": "6308", "holding": 1} | plain | changes))


def a_dispatch(**changes: Any) -> e.ReportDispatched:
    """Return the first dispatch of the first holding."""
    return _built(
        e.ReportDispatched, changes, dispatch=1, unit=HEALTH, rule="r", why="w", by="auto",
        report_class=e.ReportClass.UNSUPERVISED,
    )  # fmt: skip


def a_response(**changes: Any) -> e.InitialResponse:
    """Return the unit's initial response."""
    return _built(e.InitialResponse, changes, by="l", unit=HEALTH, text="s", message_id="m-1")


def a_follow_up(**changes: Any) -> e.FollowUp:
    """Return what the unit did."""
    return _built(e.FollowUp, changes, by="l", unit=HEALTH, text="s", message_id="m-2")


def a_unit_return(**changes: Any) -> e.ReturnToInstitution:
    """Return the unit's return: not its authority."""
    return _built(e.ReturnToInstitution, changes, by="l", unit=HEALTH, reason="s")


def a_closing(**changes: Any) -> e.CloseCase:
    """Return the admin's closing."""
    return _built(e.CloseCase, changes, by="o", solved=True, message_id="m-3")


def a_report_return(**changes: Any) -> e.ReportReturned:
    """Return the report from its institution."""
    return _built(e.ReportReturned, changes, by="o", reason="s")


def an_archive(**changes: Any) -> e.ReportArchived:
    """Return the end in the archive."""
    return _built(e.ReportArchived, changes, by="admin", reason="unclear")


def a_block() -> e.ReportBlocked:
    """Return the end by a block."""
    return e.ReportBlocked(report_id=REPORT, by="o", reason="s")


def a_withdrawal() -> e.ReportWithdrawn:
    """Return the end by the reporter's withdrawal."""
    return e.ReportWithdrawn(report_id=REPORT)


def a_reply() -> e.ReporterReplied:
    """Return the reporter's reply."""
    return e.ReporterReplied(report_id=REPORT, channel="web", message_id="r-1", text="s")


def a_reporters_closing(**changes: Any) -> e.ReporterClosed:
    """Return the reporter's closing."""
    plain: dict[str, Any] = {"channel": "web", "message_id": "r-2", "rating": 4, "solved": True}
    return e.ReporterClosed(**({"report_id": REPORT} | plain | changes))


def a_reopening() -> e.ReopenRequested:
    """Return the reporter's request to reopen."""
    return e.ReopenRequested(report_id=REPORT, channel="web", message_id="r-3", text="s")


def a_silence(of_record: int) -> e.TimeRanOut:
    """Return the end of the window that the follow-up of record n opened."""
    return e.TimeRanOut(
        report_id=REPORT, window="reply", opened_by=window_of(of_record), ran_out_at=NOON
    )


def window_of(record: int) -> str:
    """Return the id of the `FollowUpGiven` that record n caused, when decided as it came."""
    return event_id(a_cause(f"record-{record}", at(record)), "follow-up", e.FollowUpGiven)


def a_history(*events: BaseModel) -> History[FollowUpCase]:
    """Return a history of follow-up."""
    return History(decide, POLICY, *events)


def names(events: Sequence[BaseModel]) -> list[str]:
    """Name each event: a refusal by its reason, a closing by who closed."""
    named = []
    for event in events:
        match event:
            case e.CommandRefused():
                named.append(event.reason)
            case e.ReportClosed():
                named.append(f"closed by {event.by}")
            case _:
                named.append(type(event).__name__)
    return named
