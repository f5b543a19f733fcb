"""What was published of a deadline, kept in the case, and the events: one builder for each."""

from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from pydantic import BaseModel

from services.sla_monitor.clocks import Holder
from services.sla_monitor.deadlines import Deadline
from services.sla_monitor.facts import Kind
from services.sla_monitor.policy import WARNING, Policy
from shared.contract import events as e

LEVELS_MAX: Final = 100
"""Levels remembered of one run: a whole ladder with its repeats, and the warnings of old dates."""


class PublishedLevel(BaseModel, frozen=True, hide_input_in_errors=True):
    """A level that was published for a date; while that is true it is never published again."""

    level: int
    deadline: datetime


class Announcement(BaseModel, frozen=True, hide_input_in_errors=True):
    """What was published of one run of a clock, and what its date was calculated from.

    `limit` is in `limit_unit`; `paused_seconds` is how long pauses have held the clock so far.
    `levels` are the levels that were published and not withdrawn.
    """

    clock: e.Clock
    owner: str
    institution: str
    unit: str | None
    started_at: datetime
    deadline: datetime
    limit: int
    paused_seconds: float
    calendar_version: str
    policy_version: str
    met_at: datetime | None = None
    is_set: bool = True
    levels: tuple[PublishedLevel, ...] = ()
    limit_unit: e.LimitUnit = "working_days"
    responded_at: datetime | None = None

    def has_published(self, level: int, deadline: datetime) -> bool:
        """Tell whether a level was published for a date, and not withdrawn."""
        return any(each.level == level and each.deadline == deadline for each in self.levels)

    def with_levels(self, levels: tuple[PublishedLevel, ...]) -> "Announcement":
        """Return the same with other levels remembered, the newest of them."""
        return self.model_copy(update={"levels": levels[-LEVELS_MAX:]})


def announcement_of(
    deadline: Deadline, before: Announcement | None, *, is_set: bool
) -> Announcement:
    """Return what is published of a run, `before` itself if nothing of it changed.

    A run that began after an end is recorded although its deadline was never set.
    """
    announcement = Announcement(
        clock=deadline.run.row.clock,
        owner=deadline.holder.value,
        institution=deadline.institution,
        unit=deadline.unit,
        started_at=deadline.started_at,
        deadline=deadline.at,
        limit=deadline.limit.amount,
        limit_unit=deadline.limit.unit,
        paused_seconds=deadline.paused_for.total_seconds() if deadline.pauses else 0.0,
        calendar_version=deadline.calendar_version,
        policy_version=deadline.limits.version,
        met_at=deadline.stopped_at,
        is_set=is_set or (before is not None and before.is_set),
        levels=before.levels if before is not None else (),
        responded_at=deadline.responded_at,
    )
    return before if before is not None and before == announcement else announcement


def deadline_set(
    report_id: str, deadline: Deadline, before: Announcement | None = None
) -> e.DeadlineSet:
    """Build the event: who owes a step by when. A unit that owed it `before` returned it."""
    is_back = before is not None and before.unit is not None and deadline.unit is None
    return e.DeadlineSet(
        **_of(report_id, deadline),
        limit=deadline.limit.amount,
        limit_unit=deadline.limit.unit,
        started_by=Kind.UNIT_RETURNED.value if is_back else deadline.run.opened.kind.value,
    )


def deadline_moved(report_id: str, before: Announcement, deadline: Deadline) -> e.DeadlineMoved:
    """Build the event: the date changed; `why` is the first input that differs."""
    why: Literal["reclassified", "resumed", "late_fact", "calendar", "policy"] = "late_fact"
    limit = deadline.limit
    if before.started_at == deadline.started_at:
        is_same_policy = before.policy_version == deadline.limits.version
        if (before.limit, before.limit_unit) != (limit.amount, limit.unit):
            why = "reclassified" if is_same_policy else "policy"
        elif before.paused_seconds != deadline.paused_for.total_seconds():
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


def deadline_met(report_id: str, deadline: Deadline, met_at: datetime) -> e.DeadlineMet:
    """Build the event: a step was done, or is owed no more; and whether in time."""
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


def deadline_withdrawn(
    report_id: str, run: str, announcement: Announcement, at: datetime
) -> e.DeadlineMet:
    """Build the event for a deadline that, by a late fact, was never owed: met in time, no work."""
    fields = _as_announced(report_id, run, announcement)
    return e.DeadlineMet(**fields, met_at=at, on_time=True, working_days=0.0)


def breach_withdrawn(
    report_id: str,
    run: str,
    announcement: Announcement,
    published: PublishedLevel,
    *,
    now: Deadline | None,
    policy: Policy,
) -> e.BreachWithdrawn:
    """Build the event that withdraws a breach, to those who were notified of it.

    `now` is the run as it is, None if there is none. While the reporter is asked no date counts:
    then none is named.
    """
    why: Literal["moved", "met_in_time", "never_owed"] = "never_owed"
    if now is None:
        limits = policy.limits(announcement.institution, announcement.started_at)
    else:
        limits = now.limits
        why = "moved" if now.is_paused or now.at != published.deadline else "met_in_time"
    fields = _as_announced(report_id, run, announcement) | {"deadline": published.deadline}
    return e.BreachWithdrawn(
        **fields,
        level=published.level,
        why=why,
        deadline_now=None if now is None or now.is_paused else now.at,
        recipients=policy.recipients(
            announcement.institution, announcement.clock, published.level, announcement.unit, limits
        ),
    )


class DueTimer(NamedTuple):
    """A level of a deadline and when it is due (UTC)."""

    due_at: datetime
    level: int
    deadline: Deadline

    @property
    def published(self) -> PublishedLevel:
        """Return what the case keeps once the level was published."""
        return PublishedLevel(level=self.level, deadline=self.deadline.at)


def due_event(report_id: str, due_timer: DueTimer, now: datetime, policy: Policy) -> e.Event:
    """Build the event that is due: a warning, an escalation, or the end of a reporter's window.

    `due_at` is when it was due, `detected_at` is `now`.
    """
    due_at, level, deadline = due_timer
    clock = deadline.run.row.clock
    if deadline.run.row.holder is Holder.REPORTER:
        return e.TimeRanOut(
            report_id=report_id,
            window="completion" if clock == "completion" else "reply",
            opened_by=deadline.run.opened.id,
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
        "clock": deadline.run.row.clock,
        "run": deadline.run.key,
        "owner": deadline.holder.value,
        "institution": deadline.institution,
        "unit": deadline.unit,
        "started_at": deadline.started_at,
        "deadline": deadline.at,
        "calendar_version": deadline.calendar_version,
        "policy_version": deadline.limits.version,
    }


def _as_announced(report_id: str, run: str, announcement: Announcement) -> dict[str, Any]:
    names = e.OfDeadline.model_fields.keys() - {"report_id", "run"}
    return {"report_id": report_id, "run": run} | {
        name: getattr(announcement, name) for name in names
    }
