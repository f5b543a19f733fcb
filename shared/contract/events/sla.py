"""Deadlines and what became of them: `lapor.sla.v1`."""

from typing import Literal

from shared.contract.events.fields import (
    Clock,
    Event,
    InstitutionCode,
    LimitUnit,
    StartedBy,
    UnitCode,
    Utc,
)


class OfDeadline(Event):
    """A fact about one deadline: a clock, who owes it, and by which calendar and policy.

    A clock may run several times about a report. `run` names one of them, the same in all its
    events whatever moves; its text means nothing. Absent in events from before it was added.
    """

    clock: Clock
    run: str | None = None
    owner: str
    institution: InstitutionCode
    unit: UnitCode | None = None
    started_at: Utc
    deadline: Utc
    calendar_version: str
    policy_version: str


class DeadlineSet(OfDeadline):
    """Somebody owes the next step by a date; `started_by` is the fact that made it theirs."""

    limit: int
    limit_unit: LimitUnit
    started_by: StartedBy | None = None


class DeadlineMoved(OfDeadline):
    """The date changed: another class, a rest while the reporter was asked, a decree, a policy."""

    deadline_before: Utc
    why: Literal["reclassified", "resumed", "late_fact", "calendar", "policy"]
    calendar_version_before: str | None = None
    policy_version_before: str | None = None


class DeadlineMet(OfDeadline):
    """What was owed was done, in time or late; of a follow-up also when the unit first answered."""

    met_at: Utc
    on_time: bool
    working_days: float
    initial_response_working_days: float | None = None


class DeadlineApproaching(OfDeadline):
    """A warning to whoever owes it, before the date; level 0 is the last, -1 the one before it."""

    due_at: Utc
    detected_at: Utc
    recipients: tuple[str, ...] = ()
    level: int = 0


class DeadlineBreached(OfDeadline):
    """The date passed: the escalation of this level, to its people."""

    level: int
    due_at: Utc
    detected_at: Utc
    recipients: tuple[str, ...] = ()


class BreachWithdrawn(OfDeadline):
    """A breach that was published is not true: `deadline` and `level` are those that it named.

    `deadline_now` is the date that counts instead, none where the step was never owed or the clock
    rests.
    """

    level: int
    why: Literal["moved", "met_in_time", "never_owed"]
    deadline_now: Utc | None = None
    recipients: tuple[str, ...] = ()


class TimeRanOut(Event):
    """A reporter's window closed; `opened_by` is the id of the event that opened it."""

    window: Literal["completion", "reply"]
    opened_by: str
    ran_out_at: Utc
