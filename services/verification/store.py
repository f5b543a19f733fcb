"""How the cases of the two levels are stored."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from services.verification.case import Status, VerificationCase
from services.verification.institution import InstitutionCase
from services.verification.national import NationalCase
from shared.runtime.case_store import CaseStore

_COLUMNS: Final[Mapping[str, tuple[str, Callable[[VerificationCase], object]]]] = MappingProxyType({
    "status": ("text", lambda case: case.status.value),
    "holder": ("text", lambda case: case.holder),
})  # fmt: skip


def _is_open(case: VerificationCase) -> bool:
    """Say whether this stage has still to decide, be it after the reporter's completion."""
    return case.status in (Status.WAITING, Status.ASKED)


NATIONAL: Final = CaseStore(
    case=NationalCase, is_open=_is_open, timer_at=lambda case: case.timer_at, columns=_COLUMNS
)
INSTITUTION: Final = CaseStore(
    case=InstitutionCase, is_open=_is_open, timer_at=lambda case: case.timer_at, columns=_COLUMNS
)
