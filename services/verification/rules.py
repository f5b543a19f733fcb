"""What both levels share: the case, the policy, and exactly one answer to every command.

The decisions themselves stand in `national.py` and `institution.py`: each has a `learn` for facts
and a `judge` for commands. Pure: the case, the cause and its time arrive as arguments.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Generic, Literal, NamedTuple, Self, TypeVar, cast

from pydantic import BaseModel, ConfigDict

from shared.decision import Cause, Decision, Outgoing, Waiting, decided, event_id
from shared.events import (
    Accept,
    AlarmRang,
    Archive,
    AskForInformation,
    Block,
    Command,
    CommandRefused,
    Event,
    Forward,
    InformationRequested,
    Reclassify,
    ReportArchived,
    ReportClass,
    ReturnReport,
    TimeRanOut,
)

NATIONAL_ADMIN: Final = "00"
Level = Literal["national", "institution"]
_COMMANDS: Final = (Forward, Block, AskForInformation, Archive, Accept, ReturnReport, Reclassify)


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
    waiting_max: int = 20  # a guess: keeps a case small, far above what officers send early


class Case(BaseModel):
    """What a level knows of one report; `holding` numbers the forwards, 0 before the first."""

    model_config = ConfigDict(frozen=True)

    status: Status = Status.UNKNOWN
    holding: int = 0
    holder: str = ""
    report_class: ReportClass | None = None
    category_id: str | None = None
    place_code: str | None = None
    request_id: str | None = None
    asked_at: datetime | None = None
    waiting: tuple[Waiting, ...] = ()
    alarm_at: datetime | None = None

    def changed(self, **changes: object) -> Self:
        """Return the case with some fields replaced."""
        return self.model_copy(update=changes)


C = TypeVar("C", bound=Case)


class Effect(NamedTuple, Generic[C]):
    """The command takes effect: the case after it, and the event that says so."""

    case: C
    event: Event


class Refusal(NamedTuple):
    """The command does not fit, and no fact on its way can change that."""

    reason: str


class TooEarly(NamedTuple):
    """A fact still on its way may make the command fit; `reason` is said if none comes in time."""

    reason: str


Verdict = Effect[C] | Refusal | TooEarly
Learn = Callable[[C, BaseModel, Cause], Decision[C]]
Judge = Callable[[C, Command, Cause], Verdict[C]]


# ---- one answer to every command


def run(
    case: C | None, fresh: C, event: BaseModel, cause: Cause, policy: Policy,
    *, learn: Learn[C], judge: Judge[C],
) -> Decision[C]:  # fmt: skip
    """Decide one record, then whatever waited for it; what concerns nothing makes no case."""
    known = case or fresh
    match event:
        case Command():
            decision = _answer(known, event, cause, policy, judge)
        case AlarmRang():
            decision = _give_up(known, event, cause, policy, judge)
        case _:
            decision = learn(known, event, cause)
    decision = _answer_waiting(decision, cause, policy, judge)
    if case is None and decision == decided(fresh):
        return decided(None)
    return decision


def _answer(
    case: C, command: Command, cause: Cause, policy: Policy, judge: Judge[C]
) -> Decision[C]:
    """Give the command its one answer now, or keep it until the case can."""
    verdict = judge(case, command, cause)
    if not isinstance(verdict, TooEarly):
        return decided(*_outcome(case, command, cause, verdict))
    if len(case.waiting) >= policy.waiting_max:
        return decided(case, _refused(command, cause, "too_many_waiting"))
    return decided(_keeping(case, (*case.waiting, Waiting.of(command, cause)), policy))


def _answer_waiting(
    decision: Decision[C], cause: Cause, policy: Policy, judge: Judge[C]
) -> Decision[C]:
    """Answer what waits and now can be, the oldest first, until nothing more can be.

    Each answer is caused by its command, so that its id is the same whatever released it.
    """
    if decision.case is None:
        return decision
    case, events, at = decision.case, list(decision.events), 0
    while at < len(case.waiting):
        kept = case.waiting[at]
        because = kept.cause(cause.now)
        verdict = judge(case, _command(kept), because)
        if isinstance(verdict, TooEarly):
            at += 1
            continue
        case, event = _outcome(case, _command(kept), because, verdict)
        case = _keeping(case, tuple(w for w in case.waiting if w != kept), policy)
        events.append(Outgoing(event, because))
        at = 0
    return Decision(case, tuple(events))


def _give_up(
    case: C, alarm: AlarmRang, cause: Cause, policy: Policy, judge: Judge[C]
) -> Decision[C]:
    """Refuse what waited its time; an alarm that is not the case's own changes nothing."""
    if alarm.due_at != case.alarm_at:
        return decided(case)
    events: list[Outgoing] = []
    rest: list[Waiting] = []
    for kept in case.waiting:
        because = kept.cause(cause.now)
        verdict = judge(case, _command(kept), because)
        if kept.came_at + policy.command_wait <= alarm.due_at and isinstance(verdict, TooEarly):
            events.append(Outgoing(_refused(_command(kept), because, verdict.reason), because))
        else:
            rest.append(kept)
    return Decision(_keeping(case, tuple(rest), policy), tuple(events))


def _outcome(
    case: C, command: Command, cause: Cause, verdict: Effect[C] | Refusal
) -> tuple[C, Event]:
    if isinstance(verdict, Refusal):
        return case, _refused(command, cause, verdict.reason)
    return verdict.case, verdict.event


def _keeping(case: C, waiting: tuple[Waiting, ...], policy: Policy) -> C:
    """Let these commands wait, and be woken when the first has waited its time."""
    first = min((kept.came_at for kept in waiting), default=None)
    alarm_at = None if first is None else first + policy.command_wait
    return case.changed(waiting=waiting, alarm_at=alarm_at)


def _command(kept: Waiting) -> Command:
    return cast("Command", kept.restore(_COMMANDS))


def _refused(command: Command, cause: Cause, reason: str) -> CommandRefused:
    return CommandRefused(
        report_id=command.report_id,
        institution=command.institution,
        message_id=command.message_id,
        refused=cause.id,
        command=type(command).__name__,
        holding=command.holding,
        reason=reason,
    )


# ---- what both levels decide alike


def ask(case: C, command: AskForInformation, cause: Cause, level: Level) -> Effect[C]:
    """Ask the reporter; the case remembers the request by the id its event will have."""
    request = InformationRequested(
        report_id=command.report_id,
        stage=level,
        institution=command.institution,
        holding=case.holding,
        by=command.by,
        question=command.question,
    )
    request_id = event_id(cause, f"verification.{level}", InformationRequested)
    after = case.changed(status=Status.ASKED, request_id=request_id, asked_at=cause.now)
    return Effect(after, request)


def complete(case: C, cause: Cause) -> Decision[C]:
    """Take the reporter's completion as the answer to the question asked before it.

    A completion said before this question answers an earlier one, perhaps of the other level.
    """
    if case.status is Status.ASKED and case.asked_at is not None and cause.now >= case.asked_at:
        return decided(case.changed(status=Status.WAITING))
    return decided(case)


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
