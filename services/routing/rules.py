"""Which unit gets the report? Pure: the case, the fact, its time and the directory are arguments.

|                               | nothing | dispatched    | held     | closed        | returned |
|-------------------------------|---------|---------------|----------|---------------|----------|
| `ReportAccepted`, higher      | route   | route         | route    | route         | route    |
| `ReportReclassified`          | -       | class         | class    | class         | -        |
| `UnitReturned`, current       | -       | route or hold | -        | route or hold | -        |
| `ReportClosed`, current       | -       | closed        | -        | closed        | -        |
| `ReportReturned`, same/higher | returned | returned     | returned | returned      | returned |
| archived, withdrawn, blocked  | ended   | ended         | ended    | ended         | ended    |
| `Dispatch`, same holding      | refused | refused       | dispatch | refused       | refused  |

Whoever does not hold the report is answered `not_the_holder`, in every status. A holding is over
when it was returned or a higher one came: its facts change nothing more. A `Dispatch` of a holding
not seen yet waits, and is answered after the directory has named a unit, as it would be had it come
later. A closed report is `already_dispatched` for the admin, as only follow-up knows whether it was
reopened; a unit may return it then, if it never followed up. A `Dispatch` that overtakes the
`UnitReturned` it reacts to is refused: the admin's turn comes with `RoutingHeld`.
"""

from functools import partial
from typing import Literal

from pydantic import BaseModel

from services.routing.case import WITH_UNIT, Policy, RoutingCase, Status
from services.routing.directory import Named
from shared.contract.events import (
    Dispatch,
    ReportAccepted,
    ReportArchived,
    ReportBlocked,
    ReportClosed,
    ReportDispatched,
    ReportReclassified,
    ReportReturned,
    ReportWithdrawn,
    RoutingHeld,
    TimerFired,
    UnitReturned,
)
from shared.rules.decision import Cause, Decision, decided, then
from shared.rules.deferral import (
    NOT_THE_HOLDER,
    DeferredCommands,
    NotYet,
    is_possible,
    refusal,
)
from shared.rules.terminal import END_OF, ENDS, outranks

Held = Literal["nothing_fits", "returned_twice", "unit_unknown"]


def decide(
    case: RoutingCase | None, event: BaseModel, cause: Cause, policy: Policy
) -> Decision[RoutingCase]:
    """Name a unit, hold what no rule names, answer every `Dispatch`; ends are final."""
    current = case or RoutingCase()
    match event:
        case Dispatch():
            return _deferred(policy).handle(current, event, cause)
        case ReportArchived() | ReportWithdrawn() | ReportBlocked():
            return _end(current, Status(END_OF[type(event)]), cause, policy)
        case ReportAccepted() if current.status not in ENDS and event.holding > current.holding:
            return _accept(current, event, cause, policy)
        case ReportReturned() if current.status not in ENDS and event.holding >= current.holding:
            return _end_holding(current, event, cause, policy)
        case TimerFired() if case is not None:
            return _deferred(policy).expire(current, event.due_at, cause)
        case ReportReclassified() if current.holding == event.holding and current.status in (
            *WITH_UNIT,
            Status.HELD,
        ):
            return decided(
                current.changed(
                    report_class=event.class_after,
                    category_id=event.category_after or current.category_id,
                )
            )
        case UnitReturned() if _is_current(current, event):
            return _return(current, event, policy)
        case ReportClosed() if _is_current(current, event):
            return decided(current.changed(status=Status.CLOSED))
    return decided(case)


def _is_current(case: RoutingCase, event: UnitReturned | ReportClosed) -> bool:
    return case.status in WITH_UNIT and (case.holding, case.dispatch) == (
        event.holding,
        event.dispatch,
    )


# ---- the directory


def _accept(
    case: RoutingCase, event: ReportAccepted, cause: Cause, policy: Policy
) -> Decision[RoutingCase]:
    """Open a holding: route by the directory, then answer the commands that came before it."""
    opened = RoutingCase(
        institution=event.institution,
        holding=event.holding,
        report_class=event.report_class,
        category_id=event.category_id,
        place_code=event.place_code,
        waiting=case.waiting,
        timer_at=case.timer_at,
    )
    return then(
        _route(opened, event.report_id, policy),
        lambda routed: _deferred(policy).release(routed or opened, cause),
    )


def _return(case: RoutingCase, event: UnitReturned, policy: Policy) -> Decision[RoutingCase]:
    """Go on to the next unit; after the last return allowed the institution's admin decides."""
    returned = case.changed(returns=case.returns + 1)
    if returned.returns >= policy.unit_returns_max:
        return _hold(returned, event.report_id, "returned_twice")
    return _route(returned, event.report_id, policy, event.proposed_unit)


def _route(
    case: RoutingCase, report_id: str, policy: Policy, proposed: str | None = None
) -> Decision[RoutingCase]:
    """Dispatch to the unit proposed, else to the directory's next; never to one tried."""
    is_unit = proposed is not None and policy.directories.has_unit(case.institution, proposed)
    if proposed is not None and is_unit and proposed not in case.tried:
        named = Named(proposed, "proposed_by_unit", "proposed by the unit that returned it")
        return _dispatch(case, report_id, named, policy)
    result = policy.directories.name_unit(
        case.institution, case.category_id, case.place_code, case.tried
    )
    if isinstance(result, Named):
        return _dispatch(case, report_id, result, policy)
    return _hold(case, report_id, result if proposed is None or is_unit else "unit_unknown")


def _dispatch(
    case: RoutingCase, report_id: str, named: Named, policy: Policy, by: str = "auto"
) -> Decision[RoutingCase]:
    """Give the report to a unit, for good once the returns allowed are used up."""
    tried = case.tried if named.unit in case.tried else (*case.tried, named.unit)
    event = ReportDispatched(
        report_id=report_id,
        institution=case.institution,
        holding=case.holding,
        dispatch=case.dispatch + 1,
        unit=named.unit,
        rule=named.rule,
        why=named.why,
        by=by,
        final=case.returns >= policy.unit_returns_max,
        report_class=case.report_class,
    )
    return decided(
        case.changed(status=Status.DISPATCHED, dispatch=event.dispatch, tried=tried), event
    )


def _hold(case: RoutingCase, report_id: str, reason: Held) -> Decision[RoutingCase]:
    event = RoutingHeld(
        report_id=report_id,
        institution=case.institution,
        holding=case.holding,
        reason=reason,
        tried=case.tried,
    )
    return decided(case.changed(status=Status.HELD), event)


# ---- the holding's end, and the report's


def _end_holding(
    case: RoutingCase, event: ReportReturned, cause: Cause, policy: Policy
) -> Decision[RoutingCase]:
    """End the holding, accepted or not: the report is the national admin's again."""
    returned = RoutingCase(
        status=Status.RETURNED,
        institution=event.institution,
        holding=event.holding,
        waiting=case.waiting,
        timer_at=case.timer_at,
    )
    return _deferred(policy).release(returned, cause)


def _end(case: RoutingCase, end: Status, cause: Cause, policy: Policy) -> Decision[RoutingCase]:
    """End for good and refuse what waits."""
    if outranks(case.status, end):
        return decided(case)
    return _deferred(policy).release(case.changed(status=end), cause)


# ---- the admin's command


def _deferred(policy: Policy) -> DeferredCommands[RoutingCase, Dispatch]:
    """Return the commands that wait for the holding they are about."""
    return DeferredCommands(
        kinds=(Dispatch,),
        answer=partial(_answer, policy=policy),
        refuse=_refuse,
        wait=policy.command_wait,
        holder=lambda case: case.institution,
    )


def _answer(
    case: RoutingCase, command: Dispatch, cause: Cause, *, policy: Policy
) -> Decision[RoutingCase] | NotYet:
    """Dispatch to the unit named while the report is held; a unit tried before may be named."""
    if command.institution != case.institution:
        is_ended, ahead = case.status in ENDS, command.holding - case.holding
        if is_possible(ahead) and not is_ended:
            return NotYet(NOT_THE_HOLDER)
        return _refuse(case, command, cause, NOT_THE_HOLDER)
    if case.status in ENDS:
        return _refuse(case, command, cause, case.status.value)
    if command.holding > case.holding:
        return NotYet()
    if command.holding < case.holding:
        return _refuse(case, command, cause, "stale_holding")
    if case.status is Status.RETURNED:
        return _refuse(case, command, cause, "already_returned")
    if case.status is not Status.HELD:
        return _refuse(case, command, cause, "already_dispatched")
    if not policy.directories.has_unit(case.institution, command.unit):
        return _refuse(case, command, cause, "unknown_unit")
    named = Named(command.unit, "named_by_admin", "named by the institution's admin")
    return _dispatch(case, command.report_id, named, policy, by=command.by)


def _refuse(
    case: RoutingCase, command: Dispatch, cause: Cause, reason: str
) -> Decision[RoutingCase]:
    return decided(case, refusal(command, cause, reason))
