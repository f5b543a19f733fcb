"""An explanation of named lives: every day with its number or its reason, pauses, moves, spans."""

from datetime import date, datetime, timedelta
from typing import Any, Final

from hypothesis import given

from services.sla_monitor.audit.day_count import left_at
from services.sla_monitor.audit.explain import PublishedEvent, explain
from services.sla_monitor.audit.explanation import Day, Explanation, RunExplained
from services.sla_monitor.deadlines import deadlines_of
from services.sla_monitor.facts import Kind
from services.sla_monitor.history import History
from services.sla_monitor.rules import MonitoredCase
from shared.contract import events as e
from shared.contract.events import Clock, ReportClass
from tests.unit.sla_monitor.builders import (
    BANDUNG,
    HSU,
    POLICY,
    Run,
    Step,
    a_policy,
    accepted,
    archived,
    asked,
    at,
    at_unit,
    completed,
    dispatched,
    forwarded,
    received,
    reclassified,
    returned,
    run,
)
from tests.unit.sla_monitor.lives import lives
from tests.unit.sla_monitor.test_thresholds import a_ladder_step, in_minutes

DAY: Final = timedelta(days=1).total_seconds()


def explained(done: Run, clock: Clock, **kw: Any) -> RunExplained:
    """Explain the last run of a clock."""
    return explain(done.case, POLICY, clock=clock, **kw).runs[-1]


def days(explanation: RunExplained) -> list[str]:
    """Write each day short: its date, and its number or why it is skipped."""
    return [
        f"{day.on:%m-%d} {day.skipped if day.number is None else day.number}"
        for day in explanation.days
    ]


def published(done: Run) -> list[PublishedEvent]:
    """Put a run's events on record, an hour after each other."""
    began = at("2023-03-06 09:00")
    return [
        PublishedEvent(began + timedelta(hours=n), event)
        for n, event in enumerate(done.events)
        if isinstance(event, e.Event)
    ]


def test_a_plain_run_counts_its_days_and_ends_with_the_last() -> None:
    """The day of receipt is day 0; the decree names the holiday; who and how much is said."""
    explanation = explained(run([received("2023-03-20 09:00")]), "national_verification")

    assert days(explanation) == [
        "03-20 0", "03-21 1", "03-22 holiday", "03-23 holiday", "03-24 2", "03-25 weekend",
        "03-26 weekend", "03-27 3",
    ]  # fmt: skip
    nyepi, leave = explanation.days[2], explanation.days[3]
    assert (nyepi.name, nyepi.kind) == ("Hari Suci Nyepi", "national")
    assert leave.kind == "joint_leave"
    assert nyepi.decree is not None
    assert "Nomor 1066 Tahun 2022" in nyepi.decree
    assert explanation.decrees == (nyepi.decree,)
    assert explanation.deadline == at("2023-03-28 00:00")
    assert (explanation.limit, explanation.limit_unit, explanation.state) == (
        3,
        "working_days",
        "running",
    )
    assert "3 working days" in explanation.limit_source
    assert (explanation.owner, explanation.institution, explanation.zone) == (
        "national",
        "00",
        "Asia/Jakarta",
    )
    assert explanation.on_time is None


def test_a_report_received_on_a_day_off_begins_on_it_as_day_zero() -> None:
    """Day 0 is the day of receipt, also on a Sunday; Monday is day 1."""
    explanation = explained(run([received("2023-03-05 09:00")]), "national_verification")
    assert days(explanation) == ["03-05 0", "03-06 1", "03-07 2", "03-08 3"]
    assert (explanation.days[0].skipped, explanation.days[0].counted_seconds) == ("weekend", 0)


def test_a_pause_is_told_with_what_was_left_and_cuts_its_days() -> None:
    """Asked on Tuesday at 10, answered on Thursday at 15: both are parts of day 1."""
    life = [received("2023-03-06 09:00"), asked("2023-03-07 10:00"), completed("2023-03-09 15:00")]
    explanation = explained(run(life), "national_verification")

    assert days(explanation) == [
        "03-06 0", "03-07 1", "03-08 paused", "03-09 1", "03-10 2", "03-11 weekend",
        "03-12 weekend", "03-13 3", "03-14 3",
    ]  # fmt: skip
    (rest,) = explanation.pauses
    assert (rest.cause, rest.ended_by, rest.counts) == ("asked", Kind.COMPLETED, True)
    assert (rest.since, rest.until) == (at("2023-03-07 10:00"), at("2023-03-09 15:00"))
    assert rest.left_seconds == 2 * DAY + 14 * 3600
    assert [day.pauses for day in explanation.days[1:4]] == [(0,), (0,), (0,)]
    assert sum(day.counted_seconds for day in explanation.days[1:]) == 3 * DAY
    assert explanation.deadline == at("2023-03-14 05:00")


def test_a_pause_that_lasts_and_one_that_came_too_late_are_told() -> None:
    """While the reporter is asked the clock rests; a question after the date rests nothing."""
    begins = received("2023-03-06 09:00")
    resting = explained(run([begins, asked("2023-03-07 10:00")]), "national_verification")
    late = explained(run([begins, asked("2023-03-15 10:00")]), "national_verification")

    assert (resting.state, resting.pauses[0].until) == ("paused", None)
    assert days(resting) == ["03-06 0", "03-07 1", "03-08 paused", "03-09 paused"]
    assert not late.pauses[0].counts
    assert late.pauses[0].left_seconds == 0


def test_a_window_that_ran_out_ends_the_pause_it_was() -> None:
    """Nobody answered: the pause ended with the window."""
    done = run([received("2023-03-06 09:00"), asked("2023-03-07 10:00")])
    fired = Run(done.case, []).fire_until(at("2023-03-25 00:00"))
    explanation = explained(fired, "national_verification")
    window = explained(fired, "completion", published=published(fired))

    assert explanation.pauses[0].ended_by is Kind.RAN_OUT
    assert explanation.pauses[0].until == window.deadline
    (step,) = window.steps
    assert (step.kind, step.is_told, step.due_at) == ("window", True, window.deadline)
    assert step.told_at is not None


def test_a_return_says_where_the_report_was_meanwhile() -> None:
    """The national clock goes on from the first start, less the time the report was elsewhere."""
    life = [
        received("2023-03-06 09:00"),
        forwarded("2023-03-07 09:00"),
        accepted("2023-03-08 09:00"),
        dispatched("2023-03-08 09:00"),
        returned("2023-03-13 09:00"),
    ]
    explanation = explained(run(life), "national_verification")

    (rest,) = explanation.pauses
    assert (rest.cause, rest.ended_by) == ("elsewhere", Kind.RETURNED)
    assert rest.by == (BANDUNG, f"{BANDUNG}-001")
    assert (explanation.started_by, explanation.opened_by) == (Kind.RECEIVED, Kind.RETURNED)
    assert not explanation.is_extended
    assert days(explanation)[:3] == ["03-06 0", "03-07 1", "03-08 paused"]


def test_a_report_that_comes_back_past_its_limit_gets_another_day() -> None:
    """The limit was used up before: the days past it are numbered on, and it is said."""
    life = [
        received("2023-03-06 09:00"),
        forwarded("2023-03-10 09:00"),
        returned("2023-03-13 09:00"),
    ]
    explanation = explained(run(life), "national_verification")
    assert explanation.is_extended
    assert explanation.deadline == at("2023-03-15 00:00")
    assert [day.number for day in explanation.days if day.number] == [1, 2, 3, 4, 4, 5]


def test_a_reclassification_changes_the_limit_and_the_move_is_told() -> None:
    """From 14 to 5 working days, from the original start: before, after, why."""
    life = [
        received("2023-03-06 09:00"),
        forwarded("2023-03-06 10:00"),
        accepted("2023-03-06 11:00"),
        dispatched("2023-03-06 12:00"),
        at_unit(e.InitialResponseGiven, "2023-03-07 12:00"),
        reclassified("2023-03-08 09:00", ReportClass.INFORMATION),
    ]
    done = run(life)
    explanation = explained(done, "follow_up", published=published(done))

    assert (explanation.report_class, explanation.limit) == (ReportClass.INFORMATION, 5)
    assert explanation.days[-1] == Day(on=date(2023, 3, 13), number=5, counted_seconds=DAY)
    (move,) = explanation.moves
    assert move.why == "reclassified"
    assert move.deadline_before == at("2023-03-29 00:00")
    assert move.deadline == explanation.deadline == at("2023-03-14 00:00")
    assert explanation.initial_response_at == at("2023-03-07 12:00")
    assert explanation.initial_response_working_days == 1.0


def test_a_decree_is_in_the_version_that_was_known() -> None:
    """Received on 13 August 2025: 18 August was added by a decree of the 7th."""
    before = explained(run([received("2025-08-06 09:00")]), "national_verification")
    life = [received("2025-08-13 09:00"), forwarded("2025-08-13 09:30", HSU)]
    explanation = explained(run(life), "institution_verification")

    assert before.calendar_version != explanation.calendar_version
    assert days(explanation) == [
        "08-13 0", "08-14 1", "08-15 2", "08-16 weekend", "08-17 holiday", "08-18 holiday",
        "08-19 3",
    ]  # fmt: skip
    assert explanation.zone == "Asia/Makassar"
    assert explanation.days[5].decree == explanation.decrees[0]
    assert explanation.days[5].decree not in before.decrees


def test_a_year_without_a_decree_is_told_as_provisional() -> None:
    """What the law fixes for every year is a holiday, and each day says that it is not decreed."""
    explanation = explained(run([received("2031-04-29 09:00")]), "national_verification")
    assert explanation.is_provisional
    assert explanation.calendar_version.endswith("+provisional")
    assert days(explanation) == ["04-29 0", "04-30 1", "05-01 holiday", "05-02 2", "05-03 weekend",
                          "05-04 weekend", "05-05 3"]  # fmt: skip
    assert all(day.is_provisional for day in explanation.days)


def test_a_limit_in_minutes_counts_the_opening_hours() -> None:
    """1200 minutes from Thursday 15:30: 30 on day 0, 360 on Friday, 420 on Monday, the rest."""
    step = dispatched("2023-03-09 15:30", report_class=ReportClass.INFORMATION)
    explanation = explain(run([step], policy=in_minutes()).case, in_minutes()).runs[0]
    assert (explanation.limit, explanation.limit_unit) == (1200, "working_minutes")
    assert days(explanation) == ["03-09 0", "03-10 1", "03-11 weekend", "03-12 weekend", "03-13 2",
                          "03-14 3"]  # fmt: skip
    assert [day.counted_seconds / 60 for day in explanation.days] == [30, 360, 0, 0, 420, 390]


def test_a_share_of_the_limit_and_a_level_that_repeats_are_told_as_they_come() -> None:
    """Of a level that repeats for a year: those that were told, and the next."""
    ladder = (a_ladder_step(0, at_share=0.5), a_ladder_step(3, after_days=7, repeat_days=5))
    weekly = a_policy(own_ladder=ladder)
    begins = run([forwarded("2023-03-06 09:00")], policy=weekly)
    first = explain(begins.case, weekly).runs[0]
    assert [step.level for step in first.steps] == [0, 1, 2, 3, 4]
    assert first.steps[1].due_at == first.deadline
    assert all(step.recipients for step in first.steps)


def test_a_window_in_calendar_days_counts_every_day() -> None:
    """Weekends and holidays too: ten days after the follow-up."""
    explanation = explained(run(_followed_up()), "reply")
    assert explanation.limit_unit == "calendar_days"
    assert [day.number for day in explanation.days] == list(range(11))
    assert {day.skipped for day in explanation.days} == {None}
    assert explanation.owner == "reporter"


def test_a_step_that_was_done_is_told_with_when_and_whether_in_time() -> None:
    """The follow-up after six working days of 14; the ledger is the whole life."""
    done = run([*_followed_up(), at_unit(e.ReportClosed, "2023-03-20 12:00")])
    explanation = explain(done.case, POLICY)
    run_ = next(each for each in explanation.runs if each.clock == "follow_up")

    assert (run_.state, run_.stopped_by, run_.on_time) == ("done", Kind.FOLLOWED_UP, True)
    assert run_.met_at == at("2023-03-14 12:00")
    assert run_.working_days == 6.0
    assert explanation.is_over
    whole = at("2023-03-20 12:00") - at("2023-03-06 09:00")
    assert explanation.life_seconds == sum(s.elapsed_seconds for s in explanation.ledger)
    assert explanation.life_seconds == whole.total_seconds()
    assert [span.holder for span in explanation.ledger] == [
        "national",
        "institution",
        "unit",
        "reporter",
    ]
    assert explanation.ledger[-1].working_seconds < explanation.ledger[-1].elapsed_seconds


def test_an_end_ends_every_run() -> None:
    """Archived: nothing is owed any more, whatever the date was."""
    explanation = explained(
        run([received("2023-03-06 09:00"), archived("2023-03-07 09:00")]), "national_verification"
    )
    assert (explanation.state, explanation.stopped_by) == ("ended", Kind.ENDED)


def test_levels_are_told_with_who_and_whether_they_were() -> None:
    """A late life: the warning and the first level were told, the others are still to come."""
    done = run([received("2023-03-06 09:00")])
    late = Run(done.case, []).fire_until(at("2023-03-10 00:00"))
    explanation = explained(late, "national_verification", published=published(late))

    assert [(step.level, step.kind, step.is_told) for step in explanation.steps] == [
        (0, "warning", True), (1, "escalation", True), (2, "escalation", False),
        (3, "escalation", False),
    ]  # fmt: skip
    assert all(step.recipients and step.due_at for step in explanation.steps)
    assert [step.told_at is not None for step in explanation.steps] == [True, True, False, False]


def test_what_was_told_of_an_earlier_date_stays_in_the_account() -> None:
    """A level of a date that moved is told with the date that it named."""
    begins = run([received("2023-03-06 09:00")])
    late = Run(begins.case, []).fire_until(at("2023-03-10 00:00"))
    done = late.then(asked("2023-03-07 10:00", n=1), completed("2023-03-09 15:00", n=2))
    every = Run(done.case, [*late.events, *done.events])
    explanation = explained(every, "national_verification", published=published(every))
    old = [step for step in explanation.steps if step.deadline != explanation.deadline]
    assert [(step.level, step.due_at, step.is_told, step.withdrawn) for step in old] == [
        (0, None, True, None), (1, None, True, "moved"),
    ]  # fmt: skip
    assert all(step.told_at for step in old)


def test_an_explanation_is_json_and_back() -> None:
    """Programs read what people read; every instant is in UTC."""
    explanation = explain(run(_followed_up()).case, POLICY)
    text = explanation.model_dump_json()
    assert Explanation.model_validate_json(text) == explanation
    assert '"started_at":"2023-03-06T02:00:00Z"' in text


def test_nothing_known_is_explained_as_nothing() -> None:
    """A case of a lane, or one without facts: no run, no span."""
    explanation = explain(MonitoredCase(report_id="0123456789AB"), POLICY)
    assert (explanation.runs, explanation.ledger, explanation.life_seconds) == ((), (), 0)


def _followed_up() -> list[Step]:
    return [
        received("2023-03-06 09:00"),
        forwarded("2023-03-06 10:00"),
        accepted("2023-03-06 11:00"),
        dispatched("2023-03-06 12:00"),
        at_unit(e.FollowUpGiven, "2023-03-14 12:00"),
    ]


# ---- properties


@given(lives())
def test_the_days_of_any_life_lead_to_its_stored_deadlines(life: list[Step]) -> None:
    """Numbers run 1 to N and the last day's end is the date; with pauses the counted time is N.

    While a clock rests its date is the one it has if the rest ends at once: no count leads there.
    """
    case = run(life).case
    explanation = explain(case, POLICY)
    assert {each.key: each.deadline for each in explanation.runs} == {
        key: said.deadline for key, said in case.announcements.items()
    }
    resting = {each.key for each in deadlines_of(History.of(case.facts), POLICY) if each.is_paused}
    for each in explanation.runs:
        if each.key not in resting:
            _counts_to_its_limit(each)


def _counts_to_its_limit(explanation: RunExplained) -> None:
    numbers = [day.number for day in explanation.days if day.number]
    assert numbers == sorted(numbers)
    assert explanation.days[0].number == 0
    if explanation.is_extended:
        assert max(numbers) > explanation.limit
        return
    assert set(numbers) == set(range(1, explanation.limit + 1))
    if not any(pause.counts for pause in explanation.pauses):
        assert numbers == list(range(1, explanation.limit + 1))
        assert explanation.deadline == _end_of(explanation, explanation.days[-1].on)
    if explanation.limit_unit == "working_days":
        counted = sum(day.counted_seconds for day in explanation.days)
        assert timedelta(seconds=counted) == _whole(explanation)


def _end_of(explanation: RunExplained, on: date) -> datetime:
    return POLICY.calendar(explanation.institution, explanation.known_at).end_of_day(on)


def _whole(explanation: RunExplained) -> timedelta:
    calendar = POLICY.calendar(explanation.institution, explanation.known_at)
    ends = calendar.end_of_day(calendar.local_date(explanation.started_at))
    return calendar.working_time(explanation.started_at, ends) + timedelta(days=explanation.limit)


@given(lives())
def test_the_spans_of_any_life_are_the_whole_of_it(life: list[Step]) -> None:
    """Their sum is the time from the first fact to the end, or to now."""
    case = run(life).case
    as_of = life[-1].cause.now + timedelta(days=1)
    explanation = explain(case, POLICY, as_of=as_of)
    ends = explanation.ledger[-1].until or as_of if explanation.ledger else life[0].cause.now
    assert explanation.life_seconds == (ends - life[0].cause.now).total_seconds()


@given(lives())
def test_nothing_is_left_of_a_limit_at_its_deadline(life: list[Step]) -> None:
    """Neither less nor more, but for a report that came back too late; a resting clock has some."""
    for deadline in deadlines_of(History.of(run(life).case.facts), POLICY):
        if deadline.limit.unit == "working_days":
            assert deadline.is_paused or left_at(deadline, deadline.at) <= timedelta(0)
