"""Builders of routing's tests: one report at HSU, a small directory, and a history to feed."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from pydantic import BaseModel

from services.routing.case import Policy, RoutingCase
from services.routing.directory import Directories
from services.routing.rules import decide
from shared.contract import events as e
from shared.registry import Directory, Rule
from shared.rules.decision import Cause

REPORT: Final = "K7QF2M9XTD3A"
NOON: Final = datetime(2025, 3, 3, 4, 0, tzinfo=UTC)
ROADS, HEALTH, DISTRICT, SPARE = "6308-009", "6308-008", "6308-105", "6308-001"
TOPICS: Final = {"1397": "infrastructure", "928": "infrastructure"}
HSU_RULES: Final = (
    Rule(name="roads.amuntai", unit=ROADS, why="roads", category="1397", place="63.08.05"),
    Rule(name="infrastructure", unit=DISTRICT, why="the district's", topic="infrastructure"),
    Rule(name="ghost", unit="6308-999", why="nobody's", category="7"),
)
BANDUNG_RULES: Final = (Rule(name="roads", unit="3204-001", why="roads", category="1397"),)
DIRECTORIES: Final = Directories(
    {"6308": Directory(HSU_RULES, TOPICS), "3204": Directory(BANDUNG_RULES, TOPICS)},
    frozenset({ROADS, HEALTH, DISTRICT, SPARE, "3204-001"}),
)
POLICY: Final = Policy(DIRECTORIES, unit_returns_max=2, command_wait=timedelta(days=1))
E = TypeVar("E", bound=BaseModel)


def _built(model: type[E], changes: dict[str, Any], **plain: Any) -> E:
    return model(**({"report_id": REPORT, "institution": "6308", "holding": 1} | plain | changes))


def an_accept(**changes: Any) -> e.ReportAccepted:
    """Return a pothole in Amuntai Tengah, which two rules fit."""
    plain = {"by": "o", "report_class": e.ReportClass.UNSUPERVISED, "category_id": "1397"}
    return _built(e.ReportAccepted, changes, **plain, place_code="63.08.05.1001")


def a_reclassification(**changes: Any) -> e.ReportReclassified:
    """Return a change from unsupervised to supervised."""
    return _built(
        e.ReportReclassified, changes, by="o", why="sealed",
        class_before=e.ReportClass.UNSUPERVISED, class_after=e.ReportClass.SUPERVISED,
    )  # fmt: skip


def a_report_return(**changes: Any) -> e.ReportReturned:
    """Return the report from its institution."""
    return _built(e.ReportReturned, changes, by="o", reason="sealed")


def a_unit_return(**changes: Any) -> e.UnitReturned:
    """Return the report from its first unit."""
    return _built(e.UnitReturned, changes, dispatch=1, unit=ROADS, by="l", reason="sealed")


def a_close(**changes: Any) -> e.ReportClosed:
    """Return the closing of the first dispatch."""
    return _built(e.ReportClosed, changes, dispatch=1, unit=ROADS, by="system")


def a_dispatch(**changes: Any) -> e.Dispatch:
    """Return the admin's word for a unit."""
    return _built(e.Dispatch, changes, by="officer", unit=SPARE, message_id="m-1")


def an_archive(**changes: Any) -> e.ReportArchived:
    """Return the end in the archive."""
    return _built(e.ReportArchived, changes, by="admin", reason="unclear")


def a_block() -> e.ReportBlocked:
    """Return the end by a block."""
    return e.ReportBlocked(report_id=REPORT, by="o", reason="sealed")


def a_withdrawal() -> e.ReportWithdrawn:
    """Return the end by the reporter's wish."""
    return e.ReportWithdrawn(report_id=REPORT)


def a_cause(record_id: str = "record-1", now: datetime = NOON) -> Cause:
    """Return the record being decided."""
    return Cause(id=record_id, type="t", now=now, topic="lapor.test.v1", partition=0, offset=0)


class History:
    """One report's records, fed one minute apart; the case is stored and loaded after each."""

    def __init__(self, *events: BaseModel, policy: Policy = POLICY) -> None:
        self.case: RoutingCase | None = None
        self.said: list[tuple[str, BaseModel]] = []
        self.records = 0
        self._policy = policy
        for event in events:
            self.feed(event)

    def feed(self, event: BaseModel) -> list[BaseModel]:
        """Decide the next record and return what it made the stage say."""
        self.records += 1
        cause = a_cause(f"record-{self.records}", NOON + timedelta(minutes=self.records))
        decision = decide(self.case, event, cause, self._policy)
        assert decision == decide(self.case, event, cause, self._policy)
        self.case = decision.case
        if self.case is not None:
            stored = self.case.__pydantic_serializer__.to_json(self.case, exclude_defaults=True)
            assert RoutingCase.model_validate_json(stored) == self.case
        new = [((o.cause or cause).id, o.event) for o in decision.events]
        self.said += new
        return [event for _, event in new]

    def fire(self) -> None:
        """Let the case's timers fire until it asks for none."""
        while self.case is not None and self.case.timer_at is not None:
            self.feed(e.TimerFired(report_id=REPORT, due_at=self.case.timer_at))

    def answers(self, record_id: str) -> list[BaseModel]:
        """Return what was said because of a record."""
        return [event for cause, event in self.said if cause == record_id]

    @property
    def known(self) -> RoutingCase:
        """Return the case, which there must be."""
        assert self.case is not None
        return self.case


def reasons(events: Sequence[BaseModel]) -> list[str]:
    """Name each event: a refusal and a holding by the reason, a dispatch by its unit."""
    named = []
    for event in events:
        match event:
            case e.CommandRefused() | e.RoutingHeld():
                named.append(event.reason)
            case e.ReportDispatched():
                named.append(event.unit)
            case _:
                named.append(type(event).__name__)
    return named
