"""Builders of routing's tests: one report at HSU, a small directory, and histories."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final, TypeVar

from pydantic import BaseModel

from services.routing.case import Policy, RoutingCase
from services.routing.directory import Directories
from services.routing.rules import decide
from shared.contract import events as e
from shared.registry import Directory, Rule
from tests.support.builders import REPORT
from tests.support.history import History

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
    """Return the admin's dispatch to a unit."""
    return _built(e.Dispatch, changes, by="officer", unit=SPARE, message_id="m-1")


def an_archive(**changes: Any) -> e.ReportArchived:
    """Return the end in the archive."""
    return _built(e.ReportArchived, changes, by="admin", reason="unclear")


def a_block() -> e.ReportBlocked:
    """Return the end by a block."""
    return e.ReportBlocked(report_id=REPORT, by="o", reason="sealed")


def a_withdrawal() -> e.ReportWithdrawn:
    """Return the end by the reporter's withdrawal."""
    return e.ReportWithdrawn(report_id=REPORT)


def a_history(*events: BaseModel, policy: Policy = POLICY) -> History[RoutingCase]:
    """Return a history of routing."""
    return History(decide, policy, *events)


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
