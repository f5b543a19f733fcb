"""What follow-up knows of a report, and what waits for its dispatch."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from shared.contract.events import (
    CloseCase,
    Command,
    FollowUp,
    FromReporter,
    InitialResponse,
    ReopenRequested,
    ReporterClosed,
    ReporterReplied,
    ReturnToInstitution,
)
from shared.rules.deferral import DeferringCase, is_possible
from shared.rules.terminal import ENDS

COMMANDS: Final[tuple[type[Command], ...]] = (
    InitialResponse,
    FollowUp,
    ReturnToInstitution,
    CloseCase,
)
MESSAGES: Final[tuple[type[FromReporter], ...]] = (ReporterReplied, ReporterClosed, ReopenRequested)


class Status(StrEnum):
    """Where the report stands at its unit."""

    NOTHING = "nothing"
    WAITING = "waiting"
    IN_PROGRESS = "in_progress"
    FOLLOWED_UP = "followed_up"
    REPLIED = "replied"
    CLOSED = "closed"
    ARCHIVED = "archived"
    WITHDRAWN = "withdrawn"
    BLOCKED = "blocked"


OPEN: Final = (Status.WAITING, Status.IN_PROGRESS, Status.FOLLOWED_UP, Status.REPLIED)


class FollowUpCase(DeferringCase):
    """The report's current or last dispatch, what came of it, and what waits for the next.

    `window` is the id of the `FollowUpGiven` whose reply window is open; times are UTC.
    """

    status: Status = Status.NOTHING
    institution: str = ""
    holding: int = 0
    dispatch: int = 0
    unit: str = ""
    final: bool = False
    returned_holding: int = 0
    has_response: bool = False
    has_follow_up: bool = False
    round: int = 0
    window: str = ""
    replied_at: datetime | None = None
    closed_at: datetime | None = None
    closed_by: str = ""
    reopened: int = 0


@dataclass(frozen=True, slots=True)
class Policy:
    """The numbers in force when the record came, from the registry (`policy.toml`).

    `reopen_days`: calendar days in which a closed report may be reopened. `command_wait`: how long
    a command waits for its dispatch.
    """

    reopen_days: int
    command_wait: timedelta


def is_early(case: FollowUpCase, event: Command | FromReporter) -> bool:
    """Say whether it must wait: it may be about, or matter to, a dispatch not read yet.

    A holding may have several dispatches and a command does not number them. Of the reporter's
    messages before any dispatch a closing counts. A reply answers a follow-up and a reopening a
    closing; this stage publishes both, so only a command that waits already can make them matter.
    """
    if case.status in ENDS:
        return False
    if isinstance(event, Command):
        is_holder = event.institution == case.institution
        between = case.status is Status.NOTHING and event.holding == case.holding and is_holder
        last = max(case.holding, case.returned_holding)
        is_ahead = is_possible(event.holding - last) or (is_holder and event.holding > last)
        return is_ahead or (between and event.holding > case.returned_holding)
    if case.status is not Status.NOTHING:
        return False
    waiting = {deferred.event_type for deferred in case.waiting}
    match event:
        case ReporterReplied():
            return FollowUp.__name__ in waiting
        case ReopenRequested():
            return not waiting.isdisjoint((ReporterClosed.__name__, CloseCase.__name__))
    return isinstance(event, ReporterClosed)
