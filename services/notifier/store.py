"""How the notifier's cases lie in its `cases` table."""

from typing import Final

from services.notifier.case import NotificationCase
from shared.runtime.case_store import CaseStore

STORE: Final = CaseStore(
    case=NotificationCase,
    is_open=lambda case: bool(case.pending or case.waiting),
    timer_at=lambda case: case.timer_at,
    columns={"pending": ("integer", lambda case: len(case.pending))},
)
