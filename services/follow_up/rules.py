"""What is done about a report at its unit? Pure: case, fact, time and policy are arguments.

|                       | nothing | waiting  | in progress | followed up | replied  | closed       |
|-----------------------|---------|----------|-------------|-------------|----------|--------------|
| newer dispatch        | waiting | waiting  | waiting     | waiting     | waiting  | waiting      |
| `InitialResponse`     | kept    | progress | refused (1) | refused     | refused  | refused      |
| `FollowUp`            | kept    | followed | followed    | followed    | followed | refused      |
| `ReturnToInstitution` | kept    | nothing (2) | nothing (2) | refused  | refused  | refused      |
| `CloseCase`           | kept    | refused  | refused     | closed      | closed   | refused      |
| `ReporterReplied`     | (3)     | -        | -           | replied     | -        | (4)          |
| `ReporterClosed`      | kept    | closed   | closed      | closed      | closed   | (4)          |
| `ReopenRequested`     | (3)     | refused  | refused     | refused     | refused  | progress (5) |
| `TimeRanOut`, latest  | -       | -        | -           | closed      | (4)      | -            |
| `ReportReturned`      | nothing | nothing  | nothing     | nothing     | nothing  | -            |
| archived, blocked ... | ended   | ended    | ended       | ended       | ended    | ended        |

(1) Taken where a report was reopened before any word of the unit. (2) Refused when the dispatch is
final. (3) Kept only behind a command that makes it matter (`is_early`), else a reply is nothing and
a wish to reopen refused. (4) Between a reply and the end of its window the broker's time decides,
whichever is read first; the reporter's own closing, with its rating, stands above the system's
while the report may be reopened. (5) Within the policy's days, else `window_over`.

Whoever does not hold the report is told `not_the_holder`, whatever the state.

The reporter may close from any state: who says it is solved is not made to wait for a word of the
unit. Each `FollowUp` opens a new round and a new window. A newer dispatch, of a later holding too,
begins again; a closing counts for its dispatch, the three ends for ever.
"""

from datetime import timedelta
from functools import partial
from typing import Any, Final, Literal

from pydantic import BaseModel

from services.follow_up.case import (
    COMMANDS,
    OPEN,
    WORDS,
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
from shared.rules.terminal import END_OF, ENDS, stands

STAGE: Final = "follow-up"
_Decision = Decision[FollowUpCase]


def decide(case: FollowUpCase | None, event: BaseModel, cause: Cause, policy: Policy) -> _Decision:
    """Answer every command once, keep what came too early, and let the ends be final."""
    known = case or FollowUpCase()
    match event:
        case InitialResponse() | FollowUp() | ReturnToInstitution() | CloseCase():
            return _room(policy).handle(known, event, cause)
        case ReporterReplied() | ReporterClosed() | ReopenRequested():
            return _room(policy).handle(known, event, cause)
        case ReportArchived() | ReportWithdrawn() | ReportBlocked():
            return _end(known, Status(END_OF[type(event)]), cause, policy)
        case ReportDispatched() if _is_newer(known, event):
            return _begin(known, event, cause, policy)
        case ReportReturned() if (
            known.status not in ENDS and event.holding > known.returned_holding
        ):
            return _take_back(known, event, cause, policy)
        case TimeRanOut(window="reply") if known.window and known.window == event.opened_by:
            return _run_out(known, event, cause)
        case TimerFired() if case is not None:
            return _room(policy).expire(known, event.due_at, cause)
    return decided(case)


def _place(case: FollowUpCase, event: Command | FromReporter | TimeRanOut) -> dict[str, Any]:
    """Return where the report is: the fields that every fact of this stream has."""
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
    return _room(policy).release(begun, cause)


def _take_back(
    case: FollowUpCase, event: ReportReturned, cause: Cause, policy: Policy
) -> _Decision:
    """Let go of the report, also of a dispatch still to be read; what was closed stays so."""
    is_out = case.status in OPEN and case.holding <= event.holding
    back = case.changed(
        returned_holding=event.holding,
        status=Status.NOTHING if is_out else case.status,
        window="" if is_out else case.window,
    )
    return _room(policy).release(back, cause)


def _end(case: FollowUpCase, end: Status, cause: Cause, policy: Policy) -> _Decision:
    """End for good and refuse what waits."""
    if stands(case.status, end):
        return decided(case)
    return _room(policy).release(case.changed(status=end, window=""), cause)


# ---- commands


def _room(policy: Policy) -> DeferredCommands[FollowUpCase, Command | FromReporter]:
    """Let commands and the reporter's words wait until the dispatch they are about has come."""
    return DeferredCommands(
        (*COMMANDS, *WORDS), partial(_answer, policy=policy), _refuse, policy.command_wait,
        holder=lambda case: case.institution,
    )  # fmt: skip


def _answer(
    case: FollowUpCase, event: Command | FromReporter, cause: Cause, *, policy: Policy
) -> _Decision | NotYet:
    is_strange = isinstance(event, Command) and event.institution != case.institution
    if is_early(case, event):
        return NotYet(NOT_THE_HOLDER) if is_strange else NotYet()
    if is_strange:
        return _refuse(case, event, cause, NOT_THE_HOLDER)
    if isinstance(event, Command):
        return _obey(case, event, cause)
    return _take_word(case, event, cause, policy)


def _obey(case: FollowUpCase, command: Command, cause: Cause) -> _Decision:
    """Let the command take effect, or refuse it with what does not fit."""
    reason = _misfit(case, command)
    if reason is not None:
        return _refuse(case, command, cause, reason)
    match command:
        case InitialResponse():
            given = InitialResponseGiven(**_place(case, command), by=command.by, text=command.text)
            return decided(case.changed(status=Status.IN_PROGRESS, has_response=True), given)
        case FollowUp():
            return _follow_up(case, command, cause)
        case ReturnToInstitution():
            returned = UnitReturned(
                **_place(case, command),
                by=command.by,
                reason=command.reason,
                proposed_unit=command.proposed_unit,
            )
            return decided(case.changed(status=Status.NOTHING), returned)
        case CloseCase():
            return _close(case, command, cause, "admin", solved=command.solved)
    return _refuse(case, command, cause, "nothing_to_decide")


def _misfit(case: FollowUpCase, command: Command) -> str | None:
    """Name what of the command does not fit the report as it stands; None if it fits."""
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
        **_place(case, command), by=command.by, round=case.round + 1, text=command.text
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
    """Say no to a command or a wish to reopen; no other word of a reporter has an answer."""
    if isinstance(event, Command):
        return decided(case, refusal(event, cause, reason))
    if not isinstance(event, ReopenRequested):
        return decided(case)
    refused = CommandRefused(
        report_id=event.report_id,
        institution=NATIONAL,  # what is refused to a reporter goes by the national admin
        message_id=event.message_id,
        refused=cause.id,
        command=ReopenRequested.__name__,
        holding=case.holding,
        reason=reason,
    )
    return decided(case, refused)


# ---- the reporter's words, and silence


def _take_word(case: FollowUpCase, word: FromReporter, cause: Cause, policy: Policy) -> _Decision:
    """Let a word count for the state the report is in."""
    is_silence = case.status is Status.CLOSED and case.closed_by == "system"
    match word:
        case ReopenRequested():
            return _reopen(case, word, cause, policy)
        case ReporterReplied() if case.status is Status.FOLLOWED_UP:
            answered = ReporterAnswered(**_place(case, word), round=case.round, text=word.text)
            replied = case.changed(status=Status.REPLIED, replied_at=cause.now)
            return decided(replied, answered)
        case ReporterReplied() if is_silence and cause.now <= (case.closed_at or cause.now):
            # It was in time, only read late: the silence that closed the report was none.
            return _opened_again(case, word, status=Status.REPLIED, replied_at=cause.now)
        case ReporterClosed() if case.status in OPEN or (
            is_silence and _may_reopen(case, cause, policy)
        ):
            return _close(case, word, cause, "reporter", solved=word.solved, rating=word.rating)
    return decided(case)


def _reopen(case: FollowUpCase, word: ReopenRequested, cause: Cause, policy: Policy) -> _Decision:
    """Reopen within the policy's days of the closing, else tell the reporter why not."""
    if case.status is not Status.CLOSED:
        return _refuse(
            case, word, cause, case.status.value if case.status in ENDS else "not_closed"
        )
    if not _may_reopen(case, cause, policy):
        return _refuse(case, word, cause, "window_over")
    return _opened_again(case, word, status=Status.IN_PROGRESS, window="")


def _opened_again(case: FollowUpCase, word: FromReporter, **fields: object) -> _Decision:
    """Open at the unit that had it, unless its institution has returned the report meanwhile."""
    opened = case.changed(closed_at=None, closed_by="", reopened=case.reopened + 1, **fields)
    if case.holding <= case.returned_holding:
        opened = opened.changed(status=Status.NOTHING, window="")
    return decided(opened, ReportReopened(**_place(case, word), text=word.text))


def _run_out(case: FollowUpCase, event: TimeRanOut, cause: Cause) -> _Decision:
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
    closed = ReportClosed(**_place(case, event), by=by, solved=solved, rating=rating)
    return decided(case.changed(status=Status.CLOSED, closed_at=at, closed_by=by), closed)


def _may_reopen(case: FollowUpCase, cause: Cause, policy: Policy) -> bool:
    days = timedelta(days=policy.reopen_days)
    return case.closed_at is not None and cause.now <= case.closed_at + days
