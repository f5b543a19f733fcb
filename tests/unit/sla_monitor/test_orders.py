"""Facts that come late, in the wrong order, or dated by a clock that jumped."""

from hypothesis import given
from hypothesis import strategies as st

from shared.contract import events as e
from tests.unit.sla_monitor.builders import (
    OTHER_UNIT,
    Step,
    accepted,
    asked,
    at,
    at_unit,
    completed,
    dispatched,
    forwarded,
    held,
    received,
    reclassified,
    returned,
    run,
    withdrawn,
)
from tests.unit.sla_monitor.lives import lives

MONDAY = "2023-03-06 09:00"


def test_a_forward_meets_one_deadline_and_sets_the_next() -> None:
    """In the order it happened: what was owed first is said first."""
    done = run([received(MONDAY)]).then(forwarded("2023-03-06 10:00"))
    assert done.names() == [
        "DeadlineMet national_verification", "DeadlineSet institution_verification"
    ]  # fmt: skip


def test_a_start_that_comes_after_its_stop_is_set_and_met_at_once() -> None:
    """Both are said, so that whoever counts deadlines counts this one."""
    done = run([accepted("2023-03-06 11:00")]).then(forwarded("2023-03-06 10:00"))
    assert done.names() == [
        "DeadlineSet institution_verification", "DeadlineMet institution_verification"
    ]  # fmt: skip


def test_an_earlier_start_moves_the_deadline_as_a_late_fact() -> None:
    """The second dispatch was read first: the follow-up counts from the first all the same."""
    second = dispatched("2023-03-13 10:00", 2, OTHER_UNIT)
    done = run([second]).then(dispatched(MONDAY), at_unit(e.UnitReturned, "2023-03-10 10:00"))
    [moved] = done.of(e.DeadlineMoved, "follow_up")
    assert moved.why == "late_fact"
    assert moved.started_at == at(MONDAY)
    assert moved.deadline < moved.deadline_before


def test_a_held_routing_starts_the_dispatch_that_an_acceptance_starts_earlier() -> None:
    """Held was read before the acceptance it follows: one clock, from the acceptance."""
    done = run([held("2023-03-07 10:00")]).then(accepted(MONDAY))
    [moved] = done.of(e.DeadlineMoved, "dispatch")
    assert moved.started_at == at(MONDAY)
    assert not done.of(e.DeadlineSet, "dispatch")


def test_a_report_closed_before_its_dispatch_is_read_sets_nothing_but_counts_as_done() -> None:
    """The follow-up is said to be met, so that no share of follow-ups leaves it out."""
    done = run([
        at_unit(e.FollowUpGiven, "2023-03-08 10:00"),
        at_unit(e.ReportClosed, "2023-03-09 10:00", by="admin"),
    ]).then(dispatched(MONDAY))  # fmt: skip
    assert done.names() == ["DeadlineMet follow_up"]
    assert done.case.timer_at is None


def test_a_dispatch_that_overtook_a_closing_begins_again() -> None:
    """Closed at one unit while the report was on its way to the next: the follow-up is owed."""
    steps = [
        dispatched(MONDAY),
        at_unit(e.UnitReturned, "2023-03-07 09:00"),
        at_unit(e.ReportClosed, "2023-03-07 10:00", by="reporter"),
    ]
    closed = run(steps)
    assert closed.case.is_over
    again = closed.then(dispatched("2023-03-07 10:01", 2, OTHER_UNIT))
    assert not again.case.is_over
    assert again.case.next_deadline == at("2023-03-29 00:00")


def test_a_report_reopened_after_its_return_is_the_national_admin_s() -> None:
    """Returned while it was closed: at the reopening the national admin owes the next step."""
    steps = [
        received(MONDAY),
        forwarded("2023-03-06 10:00"),
        accepted("2023-03-06 11:00"),
        dispatched("2023-03-06 12:00"),
        at_unit(e.ReportClosed, "2023-03-07 10:00", by="reporter"),
        returned("2023-03-07 10:01"),
    ]
    closed = run(steps)
    assert closed.case.is_over
    again = closed.then(at_unit(e.ReportReopened, "2023-03-08 10:00"))
    assert "DeadlineSet national_verification" in again.names()
    assert again.case.holder == "national"


def test_a_reply_read_after_the_closing_it_prevents_asks_for_a_follow_up() -> None:
    """The follow-up stage opens the report again; the clock does too."""
    done = run([
        dispatched(MONDAY),
        at_unit(e.FollowUpGiven, "2023-03-07 10:00"),
        at_unit(e.ReportClosed, "2023-03-18 00:00"),
        at_unit(e.ReportReopened, "2023-03-18 00:01"),
    ])  # fmt: skip
    assert done.of(e.DeadlineSet, "follow_up")[-1].started_at == at("2023-03-18 00:01")


def test_facts_of_one_millisecond_keep_the_order_of_their_stream() -> None:
    """Closed, reopened, closed again within one record batch: the report is closed."""
    when = "2023-03-07 10:00"
    turns = [
        at_unit(e.ReportClosed, when, n=1),
        at_unit(e.ReportReopened, when, n=2),
        at_unit(e.ReportClosed, when, n=3),
    ]
    assert not run([dispatched(MONDAY), *turns[:2]]).case.is_over
    assert run([dispatched(MONDAY), *turns]).case.is_over


def test_a_stop_dated_before_its_start_is_met_at_the_start() -> None:
    """A broker's clock jumped back: nothing took less than no time."""
    done = run([forwarded("2023-03-07 10:00"), accepted("2023-03-07 09:59")])
    [met] = done.of(e.DeadlineMet, "institution_verification")
    assert met.met_at == at("2023-03-07 10:00")
    assert met.working_days == 0
    assert met.on_time


def test_a_late_stop_that_was_earlier_corrects_what_was_said() -> None:
    """The withdrawal was read first, the acceptance before it second: met by the acceptance."""
    done = run([forwarded(MONDAY), withdrawn("2023-03-08 10:00")])
    [corrected] = done.then(accepted("2023-03-07 10:00")).of(
        e.DeadlineMet, "institution_verification"
    )
    assert corrected.met_at == at("2023-03-07 10:00")


def test_a_late_question_and_answer_correct_whether_a_step_was_in_time() -> None:
    """Forwarded on Friday seemed late; the two days at the reporter make it timely."""
    done = run([received(MONDAY), forwarded("2023-03-10 10:00")])
    assert [m.on_time for m in done.of(e.DeadlineMet)] == [False]
    later = done.then(asked("2023-03-07 10:00"), completed("2023-03-09 10:00"))
    assert later.of(e.DeadlineMet, "national_verification")[-1].on_time


def test_a_late_class_change_is_ruled_by_its_own_time() -> None:
    """Read after the follow-up, but given before it: it counts."""
    done = run([
        dispatched(MONDAY, report_class=e.ReportClass.INFORMATION),
        at_unit(e.FollowUpGiven, "2023-03-20 10:00"),
    ])  # fmt: skip
    assert [m.on_time for m in done.of(e.DeadlineMet, "follow_up")] == [False]
    later = done.then(reclassified("2023-03-08 10:00", e.ReportClass.UNSUPERVISED))
    assert [m.on_time for m in later.of(e.DeadlineMet, "follow_up")] == [True]


@given(st.data(), lives())
def test_no_breach_is_found_before_it_was_due_whatever_was_read_first(
    data: st.DataObject, life: list[Step]
) -> None:
    """A late stop that was read before its start: the breach is found at the later of both."""
    for breach in run(data.draw(st.permutations(life))).of(e.DeadlineBreached):
        assert breach.due_at <= breach.detected_at
