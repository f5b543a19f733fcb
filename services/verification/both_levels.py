"""What both levels decide alike: exactly one answer to every command, questions, archiving.

The decisions themselves stand in `national.py` and `institution.py`: each has an `apply_fact`
and a `judge` for commands. Pure: the case, the cause and its time arrive as arguments.
"""

from collections.abc import Callable
from functools import partial
from typing import Final, Generic, Literal, NamedTuple, TypeVar

from pydantic import BaseModel

from services.verification.case import Policy, Status, VerificationCase
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
    ReturnReport,
    TimeRanOut,
    TimerFired,
)
from shared.rules.decision import Cause, Decision, decided, event_id, then
from shared.rules.deferral import DeferredCommands, NotYet, refusal

Level = Literal["national", "institution"]
_COMMANDS: Final[tuple[type[Command], ...]] = (
    Forward, Block, AskForInformation, Archive, Accept, ReturnReport, Reclassify,
)  # fmt: skip


C = TypeVar("C", bound=VerificationCase)


class Effect(NamedTuple, Generic[C]):
    """The command takes effect: the case after it, and the event to publish."""

    case: C
    event: Event


class CommandRejection(NamedTuple):
    """The command does not fit, and no fact on its way can change that."""

    reason: str


Verdict = Effect[C] | CommandRejection | NotYet
ApplyFact = Callable[[C, BaseModel, Cause], Decision[C]]
Judge = Callable[[C, Command, Cause], Verdict[C]]


# ---- one answer to every command


def handle(
    case: C | None,
    initial: C,
    event: BaseModel,
    cause: Cause,
    policy: Policy,
    *,
    apply_fact: ApplyFact[C],
    judge: Judge[C],
) -> Decision[C]:
    """Decide one record, then the commands that waited for it.

    A record that leaves the initial case as it was makes no case.
    """
    current = case or initial
    deferred = DeferredCommands(
        kinds=_COMMANDS,
        answer=partial(_answer, judge=judge),
        refuse=_refuse,
        wait=policy.command_wait,
        holder=lambda now: now.holder,
    )
    match event:
        case Command():
            decision = deferred.handle(current, event, cause)
        case TimerFired():
            decision = deferred.expire(current, event.due_at, cause)
        case _:
            decision = apply_fact(current, event, cause)
    decision = then(decision, lambda after: deferred.release(after or current, cause))
    if case is None and decision == decided(initial):
        return decided(None)
    return decision


def _answer(case: C, command: Command, cause: Cause, *, judge: Judge[C]) -> Decision[C] | NotYet:
    """Give the command its one answer, unless it is too early for it."""
    match judge(case, command, cause):
        case Effect(after, event):
            return decided(after, event)
        case CommandRejection(reason):
            return _refuse(case, command, cause, reason)
        case not_yet:
            return not_yet


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

    A completion sent before this question answers an earlier one, perhaps of the other level. The
    SLA monitor goes by the same two times, so that both agree on who is owed the next step.
    """
    completed_at = max(cause.now, case.completed_at or cause.now)
    is_answer = case.asked_at is not None and cause.now > case.asked_at
    status = Status.WAITING if case.status is Status.ASKED and is_answer else case.status
    return decided(case.changed(status=status, completed_at=completed_at))


def expire(case: C, event: TimeRanOut) -> Decision[C]:
    """Archive by the system what the reporter did not complete; only of the window now open."""
    is_current = event.window == "completion" and event.opened_by == case.request_id
    if case.status is not Status.ASKED or not is_current:
        return decided(case)
    archived = ReportArchived(
        report_id=event.report_id,
        by="system",
        institution=case.holder,
        holding=case.holding,
        reason="expired",
    )
    return decided(case.changed(status=Status.ARCHIVED), archived)


def archive(case: C, command: Archive) -> Effect[C] | CommandRejection:
    """End the report by an officer's decision; expiry is the system's reason alone."""
    if command.reason == "expired":
        return CommandRejection("reason_not_allowed")
    if command.reason == "duplicate" and command.duplicate_of is None:
        return CommandRejection("duplicate_of_missing")
    if command.reason == "duplicate" and command.duplicate_of == command.report_id:
        return CommandRejection("duplicate_of_itself")
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
