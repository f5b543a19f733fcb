"""What was said of a deadline, kept in the case, and the words to say it: one builder per event."""

from datetime import datetime
from operator import attrgetter
from typing import Any, Final, Literal, NamedTuple

from pydantic import BaseModel

from services.sla_monitor.clocks import Holder
from services.sla_monitor.deadlines import Deadline
from services.sla_monitor.facts import Kind
from services.sla_monitor.policy import WARNING, Policy
from shared.contract import events as e

TOLD_MAX: Final = 100
"""Levels remembered of one run: a whole ladder with its repeats, and the warnings of old dates."""


class Told(BaseModel, frozen=True, hide_input_in_errors=True):
    """A level that was published for a date; while it is true it never is again."""

    level: int
    deadline: datetime


class Said(BaseModel, frozen=True, hide_input_in_errors=True):
    """What is known to the world of one run of a clock, and by what it was reckoned.

    `limit` is in `limit_unit`; `rest_seconds` is how long pauses held the clock so far. `told` are
    the levels that were published and not withdrawn.
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
    limit_unit: e.LimitUnit = "working_days"
    responded_at: datetime | None = None

    def has_told(self, level: int, deadline: datetime) -> bool:
        """Say whether a level was published for a date, and not withdrawn."""
        return any(told.level == level and told.deadline == deadline for told in self.told)

    def with_told(self, told: tuple[Told, ...]) -> "Said":
        """Return the same with other levels remembered, the newest of them."""
        return self.model_copy(update={"told": told[-TOLD_MAX:]})


def remember(deadline: Deadline, before: Said | None, *, is_set: bool) -> Said:
    """Return what is known of a run, the same object if that is nothing new.

    After an end it may be kept although it was never set.
    """
    limit, stopped_at = deadline.limit, deadline.leg.stopped_at
    is_set = is_set or (before is not None and before.is_set)
    rest_seconds = deadline.rest.total_seconds() if deadline.pauses else 0.0
    known = (
        deadline.leg.row.clock, deadline.holder.value, deadline.institution, deadline.unit,
        deadline.leg.start.at, deadline.at, limit.amount, rest_seconds, deadline.calendar_version,
        deadline.limits.version, stopped_at, is_set, limit.unit, deadline.responded_at,
    )  # fmt: skip
    if before is not None and _known(before) == known:
        return before
    told = before.told if before is not None else ()
    return Said.model_validate(dict(zip(_KNOWN, known, strict=True)) | {"told": told})


_KNOWN: Final = tuple(name for name in Said.model_fields if name != "told")
_known = attrgetter(*_KNOWN)


def was_set(report_id: str, deadline: Deadline, before: Said | None = None) -> e.DeadlineSet:
    """Say who owes a step by when; a unit that had it `before` and has it no more gave it back."""
    is_back = before is not None and before.unit is not None and deadline.unit is None
    return e.DeadlineSet(
        **_of(report_id, deadline),
        limit=deadline.limit.amount,
        limit_unit=deadline.limit.unit,
        started_by=Kind.UNIT_RETURNED.value if is_back else deadline.leg.opened.kind.value,
    )


def was_moved(report_id: str, before: Said, deadline: Deadline) -> e.DeadlineMoved:
    """Say that the date changed, and by what: the first that differs tells."""
    why: Literal["reclassified", "resumed", "late_fact", "calendar", "policy"] = "late_fact"
    limit = deadline.limit
    if before.started_at == deadline.started_at:
        is_same_policy = before.policy_version == deadline.limits.version
        if (before.limit, before.limit_unit) != (limit.amount, limit.unit):
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
    responded_at = deadline.responded_at
    return e.DeadlineMet(
        **_of(report_id, deadline),
        met_at=met_at,
        on_time=met_at <= deadline.at,
        working_days=deadline.working_days(met_at),
        initial_response_working_days=(
            None if responded_at is None else deadline.working_days(responded_at)
        ),
    )


def was_never_owed(report_id: str, run: str, said: Said, at: datetime) -> e.DeadlineMet:
    """Take back a deadline that a late fact shows was never owed: met, in time, with no work."""
    fields = _as_said(report_id, run, said)
    return e.DeadlineMet(**fields, met_at=at, on_time=True, working_days=0.0)


def was_withdrawn(
    report_id: str, run: str, said: Said, told: Told, *, now: Deadline | None, policy: Policy
) -> e.BreachWithdrawn:
    """Take back a breach, to those whom it was told; `now` is the run as it is, if there is one.

    While the reporter is asked no date counts: then none is named.
    """
    why: Literal["moved", "met_in_time", "never_owed"] = "never_owed"
    if now is None:
        limits = policy.limits(said.institution, said.started_at)
    else:
        limits = now.limits
        why = "moved" if now.is_resting or now.at != told.deadline else "met_in_time"
    fields = _as_said(report_id, run, said) | {"deadline": told.deadline}
    return e.BreachWithdrawn(
        **fields,
        level=told.level,
        why=why,
        deadline_now=None if now is None or now.is_resting else now.at,
        recipients=policy.recipients(said.institution, said.clock, told.level, said.unit, limits),
    )


class DueTimer(NamedTuple):
    """A level of a deadline and when it is due (UTC)."""

    due_at: datetime
    level: int
    deadline: Deadline

    @property
    def told(self) -> Told:
        """Return what is remembered once it was said."""
        return Told(level=self.level, deadline=self.deadline.at)


def level_reached(report_id: str, due_timer: DueTimer, now: datetime, policy: Policy) -> e.Event:
    """Say what is due: a warning, an escalation of a level, or the end of a reporter's window.

    Dated by when it was due; `now`, when that was found, stands beside it.
    """
    due_at, level, deadline = due_timer
    clock = deadline.leg.row.clock
    if deadline.leg.row.holder is Holder.REPORTER:
        return e.TimeRanOut(
            report_id=report_id,
            window="completion" if clock == "completion" else "reply",
            opened_by=deadline.leg.opened.id,
            ran_out_at=deadline.at,
        )
    fields = _of(report_id, deadline) | {
        "level": level,
        "due_at": due_at,
        "detected_at": now,
        "recipients": policy.recipients(
            deadline.institution, clock, level, deadline.unit, deadline.limits
        ),
    }
    return e.DeadlineBreached(**fields) if level > WARNING else e.DeadlineApproaching(**fields)


def _of(report_id: str, deadline: Deadline) -> dict[str, Any]:
    return {
        "report_id": report_id,
        "clock": deadline.leg.row.clock,
        "run": deadline.leg.key,
        "owner": deadline.holder.value,
        "institution": deadline.institution,
        "unit": deadline.unit,
        "started_at": deadline.started_at,
        "deadline": deadline.at,
        "calendar_version": deadline.calendar_version,
        "policy_version": deadline.limits.version,
    }


def _as_said(report_id: str, run: str, said: Said) -> dict[str, Any]:
    names = e.OfDeadline.model_fields.keys() - {"report_id", "run"}
    return {"report_id": report_id, "run": run} | {name: getattr(said, name) for name in names}
