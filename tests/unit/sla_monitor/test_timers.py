"""Warnings, levels and windows: each once, in order, dated by when it was due."""

from datetime import timedelta

import pytest

from shared.contract import events as e
from tests.unit.sla_monitor.builders import (
    BANDUNG,
    HSU,
    POLICY,
    UNIT,
    accepted,
    archived,
    at,
    at_unit,
    blocked,
    dispatched,
    forwarded,
    received,
    reclassified,
    run,
    timer_fired,
    withdrawn,
)

MONDAY = "2023-03-06 09:00"
DUE = at("2023-03-10 00:00")  # the national deadline, Thursday 24:00
WARNED = at("2023-03-09 00:00")
LEVELS = {1: DUE, 2: at("2023-03-15 00:00"), 3: at("2023-03-21 00:00")}


def test_a_warning_and_three_levels_each_at_its_time() -> None:
    """One working day before, at the deadline, three and seven working days after."""
    case = run([received(MONDAY)])
    assert case.case.timer_at == WARNED
    warned = case.fire()
    [warning] = warned.of(e.DeadlineApproaching)
    assert (warning.due_at, warning.deadline) == (WARNED, DUE)
    done = warned
    for level, due_at in LEVELS.items():
        assert done.case.timer_at == due_at
        done = done.fire()
        [breach] = done.of(e.DeadlineBreached)
        assert (breach.level, breach.due_at, breach.deadline) == (level, due_at, DUE)
    assert done.case.timer_at is None


def test_a_level_is_dated_by_its_time_with_the_detection_beside_it() -> None:
    """Found an hour late, it is still of the deadline's second."""
    found_at = WARNED + timedelta(hours=1)
    [warning] = run([received(MONDAY)]).fire(found_at).of(e.DeadlineApproaching)
    assert (warning.due_at, warning.detected_at) == (WARNED, found_at)


def test_after_an_outage_every_level_is_said_in_order() -> None:
    """All that fell due meanwhile comes, once each, the oldest first."""
    done = run([received(MONDAY)]).fire_until(at("2023-12-31 00:00"))
    assert done.names() == [
        "DeadlineApproaching national_verification", *["DeadlineBreached national_verification"] * 3
    ]  # fmt: skip
    assert [b.level for b in done.of(e.DeadlineBreached)] == [1, 2, 3]


def test_levels_due_at_the_same_time_are_said_by_one_timer() -> None:
    """A late follow-up and a held dispatch end on the same evening: both are said, none twice."""
    steps = [
        dispatched(MONDAY, report_class=e.ReportClass.INFORMATION),
        at_unit(e.UnitReturned, "2023-03-08 09:00"),
    ]
    done = run(steps).fire()
    assert done.names() == ["DeadlineApproaching dispatch", "DeadlineApproaching follow_up"]
    assert done.case.timer_at == at("2023-03-14 00:00")
    assert done.fire().names() == ["DeadlineBreached dispatch", "DeadlineBreached follow_up"]


@pytest.mark.parametrize("shift_hours", [-1, 1])
def test_a_timer_not_awaited_says_nothing(shift_hours: int) -> None:
    """The timer is compared with the case, never with the clock."""
    before = run([received(MONDAY)])
    stale = before.then(
        timer_fired(WARNED + timedelta(hours=shift_hours), now=at("2024-01-01 00:00"))
    )
    assert stale.case == before.case
    assert not stale.events


def test_a_timer_that_fires_twice_says_nothing_twice() -> None:
    """The loop fires again until it was heard."""
    fired = run([received(MONDAY)]).fire()
    again = fired.then(timer_fired(WARNED, now=at("2023-03-09 00:01")))
    assert again.case == fired.case
    assert not again.events


def test_a_timer_that_a_stop_overtook_says_nothing() -> None:
    """Forwarded before the warning was decided: nobody is warned."""
    done = run([received(MONDAY), forwarded("2023-03-07 10:00")])
    assert not done.then(timer_fired(WARNED)).events


def test_a_timer_without_a_case_makes_none() -> None:
    """A report this stage does not know stays unknown."""
    case = run([received(MONDAY)]).case
    assert run([timer_fired(WARNED)], case.model_copy(update={"timer_at": None})).events == []


@pytest.mark.parametrize("end", [archived, blocked, withdrawn])
def test_an_end_silences_every_clock(end: object) -> None:
    """Nothing fires after it, whatever was open."""
    assert callable(end)
    done = run([received(MONDAY), forwarded("2023-03-06 10:00"), end("2023-03-07 10:00")])
    assert done.case.timer_at is None
    assert done.names()[-1] == "DeadlineMet institution_verification"
    assert not done.then(timer_fired(WARNED)).events


@pytest.mark.parametrize("end", [archived, blocked, withdrawn])
def test_an_end_before_the_start_means_that_nothing_was_ever_owed(end: object) -> None:
    """No deadline is set after an end, in whatever order the rest arrives."""
    assert callable(end)
    late = run([end("2023-03-07 10:00")]).then(received(MONDAY))
    assert not late.events
    rest = late.then(forwarded("2023-03-06 10:00"), accepted("2023-03-06 11:00"))
    assert rest.names() == ["DeadlineMet national_verification", *_met("institution_verification")]
    assert rest.case.timer_at is None


def _met(clock: str) -> list[str]:
    return [f"DeadlineMet {clock}"]


def test_what_was_set_but_never_owed_is_taken_back() -> None:
    """Accepted an hour after the reporter had withdrawn: the withdrawal is read last."""
    done = run([forwarded(MONDAY), accepted("2023-03-06 12:00")])
    last = done.then(withdrawn("2023-03-06 11:00"))
    assert sorted(last.names()) == ["DeadlineMet dispatch", "DeadlineMet institution_verification"]
    assert last.case.timer_at is None


def test_a_later_deadline_has_its_levels_anew_and_keeps_what_was_said() -> None:
    """Breached in the class of 5 days, then reclassified to 14: level 1 again, for the new date."""
    done = run([dispatched(MONDAY, report_class=e.ReportClass.INFORMATION)])
    breached = done.fire_until(at("2023-03-14 12:00"))
    assert [b.level for b in breached.of(e.DeadlineBreached)] == [1]
    moved = breached.then(reclassified("2023-03-14 13:00", e.ReportClass.UNSUPERVISED))
    assert [m.deadline for m in moved.of(e.DeadlineMoved)] == [at("2023-03-29 00:00")]
    later = moved.fire_until(at("2023-05-31 00:00"))
    assert [b.level for b in later.of(e.DeadlineBreached)] == [1, 2, 3]
    assert {b.deadline for b in later.of(e.DeadlineBreached)} == {at("2023-03-29 00:00")}


def test_a_deadline_that_moves_back_says_again_what_was_withdrawn() -> None:
    """What was taken back is true again; the warning, which nothing took back, is not repeated."""
    done = run([dispatched(MONDAY, report_class=e.ReportClass.INFORMATION)])
    breached = done.fire_until(at("2023-03-14 12:00"))
    there = breached.then(
        reclassified("2023-03-14 13:00", e.ReportClass.UNSUPERVISED),
        reclassified("2023-03-14 14:00", e.ReportClass.INFORMATION),
    )
    assert [w.level for w in there.of(e.BreachWithdrawn)] == [1]
    later = there.fire_until(at("2023-05-31 00:00"))
    assert later.names() == ["DeadlineBreached follow_up"] * 3
    assert [b.level for b in later.of(e.DeadlineBreached)] == [1, 2, 3]


def test_a_deadline_that_moves_into_the_past_is_breached_at_once_in_order() -> None:
    """From 60 days to 5 in the fourth week: no warning any more, but each level that was due."""
    done = run([dispatched(MONDAY, report_class=e.ReportClass.SUPERVISED)])
    moved = done.then(reclassified("2023-03-28 13:00", e.ReportClass.INFORMATION))
    assert moved.case.timer_at == at("2023-03-14 00:00")
    later = moved.fire_until(at("2023-03-28 13:01"))
    assert later.names() == ["DeadlineBreached follow_up"] * 3


def test_the_ladder_tells_its_people_by_level() -> None:
    """The unit's liaison is warned; then admin and unit's head, oversight, the nation."""
    done = run([dispatched(MONDAY)]).fire_until(at("2023-12-31 00:00"))
    told = [getattr(event, "recipients", ()) for event in done.events]
    registry = POLICY.registry
    unit, owner, national = (
        registry.unit(UNIT), registry.institution(BANDUNG), registry.institution("00")
    )  # fmt: skip
    by_role = {
        (i.code, contact.role): contact.email for i in (owner, national) for contact in i.contacts
    }
    assert told[0] == (unit.liaison_email,)
    assert set(told[1]) == {by_role[BANDUNG, "admin"], unit.head_email}
    assert by_role[BANDUNG, "oversight"] in told[2]
    assert set(told[3]) == {by_role["00", "admin"], by_role["00", "ombudsman"]}


def test_clock_1_escalates_to_the_national_admin_s_head() -> None:
    """Nobody at an institution is told of the national admin's delay."""
    done = run([received(MONDAY)]).fire_until(DUE)
    [breach] = done.of(e.DeadlineBreached)
    heads = [c.email for c in POLICY.registry.institution("00").contacts if c.role == "head"]
    assert list(breach.recipients) == heads


def test_an_institution_s_levels_count_by_its_own_calendar() -> None:
    """Hulu Sungai Utara's midnight is an hour before the nation's."""
    done = run([forwarded(MONDAY, HSU)]).fire_until(at("2023-12-31 00:00"))
    assert [b.due_at for b in done.of(e.DeadlineBreached)] == [
        due_at - timedelta(hours=1) for due_at in LEVELS.values()
    ]


def test_the_reply_window_ends_once_and_warns_nobody() -> None:
    """Its end names the follow-up that opened it; the closing after it says nothing was met."""
    given = at_unit(e.FollowUpGiven, "2023-03-07 09:00")
    done = run([dispatched(MONDAY), given])
    fired = done.fire_until(at("2023-12-31 00:00"))
    [ran_out] = fired.events
    assert isinstance(ran_out, e.TimeRanOut)
    assert (ran_out.window, ran_out.opened_by) == ("reply", given.cause.id)
    assert ran_out.ran_out_at == at("2023-03-18 00:00")
    closed = fired.then(at_unit(e.ReportClosed, "2023-03-18 00:00:01"))
    assert not closed.events
    assert closed.case.is_over


def test_only_the_last_follow_up_s_window_runs_out() -> None:
    """Another follow-up opens another window in place of the first."""
    second = at_unit(e.FollowUpGiven, "2023-03-09 09:00", round=2)
    done = run([dispatched(MONDAY), at_unit(e.FollowUpGiven, "2023-03-07 09:00"), second])
    [ran_out] = done.fire_until(at("2023-12-31 00:00")).of(e.TimeRanOut)
    assert ran_out.opened_by == second.cause.id


def test_a_step_that_is_known_to_be_past_warns_nobody() -> None:
    """The dispatch is known, the forward is not yet: the national admin did its part."""
    done = run([received(MONDAY), dispatched("2023-03-06 10:00")])
    fired = done.fire_until(at("2023-03-27 00:00"))
    assert not fired.of(e.DeadlineApproaching, "national_verification")
    assert not fired.of(e.DeadlineBreached, "national_verification")
    [met] = fired.then(forwarded("2023-03-06 09:30")).of(e.DeadlineMet, "national_verification")
    assert met.met_at == at("2023-03-06 09:30")
