"""While the reporter is asked the asking stage's clock rests, and goes on with what was left."""

import pytest

from shared.contract import events as e
from tests.unit.sla_monitor.builders import (
    accepted,
    archived,
    asked,
    at,
    completed,
    dispatched,
    forwarded,
    received,
    reclassified,
    returned,
    run,
)

MONDAY = "2023-03-06 09:00"  # its 3 working days end on Thursday the 9th, 24:00
THURSDAY_24 = at("2023-03-10 00:00")


def test_the_reporter_has_10_working_days_and_nobody_else_owes_anything() -> None:
    """The window opens, and only its end would fire."""
    done = run([received(MONDAY), asked("2023-03-07 10:00")])
    [window] = done.of(e.DeadlineSet, "completion")
    assert (window.owner, window.limit) == ("reporter", 10)
    assert window.deadline == at("2023-03-22 00:00")
    assert done.case.timer_at == window.deadline


def test_the_clock_resumes_with_the_working_time_it_had_left() -> None:
    """Asked for exactly two working days: the date moves by exactly two working days."""
    done = run([received(MONDAY), asked("2023-03-07 10:00")]).then(completed("2023-03-09 10:00"))
    assert done.names() == ["DeadlineMoved national_verification", "DeadlineMet completion"]
    [moved] = done.of(e.DeadlineMoved)
    assert moved.why == "resumed"
    assert (moved.deadline_before, moved.deadline) == (THURSDAY_24, at("2023-03-14 00:00"))


def test_rest_is_counted_to_the_second() -> None:
    """An hour and a second of a working day are an hour and a second."""
    asked_, answered = asked("2023-03-07 10:00:00"), completed("2023-03-07 11:00:01")
    [moved] = run([received(MONDAY), asked_, answered]).of(e.DeadlineMoved)
    assert moved.deadline == at("2023-03-10 01:00:01")


def test_rest_over_a_weekend_moves_nothing() -> None:
    """No working time passed, so none is given back, and nothing is said of the national clock."""
    friday = [
        received("2023-03-10 09:00"),
        asked("2023-03-11 00:00"),
        completed("2023-03-12 23:00"),
    ]
    assert not run(friday).of(e.DeadlineMoved)


def test_two_questions_rest_twice() -> None:
    """What was left after the first is what the second leaves."""
    steps = [
        received(MONDAY),
        asked("2023-03-07 10:00"),
        completed("2023-03-08 10:00"),
        asked("2023-03-09 10:00"),
        completed("2023-03-10 10:00"),
    ]
    done = run(steps)
    assert [m.deadline for m in done.of(e.DeadlineMoved)] == [
        at("2023-03-11 00:00"), at("2023-03-14 00:00")
    ]  # fmt: skip
    met = done.then(forwarded("2023-03-13 10:00")).of(e.DeadlineMet, "national_verification")
    assert [m.working_days for m in met] == [pytest.approx(5 + 1 / 24 - 2, abs=0.001)]


def test_a_question_after_the_deadline_came_too_late_to_rest_it() -> None:
    """It buys no time: the clock stays overdue and goes on up the ladder."""
    done = run([received(MONDAY), asked("2023-03-10 10:00")])
    assert not done.then(completed("2023-03-13 10:00")).of(e.DeadlineMoved)
    levels = done.fire_until(at("2023-03-31 00:00")).of(e.DeadlineBreached)
    assert [b.level for b in levels] == [1, 2, 3]


def test_no_level_is_said_while_the_clock_rests() -> None:
    """The deadline passes while the reporter is asked: that is nobody's breach."""
    done = run([received(MONDAY), asked("2023-03-07 10:00")])
    assert not done.fire_until(at("2023-03-20 00:00")).events


def test_at_the_window_s_end_time_ran_out_names_the_question() -> None:
    """The stage that asked learns which window ended; its own clock goes on until it acts."""
    question = asked("2023-03-07 10:00")
    fired = run([received(MONDAY), question]).fire()
    [ran_out] = fired.of(e.TimeRanOut)
    assert (ran_out.window, ran_out.opened_by) == ("completion", question.cause.id)
    assert ran_out.ran_out_at == at("2023-03-22 00:00")
    [moved] = fired.of(e.DeadlineMoved)
    assert moved.why == "resumed"
    after = fired.then(archived("2023-03-22 00:00:01", by="system"))
    assert after.names() == ["DeadlineMet national_verification"]
    assert after.case.is_over
    assert after.case.timer_at is None


def test_an_answer_that_was_in_time_but_is_read_late_still_counts() -> None:
    """The rest ends with the answer, not with the window."""
    fired = run([received(MONDAY), asked("2023-03-07 10:00")]).fire()
    late = fired.then(completed("2023-03-09 10:00"))
    [moved] = late.of(e.DeadlineMoved)
    assert moved.deadline == at("2023-03-14 00:00")
    [met] = late.of(e.DeadlineMet, "completion")
    assert met.on_time


def test_an_institution_s_question_rests_its_own_clock_only() -> None:
    """The institution's verification rests; the next holding's does not."""
    steps = [
        received(MONDAY),
        forwarded("2023-03-06 10:00"),
        asked("2023-03-07 10:00", "institution", 1),
        completed("2023-03-09 10:00"),
    ]
    done = run(steps)
    assert [(m.clock, m.deadline) for m in done.of(e.DeadlineMoved)] == [
        ("institution_verification", at("2023-03-14 00:00"))
    ]
    again = done.then(returned("2023-03-10 10:00"), forwarded("2023-03-10 11:00", holding=2))
    [second] = again.of(e.DeadlineSet, "institution_verification")
    assert second.deadline == at("2023-03-16 00:00")


def test_a_question_settled_by_the_stage_itself_ends_the_window() -> None:
    """Forwarded without waiting for the answer: the reporter owes nothing any more."""
    done = run([received(MONDAY), asked("2023-03-07 10:00"), forwarded("2023-03-09 10:00")])
    [met] = done.of(e.DeadlineMet, "national_verification")
    assert met.on_time
    assert met.deadline == at("2023-03-14 00:00")
    assert len(done.of(e.DeadlineMet, "completion")) == 1
    assert not done.fire_until(at("2023-03-09 00:00")).of(e.TimeRanOut)


def test_an_answer_nobody_asked_for_changes_nothing() -> None:
    """It came before the question: the question still waits for one."""
    done = run([received(MONDAY), completed("2023-03-06 10:00"), asked("2023-03-07 10:00")])
    assert done.case.timer_at == done.of(e.DeadlineSet, "completion")[0].deadline


def test_an_answer_counts_from_when_the_asking_stage_asked() -> None:
    """It decided at 10:00, its event came an hour later: who answered between has answered."""
    question = asked("2023-03-07 11:00", asked_at=at("2023-03-07 10:00"))
    for when, is_answer in (("10:00", False), ("10:01", True), ("11:01", True)):
        done = run([received(MONDAY), question, completed(f"2023-03-07 {when}")])
        assert bool(done.of(e.DeadlineMet, "completion")) is is_answer


def test_another_class_keeps_what_the_institution_s_rest_gave() -> None:
    """Reclassifying touches the follow-up alone."""
    steps = [
        forwarded(MONDAY),
        asked("2023-03-07 10:00", "institution", 1),
        completed("2023-03-09 10:00"),
        accepted("2023-03-10 10:00"),
        dispatched("2023-03-10 10:01"),
    ]
    done = run(steps).then(reclassified("2023-03-13 10:00", e.ReportClass.INFORMATION))
    assert done.names() == ["DeadlineMoved follow_up"]


def test_a_question_in_the_day_granted_after_a_return_rests_it_too() -> None:
    """The limit was used up before the return: the granted day still waits for the reporter."""
    steps = [
        received(MONDAY),
        forwarded("2023-03-13 09:00"),  # four days late
        returned("2023-03-17 09:00"),
        asked("2023-03-17 10:00", holding=1),
    ]
    done = run(steps)
    assert not done.fire_until(at("2023-03-27 00:00")).of(e.DeadlineBreached)
    [moved] = done.then(completed("2023-03-20 10:00")).of(e.DeadlineMoved)
    assert (moved.deadline_before, moved.why) == (at("2023-03-21 00:00"), "resumed")
    assert moved.deadline == at("2023-03-22 00:00")
