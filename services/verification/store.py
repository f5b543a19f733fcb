"""How the cases of the two levels lie in their tables."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from services.verification.case import Case, Status
from services.verification.institution import Institution
from services.verification.national import National
from shared.runtime.case_store import CaseStore

_COLUMNS: Final[Mapping[str, tuple[str, Callable[[Case], object]]]] = MappingProxyType({
    "status": ("text", lambda case: case.status.value),
    "holder": ("text", lambda case: case.holder),
})  # fmt: skip


def _is_open(case: Case) -> bool:
    """Say whether this stage has still to decide, be it after the reporter's completion."""
    return case.status in (Status.WAITING, Status.ASKED)


NATIONAL: Final = CaseStore(
    case=National, is_open=_is_open, timer_at=lambda case: case.timer_at, columns=_COLUMNS
)
INSTITUTION: Final = CaseStore(
    case=Institution, is_open=_is_open, timer_at=lambda case: case.timer_at, columns=_COLUMNS
)
