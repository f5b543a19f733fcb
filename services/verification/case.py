"""What a level of verification knows of a report, and the numbers it decides by."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from shared.contract.events import ReportClass
from shared.rules.deferral import DeferringCase


class Status(StrEnum):
    """Where a report stands, as one stage sees it."""

    UNKNOWN = "unknown"  # only commands came so far: they wait
    WAITING = "waiting"  # for this stage's officer
    ASKED = "asked"  # for the reporter
    FORWARDED = "forwarded"  # national: an institution holds it
    ACCEPTED = "accepted"  # institution: classified, on its way to a unit
    RETURNED = "returned"  # institution: given back, this holding is over
    CLOSED = "closed"  # may be reopened
    ARCHIVED = "archived"
    BLOCKED = "blocked"
    WITHDRAWN = "withdrawn"


ENDED: Final = frozenset({Status.ARCHIVED, Status.BLOCKED, Status.WITHDRAWN})
"""The end for every stage; nothing leads out of it."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The numbers of verification; `app.py` takes them from the registry."""

    institutions: frozenset[str] = frozenset()  # known codes; none known, none forwarded to
    auto: bool = True  # design.md section 5: forward what is clear without an officer
    confidence_min: float = 0.8  # (open) below it a suggested institution waits for an officer
    returns_max: int = 2  # domain.md section 1: after two returns the national admin decides
    command_wait: timedelta = timedelta(days=1)  # (open) how long an early command may wait


class Case(DeferringCase):
    """What a level knows of one report; `holding` numbers the forwards, 0 before the first."""

    status: Status = Status.UNKNOWN
    holding: int = 0
    holder: str = ""
    report_class: ReportClass | None = None
    category_id: str | None = None
    place_code: str | None = None
    request_id: str | None = None
    asked_at: datetime | None = None
    completed_at: datetime | None = None
