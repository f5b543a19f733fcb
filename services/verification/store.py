"""How the cases of the two levels lie in their tables."""

from services.verification.institution import Institution
from services.verification.national import National
from services.verification.rules import ENDED, Case, Status
from shared.cases import CaseStore

_NOT_OPEN = ENDED | {Status.UNKNOWN, Status.CLOSED}


def _is_open(case: Case) -> bool:
    """Say whether somebody still owes this report something."""
    return case.status not in _NOT_OPEN


_COLUMNS = {
    "status": ("text", lambda case: case.status.value),
    "holder": ("text", lambda case: case.holder),
}
NATIONAL = CaseStore(
    case=National, is_open=_is_open, alarm_at=lambda case: case.alarm_at, columns=_COLUMNS
)
INSTITUTION = CaseStore(
    case=Institution, is_open=_is_open, alarm_at=lambda case: case.alarm_at, columns=_COLUMNS
)
