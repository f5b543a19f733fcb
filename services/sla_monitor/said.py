"""What was said of a deadline, kept in the case, and the words to say it: one builder per event."""

from datetime import datetime
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel

from services.sla_monitor.clocks import Holder
from services.sla_monitor.deadlines import Deadline
from services.sla_monitor.policy import WARNING, Policy
from shared import events as e


class Told(BaseModel, frozen=True):
    """A level that was published for a date; for the same date it never is again."""

    level: int
    deadline: datetime


class Said(BaseModel, frozen=True):
    """What is known to the world of one run of a clock, and by what it was reckoned.

    `limit` is in the clock's own unit; `rest_seconds` is how long pauses held the clock so far.
    """

    clock: e.Clock
    owner: str
    institution: str
    unit: str | None
    started_at: datetime
    deadline: datetime
    limit: int
    rest_seconds: float
    calendar_version: str
    policy_version: str
    met_at: datetime | None = None
    is_set: bool = True
    told: tuple[Told, ...] = ()

    def has_told(self, level: int, deadline: datetime) -> bool:
        """Say whether a level was published for a date."""
        return Told(level=level, deadline=deadline) in self.told


def remember(deadline: Deadline, before: Said | None, *, is_set: bool) -> Said:
    """Return what is known of a run; after an end it may be kept although it was never set."""
    return Said(
        clock=deadline.leg.row.clock,
        owner=deadline.holder,
        institution=deadline.institution,
        unit=deadline.unit,
        started_at=deadline.started_at,
        deadline=deadline.at,
        limit=deadline.limit.amount,
        rest_seconds=deadline.rest.total_seconds(),
        calendar_version=deadline.calendar_version,
        policy_version=deadline.limits.version,
        met_at=deadline.stopped_at,
        is_set=is_set or (before is not None and before.is_set),
        told=before.told if before else (),
    )


def was_set(report_id: str, deadline: Deadline) -> e.DeadlineSet:
    """Say who owes a step by when."""
    fields = _of(report_id, deadline) | {"started_by": deadline.leg.opened.kind.value}
    return e.DeadlineSet(**fields, limit=deadline.limit.amount, limit_unit=deadline.limit.unit)


def was_moved(report_id: str, before: Said, deadline: Deadline) -> e.DeadlineMoved:
    """Say that the date changed, and by what: the first that differs tells."""
    why: Literal["reclassified", "resumed", "late_fact", "calendar", "policy"] = "late_fact"
    if before.started_at == deadline.started_at:
        is_same_policy = before.policy_version == deadline.limits.version
        if before.limit != deadline.limit.amount:
            why = "reclassified" if is_same_policy else "policy"
        elif before.rest_seconds != deadline.rest.total_seconds():
            why = "resumed"
        elif before.calendar_version != deadline.calendar_version:
            why = "calendar"
    return e.DeadlineMoved(
        **_of(report_id, deadline),
        deadline_before=before.deadline,
        why=why,
        calendar_version_before=before.calendar_version,
        policy_version_before=before.policy_version,
    )


def was_met(report_id: str, deadline: Deadline, met_at: datetime) -> e.DeadlineMet:
    """Say that a step was done, or that nothing is owed any more, and whether in time."""
    return e.DeadlineMet(
        **_of(report_id, deadline),
        met_at=met_at,
        on_time=met_at <= deadline.at,
        working_days=deadline.working_days(met_at),
    )


def was_never_owed(report_id: str, said: Said, at: datetime) -> e.DeadlineMet:
    """Take back a deadline that a late fact shows was never owed: met, in time, with no work."""
    fields = said.model_dump(exclude={"limit", "rest_seconds", "met_at", "is_set", "told"})
    return e.DeadlineMet(report_id=report_id, **fields, met_at=at, on_time=True, working_days=0.0)


class Ring(NamedTuple):
    """A level of a deadline and when it is due (UTC)."""

    due_at: datetime
    level: int
    deadline: Deadline


def has_rung(report_id: str, ring: Ring, now: datetime, policy: Policy) -> e.Event:
    """Say what is due: a warning, an escalation of a level, or the end of a reporter's window.

    Dated by when it was due; `now`, when that was found, stands beside it.
    """
    due_at, level, deadline = ring
    clock = deadline.leg.row.clock
    if deadline.leg.row.holder is Holder.REPORTER:
        return e.TimeRanOut(
            report_id=report_id,
            window="completion" if clock == "completion" else "reply",
            opened_by=deadline.leg.opened.id,
            ran_out_at=deadline.at,
        )
    fields = _of(report_id, deadline) | {
        "due_at": due_at,
        "detected_at": now,
        "recipients": policy.recipients(deadline.institution, clock, level, deadline.unit, due_at),
    }
    if level == WARNING:
        return e.DeadlineApproaching(**fields)
    return e.DeadlineBreached(**fields, level=level)


def _of(report_id: str, deadline: Deadline) -> dict[str, Any]:
    return {
        "report_id": report_id,
        "clock": deadline.leg.row.clock,
        "owner": deadline.holder.value,
        "institution": deadline.institution,
        "unit": deadline.unit,
        "started_at": deadline.started_at,
        "deadline": deadline.at,
        "calendar_version": deadline.calendar_version,
        "policy_version": deadline.limits.version,
    }
