"""May this report go on, and to whom? The national admin's decisions, and what is clear without.

| status    | Forward   | AskForInformation | Archive  | Block   | the reporter withdraws |
|-----------|-----------|-------------------|----------|---------|------------------------|
| unknown   | waits     | waits             | waits    | waits   | withdrawn              |
| waiting   | forwarded | asked             | archived | blocked | withdrawn              |
| asked     | waits     | waits             | archived | blocked | withdrawn              |
| forwarded | waits (1) | waits (1)         | waits(1) | blocked | withdrawn              |
| closed    | refused   | refused           | refused  | blocked | ignored                |
| the ends  | refused   | refused           | refused  | refused | ignored                |

Facts: received: unknown to waiting, or at once to forwarded (`auto`). Completed: asked to waiting.
Time ran out: asked to archived. Of the open holding: returned: forwarded or closed to waiting;
archived there: any to archived; closed: forwarded to closed; reopened: closed to forwarded.

(1) The command and the return it answers come on different streams, in either order; a command
that names an earlier holding is refused at once.
"""

import re
from functools import partial
from typing import Final

from pydantic import BaseModel

from services.verification.both_levels import (
    CommandRejection,
    Effect,
    Verdict,
    archive,
    ask,
    complete,
    expire,
    handle,
)
from services.verification.case import ENDED, Policy, Status, VerificationCase
from shared.contract.events import (
    Archive,
    AskForInformation,
    Block,
    Command,
    DuplicateSuspected,
    Forward,
    InformationCompleted,
    ReportArchived,
    ReportBlocked,
    ReportClass,
    ReportClosed,
    ReporterWithdrew,
    ReportForwarded,
    ReportReceived,
    ReportReopened,
    ReportReturned,
    ReportWithdrawn,
    Suggestion,
    TimeRanOut,
)
from shared.registry import NATIONAL
from shared.rules.decision import Cause, Decision, decided
from shared.rules.deferral import NotYet

_CLAIM_ALONE: Final = ("claimed",)  # screening had only the reporter's own choice
_CATEGORY: Final = re.compile(r"\d{1,6}")


class NationalCase(VerificationCase):
    """The national admin's case; `returns` counts how often institutions gave the report back."""

    holder: str = NATIONAL
    returns: int = 0


def decide_national(
    case: NationalCase | None, event: BaseModel, cause: Cause, policy: Policy
) -> Decision[NationalCase]:
    """Forward what is clear, hold what needs an officer, answer every command of the admin."""
    if isinstance(event, AskForInformation | Archive) and event.institution != NATIONAL:
        return decided(case)  # the institution stage answers these
    return handle(
        case, NationalCase(), event, cause, policy,
        apply_fact=partial(apply_fact, policy=policy), judge=partial(judge, policy=policy),
    )  # fmt: skip


# ---- facts


def apply_fact(
    case: NationalCase, event: BaseModel, cause: Cause, *, policy: Policy
) -> Decision[NationalCase]:
    """Apply a fact; one after an end, or of another holding, changes nothing."""
    if case.status in ENDED:
        return decided(case)
    match event:
        case ReportReceived():
            return _receive(case, event, policy)
        case InformationCompleted():
            return complete(case, cause)
        case TimeRanOut():
            return expire(case, event)
        case ReporterWithdrew():
            return _withdraw(case, event)
        case ReportReturned() | ReportArchived() | ReportClosed() | ReportReopened():
            return decided(_follow_holding(case, event))
    return decided(case)


def _follow_holding(
    case: NationalCase, event: ReportReturned | ReportArchived | ReportClosed | ReportReopened
) -> NationalCase:
    """Follow what the institution and the units did with the holding that is open.

    Return and closing come on different streams; whichever comes first, the return stands,
    because then somebody still owes a decision.
    """
    if event.holding != case.holding:
        return case
    match case.status, event:
        case Status.FORWARDED | Status.CLOSED, ReportReturned():
            return case.changed(status=Status.WAITING, holder=NATIONAL, returns=case.returns + 1)
        case _, ReportArchived():
            return case.changed(status=Status.ARCHIVED)
        case Status.FORWARDED, ReportClosed():
            return case.changed(status=Status.CLOSED)
        case Status.CLOSED, ReportReopened():
            return case.changed(status=Status.FORWARDED)
    return case


def _receive(case: NationalCase, report: ReportReceived, policy: Policy) -> Decision[NationalCase]:
    """Open the case; forward at once what is complete, like no other, and clearly addressed."""
    if case.status is not Status.UNKNOWN:
        return decided(case)
    screening = report.screening
    opened = case.changed(
        status=Status.WAITING,
        report_class=report.report_class or _suggested_class(screening.report_class, policy),
        category_id=report.category_id or _suggested_category(screening.category, policy),
        place_code=report.place_code,
    )
    if screening.similar:
        suspected = DuplicateSuspected(report_id=report.report_id, similar=screening.similar)
        return decided(opened, suspected)
    addressee = _find_addressee(report, policy) if policy.is_automatic else None
    if addressee and _is_complete(report):
        to, why = addressee
        return decided(*_forward(opened, report.report_id, policy, to=to, by="auto", why=why))
    return decided(opened)


def _is_complete(report: ReportReceived) -> bool:
    """Say whether reporter or screening found a subject; a text without one needs an officer."""
    return report.category_id is not None or report.screening.category is not None


def _find_addressee(report: ReportReceived, policy: Policy) -> tuple[str, str] | None:
    """Name the institution and why it is clear, or nothing where an officer has to look.

    Reporters often choose the wrong address (domain.md section 6), so theirs counts only where
    the text agrees.
    """
    suggested = report.screening.institution
    if suggested is None or not _may_hold(suggested.value, policy):
        return None
    if suggested.value == report.institution and suggested.reasons != _CLAIM_ALONE:
        return suggested.value, "addressed_and_agreed"
    if suggested.confidence >= policy.confidence_min:
        return suggested.value, "suggested"
    return None


def _may_hold(institution: str, policy: Policy) -> bool:
    return institution in policy.institutions and institution != NATIONAL


def _suggested_class(suggested: Suggestion | None, policy: Policy) -> ReportClass | None:
    if suggested is None or suggested.confidence < policy.confidence_min:
        return None
    return ReportClass(suggested.value) if suggested.value in set(ReportClass) else None


def _suggested_category(suggested: Suggestion | None, policy: Policy) -> str | None:
    if suggested is None or suggested.confidence < policy.confidence_min:
        return None
    return suggested.value if _CATEGORY.fullmatch(suggested.value) else None


def _withdraw(case: NationalCase, event: ReporterWithdrew) -> Decision[NationalCase]:
    """End the report by the reporter's wish, also before it was seen; a closed one stays closed."""
    if case.status is Status.CLOSED:
        return decided(case)
    withdrawn = ReportWithdrawn(report_id=event.report_id)
    return decided(case.changed(status=Status.WITHDRAWN), withdrawn)


# ---- commands


def judge(
    case: NationalCase, command: Command, cause: Cause, *, policy: Policy
) -> Verdict[NationalCase]:
    """Judge a command of the national admin: by its sender, its time, and what it asks."""
    if command.institution != NATIONAL:
        return CommandRejection("not_the_holder")
    if case.status in ENDED:
        return CommandRejection(case.status.value)
    if case.status is Status.UNKNOWN:
        return NotYet("nothing_to_decide")
    if isinstance(command, Block):
        return _block(case, command)
    if case.status is Status.CLOSED:
        return CommandRejection("already_closed")
    if command.holding > case.holding:
        return NotYet("nothing_to_decide")
    is_away = case.status is Status.FORWARDED
    if command.holding < case.holding:
        return CommandRejection("already_forwarded" if is_away else "stale_holding")
    return NotYet("already_forwarded") if is_away else _act(case, command, cause, policy)


def _act(
    case: NationalCase, command: Command, cause: Cause, policy: Policy
) -> Verdict[NationalCase]:
    """Decide on a report that the national admin holds."""
    match command:
        case Archive():
            return archive(case, command)
        case AskForInformation() | Forward() if case.status is Status.ASKED:
            return NotYet("awaiting_information")
        case AskForInformation():
            return ask(case, command, cause, "national")
        case Forward(to=to) if to == NATIONAL:
            return CommandRejection("forward_to_itself")
        case Forward(to=to) if not _may_hold(to, policy):
            return CommandRejection("unknown_institution")
        case Forward(to=to, by=by):
            return _forward(case, command.report_id, policy, to=to, by=by, why="officer")
    return CommandRejection("not_for_this_stage")


def _forward(
    case: NationalCase, report_id: str, policy: Policy, *, to: str, by: str, why: str
) -> Effect[NationalCase]:
    """Open the next holding; after the last return allowed it is final."""
    forwarded = ReportForwarded(
        report_id=report_id,
        institution=to,
        holding=case.holding + 1,
        by=by,
        why=why,
        final=case.returns >= policy.returns_max,
        report_class=case.report_class,
        category_id=case.category_id,
        place_code=case.place_code,
    )
    after = case.changed(status=Status.FORWARDED, holder=to, holding=forwarded.holding)
    return Effect(after, forwarded)


def _block(case: NationalCase, command: Block) -> Effect[NationalCase]:
    """Block the content, whoever holds the report: it must not wait for anybody."""
    blocked = ReportBlocked(report_id=command.report_id, by=command.by, reason=command.reason)
    return Effect(case.changed(status=Status.BLOCKED), blocked)
