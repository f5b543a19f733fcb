"""Say day by day why a deadline is the date it is, from a report's facts alone. Pure.

Derived anew by the functions that the rules use (`Story`, `deadlines`, `ledger`); of the case only
its facts count, and which levels it says were told. What was published adds when that was.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from services.sla_monitor.calendar import Pause
from services.sla_monitor.clocks import Holder, Leg
from services.sla_monitor.counting import days_of, left_at
from services.sla_monitor.deadlines import Deadline, classified, deadlines, rest_of
from services.sla_monitor.explanation import (
    Explanation,
    Move,
    Rest,
    RunExplained,
    SpanExplained,
    State,
    Step,
)
from services.sla_monitor.facts import Fact, Kind
from services.sla_monitor.ledger import Span, ledger
from services.sla_monitor.policy import WARNING, Policy
from services.sla_monitor.rules import Monitored
from services.sla_monitor.story import Story
from shared import events as e
from shared.events import Clock, ReportClass

_NEVER: Final = timedelta(0)


class Published(NamedTuple):
    """An event of `lapor.sla.v1` and the time of its record (UTC)."""

    at: datetime
    event: e.Event


def explain(
    case: Monitored,
    policy: Policy,
    *,
    clock: Clock | None = None,
    published: Sequence[Published] = (),
    as_of: datetime | None = None,
) -> Explanation:
    """Explain every run of every clock, or of one, and the spans of the report's life.

    `published` is what the report's stream of deadlines has, in its order: from it come moves and
    times of telling. What lasts is measured up to `as_of`, else up to the newest fact.
    """
    story = Story.of(case.facts)
    wanted = deadlines(story, policy)
    legs = [deadline.leg for deadline in wanted]
    spans = ledger(story, legs)
    newest = max((fact.known_at for fact in case.facts), default=datetime.min.replace(tzinfo=UTC))
    until = newest if as_of is None else as_of
    explained = [_span(span, until, policy) for span in spans]
    told = _Told(case, published)
    return Explanation(
        report_id=case.report_id,
        as_of=until,
        is_over=story.is_over,
        runs=tuple(
            _run(story, deadline, _Around(legs, spans, policy), told)
            for deadline in wanted
            if clock in (None, deadline.leg.row.clock)
        ),
        ledger=tuple(explained),
        life_seconds=sum(span.elapsed_seconds for span in explained),
    )


class _Around(NamedTuple):
    """What a run lies in."""

    legs: Sequence[Leg]
    spans: Sequence[Span]
    policy: Policy


class _Told(NamedTuple):
    """What was said of a report's deadlines: as the case keeps it, and as it was published."""

    case: Monitored
    published: Sequence[Published]


def _run(story: Story, deadline: Deadline, around: _Around, told: _Told) -> RunExplained:
    leg, limit = deadline.leg, deadline.limit
    stopped_at = deadline.stopped_at
    response = _response(story, leg)
    return RunExplained(
        key=deadline.key,
        clock=leg.row.clock,
        owner=deadline.holder,
        institution=deadline.institution,
        unit=deadline.unit,
        zone=deadline.calendar.zone.key,
        started_by=leg.start.kind,
        started_by_id=leg.start.id,
        started_at=deadline.started_at,
        opened_by=leg.opened.kind,
        opened_by_id=leg.opened.id,
        opened_at=leg.opened.at,
        report_class=_class(story, leg),
        limit=limit.days,
        limit_unit=limit.unit,
        limit_source=limit.source,
        policy_version=deadline.limits.version,
        calendar_version=deadline.calendar_version,
        decrees=tuple(_decrees(deadline, around.policy)),
        known_at=deadline.known_at,
        is_provisional=deadline.is_provisional,
        is_extended=left_at(deadline, deadline.at) < _NEVER,
        days=tuple(days_of(deadline)),
        pauses=tuple(_rest(story, deadline, pause, around) for pause in deadline.pauses),
        deadline=deadline.at,
        steps=tuple(_steps(deadline, around.policy, told)),
        moves=tuple(_moves(deadline, told.published)),
        state=_state(deadline),
        stopped_by=leg.stop.kind if leg.stop else None,
        met_at=stopped_at,
        on_time=None if stopped_at is None else stopped_at <= deadline.at,
        working_days=None if stopped_at is None else deadline.working_days(stopped_at),
        initial_response_at=response.at if response else None,
        initial_response_working_days=deadline.working_days(response.at) if response else None,
    )


def _decrees(deadline: Deadline, policy: Policy) -> Iterator[str]:
    """Name the newest decree of each chain that the run's calendar is made of."""
    for name in deadline.calendar.version.split("+"):
        for chain in policy.registry.chains.values():
            version = chain.named(name)
            if version is not None:
                yield version.decree


def _state(deadline: Deadline) -> State:
    stop = deadline.leg.stop
    if stop is not None:
        return "ended" if stop.kind is Kind.ENDED else "done"
    if deadline.leg.is_over:
        return "awaited"
    return "paused" if deadline.is_resting else "running"


def _class(story: Story, leg: Leg) -> ReportClass | None:
    found = classified(story, leg) if leg.row.clock == "follow_up" else None
    return found.report_class if found else None


def _response(story: Story, leg: Leg) -> Fact | None:
    """Return the unit's initial response within a run of the follow-up clock."""
    if leg.row.clock != "follow_up":
        return None
    until = leg.stopped_at
    within = (
        fact for fact in story.all(Kind.RESPONDED)
        if fact.holding == leg.opened.holding and fact.at >= leg.opened.at
        and (until is None or fact.at <= until)
    )  # fmt: skip
    return next(within, None)


# ---- pauses


def _rest(story: Story, deadline: Deadline, pause: Pause, around: _Around) -> Rest:
    question = next((leg for leg in around.legs if _asked(story, leg, pause)), None)
    left = left_at(deadline, pause.since)
    return Rest(
        cause="elsewhere" if question is None else "asked",
        since=pause.since,
        until=pause.until,
        ended_by=_ended_by(pause, question),
        by=() if question is not None else tuple(_had_it(around.spans, pause)),
        left_seconds=max(left, _NEVER).total_seconds(),
        counts=left > _NEVER,
    )


def _asked(story: Story, leg: Leg, pause: Pause) -> bool:
    return leg.row.clock == "completion" and rest_of(story, leg) == pause


def _ended_by(pause: Pause, question: Leg | None) -> Kind | None:
    if pause.until is None:
        return None
    if question is None:
        return Kind.RETURNED
    stop = question.stop
    is_stop = stop is not None and question.stopped_at == pause.until
    return stop.kind if stop is not None and is_stop else Kind.RAN_OUT


def _had_it(spans: Sequence[Span], pause: Pause) -> Iterator[str]:
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


# ---- what was told, what moved


def _steps(deadline: Deadline, policy: Policy, told: _Told) -> Iterator[Step]:
    """List the levels of a date in the order they are due, those told of earlier dates first."""
    said = told.case.said.get(deadline.key)
    kept = said.told if said else ()
    current = sorted(deadline.rings())
    due = {level for _, level in current}
    for past in kept:
        if past.deadline != deadline.at or past.level not in due:
            yield _step(deadline, past.level, past.deadline, None, told)
    for due_at, level in current:
        yield _step(deadline, level, deadline.at, due_at, told).model_copy(
            update={
                "is_told": said is not None and said.has_told(level, deadline.at),
                "recipients": policy.recipients(
                    deadline.institution, deadline.leg.row.clock, level, deadline.unit, due_at
                ),
            }
        )


def _step(
    deadline: Deadline, level: int, date: datetime, due_at: datetime | None, told: _Told
) -> Step:
    is_window = deadline.leg.row.holder is Holder.REPORTER
    rung = _rung(deadline, level, date, told.published)
    return Step(
        level=level,
        kind="window" if is_window else "warning" if level <= WARNING else "escalation",
        deadline=date,
        due_at=due_at,
        is_told=True,
        told_at=rung.at if rung else None,
        is_withdrawn=_is_withdrawn(deadline, level, date, told.published),
    )


def _rung(
    deadline: Deadline, level: int, date: datetime, published: Sequence[Published]
) -> Published | None:
    for each in published:
        event = each.event
        match event:
            case e.TimeRanOut():
                is_it = event.opened_by == deadline.leg.opened.id and event.ran_out_at == date
            case e.DeadlineApproaching() | e.DeadlineBreached():
                is_it = (event.clock, event.level, event.deadline) == (
                    deadline.leg.row.clock, level, date,
                )  # fmt: skip
            case _:
                continue
        if is_it:
            return each
    return None


def _is_withdrawn(
    deadline: Deadline, level: int, date: datetime, published: Sequence[Published]
) -> bool:
    return any(
        isinstance(event, e.BreachWithdrawn)
        and (event.clock, event.level, event.deadline) == (deadline.leg.row.clock, level, date)
        for _, event in published
    )


def _moves(deadline: Deadline, published: Sequence[Published]) -> list[Move]:
    """Follow a run's date back through what was published, to the date that was set first."""
    found: list[Move] = []
    date = deadline.at
    for at, event in reversed(published):
        if not isinstance(event, e.OfDeadline) or event.clock != deadline.leg.row.clock:
            continue
        if event.deadline != date or event.institution != deadline.institution:
            continue
        if isinstance(event, e.DeadlineSet) and event.unit is None:
            break
        if isinstance(event, e.DeadlineMoved):
            found.append(_move(at, event))
            date = event.deadline_before
    return found[::-1]


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


def _span(span: Span, as_of: datetime, policy: Policy) -> SpanExplained:
    until = max(span.since, as_of) if span.until is None else span.until
    calendar = policy.calendar(span.institution, until)
    return SpanExplained(
        holder=span.holder,
        institution=span.institution,
        unit=span.unit,
        zone=calendar.zone.key,
        since=span.since,
        until=span.until,
        cause=span.cause,
        elapsed_seconds=(until - span.since).total_seconds(),
        working_seconds=calendar.working_time(span.since, until).total_seconds(),
    )
