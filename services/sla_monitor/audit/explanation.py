"""What an explanation of a report's deadlines says: frozen, plain JSON, every instant in UTC.

Local days are days in the zone named beside them. Working time is in seconds, a whole working day
has 86,400; of a limit in minutes it is that of the opening hours.
"""

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel

from services.sla_monitor.clocks import Holder
from services.sla_monitor.facts import Kind
from shared.contract.events import Clock, DayKind, LimitUnit, ReportClass

Skip = Literal["weekend", "holiday", "closed", "paused"]
PauseCause = Literal["asked", "elsewhere"]
State = Literal["running", "paused", "awaited", "done", "ended"]


class Day(BaseModel, frozen=True, hide_input_in_errors=True):
    """One local day of a count, from day 0 (the start's) to the deadline's.

    `number` is the day of the limit that it is, or belongs to where pauses cut days; past a limit
    it goes on; of a limit in minutes it counts the days with opening hours. None where nothing of
    the day counts: `skipped` says why. `counted_seconds` is what of the day went off the limit, on
    day 0 what of it was left. `pauses` are indexes into the run's.
    """

    on: date
    number: int | None
    counted_seconds: float
    skipped: Skip | None = None
    name: str | None = None
    decree: str | None = None
    kind: DayKind | None = None
    is_provisional: bool = False
    pauses: tuple[int, ...] = ()


class PauseExplained(BaseModel, frozen=True, hide_input_in_errors=True):
    """A pause of a clock; `left_seconds` of working time were left of the limit when it began.

    `asked`: the reporter owed an answer. `elsewhere`: the returned report was with others, `by`
    whom. One that came too late to pause the clock does not count.
    """

    cause: PauseCause
    since: datetime
    until: datetime | None
    ended_by: Kind | None = None
    by: tuple[str, ...] = ()
    left_seconds: float
    counts: bool = True


class ExplainedStep(BaseModel, frozen=True, hide_input_in_errors=True):
    """A warning (level 0 and below), an escalation, or the end of a reporter's window.

    `due_at` is None for what was published for a date that no longer counts. `told_at` is when it
    was published, where the stream was read; `withdrawn` says why what was published is not true.
    """

    level: int
    kind: Literal["warning", "escalation", "window"]
    deadline: datetime
    due_at: datetime | None
    recipients: tuple[str, ...] = ()
    is_told: bool = False
    told_at: datetime | None = None
    withdrawn: str | None = None


class Move(BaseModel, frozen=True, hide_input_in_errors=True):
    """A date that changed after it was published: before, after, and why."""

    at: datetime | None
    deadline_before: datetime
    deadline: datetime
    why: str
    calendar_version_before: str | None = None
    calendar_version: str
    policy_version_before: str | None = None
    policy_version: str


class RunExplained(BaseModel, frozen=True, hide_input_in_errors=True):
    """One run of a clock: who owes the step, from what, how much, by when, and what became of it.

    The limit counts from `started_at`; the run itself began with `opened_at`, later where a report
    came back. `is_extended`: the date is past the limit, because the report came back too late.
    """

    key: str
    clock: Clock
    owner: Holder
    institution: str
    unit: str | None
    zone: str
    started_by: Kind
    started_by_id: str
    started_at: datetime
    opened_by: Kind
    opened_by_id: str
    opened_at: datetime
    report_class: ReportClass | None
    limit: int
    limit_unit: LimitUnit
    limit_source: str
    policy_version: str
    calendar_version: str
    decrees: tuple[str, ...]
    known_at: datetime
    is_provisional: bool
    is_extended: bool
    days: tuple[Day, ...]
    pauses: tuple[PauseExplained, ...]
    deadline: datetime
    steps: tuple[ExplainedStep, ...]
    moves: tuple[Move, ...]
    state: State
    stopped_by: Kind | None
    met_at: datetime | None
    on_time: bool | None
    working_days: float | None
    initial_response_at: datetime | None = None
    initial_response_working_days: float | None = None


class SpanExplained(BaseModel, frozen=True, hide_input_in_errors=True):
    """Who had the report, from when to when; `cause` says why no officer's clock ran.

    `working_seconds` is by the calendar of the institution that had it. A span that lasts is
    measured up to the explanation's `as_of`.
    """

    holder: Holder
    institution: str
    unit: str | None
    zone: str
    since: datetime
    until: datetime | None
    cause: str | None
    elapsed_seconds: float
    working_seconds: float


class Explanation(BaseModel, frozen=True, hide_input_in_errors=True):
    """A report's deadlines and its whole life, derived from its facts alone."""

    report_id: str
    as_of: datetime
    is_over: bool
    runs: tuple[RunExplained, ...]
    ledger: tuple[SpanExplained, ...]
    life_seconds: float
