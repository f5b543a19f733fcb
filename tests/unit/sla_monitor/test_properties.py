"""Properties of the SLA monitor over generated lives: order, repetition, totality, exactly once."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from services.sla_monitor.facts import FACTS_MAX
from services.sla_monitor.rules import MonitoredCase, decide
from shared.contract import events as e
from tests.unit.sla_monitor.builders import (
    POLICY,
    Run,
    Step,
    at_unit,
    dispatched,
    ledger_of,
    received,
    run,
    timer_fired,
)
from tests.unit.sla_monitor.lives import START, lives, noise

FAR = START + timedelta(days=3 * 365)


def standing(case: MonitoredCase) -> object:
    """Return what is known at last, without which levels were told on the way."""
    dates = {
        key: (s.deadline, s.started_at, s.met_at, s.unit, s.owner, s.limit, s.calendar_version)
        for key, s in case.announcements.items()
    }
    return case.facts, dates, case.is_over, case.holder, case.timer_at


@given(st.data(), lives())
def test_any_order_of_arrival_gives_the_same_deadlines_and_ledger(
    data: st.DataObject, life: list[Step]
) -> None:
    """The streams have no order among each other: what is known at last is a set's."""
    shuffled = data.draw(st.permutations(life))
    straight, other = run(life).case, run(shuffled).case
    assert standing(other) == standing(straight)
    assert ledger_of(other) == ledger_of(straight)


def breaches_that_stand(events: list[BaseModel]) -> Counter[tuple[str | None, datetime, int]]:
    """Count what was published and not withdrawn since, by run, date and level."""
    found: Counter[tuple[str | None, datetime, int]] = Counter()
    for x in events:
        if isinstance(x, e.DeadlineBreached | e.BreachWithdrawn):
            sign = 1 if isinstance(x, e.DeadlineBreached) else -1
            found[x.run, x.deadline, x.level] += sign
            assert found[x.run, x.deadline, x.level] >= 0, "withdrawn before told"
    return +found


def last_said(run_: Run) -> dict[str | None, tuple[object, ...]]:
    """Return what a reader of the stream knows at last of each run: its date, and how it ended.

    What was never owed counts nothing. A reporter's window ends by its end or by a late answer,
    whichever was read first: not compared.
    """
    found: dict[str | None, tuple[object, ...]] = {}
    for x in run_.events:
        if isinstance(x, e.DeadlineMet):
            found[x.run] = (
                x.deadline, x.met_at, x.on_time, x.working_days, x.initial_response_working_days,
            )  # fmt: skip
        elif isinstance(x, e.DeadlineSet | e.DeadlineMoved):
            found[x.run] = (x.deadline,)
    known = run_.case.announcements
    runs = {key for key, said in known.items() if said.owner != "reporter" and said.is_set}
    return {key: value for key, value in found.items() if key in runs}


def told_in(data: st.DataObject, steps: Iterable[Step]) -> Run:
    """Decide steps while the timers fire at any times between, then all that ever will."""
    done = Run(MonitoredCase(report_id="0123456789AB"), [])
    for step in steps:
        if data.draw(st.booleans()):
            until = START + timedelta(days=data.draw(st.integers(0, 200)))
            more = done.fire_until(until)
            done = Run(more.case, done.events + more.events)
        more = done.then(step)
        done = Run(more.case, done.events + more.events)
    last = done.fire_until(FAR)
    return Run(last.case, done.events + last.events)


@given(st.data(), lives())
def test_what_stands_at_last_is_a_function_of_the_facts(
    data: st.DataObject, life: list[Step]
) -> None:
    """Whatever order they came in, how often, and when the timers fired: the same breaches stand.

    And the same is known of each run's date, and of its end.
    """
    in_order = told_in(data, life)
    order = data.draw(st.permutations(life))
    repeated = data.draw(st.lists(st.sampled_from(life), max_size=4))
    other = told_in(data, [*order, *repeated])

    assert breaches_that_stand(other.events) == breaches_that_stand(in_order.events)
    assert ledger_of(other.case) == ledger_of(in_order.case)
    straight, shuffled = last_said(in_order), last_said(other)
    for key in straight.keys() & shuffled.keys():
        assert shuffled[key] == straight[key], key


@given(st.data(), lives())
def test_a_record_repeated_changes_and_says_nothing(data: st.DataObject, life: list[Step]) -> None:
    """An upstream that says it again under a new offset is recognised."""
    done = run(life)
    again = done.then(*data.draw(st.lists(st.sampled_from(life), max_size=5)))
    assert again.case == done.case
    assert not again.events


@given(st.lists(noise(), max_size=12))
def test_every_record_can_be_decided_in_every_case(steps: list[Step]) -> None:
    """Total: no time, holding or order raises, and the same records give the same decision."""
    case: MonitoredCase | None = None
    for event, cause in steps:
        first, second = decide(case, event, cause, POLICY), decide(case, event, cause, POLICY)
        assert first == second
        case = first.case
    if case is not None:
        _covers(case)
        Run(case, []).fire_until(FAR)


def _covers(case: MonitoredCase) -> None:
    """Check that the ledger has no gap and no overlap."""
    spans = ledger_of(case)
    for one, other in pairwise(spans):
        assert one.until == other.since
        assert one.since < other.since


@given(lives())
def test_the_ledger_is_the_whole_life(life: list[Step]) -> None:
    """From reception to the last end, or to now."""
    case = run(life).case
    _covers(case)
    spans = ledger_of(case)
    if spans:
        assert spans[0].since == START
        assert (spans[-1].until is None) == (not case.is_over)


@given(st.data(), lives())
def test_every_level_is_said_once_for_its_date_and_never_before_it(
    data: st.DataObject, life: list[Step]
) -> None:
    """Whatever fires between the facts: in time, late, or after a long outage."""
    done = Run(MonitoredCase(report_id="0123456789AB"), [])
    for step in life:
        if data.draw(st.booleans()):
            more = done.fire_until(step.cause.now)
            done = Run(more.case, done.events + more.events)
        more = done.then(step)
        done = Run(more.case, done.events + more.events)
    done = Run(done.case, done.events + done.fire_until(FAR).events)
    breaches = [x for x in done.events if isinstance(x, e.DeadlineBreached)]
    counts = Counter((b.run, b.level, b.deadline) for b in breaches)
    assert all(count == 1 for count in counts.values())
    for event in breaches:
        assert event.deadline <= event.due_at <= event.detected_at
    windows = Counter(x.opened_by for x in done.events if isinstance(x, e.TimeRanOut))
    assert all(count == 1 for count in windows.values())


@given(lives())
def test_after_an_end_nothing_is_set_or_rings(life: list[Step]) -> None:
    """While a report is open somebody owes its next step, and after its end nobody does."""
    done: Run | None = None
    for step in life:
        before = done.case if done else None
        done = run([step], before)
        if done.case.is_over:
            assert done.case.timer_at is None
            assert not done.of(e.DeadlineSet)
            assert not done.fire_until(FAR).events
        else:
            assert done.case.next_deadline is not None
            assert done.case.timer_at is not None


@given(st.data(), lives())
def test_whoever_follows_the_stream_knows_what_the_case_knows(
    data: st.DataObject, life: list[Step]
) -> None:
    """The last event of each run tells its date; a move names the date before it.

    Whatever order the facts came in, and whatever fired between.
    """
    done = told_in(data, data.draw(st.permutations(life)))
    told: dict[str | None, datetime] = {}
    clocks: dict[str | None, str] = {}
    for event in done.events:
        if isinstance(event, e.OfDeadline):
            assert clocks.setdefault(event.run, event.clock) == event.clock
        if isinstance(event, e.DeadlineMoved):
            assert event.deadline_before == told[event.run]
        if isinstance(event, e.DeadlineSet | e.DeadlineMoved | e.DeadlineMet):
            told[event.run] = event.deadline
    for key, said in done.case.announcements.items():
        if key in told or (said.is_set and said.met_at is None):
            assert told[key] == said.deadline


def test_a_life_of_many_rounds_stays_small() -> None:
    """A report that is replied to for ever keeps a bounded case, and its clock still runs."""
    steps = [received("2023-03-06 09:00"), dispatched("2023-03-06 09:01")]
    for number in range(FACTS_MAX):
        when = (START + timedelta(hours=number + 1)).isoformat()
        kind = e.ReporterAnswered if number % 2 else e.FollowUpGiven
        steps.append(at_unit(kind, when, n=number, round=number // 2 + 1))
    done = run(steps)
    assert len(done.case.facts) == FACTS_MAX
    assert len(done.case.model_dump_json(exclude_defaults=True)) < 200_000
    assert done.case.next_deadline is not None
    assert done.case.timer_at is not None
    assert done.then(timer_fired(done.case.timer_at)).events
