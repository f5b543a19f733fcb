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
    """The numbers in force when the record came, from the registry (`policy.toml`).

    `institutions`: the codes that a report may be forwarded to. `is_automatic`: what is clear is
    forwarded without an officer. `confidence_min`: a suggestion below it waits for an officer.
    `returns_max`: the forward after so many returns is final. `command_wait`: how long a command
    waits for what it is about.
    """

    institutions: frozenset[str]
    is_automatic: bool
    confidence_min: float
    returns_max: int
    command_wait: timedelta


class VerificationCase(DeferringCase):
    """A report at one level; `holding` numbers the forwards, 0 before the first."""

    status: Status = Status.UNKNOWN
    holding: int = 0
    holder: str = ""
    report_class: ReportClass | None = None
    category_id: str | None = None
    place_code: str | None = None
    request_id: str | None = None
    asked_at: datetime | None = None
    completed_at: datetime | None = None
