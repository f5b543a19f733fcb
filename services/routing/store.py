"""How routing's cases lie in its table."""

from services.routing.case import Routing, Status
from shared.runtime.case_store import CaseStore

STORE = CaseStore(
    case=Routing,
    is_open=lambda case: case.status is Status.HELD or bool(case.waiting),
    timer_at=lambda case: case.timer_at,
    columns={"status": ("text", lambda case: case.status.value)},
)
