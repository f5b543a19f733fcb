"""Is this report ours, and of which class? The decisions of the institution that holds it.

| status   | Accept   | ReturnReport (1) | AskForInformation | Archive  | Reclassify   |
|----------|----------|------------------|-------------------|----------|--------------|
| unknown  | waits    | waits            | waits             | waits    | waits        |
| waiting  | accepted | returned         | asked             | archived | refused      |
| asked    | waits    | waits            | waits             | archived | waits        |
| accepted | refused  | returned, or (2) | refused           | archived | reclassified |
| returned | refused  | refused          | refused           | refused  | refused      |
| closed   | refused  | refused          | refused           | refused  | refused      |
| the ends | refused  | refused          | refused           | refused  | refused      |

Facts: forwarded with a higher holding: any but an end to waiting, with the holder it names.
Completed: asked to waiting. Time ran out: asked to archived. Of the open holding: closed: accepted
to closed; reopened: closed to accepted. Ended nationally: any to that end, also an archiving of the
institution's own.

A command of who does not hold the report is `not_the_holder` in every status; it waits where it
names the very next holding, which may be on its way here.

(1) Refused where the forward was final. (2) Returned while routing holds the report; else it waits
for that, because the command and `RoutingHeld` come on different streams, in either order.
"""

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
    Accept,
    Archive,
    AskForInformation,
    Command,
    InformationCompleted,
    Reclassify,
    ReportAccepted,
    ReportArchived,
    ReportBlocked,
    ReportClosed,
    ReportDispatched,
    ReportForwarded,
    ReportReclassified,
    ReportReopened,
    ReportReturned,
    ReportWithdrawn,
    ReturnReport,
    RoutingHeld,
    TimeRanOut,
)
from shared.registry import NATIONAL
from shared.rules.decision import Cause, Decision, decided
from shared.rules.deferral import NOT_THE_HOLDER, NotYet


class InstitutionCase(VerificationCase):
    """The holder's case; `is_final` forbids a return, `held_by_routing` allows one late."""

    is_final: bool = False
    held_by_routing: bool = False


def decide_institution(
    case: InstitutionCase | None, event: BaseModel, cause: Cause, policy: Policy
) -> Decision[InstitutionCase]:
    """Let only the holder decide, in its holding; answer every institution's command."""
    if isinstance(event, AskForInformation | Archive) and event.institution == NATIONAL:
        return decided(case)  # the national stage answers these
    return handle(case, InstitutionCase(), event, cause, policy, apply_fact=apply_fact, judge=judge)


# ---- facts


def apply_fact(case: InstitutionCase, event: BaseModel, cause: Cause) -> Decision[InstitutionCase]:
    """Apply a fact; one of another holding than the highest seen changes nothing."""
    match event:
        case ReportForwarded():
            return decided(_hold(case, event))
        case ReportArchived():
            return decided(_end(case, Status.ARCHIVED))
        case ReportBlocked():
            return decided(_end(case, Status.BLOCKED))
        case ReportWithdrawn():
            return decided(_end(case, Status.WITHDRAWN))
        case InformationCompleted():
            return complete(case, cause)
        case TimeRanOut():
            return expire(case, event)
        case ReportDispatched() | RoutingHeld() | ReportClosed() | ReportReopened():
            return decided(_follow_holding(case, event))
    return decided(case)


def _hold(case: InstitutionCase, forward: ReportForwarded) -> InstitutionCase:
    """Open the holding of a forward, if it is higher; an end that came before it stays the end."""
    if forward.holding <= case.holding:
        return case
    return InstitutionCase(
        status=case.status if case.status in ENDED else Status.WAITING,
        holding=forward.holding,
        holder=forward.institution,
        is_final=forward.final,
        report_class=forward.report_class,
        category_id=forward.category_id,
        place_code=forward.place_code,
        completed_at=case.completed_at,
        waiting=case.waiting,
        timer_at=case.timer_at,
    )


def _end(case: InstitutionCase, status: Status) -> InstitutionCase:
    """End the case by a national decision; it stands over an archiving of the institution."""
    if case.status in (Status.BLOCKED, Status.WITHDRAWN):
        return case
    return case.changed(status=status)


def _follow_holding(
    case: InstitutionCase, event: ReportDispatched | RoutingHeld | ReportClosed | ReportReopened
) -> InstitutionCase:
    """Follow what routing and the units did with this holding."""
    if event.holding != case.holding:
        return case
    match case.status, event:
        case _, RoutingHeld():
            return case.changed(held_by_routing=True)
        case _, ReportDispatched():
            return case.changed(held_by_routing=False)
        case Status.ACCEPTED, ReportClosed():
            return case.changed(status=Status.CLOSED)
        case Status.CLOSED, ReportReopened():
            return case.changed(status=Status.ACCEPTED)
    return case


# ---- commands


def judge(case: InstitutionCase, command: Command, cause: Cause) -> Verdict[InstitutionCase]:
    """Judge an institution's command: first whose holding it is, then what it asks."""
    if command.institution != case.holder:
        return _judge_other_sender(case, command)
    if command.holding < case.holding:
        return CommandRejection("stale_holding")
    if case.status in ENDED:
        return CommandRejection(case.status.value)
    if case.status is Status.UNKNOWN or command.holding > case.holding:
        return NotYet("nothing_to_decide")
    if case.status is Status.RETURNED:
        return CommandRejection("already_returned")
    if case.status is Status.CLOSED:
        return CommandRejection("already_closed")
    if isinstance(command, ReturnReport) and case.is_final:
        return CommandRejection("return_limit")
    return _act(case, command, cause)


def _judge_other_sender(case: InstitutionCase, command: Command) -> Verdict[InstitutionCase]:
    """Answer whoever does not hold the report, in the same words in every status.

    Only the very next holding may be on its way here: a return at this level precedes it.
    """
    is_next = command.holding == case.holding + 1 and command.institution != NATIONAL
    if is_next and case.status not in ENDED:
        return NotYet(NOT_THE_HOLDER)
    return CommandRejection(NOT_THE_HOLDER)


def _act(case: InstitutionCase, command: Command, cause: Cause) -> Verdict[InstitutionCase]:
    """Decide on a report that the institution holds: waiting, asked or accepted."""
    is_accepted = case.status is Status.ACCEPTED
    match command:
        case Archive():
            return archive(case, command)
        case _ if case.status is Status.ASKED:
            return NotYet("awaiting_information")
        case ReturnReport() if is_accepted and not case.held_by_routing:
            return NotYet("already_accepted")
        case ReturnReport():
            return _return(case, command)
        case Reclassify():
            return _reclassify(case, command) if is_accepted else CommandRejection("not_accepted")
        case Accept() | AskForInformation() if is_accepted:
            return CommandRejection("already_accepted")
        case Accept():
            return _accept(case, command)
        case AskForInformation():
            return ask(case, command, cause, "institution")
    return CommandRejection("not_for_this_stage")


def _accept(case: InstitutionCase, command: Accept) -> Effect[InstitutionCase]:
    """Take the report, with the command's class, and its category and place where it names them."""
    accepted = ReportAccepted(
        report_id=command.report_id,
        institution=case.holder,
        holding=case.holding,
        by=command.by,
        report_class=command.report_class,
        category_id=command.category_id or case.category_id,
        place_code=command.place_code or case.place_code,
    )
    after = case.changed(
        status=Status.ACCEPTED,
        report_class=accepted.report_class,
        category_id=accepted.category_id,
        place_code=accepted.place_code,
    )
    return Effect(after, accepted)


def _return(case: InstitutionCase, command: ReturnReport) -> Effect[InstitutionCase]:
    """Give the report back one level, with the reason and, if known, a better owner."""
    returned = ReportReturned(
        report_id=command.report_id,
        institution=case.holder,
        holding=case.holding,
        by=command.by,
        reason=command.reason,
        proposed_owner=command.proposed_owner,
    )
    return Effect(case.changed(status=Status.RETURNED), returned)


def _reclassify(
    case: InstitutionCase, command: Reclassify
) -> Effect[InstitutionCase] | CommandRejection:
    """Change class or category, with before and after, who and why (audited)."""
    before, category = case.report_class, command.category_id or case.category_id
    if before is None or (command.report_class, category) == (before, case.category_id):
        return CommandRejection("same_class")
    reclassified = ReportReclassified(
        report_id=command.report_id,
        institution=case.holder,
        holding=case.holding,
        by=command.by,
        class_before=before,
        class_after=command.report_class,
        category_before=case.category_id,
        category_after=category,
        why=command.why,
    )
    after = case.changed(report_class=command.report_class, category_id=category)
    return Effect(after, reclassified)
