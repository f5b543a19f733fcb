"""How the gateways' cases lie in their `cases` tables."""

from typing import Final

from services.agencies.case import InboxCase, OutboxCase
from shared.runtime.case_store import CaseStore

IN: Final = CaseStore(
    case=OutboxCase,
    is_open=lambda _case: False,  # a command is answered or passed on at once
)
OUT: Final = CaseStore(
    case=InboxCase,
    is_open=lambda case: not case.is_ended,
)
