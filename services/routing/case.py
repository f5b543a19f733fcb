"""What routing knows of a report, and what it decides by."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from services.routing.directory import Directories
from shared.contract.events import ReportClass
from shared.rules.deferral import DeferringCase


class Status(StrEnum):
    """Where the report stands between the institution's admin and its units."""

    NOTHING = "nothing"
    DISPATCHED = "dispatched"
    HELD = "held"
    CLOSED = "closed"
    RETURNED = "returned"
    ARCHIVED = "archived"
    WITHDRAWN = "withdrawn"
    BLOCKED = "blocked"


WITH_UNIT: Final = (Status.DISPATCHED, Status.CLOSED)


class RoutingCase(DeferringCase):
    """A report in routing: all but `status`, `waiting` and `timer_at` is of its current holding."""

    status: Status = Status.NOTHING
    institution: str = ""
    holding: int = 0
    # Nobody's class before it is accepted; then the least strict complaint would be assumed.
    report_class: ReportClass = ReportClass.UNSUPERVISED
    category_id: str | None = None
    place_code: str | None = None
    dispatch: int = 0
    tried: tuple[str, ...] = ()
    returns: int = 0


@dataclass(frozen=True, slots=True)
class Policy:
    """The directories, and the numbers in force when the record came (`policy.toml`).

    After `unit_returns_max` returns the institution's admin names the unit. `command_wait`: how
    long a command waits for its report.
    """

    directories: Directories
    unit_returns_max: int
    command_wait: timedelta
