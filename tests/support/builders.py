"""Valid events to start from; a test names only what it is about.

`a_report(body=…)` style: each builder takes the fields that differ from a plain example about
`REPORT`, which 6308 holds in its first holding.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from pydantic import BaseModel

from shared.contract import events as e
from shared.rules.decision import Cause

REPORT: Final = "K7QF2M9XTD3A"
OTHER_REPORT: Final = "K7QF2M9XTD3B"
NATIONAL: Final = "00"
HSU: Final = "6308"
BANDUNG: Final = "3204"
UNIT: Final = "6308-001"
NOON: Final = datetime(2025, 3, 3, 4, 0, tzinfo=UTC)  # a Monday, noon in HSU (WITA)
SEALED: Final = "sealed words"

E = TypeVar("E", bound=BaseModel)


def a_cause(record_id: str = "record-1", now: datetime = NOON, **changes: Any) -> Cause:
    """Return the cause of a record of that id and time (UTC)."""
    plain: dict[str, Any] = {
        "id": record_id, "type": "id.go.lapor.test.fact.v1", "now": now,
        "topic": "lapor.test.v1", "partition": 0, "offset": 0,
    }  # fmt: skip
    return Cause(**(plain | changes))


def at(minutes: float) -> datetime:
    """Return the time some minutes after `NOON`, UTC."""
    return NOON + timedelta(minutes=minutes)


def _built(model: type[E], changes: dict[str, Any], **plain: Any) -> E:
    return model(**({"report_id": REPORT} | plain | changes))


# ---- people


def a_suggestion(value: str, confidence: float = 0.9, *reasons: str) -> e.Suggestion:
    """Return a suggestion of screening, with a reason of its own unless told."""
    return e.Suggestion(value=value, confidence=confidence, reasons=reasons or ("place",))


def a_similar(report_id: str = OTHER_REPORT, **changes: Any) -> e.Similar:
    """Return an earlier report that reads alike."""
    return e.Similar(**({"report_id": report_id, "same_sender": True, "distance": 2} | changes))


def a_screening(**changes: Any) -> e.Screening:
    """Return what screening says of a clear report to HSU."""
    plain: dict[str, Any] = {"institution": a_suggestion(HSU), "category": a_suggestion("27")}
    return e.Screening(**(plain | changes))


def a_report(**changes: Any) -> e.ReportReceived:
    """Return a report that says nothing of whom it is for: an officer has to look."""
    return _built(
        e.ReportReceived, changes, tracking_number=f"{REPORT}R", channel="web",
        message_id="message-1", submitted_at=NOON, content=SEALED,
    )  # fmt: skip


def a_clear_report(**changes: Any) -> e.ReportReceived:
    """Return a report that names HSU, and whose text agrees."""
    return a_report(**({"institution": HSU, "screening": a_screening()} | changes))


def _from_reporter(model: type[E], changes: dict[str, Any], **plain: Any) -> E:
    return _built(model, changes, channel="web", message_id="message-2", **plain)


def a_completion(**changes: Any) -> e.InformationCompleted:
    """Return the reporter's answer to what was asked."""
    return _from_reporter(e.InformationCompleted, changes, text=SEALED)


def a_withdrawal(**changes: Any) -> e.ReporterWithdrew:
    """Return the reporter's wish to take the report back."""
    return _from_reporter(e.ReporterWithdrew, changes)


# ---- commands


def _command(model: type[E], changes: dict[str, Any], **plain: Any) -> E:
    stamped = {"by": "officer-1", "message_id": "command-1"} | plain
    return _built(model, changes, **stamped)


def a_forward(**changes: Any) -> e.Forward:
    """Return the national admin's first forward, to HSU."""
    return _command(e.Forward, changes, institution=NATIONAL, holding=0, to=HSU)


def a_block(**changes: Any) -> e.Block:
    """Return the national admin's block."""
    return _command(e.Block, changes, institution=NATIONAL, holding=0, reason=SEALED)


def an_ask(**changes: Any) -> e.AskForInformation:
    """Return HSU's question in its first holding."""
    return _command(
        e.AskForInformation, changes, institution=HSU, holding=1, question=SEALED
    )  # fmt: skip


def an_archive(**changes: Any) -> e.Archive:
    """Return HSU's wish to archive in its first holding."""
    return _command(e.Archive, changes, institution=HSU, holding=1, reason="unclear")


def an_accept(**changes: Any) -> e.Accept:
    """Return HSU's acceptance as a complaint without supervision."""
    return _command(
        e.Accept, changes, institution=HSU, holding=1, report_class=e.ReportClass.UNSUPERVISED
    )


def a_return(**changes: Any) -> e.ReturnReport:
    """Return HSU's "not our authority"."""
    return _command(e.ReturnReport, changes, institution=HSU, holding=1, reason=SEALED)


def a_reclassify(**changes: Any) -> e.Reclassify:
    """Return HSU's change of the class to a complaint under supervision."""
    return _command(
        e.Reclassify, changes, institution=HSU, holding=1,
        report_class=e.ReportClass.SUPERVISED, why=SEALED,
    )  # fmt: skip


# ---- facts of verification


def _held(model: type[E], changes: dict[str, Any], **plain: Any) -> E:
    return _built(model, changes, **({"institution": HSU, "holding": 1} | plain))


def a_forwarding(**changes: Any) -> e.ReportForwarded:
    """Return the fact that HSU holds the report, its first holding."""
    return _held(e.ReportForwarded, changes, by="officer-1", why="officer")


def a_request(**changes: Any) -> e.InformationRequested:
    """Return the fact that HSU asked the reporter."""
    return _held(
        e.InformationRequested, changes, stage="institution", by="officer-1", question=SEALED
    )


def an_archiving(**changes: Any) -> e.ReportArchived:
    """Return the fact that HSU's admin archived the report."""
    return _held(e.ReportArchived, changes, by="admin", reason="unclear", officer="officer-1")


def a_blocking(**changes: Any) -> e.ReportBlocked:
    """Return the fact that the content is blocked."""
    return _built(e.ReportBlocked, changes, by="officer-1", reason=SEALED)


def a_withdrawing(**changes: Any) -> e.ReportWithdrawn:
    """Return the fact that the report ended by the reporter's wish."""
    return _built(e.ReportWithdrawn, changes)


def an_acceptance(**changes: Any) -> e.ReportAccepted:
    """Return the fact that HSU accepted and classified the report."""
    return _held(e.ReportAccepted, changes, by="officer-1", report_class=e.ReportClass.UNSUPERVISED)


def a_reclassifying(**changes: Any) -> e.ReportReclassified:
    """Return the fact that HSU changed the class."""
    return _held(
        e.ReportReclassified, changes, by="officer-1", why=SEALED,
        class_before=e.ReportClass.UNSUPERVISED, class_after=e.ReportClass.SUPERVISED,
    )  # fmt: skip


def a_returning(**changes: Any) -> e.ReportReturned:
    """Return the fact that HSU gave the report back."""
    return _held(e.ReportReturned, changes, by="officer-1", reason=SEALED)


# ---- facts of routing, follow-up, time


def a_dispatching(**changes: Any) -> e.ReportDispatched:
    """Return the fact that a unit of HSU has the report."""
    return _held(
        e.ReportDispatched, changes, dispatch=1, unit=UNIT, rule="category", why="category 27",
        by="auto", report_class=e.ReportClass.UNSUPERVISED,
    )  # fmt: skip


def a_holding_up(**changes: Any) -> e.RoutingHeld:
    """Return the fact that no rule of HSU names a unit."""
    return _held(e.RoutingHeld, changes, reason="nothing_fits")


def a_closing(**changes: Any) -> e.ReportClosed:
    """Return the fact that the system closed the report."""
    return _held(e.ReportClosed, changes, dispatch=1, unit=UNIT, by="system")


def a_reopening(**changes: Any) -> e.ReportReopened:
    """Return the fact that the closed report is in progress again."""
    return _held(e.ReportReopened, changes, dispatch=1, unit=UNIT)


def a_time_out(opened_by: str, **changes: Any) -> e.TimeRanOut:
    """Return the fact that the reporter did not complete in time."""
    return _built(e.TimeRanOut, changes, window="completion", opened_by=opened_by, ran_out_at=NOON)


def a_timer(due_at: datetime) -> e.TimerFired:
    """Return the timer of a case's time."""
    return e.TimerFired(report_id=REPORT, due_at=due_at)
