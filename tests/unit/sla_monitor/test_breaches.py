"""A breach that was published and is not true is taken back, once; one that was missed is told."""

import pytest

from shared.contract import events as e
from shared.contract.events import ReportClass
from tests.unit.sla_monitor.builders import (
    BANDUNG,
    OTHER_UNIT,
    POLICY,
    UNIT,
    accepted,
    archived,
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

MONDAY = "2023-03-06 09:00"  # its 3 working days end on Thursday the 9th, 24:00
DUE = at("2023-03-10 00:00")
LATER = at("2023-12-31 00:00")


def told(withdrawals: list[e.BreachWithdrawn]) -> list[tuple[int, str]]:
    """Shorten withdrawals to level and reason."""
    return [(event.level, event.why) for event in withdrawals]


def test_a_stop_in_time_that_is_read_late_takes_every_level_back() -> None:
    """Forwarded on Thursday, read after three levels: none of them was true."""
    breached = run([received(MONDAY)]).fire_until(LATER)
    done = breached.then(forwarded("2023-03-09 23:59"))

    assert told(done.of(e.BreachWithdrawn)) == [(n, "met_in_time") for n in (1, 2, 3)]
    assert {w.deadline for w in done.of(e.BreachWithdrawn)} == {DUE}
    assert {w.deadline_now for w in done.of(e.BreachWithdrawn)} == {DUE}
    [met] = done.of(e.DeadlineMet, "national_verification")
    assert met.on_time


def test_a_late_stop_takes_back_the_levels_after_it_only() -> None:
    """Forwarded on Monday: the deadline had passed, the second level had not come."""
    breached = run([received(MONDAY)]).fire_until(LATER)
    done = breached.then(forwarded("2023-03-13 09:00"))

    assert told(done.of(e.BreachWithdrawn)) == [(2, "met_in_time"), (3, "met_in_time")]
    assert [m.on_time for m in done.of(e.DeadlineMet)] == [False]


@pytest.mark.parametrize(("when", "levels"), [("00:00", [1]), ("00:00:00.001", [])])
def test_a_step_done_in_the_second_a_level_is_due_was_done_before_it(
    when: str, levels: list[int]
) -> None:
    """On time is up to and with the end of the day."""
    breached = run([received(MONDAY)]).fire_until(DUE)
    done = breached.then(forwarded(f"2023-03-10 {when}"))
    assert [w.level for w in done.of(e.BreachWithdrawn)] == levels


def test_nothing_is_taken_back_twice() -> None:
    """A repetition, a further fact and a correction of the stop find nothing published."""
    breached = run([received(MONDAY)]).fire_until(LATER)
    done = breached.then(forwarded("2023-03-09 10:00"))
    assert len(done.of(e.BreachWithdrawn)) == 3
    again = done.then(
        forwarded("2023-03-09 10:00"), accepted("2023-03-09 11:00"),
        forwarded("2023-03-08 10:00", id_="earlier"),
    )  # fmt: skip
    assert not again.of(e.BreachWithdrawn)


def test_a_run_that_was_never_owed_takes_its_breaches_back() -> None:
    """Withdrawn by the reporter before it was accepted; read after the dispatch was overdue."""
    breached = run([forwarded(MONDAY), accepted("2023-03-06 12:00")]).fire_until(LATER)
    assert len(breached.of(e.DeadlineBreached, "dispatch")) == 3
    done = breached.then(withdrawn("2023-03-06 11:00"))

    [owed] = {event.clock for event in done.of(e.BreachWithdrawn)}
    assert owed == "dispatch"
    assert told(done.of(e.BreachWithdrawn)) == [(n, "never_owed") for n in (1, 2, 3)]
    assert {w.deadline_now for w in done.of(e.BreachWithdrawn)} == {None}


def test_a_longer_limit_takes_back_what_the_shorter_had_passed() -> None:
    """Breached as a request of 5 days, then a complaint of 14; the new date has its own levels."""
    breached = run([dispatched(MONDAY, report_class=ReportClass.INFORMATION)]).fire_until(
        at("2023-03-14 12:00")
    )
    done = breached.then(reclassified("2023-03-14 13:00", ReportClass.UNSUPERVISED))

    assert done.names() == ["DeadlineMoved follow_up", "BreachWithdrawn follow_up"]
    [taken] = done.of(e.BreachWithdrawn)
    assert (taken.why, taken.deadline, taken.deadline_now) == (
        "moved", at("2023-03-14 00:00"), at("2023-03-29 00:00"),
    )  # fmt: skip
    later = done.fire_until(LATER).of(e.DeadlineBreached)
    assert [(b.level, b.deadline) for b in later] == [
        (n, at("2023-03-29 00:00")) for n in (1, 2, 3)
    ]


def test_a_question_read_late_rests_a_deadline_that_seemed_passed() -> None:
    """Asked on Tuesday: on Thursday nobody was late. No date counts until the answer."""
    breached = run([received(MONDAY)]).fire_until(DUE)
    done = breached.then(asked("2023-03-07 10:00"))

    [taken] = done.of(e.BreachWithdrawn)
    assert (taken.why, taken.deadline, taken.deadline_now) == ("moved", DUE, None)
    answered = done.then(completed("2023-03-13 10:00"))
    assert not answered.of(e.BreachWithdrawn)
    assert [m.deadline for m in answered.of(e.DeadlineMoved)] == [at("2023-03-16 00:00")]
    assert [
        b.level for b in answered.fire_until(at("2023-03-16 00:00")).of(e.DeadlineBreached)
    ] == [1]


def test_those_who_were_told_are_told_that_it_was_not_so() -> None:
    """The unit's head and the admin; the event is that of the run as it was told."""
    breached = run([dispatched(MONDAY)]).fire_until(at("2023-03-29 00:00"))
    [breach] = breached.of(e.DeadlineBreached)
    [taken] = breached.then(at_unit(e.FollowUpGiven, "2023-03-28 10:00")).of(e.BreachWithdrawn)

    assert taken.recipients == breach.recipients
    assert len(taken.recipients) == 2
    same = ("clock", "owner", "institution", "unit", "started_at", "deadline", "level")
    assert [getattr(taken, name) for name in same] == [getattr(breach, name) for name in same]


def test_a_breach_of_the_first_unit_is_taken_back_from_it() -> None:
    """The report has another unit by then."""
    breached = run([dispatched(MONDAY)]).fire_until(at("2023-03-29 00:00"))
    moved = breached.then(
        at_unit(e.UnitReturned, "2023-03-07 10:00"),
        dispatched("2023-03-07 11:00", 2, OTHER_UNIT),
    )
    assert not moved.of(e.BreachWithdrawn, "follow_up")  # late it is all the same
    done = moved.then(reclassified("2023-03-30 09:00", ReportClass.SUPERVISED))
    [taken] = done.of(e.BreachWithdrawn)
    assert taken.unit == OTHER_UNIT
    assert POLICY.registry.unit(OTHER_UNIT).head_email in taken.recipients


def test_a_stop_read_before_the_timer_tells_the_levels_it_came_after() -> None:
    """The timers were down: forwarded a week late is a breach although it is over, dated right."""
    done = run([received(MONDAY)]).then(forwarded("2023-03-15 10:00"))

    assert done.names() == [
        "DeadlineBreached national_verification",
        "DeadlineBreached national_verification",
        "DeadlineMet national_verification",
        "DeadlineSet institution_verification",
    ]
    breaches = done.of(e.DeadlineBreached)
    assert [(b.level, b.due_at) for b in breaches] == [(1, DUE), (2, at("2023-03-15 00:00"))]
    assert {b.detected_at for b in breaches} == {at("2023-03-15 10:00")}


def test_what_a_late_stop_told_the_timer_does_not_tell_again() -> None:
    """It was on its way when the stop was read."""
    waiting = run([received(MONDAY)])
    timer_at = waiting.case.timer_at
    assert timer_at is not None
    done = waiting.then(forwarded("2023-03-15 10:00"))
    assert done.case.timer_at != timer_at
    assert not done.fire_until(at("2023-03-15 23:00")).of(e.DeadlineBreached)


def test_a_dispatch_that_was_late_is_late_also_after_the_end() -> None:
    """The archive is read first, the held routing and its late dispatch second."""
    steps = [
        archived("2023-05-02 09:00", institution=BANDUNG),
        dispatched("2023-03-31 09:00"),
        held(MONDAY),
    ]
    breaches = run(steps).of(e.DeadlineBreached, "dispatch")
    assert [b.level for b in breaches] == [1, 2, 3]


def test_a_return_read_late_takes_back_the_follow_up_s_breaches() -> None:
    """The institution gave it back in time: its unit was not late."""
    breached = run([dispatched(MONDAY)]).fire_until(LATER)
    done = breached.then(returned("2023-03-10 09:00"))
    assert [w.level for w in done.of(e.BreachWithdrawn, "follow_up")] == [1, 2, 3]


def test_an_end_read_late_takes_back_the_levels_after_it() -> None:
    """Archived on the 13th: the deadline passed before, the levels did not."""
    breached = run([received(MONDAY)]).fire_until(LATER)
    done = breached.then(archived("2023-03-13 09:00"))
    assert done.names() == [
        *["BreachWithdrawn national_verification"] * 2, "DeadlineMet national_verification"
    ]  # fmt: skip
    assert done.case.is_over


def test_a_report_closed_before_a_return_s_deadline_takes_its_breach_back() -> None:
    """Returned while it was on its way to be closed: then nobody owed anything any more."""
    steps = [
        received(MONDAY), forwarded("2023-03-06 10:00"), dispatched("2023-03-06 11:00"),
        returned("2023-03-07 10:00"),
    ]  # fmt: skip
    breached = run(steps).fire_until(at("2023-03-11 00:00"))
    assert breached.of(e.DeadlineBreached, "national_verification")
    done = breached.then(at_unit(e.ReportClosed, "2023-03-07 11:00", by="reporter"))
    assert told(done.of(e.BreachWithdrawn)) == [(1, "met_in_time")]


def test_warnings_and_windows_are_never_taken_back() -> None:
    """A warning was a warning; the end of a window is decided by its stage."""
    warned = run([received(MONDAY)]).fire()
    assert not warned.then(forwarded("2023-03-06 10:00")).of(e.BreachWithdrawn)
    ran_out = run([received(MONDAY), asked("2023-03-07 10:00")]).fire_until(at("2023-03-22 00:00"))
    assert ran_out.of(e.TimeRanOut)
    assert not ran_out.then(completed("2023-03-08 10:00")).of(e.BreachWithdrawn)


def test_a_case_of_before_withdrawals_is_read_and_goes_on() -> None:
    """A row without the newer fields; what was told is remembered."""
    breached = run([dispatched(MONDAY, unit=UNIT)]).fire_until(at("2023-03-29 00:00"))
    newer = {"limit_unit", "responded_at"}
    old = breached.case.model_copy(
        update={
            "institutions": (), "counts_from": None, "counts_until": None,
            "announcements": {
                key: type(said).model_validate(said.model_dump(exclude=newer))
                for key, said in breached.case.announcements.items()
            },
        }
    )  # fmt: skip
    done = run([at_unit(e.FollowUpGiven, "2023-03-28 10:00")], old)
    assert told(done.of(e.BreachWithdrawn)) == [(1, "met_in_time")]
