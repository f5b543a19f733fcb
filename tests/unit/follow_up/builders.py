"""Builders of follow-up's tests: one report at a unit of HSU, and a history to feed."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from pydantic import BaseModel

from services.follow_up.case import FollowUpCase, Policy
from services.follow_up.rules import decide
from shared.contract import events as e
from shared.rules.decision import Cause, event_id

REPORT: Final = "K7QF2M9XTD3A"
NOON: Final = datetime(2025, 3, 3, 4, 0, tzinfo=UTC)
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
    """Return the unit's first word."""
    return _built(e.InitialResponse, changes, by="l", unit=HEALTH, text="s", message_id="m-1")


def a_follow_up(**changes: Any) -> e.FollowUp:
    """Return what the unit did."""
    return _built(e.FollowUp, changes, by="l", unit=HEALTH, text="s", message_id="m-2")


def a_unit_return(**changes: Any) -> e.ReturnToInstitution:
    """Return the unit's word that it is not its authority."""
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
    """Return the end by the reporter's wish."""
    return e.ReportWithdrawn(report_id=REPORT)


def a_reply() -> e.ReporterReplied:
    """Return the reporter's reply."""
    return e.ReporterReplied(report_id=REPORT, channel="web", message_id="r-1", text="s")


def a_reporters_closing(**changes: Any) -> e.ReporterClosed:
    """Return the reporter's closing."""
    plain: dict[str, Any] = {"channel": "web", "message_id": "r-2", "rating": 4, "solved": True}
    return e.ReporterClosed(**({"report_id": REPORT} | plain | changes))


def a_reopening() -> e.ReopenRequested:
    """Return the reporter's wish to reopen."""
    return e.ReopenRequested(report_id=REPORT, channel="web", message_id="r-3", text="s")


def a_silence(of_record: int) -> e.TimeRanOut:
    """Return the end of the window that the follow-up of record n opened."""
    return e.TimeRanOut(
        report_id=REPORT, window="reply", opened_by=window_of(of_record), ran_out_at=NOON
    )


def window_of(record: int) -> str:
    """Return the id of the `FollowUpGiven` that record n caused, when decided as it came."""
    return event_id(a_cause(record), "follow-up", e.FollowUpGiven)


def at(record: int) -> datetime:
    """Return the broker's time of record n."""
    return NOON + timedelta(minutes=record)


def a_cause(record: int, now: datetime | None = None) -> Cause:
    """Return record n, being decided."""
    return Cause(
        id=f"record-{record}", type="t", now=now or at(record),
        topic="lapor.test.v1", partition=0, offset=record,
    )  # fmt: skip


class History:
    """One report's records, fed one minute apart; the case is stored and loaded after each."""

    def __init__(self, *events: BaseModel) -> None:
        self.case: FollowUpCase | None = None
        self.said: list[tuple[str, BaseModel]] = []
        self.records = 0
        for event in events:
            self.feed(event)

    def feed(
        self, event: BaseModel, *, record: int | None = None, now: datetime | None = None
    ) -> list[BaseModel]:
        """Decide a record, the next one unless told, and return what it made the stage say."""
        self.records = self.records + 1 if record is None else record
        cause = a_cause(self.records, now)
        decision = decide(self.case, event, cause, POLICY)
        assert decision == decide(self.case, event, cause, POLICY)
        self.case = decision.case
        if self.case is not None:
            stored = self.case.__pydantic_serializer__.to_json(self.case, exclude_defaults=True)
            assert FollowUpCase.model_validate_json(stored) == self.case
        new = [((o.cause or cause).id, o.event) for o in decision.events]
        self.said += new
        return [event for _, event in new]

    def fire(self) -> None:
        """Let the case's timers fire until it asks for none."""
        while self.case is not None and self.case.timer_at is not None:
            self.feed(e.TimerFired(report_id=REPORT, due_at=self.case.timer_at))

    def answers(self, record: int) -> list[BaseModel]:
        """Return what was said because of record n."""
        return [event for cause, event in self.said if cause == f"record-{record}"]

    @property
    def known(self) -> FollowUpCase:
        """Return the case, which there must be."""
        assert self.case is not None
        return self.case


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
