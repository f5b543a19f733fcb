"""How follow-up's cases are stored."""

from services.follow_up.case import OPEN, FollowUpCase
from shared.runtime.case_store import CaseStore

STORE = CaseStore(
    case=FollowUpCase,
    is_open=lambda case: case.status in OPEN or bool(case.waiting),
    timer_at=lambda case: case.timer_at,
    columns={"status": ("text", lambda case: case.status.value)},
)
