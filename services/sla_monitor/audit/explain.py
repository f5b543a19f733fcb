"""Say day by day why a deadline is the date it is, from a report's facts alone. Pure.

Derived anew by the functions that the rules use (`History`, `deadlines_of`, `ledger`); of the case
only its facts count, and which levels it says were published. The stream adds when that was.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from services.sla_monitor.audit.day_count import days_of, left_at
from services.sla_monitor.audit.explanation import (
    ExplainedStep,
    Explanation,
    Move,
    PauseExplained,
    RunExplained,
    SpanExplained,
    State,
)
from services.sla_monitor.clocks import Holder, Run
from services.sla_monitor.deadlines import Deadline, classified, deadlines_of, pause_of
from services.sla_monitor.due_dates import Pause
from services.sla_monitor.facts import Kind
from services.sla_monitor.history import History
from services.sla_monitor.ledger import LedgerSpan, ledger
from services.sla_monitor.policy import WARNING, Policy
from services.sla_monitor.rules import MonitoredCase
from shared.contract import events as e
from shared.contract.events import Clock, ReportClass

_NEVER: Final = timedelta(0)


class PublishedEvent(NamedTuple):
    """An event of `lapor.sla.v1` and the time of its record (UTC)."""

    at: datetime
    event: e.Event


def explain(
    case: MonitoredCase,
    policy: Policy,
    *,
    clock: Clock | None = None,
    published: Sequence[PublishedEvent] = (),
    as_of: datetime | None = None,
) -> Explanation:
    """Explain every run of every clock, or of one, and the spans of the report's life.

    `published` is what the report's stream of deadlines has, in its order: from it come moves and
    times of telling. What lasts is measured up to `as_of`, else up to the newest fact.
    """
    history = History.of(case.facts)
    deadlines = deadlines_of(history, policy)
    spans = ledger(history, deadlines)
    newest = max((fact.known_at for fact in case.facts), default=datetime.min.replace(tzinfo=UTC))
    until = newest if as_of is None else as_of
    explained = [_span(span, until, policy) for span in spans]
    record = _Record(case, published)
    return Explanation(
        report_id=case.report_id,
        as_of=until,
        is_over=history.is_over,
        runs=tuple(
            _run(history, deadline, _Context(deadlines, spans, policy), record)
            for deadline in deadlines
            if clock in (None, deadline.run.row.clock)
        ),
        ledger=tuple(explained),
        life_seconds=sum(span.elapsed_seconds for span in explained),
    )


class _Context(NamedTuple):
    """What a run is explained with."""

    deadlines: Sequence[Deadline]
    spans: Sequence[LedgerSpan]
    policy: Policy


class _Record(NamedTuple):
    """What was published of a report's deadlines: by the case, and by the stream."""

    case: MonitoredCase
    published: Sequence[PublishedEvent]


def _run(history: History, deadline: Deadline, context: _Context, record: _Record) -> RunExplained:
    run, limit = deadline.run, deadline.limit
    stopped_at = deadline.stopped_at
    return RunExplained(
        key=deadline.key,
        clock=run.row.clock,
        owner=deadline.holder,
        institution=deadline.institution,
        unit=deadline.unit,
        zone=deadline.calendar.zone.key,
        started_by=run.start.kind,
        started_by_id=run.start.id,
        started_at=deadline.started_at,
        opened_by=run.opened.kind,
        opened_by_id=run.opened.id,
        opened_at=run.opened.at,
        report_class=_class(history, run),
        limit=limit.amount,
        limit_unit=limit.unit,
        limit_source=limit.source,
        policy_version=deadline.limits.version,
        calendar_version=deadline.calendar_version,
        decrees=tuple(_decrees(deadline, context.policy)),
        known_at=deadline.known_at,
        is_provisional=deadline.is_provisional,
        is_extended=left_at(deadline, deadline.at) < _NEVER,
        days=tuple(days_of(deadline)),
        pauses=tuple(_pause(history, deadline, pause, context) for pause in deadline.pauses),
        deadline=deadline.at,
        steps=tuple(_steps(deadline, context.policy, record)),
        moves=tuple(_moves(deadline, record.published)),
        state=_state(deadline),
        stopped_by=run.stop.kind if run.stop else None,
        met_at=stopped_at,
        on_time=None if stopped_at is None else stopped_at <= deadline.at,
        working_days=_days_until(deadline, stopped_at),
        initial_response_at=deadline.responded_at,
        initial_response_working_days=_days_until(deadline, deadline.responded_at),
    )


def _days_until(deadline: Deadline, at: datetime | None) -> float | None:
    return None if at is None else deadline.working_days(at)


def _decrees(deadline: Deadline, policy: Policy) -> Iterator[str]:
    """Name the newest decree of each chain that the run's calendar is made of."""
    for name in deadline.calendar.version.split("+"):
        for chain in policy.registry.chains.values():
            version = chain.named(name)
            if version is not None:
                yield version.decree


def _state(deadline: Deadline) -> State:
    stop = deadline.run.stop
    if stop is not None:
        return "ended" if stop.kind is Kind.ENDED else "done"
    if deadline.run.is_over:
        return "awaited"
    return "paused" if deadline.is_paused else "running"


def _class(history: History, run: Run) -> ReportClass | None:
    fact = classified(history, run) if run.row.clock == "follow_up" else None
    return fact.report_class if fact else None


# ---- pauses


def _pause(history: History, deadline: Deadline, pause: Pause, context: _Context) -> PauseExplained:
    question = next((each for each in context.deadlines if _asked(history, each, pause)), None)
    left = left_at(deadline, pause.since)
    return PauseExplained(
        cause="elsewhere" if question is None else "asked",
        since=pause.since,
        until=pause.until,
        ended_by=_ended_by(pause, question),
        by=() if question is not None else tuple(_holders(context.spans, pause)),
        left_seconds=max(left, _NEVER).total_seconds(),
        counts=left > _NEVER,
    )


def _asked(history: History, window: Deadline, pause: Pause) -> bool:
    return window.run.row.clock == "completion" and pause_of(history, window) == pause


def _ended_by(pause: Pause, question: Deadline | None) -> Kind | None:
    if pause.until is None:
        return None
    if question is None:
        return Kind.RETURNED
    stop = question.run.stop
    return stop.kind if stop is not None and question.stopped_at == pause.until else Kind.RAN_OUT


def _holders(spans: Sequence[LedgerSpan], pause: Pause) -> Iterator[str]:
    """Name the institutions and units that had the report during a pause, each once, in order."""
    named: set[str] = set()
    for span in spans:
        is_within = pause.until is None or span.since < pause.until
        if not is_within or (span.until is not None and span.until <= pause.since):
            continue
        name = span.unit or span.institution
        if name not in named:
            named.add(name)
            yield name


# ---- what was published, what moved


def _steps(deadline: Deadline, policy: Policy, record: _Record) -> Iterator[ExplainedStep]:
    """List the levels of a date in the order they are due, after those published for earlier dates.

    Of a level that repeats those that were published, and the next.
    """
    announcement = record.case.announcements.get(deadline.key)
    current = sorted(deadline.due_timers())
    for level, date, why in _past(deadline, {level for _, level in current}, record):
        yield _step(deadline, level, date, record).model_copy(
            update={"is_told": True, "withdrawn": why}
        )
    last = max(
        (step.level for step in deadline.limits.thresholds(deadline.run.row.clock)), default=0
    )
    for due_at, level in current:
        is_told = announcement is not None and announcement.has_published(level, deadline.at)
        yield _step(deadline, level, deadline.at, record).model_copy(
            update={
                "due_at": due_at,
                "is_told": is_told,
                "recipients": policy.recipients(
                    deadline.institution, deadline.run.row.clock, level, deadline.unit,
                    deadline.limits,
                ),
            }
        )  # fmt: skip
        if level > last and not is_told:
            break


def _past(
    deadline: Deadline, current: Collection[int], record: _Record
) -> Iterator[tuple[int, datetime, str | None]]:
    """List what was published for dates that count no more, and what was withdrawn and why."""
    announcement = record.case.announcements.get(deadline.key)
    for past in announcement.levels if announcement else ():
        if past.deadline != deadline.at or past.level not in current:
            yield past.level, past.deadline, None
    for _, event in record.published:
        if isinstance(event, e.BreachWithdrawn) and _is_of(deadline, event):
            yield event.level, event.deadline, event.why


def _is_of(deadline: Deadline, event: e.OfDeadline) -> bool:
    return (event.clock, event.institution, event.started_at) == (
        deadline.run.row.clock, deadline.institution, deadline.started_at,
    )  # fmt: skip


def _step(deadline: Deadline, level: int, date: datetime, record: _Record) -> ExplainedStep:
    is_window = deadline.run.row.holder is Holder.REPORTER
    published_at = next(
        (each.at for each in record.published if _is_of_level(deadline, level, date, each)), None
    )
    return ExplainedStep(
        level=level,
        kind="window" if is_window else "warning" if level <= WARNING else "escalation",
        deadline=date,
        due_at=None,
        told_at=published_at,
    )


def _is_of_level(deadline: Deadline, level: int, date: datetime, each: PublishedEvent) -> bool:
    match each.event:
        case e.TimeRanOut() as event:
            return event.opened_by == deadline.run.opened.id and event.ran_out_at == date
        case e.DeadlineApproaching() | e.DeadlineBreached() as event:
            clock = deadline.run.row.clock
            return (event.clock, event.level, event.deadline) == (clock, level, date)
    return False


def _moves(deadline: Deadline, published: Sequence[PublishedEvent]) -> list[Move]:
    """Follow a run's date back through what was published, to the date that was set first."""
    moves: list[Move] = []
    date = deadline.at
    for at, event in reversed(published):
        if not isinstance(event, e.OfDeadline) or event.clock != deadline.run.row.clock:
            continue
        if event.deadline != date or event.institution != deadline.institution:
            continue
        if isinstance(event, e.DeadlineSet) and event.unit is None:
            break
        if isinstance(event, e.DeadlineMoved):
            moves.append(_move(at, event))
            date = event.deadline_before
    return moves[::-1]


def _move(at: datetime, event: e.DeadlineMoved) -> Move:
    return Move(
        at=at,
        deadline_before=event.deadline_before,
        deadline=event.deadline,
        why=event.why,
        calendar_version_before=event.calendar_version_before,
        calendar_version=event.calendar_version,
        policy_version_before=event.policy_version_before,
        policy_version=event.policy_version,
    )


# ---- the ledger


def _span(span: LedgerSpan, as_of: datetime, policy: Policy) -> SpanExplained:
    until = max(span.since, as_of) if span.until is None else span.until
    return SpanExplained(
        holder=span.holder,
        institution=span.institution,
        unit=span.unit,
        zone=policy.calendar(span.institution, until).zone.key,
        since=span.since,
        until=span.until,
        cause=span.cause,
        elapsed_seconds=(until - span.since).total_seconds(),
        working_seconds=span.working_time(policy, as_of).total_seconds(),
    )
