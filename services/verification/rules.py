"""What both levels share: the case, the policy, and exactly one answer to every command.

The decisions themselves stand in `national.py` and `institution.py`: each has a `learn` for facts
and a `judge` for commands. Pure: the case, the cause and its time arrive as arguments.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Final, Generic, Literal, NamedTuple, TypeVar

from pydantic import BaseModel

from shared.contract.events import (
    Accept,
    Archive,
    AskForInformation,
    Block,
    Command,
    Event,
    Forward,
    InformationRequested,
    Reclassify,
    ReportArchived,
    ReportClass,
    ReturnReport,
    TimeRanOut,
    TimerFired,
)
from shared.rules.decision import Cause, Decision, decided, event_id, then
from shared.rules.deferral import DeferredCommands, DeferringCase, NotYet, refusal

Level = Literal["national", "institution"]
_COMMANDS: Final[tuple[type[Command], ...]] = (
    Forward, Block, AskForInformation, Archive, Accept, ReturnReport, Reclassify,
)  # fmt: skip


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
    auto: bool = True  # docs/architecture.md: forward what is clear without an officer
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


C = TypeVar("C", bound=Case)


class Effect(NamedTuple, Generic[C]):
    """The command takes effect: the case after it, and the event that says so."""

    case: C
    event: Event


class Refusal(NamedTuple):
    """The command does not fit, and no fact on its way can change that."""

    reason: str


Verdict = Effect[C] | Refusal | NotYet
Learn = Callable[[C, BaseModel, Cause], Decision[C]]
Judge = Callable[[C, Command, Cause], Verdict[C]]


# ---- one answer to every command


def run(
    case: C | None, fresh: C, event: BaseModel, cause: Cause, policy: Policy,
    *, learn: Learn[C], judge: Judge[C],
) -> Decision[C]:  # fmt: skip
    """Decide one record, then whatever waited for it; what concerns nothing makes no case."""
    known = case or fresh
    room = DeferredCommands(
        _COMMANDS, partial(_answer, judge=judge), _refuse, policy.command_wait,
        holder=lambda now: now.holder,
    )  # fmt: skip
    match event:
        case Command():
            decision = room.handle(known, event, cause)
        case TimerFired():
            decision = room.expire(known, event.due_at, cause)
        case _:
            decision = learn(known, event, cause)
    decision = then(decision, lambda now: room.release(now or known, cause))
    if case is None and decision == decided(fresh):
        return decided(None)
    return decision


def _answer(case: C, command: Command, cause: Cause, *, judge: Judge[C]) -> Decision[C] | NotYet:
    """Give the command its one answer, unless it is too early for it."""
    match judge(case, command, cause):
        case Effect(after, event):
            return decided(after, event)
        case Refusal(reason):
            return _refuse(case, command, cause, reason)
        case early:
            return early


def _refuse(case: C, command: Command, cause: Cause, reason: str) -> Decision[C]:
    return decided(case, refusal(command, cause, reason))


# ---- what both levels decide alike


def ask(case: C, command: AskForInformation, cause: Cause, level: Level) -> Effect[C]:
    """Ask the reporter; the case remembers the request by the id its event will have.

    A completion that came after the command, but was read before it, is its answer already.
    """
    request = InformationRequested(
        report_id=command.report_id,
        stage=level,
        institution=command.institution,
        holding=case.holding,
        by=command.by,
        question=command.question,
        asked_at=cause.now,
    )
    request_id = event_id(cause, f"verification.{level}", InformationRequested)
    is_answered = case.completed_at is not None and case.completed_at > cause.now
    status = Status.WAITING if is_answered else Status.ASKED
    after = case.changed(status=status, request_id=request_id, asked_at=cause.now)
    return Effect(after, request)


def complete(case: C, cause: Cause) -> Decision[C]:
    """Take the reporter's completion as the answer to the question asked before it.

    A completion said before this question answers an earlier one, perhaps of the other level. The
    SLA monitor goes by the same two times, so that both agree on who is owed the next step.
    """
    last = max(cause.now, case.completed_at or cause.now)
    is_answer = case.asked_at is not None and cause.now > case.asked_at
    status = Status.WAITING if case.status is Status.ASKED and is_answer else case.status
    return decided(case.changed(status=status, completed_at=last))


def expire(case: C, out: TimeRanOut) -> Decision[C]:
    """Archive by the system what the reporter did not complete; only of the window now open."""
    is_ours = out.window == "completion" and out.opened_by == case.request_id
    if case.status is not Status.ASKED or not is_ours:
        return decided(case)
    archived = ReportArchived(
        report_id=out.report_id,
        by="system",
        institution=case.holder,
        holding=case.holding,
        reason="expired",
    )
    return decided(case.changed(status=Status.ARCHIVED), archived)


def archive(case: C, command: Archive) -> Effect[C] | Refusal:
    """End the report by an officer's decision; expiry is the system's reason alone."""
    if command.reason == "expired":
        return Refusal("reason_not_allowed")
    if command.reason == "duplicate" and command.duplicate_of is None:
        return Refusal("duplicate_of_missing")
    if command.reason == "duplicate" and command.duplicate_of == command.report_id:
        return Refusal("duplicate_of_itself")
    archived = ReportArchived(
        report_id=command.report_id,
        by="admin",
        institution=command.institution,
        holding=case.holding,
        reason=command.reason,
        duplicate_of=command.duplicate_of if command.reason == "duplicate" else None,
        officer=command.by,
        note=command.note,
    )
    return Effect(case.changed(status=Status.ARCHIVED), archived)
