"""What is done about a report at its unit? Pure: case, fact, time and policy are arguments.

|                       | nothing | waiting  | in progress | followed up | replied  | closed       |
|-----------------------|---------|----------|-------------|-------------|----------|--------------|
| newer dispatch        | waiting | waiting  | waiting     | waiting     | waiting  | waiting      |
| `InitialResponse`     | waits   | progress | refused (1) | refused     | refused  | refused      |
| `FollowUp`            | waits   | followed | followed    | followed    | followed | refused      |
| `ReturnToInstitution` | waits   | nothing (2) | nothing (2) | refused  | refused  | refused      |
| `CloseCase`           | waits   | refused  | refused     | closed      | closed   | refused      |
| `ReporterReplied`     | (3)     | -        | -           | replied     | -        | (4)          |
| `ReporterClosed`      | waits   | closed   | closed      | closed      | closed   | (4)          |
| `ReopenRequested`     | (3)     | refused  | refused     | refused     | refused  | progress (5) |
| `TimeRanOut`, latest  | -       | -        | -           | closed      | (4)      | -            |
| `ReportReturned`      | nothing | nothing  | nothing     | nothing     | nothing  | -            |
| archived, blocked ... | ended   | ended    | ended       | ended       | ended    | ended        |

(1) Accepted where a report was reopened before any command of the unit. (2) Refused when the
dispatch is final. (3) Deferred only behind a command that makes it matter (`is_early`), else a
reply is ignored and a request to reopen refused. (4) Between a reply and the end of its window the
broker's time decides, whichever is read first; the reporter's own closing, with its rating,
replaces the system's while the report may be reopened. (5) Within the policy's days, else
`window_over`.

Whoever does not hold the report is answered `not_the_holder`, whatever the status.

The reporter may close from any status: who says it is solved need not wait for the unit. Each
`FollowUp` opens a new round and a new window. A newer dispatch, of a later holding too, begins
again; a closing counts for its dispatch, the three ends for ever.
"""

from datetime import timedelta
from functools import partial
from typing import Any, Final, Literal

from pydantic import BaseModel

from services.follow_up.case import (
    COMMANDS,
    MESSAGES,
    OPEN,
    FollowUpCase,
    Policy,
    Status,
    is_early,
)
from shared.contract.events import (
    CloseCase,
    Command,
    CommandRefused,
    FollowUp,
    FollowUpGiven,
    FromReporter,
    InitialResponse,
    InitialResponseGiven,
    ReopenRequested,
    ReportArchived,
    ReportBlocked,
    ReportClosed,
    ReportDispatched,
    ReporterAnswered,
    ReporterClosed,
    ReporterReplied,
    ReportReopened,
    ReportReturned,
    ReportWithdrawn,
    ReturnToInstitution,
    TimeRanOut,
    TimerFired,
    UnitCommand,
    UnitReturned,
)
from shared.registry import NATIONAL
from shared.rules.decision import Cause, Decision, decided, event_id
from shared.rules.deferral import NOT_THE_HOLDER, DeferredCommands, NotYet, refusal
from shared.rules.terminal import END_OF, ENDS, outranks

STAGE: Final = "follow-up"
_Decision = Decision[FollowUpCase]


def decide(case: FollowUpCase | None, event: BaseModel, cause: Cause, policy: Policy) -> _Decision:
    """Answer every command once, defer what came too early; the ends are final."""
    current = case or FollowUpCase()
    match event:
        case InitialResponse() | FollowUp() | ReturnToInstitution() | CloseCase():
            return _deferred(policy).handle(current, event, cause)
        case ReporterReplied() | ReporterClosed() | ReopenRequested():
            return _deferred(policy).handle(current, event, cause)
        case ReportArchived() | ReportWithdrawn() | ReportBlocked():
            return _end(current, Status(END_OF[type(event)]), cause, policy)
        case ReportDispatched() if _is_newer(current, event):
            return _begin(current, event, cause, policy)
        case ReportReturned() if (
            current.status not in ENDS and event.holding > current.returned_holding
        ):
            return _end_holding(current, event, cause, policy)
        case TimeRanOut(window="reply") if current.window and current.window == event.opened_by:
            return _expire_window(current, event, cause)
        case TimerFired() if case is not None:
            return _deferred(policy).expire(current, event.due_at, cause)
    return decided(case)


def _dispatch_fields(
    case: FollowUpCase, event: Command | FromReporter | TimeRanOut
) -> dict[str, Any]:
    """Return the fields that every event of this stream has: which dispatch it is about."""
    return {
        "report_id": event.report_id,
        "institution": case.institution,
        "holding": case.holding,
        "dispatch": case.dispatch,
        "unit": case.unit,
    }


# ---- where the report is


def _is_newer(case: FollowUpCase, event: ReportDispatched) -> bool:
    return (
        case.status not in ENDS
        and event.holding > case.returned_holding
        and (event.holding, event.dispatch) > (case.holding, case.dispatch)
    )


def _begin(case: FollowUpCase, event: ReportDispatched, cause: Cause, policy: Policy) -> _Decision:
    """Take up the dispatch, then decide what came before it, in the order it came."""
    begun = FollowUpCase(
        status=Status.WAITING,
        institution=event.institution,
        holding=event.holding,
        dispatch=event.dispatch,
        unit=event.unit,
        final=event.final,
        returned_holding=case.returned_holding,
        round=case.round,
        reopened=case.reopened,
        waiting=case.waiting,
    )
    return _deferred(policy).release(begun, cause)


def _end_holding(
    case: FollowUpCase, event: ReportReturned, cause: Cause, policy: Policy
) -> _Decision:
    """End the holding, also for a dispatch still to be read; a closed report stays closed."""
    is_out = case.status in OPEN and case.holding <= event.holding
    back = case.changed(
        returned_holding=event.holding,
        status=Status.NOTHING if is_out else case.status,
        window="" if is_out else case.window,
    )
    return _deferred(policy).release(back, cause)


def _end(case: FollowUpCase, end: Status, cause: Cause, policy: Policy) -> _Decision:
    """End for good and refuse what waits."""
    if outranks(case.status, end):
        return decided(case)
    return _deferred(policy).release(case.changed(status=end, window=""), cause)


# ---- commands


def _deferred(policy: Policy) -> DeferredCommands[FollowUpCase, Command | FromReporter]:
    """Return the commands and reporters' messages that wait for the dispatch they are about."""
    return DeferredCommands(
        kinds=(*COMMANDS, *MESSAGES),
        answer=partial(_answer, policy=policy),
        refuse=_refuse,
        wait=policy.command_wait,
        holder=lambda case: case.institution,
    )


def _answer(
    case: FollowUpCase, event: Command | FromReporter, cause: Cause, *, policy: Policy
) -> _Decision | NotYet:
    is_other = isinstance(event, Command) and event.institution != case.institution
    if is_early(case, event):
        return NotYet(NOT_THE_HOLDER) if is_other else NotYet()
    if is_other:
        return _refuse(case, event, cause, NOT_THE_HOLDER)
    if isinstance(event, Command):
        return _execute(case, event, cause)
    return _handle_message(case, event, cause, policy)


def _execute(case: FollowUpCase, command: Command, cause: Cause) -> _Decision:
    """Execute the command, or refuse it with the reason."""
    reason = _refusal_reason(case, command)
    if reason is not None:
        return _refuse(case, command, cause, reason)
    match command:
        case InitialResponse():
            given = InitialResponseGiven(
                **_dispatch_fields(case, command), by=command.by, text=command.text
            )
            return decided(case.changed(status=Status.IN_PROGRESS, has_response=True), given)
        case FollowUp():
            return _follow_up(case, command, cause)
        case ReturnToInstitution():
            returned = UnitReturned(
                **_dispatch_fields(case, command),
                by=command.by,
                reason=command.reason,
                proposed_unit=command.proposed_unit,
            )
            return decided(case.changed(status=Status.NOTHING), returned)
        case CloseCase():
            return _close(case, command, cause, "admin", solved=command.solved)
    return _refuse(case, command, cause, "nothing_to_decide")


def _refusal_reason(case: FollowUpCase, command: Command) -> str | None:
    """Return why the command does not fit the current case, None if it fits."""
    if case.status in ENDS:
        return case.status.value
    if command.holding < max(case.holding, case.returned_holding, 1):
        return "stale_holding"
    if command.holding != case.holding or case.status is Status.NOTHING:
        return "already_returned"
    if isinstance(command, UnitCommand) and command.unit != case.unit:
        return "wrong_unit"
    if case.status is Status.CLOSED:
        return "already_closed"
    match command:
        case InitialResponse() if case.has_follow_up:
            return "already_followed_up"
        case InitialResponse() if case.has_response:
            return "already_responded"
        case ReturnToInstitution() if case.has_follow_up:
            return "already_followed_up"
        case ReturnToInstitution() if case.final:
            return "return_limit"
        case CloseCase() if case.status not in (Status.FOLLOWED_UP, Status.REPLIED):
            return "not_followed_up"
    return None


def _follow_up(case: FollowUpCase, command: FollowUp, cause: Cause) -> _Decision:
    """Open the reply window of the next round; its name is the id this event will have."""
    given = FollowUpGiven(
        **_dispatch_fields(case, command), by=command.by, round=case.round + 1, text=command.text
    )
    followed_up = case.changed(
        status=Status.FOLLOWED_UP,
        has_follow_up=True,
        round=given.round,
        window=event_id(cause, STAGE, FollowUpGiven),
        replied_at=None,
    )
    return decided(followed_up, given)


def _refuse(
    case: FollowUpCase, event: Command | FromReporter, cause: Cause, reason: str
) -> _Decision:
    """Refuse a command or a request to reopen; a reporter's other messages have no answer."""
    if isinstance(event, Command):
        return decided(case, refusal(event, cause, reason))
    if not isinstance(event, ReopenRequested):
        return decided(case)
    refused = CommandRefused(
        report_id=event.report_id,
        institution=NATIONAL,  # refusals to a reporter go by the national admin
        message_id=event.message_id,
        refused=cause.id,
        command=ReopenRequested.__name__,
        holding=case.holding,
        reason=reason,
    )
    return decided(case, refused)


# ---- the reporter's messages, and silence


def _handle_message(
    case: FollowUpCase, message: FromReporter, cause: Cause, policy: Policy
) -> _Decision:
    """Apply a reporter's message to the current status."""
    is_silence = case.status is Status.CLOSED and case.closed_by == "system"
    match message:
        case ReopenRequested():
            return _handle_reopening(case, message, cause, policy)
        case ReporterReplied() if case.status is Status.FOLLOWED_UP:
            answered = ReporterAnswered(
                **_dispatch_fields(case, message), round=case.round, text=message.text
            )
            replied = case.changed(status=Status.REPLIED, replied_at=cause.now)
            return decided(replied, answered)
        case ReporterReplied() if is_silence and cause.now <= (case.closed_at or cause.now):
            # It was in time and only read late: there was no silence to close the report for.
            return _reopen(case, message, status=Status.REPLIED, replied_at=cause.now)
        case ReporterClosed() if case.status in OPEN or (
            is_silence and _may_reopen(case, cause, policy)
        ):
            return _close(
                case, message, cause, "reporter", solved=message.solved, rating=message.rating
            )
    return decided(case)


def _handle_reopening(
    case: FollowUpCase, message: ReopenRequested, cause: Cause, policy: Policy
) -> _Decision:
    """Reopen within the policy's days of the closing, else refuse with the reason."""
    if case.status is not Status.CLOSED:
        return _refuse(
            case, message, cause, case.status.value if case.status in ENDS else "not_closed"
        )
    if not _may_reopen(case, cause, policy):
        return _refuse(case, message, cause, "window_over")
    return _reopen(case, message, status=Status.IN_PROGRESS, window="")


def _reopen(case: FollowUpCase, message: FromReporter, **fields: object) -> _Decision:
    """Reopen at the unit that had it, unless its institution has returned the report meanwhile."""
    opened = case.changed(closed_at=None, closed_by="", reopened=case.reopened + 1, **fields)
    if case.holding <= case.returned_holding:
        opened = opened.changed(status=Status.NOTHING, window="")
    return decided(opened, ReportReopened(**_dispatch_fields(case, message), text=message.text))


def _expire_window(case: FollowUpCase, event: TimeRanOut, cause: Cause) -> _Decision:
    """Close by system: nobody answered the latest follow-up, or only after its window."""
    is_late = case.replied_at is not None and cause.now < case.replied_at
    if case.status is Status.FOLLOWED_UP or (case.status is Status.REPLIED and is_late):
        return _close(case, event, cause, "system")
    return decided(case)


def _close(
    case: FollowUpCase,
    event: Command | FromReporter | TimeRanOut,
    cause: Cause,
    by: Literal["system", "admin", "reporter"],
    *,
    solved: bool | None = None,
    rating: int | None = None,
) -> _Decision:
    """Close; the time to reopen counts from the first closing where one stands above another."""
    at = min(cause.now, case.closed_at or cause.now)
    closed = ReportClosed(**_dispatch_fields(case, event), by=by, solved=solved, rating=rating)
    return decided(case.changed(status=Status.CLOSED, closed_at=at, closed_by=by), closed)


def _may_reopen(case: FollowUpCase, cause: Cause, policy: Policy) -> bool:
    days = timedelta(days=policy.reopen_days)
    return case.closed_at is not None and cause.now <= case.closed_at + days
