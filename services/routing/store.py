"""How routing's cases are stored."""

from services.routing.case import RoutingCase, Status
from shared.runtime.case_store import CaseStore

STORE = CaseStore(
    case=RoutingCase,
    is_open=lambda case: case.status is Status.HELD or bool(case.waiting),
    timer_at=lambda case: case.timer_at,
    columns={"status": ("text", lambda case: case.status.value)},
)
