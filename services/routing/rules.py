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

Whoever does not hold the report is told `not_the_holder`, whatever the status. A holding is over
when it was returned or a higher one came: its facts change nothing more. A `Dispatch` of a holding
not seen yet waits, and is answered after the directory has named a unit, as it would be had it come
later. A closed report is `already_dispatched` for the admin, as only follow-up knows whether it was
reopened; a unit may return it then, if it never followed up. A `Dispatch` that overtakes the
`UnitReturned` it reacts to is refused: the admin's turn comes with `RoutingHeld`.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import partial
from typing import Final, Literal

from pydantic import BaseModel

from services.routing.directory import Directories, Named
from shared.contract.events import (
    Dispatch,
    ReportAccepted,
    ReportArchived,
    ReportBlocked,
    ReportClass,
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
    DeferringCase,
    NotYet,
    is_possible,
    refusal,
)
from shared.rules.terminal import END_OF, ENDS, stands

Held = Literal["nothing_fits", "returned_twice", "unit_unknown"]


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


_WITH_UNIT: Final = (Status.DISPATCHED, Status.CLOSED)


class Routing(DeferringCase):
    """What routing knows of a report: all but `status`, `waiting` and `timer_at` of its holding."""

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
    """The directories, and the numbers of the policy in force."""

    directories: Directories
    # domain.md section 1: after two returns whoever is one level up decides (open for units)
    unit_returns_max: int = 2
    # (open) docs/architecture.md: a command that came before its report is refused after a day
    command_wait: timedelta = timedelta(days=1)


def decide(
    case: Routing | None, event: BaseModel, cause: Cause, policy: Policy
) -> Decision[Routing]:
    """Name a unit, hold what no rule names, answer every `Dispatch`; ends are final."""
    known = case or Routing()
    match event:
        case Dispatch():
            return _room(policy).handle(known, event, cause)
        case ReportArchived() | ReportWithdrawn() | ReportBlocked():
            return _end(known, Status(END_OF[type(event)]), cause, policy)
        case ReportAccepted() if known.status not in ENDS and event.holding > known.holding:
            return _accept(known, event, cause, policy)
        case ReportReturned() if known.status not in ENDS and event.holding >= known.holding:
            return _take_back(known, event, cause, policy)
        case TimerFired() if case is not None:
            return _room(policy).expire(known, event.due_at, cause)
        case ReportReclassified() if known.holding == event.holding and known.status in (
            *_WITH_UNIT,
            Status.HELD,
        ):
            return decided(
                known.changed(
                    report_class=event.class_after,
                    category_id=event.category_after or known.category_id,
                )
            )
        case UnitReturned() if _is_current(known, event):
            return _return(known, event, policy)
        case ReportClosed() if _is_current(known, event):
            return decided(known.changed(status=Status.CLOSED))
    return decided(case)


def _is_current(case: Routing, event: UnitReturned | ReportClosed) -> bool:
    return case.status in _WITH_UNIT and (case.holding, case.dispatch) == (
        event.holding,
        event.dispatch,
    )


# ---- the directory


def _accept(
    case: Routing, event: ReportAccepted, cause: Cause, policy: Policy
) -> Decision[Routing]:
    """Open a holding: route by the directory, then answer the commands that came before it."""
    opened = Routing(
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
        lambda routed: _room(policy).release(routed or opened, cause),
    )


def _return(case: Routing, event: UnitReturned, policy: Policy) -> Decision[Routing]:
    """Go on to the next unit; after the last return allowed the institution's admin decides."""
    returned = case.changed(returns=case.returns + 1)
    if returned.returns >= policy.unit_returns_max:
        return _hold(returned, event.report_id, "returned_twice")
    return _route(returned, event.report_id, policy, event.proposed_unit)


def _route(
    case: Routing, report_id: str, policy: Policy, proposed: str | None = None
) -> Decision[Routing]:
    """Dispatch to the unit proposed, else to the directory's next; never to one tried."""
    is_known = proposed is not None and policy.directories.has_unit(case.institution, proposed)
    if proposed is not None and is_known and proposed not in case.tried:
        named = Named(proposed, "proposed_by_unit", "proposed by the unit that returned it")
        return _dispatch(case, report_id, named, policy)
    found = policy.directories.name_unit(
        case.institution, case.category_id, case.place_code, case.tried
    )
    if isinstance(found, Named):
        return _dispatch(case, report_id, found, policy)
    return _hold(case, report_id, found if proposed is None or is_known else "unit_unknown")


def _dispatch(
    case: Routing, report_id: str, named: Named, policy: Policy, by: str = "auto"
) -> Decision[Routing]:
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


def _hold(case: Routing, report_id: str, reason: Held) -> Decision[Routing]:
    event = RoutingHeld(
        report_id=report_id,
        institution=case.institution,
        holding=case.holding,
        reason=reason,
        tried=case.tried,
    )
    return decided(case.changed(status=Status.HELD), event)


# ---- the holding's end, and the report's


def _take_back(
    case: Routing, event: ReportReturned, cause: Cause, policy: Policy
) -> Decision[Routing]:
    """Stop: the report is the national admin's again, whether or not it was accepted before."""
    stopped = Routing(
        status=Status.RETURNED,
        institution=event.institution,
        holding=event.holding,
        waiting=case.waiting,
        timer_at=case.timer_at,
    )
    return _room(policy).release(stopped, cause)


def _end(case: Routing, end: Status, cause: Cause, policy: Policy) -> Decision[Routing]:
    """End for good and refuse what waits."""
    if stands(case.status, end):
        return decided(case)
    return _room(policy).release(case.changed(status=end), cause)


# ---- the admin's command


def _room(policy: Policy) -> DeferredCommands[Routing, Dispatch]:
    """Let a command wait until the holding it is about has come."""
    return DeferredCommands(
        (Dispatch,), partial(_answer, policy=policy), _refuse, policy.command_wait,
        holder=lambda case: case.institution,
    )  # fmt: skip


def _answer(
    case: Routing, command: Dispatch, cause: Cause, *, policy: Policy
) -> Decision[Routing] | NotYet:
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


def _refuse(case: Routing, command: Dispatch, cause: Cause, reason: str) -> Decision[Routing]:
    return decided(case, refusal(command, cause, reason))
