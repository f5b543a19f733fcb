"""Levels by working days or by the share of the limit used, repeats, and limits in minutes."""

from datetime import date, datetime, timedelta
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.sla_monitor.due_dates import Measure, Pause, due_after_pauses, share_used_at
from services.sla_monitor.policy import Policy
from shared.contract import events as e
from shared.contract.events import ReportClass
from shared.registry import LadderStep, Limit
from shared.registry.models import REPEATS_MAX, OwnLimits
from shared.worktime.opening_hours import OpeningHours, hours_of
from tests.unit.sla_monitor.builders import (
    BANDUNG,
    POLICY,
    Run,
    a_policy,
    asked,
    at,
    at_unit,
    completed,
    dispatched,
    forwarded,
    reclassified,
    returned,
    run,
)

MONDAY = "2023-03-06 09:00"
HOURS = hours_of({
    **{day: [["08:00", "12:00"], ["13:00", "16:00"]] for day in ("mon", "tue", "wed", "thu")},
    "fri": [["08:00", "11:30"], ["13:30", "16:00"]],
})  # fmt: skip


def a_ladder_step(level: int, **when: Any) -> LadderStep:
    """State a ladder step that tells the institution's head."""
    return LadderStep(level=level, to=("head",), source="test", **when)


@cache
def by_share() -> Policy:
    """Warn at half and three quarters of the limit, escalate at one and a half of it too."""
    ladder = (
        a_ladder_step(-1, at_share=0.5),
        a_ladder_step(0, at_share=0.75),
        a_ladder_step(2, at_share=1.5),
    )
    return a_policy(own_ladder=ladder)


@cache
def in_minutes() -> Policy:
    """Let Bandung answer requests for information within 20 opening hours."""
    limits = OwnLimits(
        valid_from=date(2021, 1, 1),
        follow_up_information=Limit(minutes=1200, unit="working_minutes", source="test"),
    )
    return a_policy(own_limits=(limits,), opening_hours=HOURS)


def levels(done: Run) -> list[tuple[int, datetime]]:
    """Shorten warnings and escalations to level and time."""
    return [
        (x.level, x.due_at)
        for x in done.events
        if isinstance(x, e.DeadlineApproaching | e.DeadlineBreached)
    ]


LATER = at("2025-01-01 00:00")


def test_warnings_at_shares_of_the_limit_count_working_time_from_its_start() -> None:
    """Forwarded at 09:00: three days and fifteen hours of working time, half of it, ..."""
    done = run([forwarded(MONDAY)], policy=by_share()).fire_until(LATER)
    start, whole = at(MONDAY), timedelta(days=3, hours=15)
    assert levels(done) == [
        (-1, start + whole / 2),
        (0, start + whole * 0.75),
        (1, at("2023-03-10 00:00")),
        (2, at("2023-03-10 00:00") + timedelta(days=2) + whole / 2),  # a weekend lies between
        (3, at("2023-03-21 00:00")),
    ]
    assert [type(x).__name__ for x in done.events[:2]] == ["DeadlineApproaching"] * 2


def test_a_share_of_the_limit_is_used_without_the_pauses() -> None:
    """Half was nearly used when the reporter was asked; the rest of it comes after the answer."""
    steps = [
        forwarded(MONDAY),
        asked("2023-03-07 09:00", "institution", 1),
        completed("2023-03-09 09:00"),
    ]
    done = run(steps, policy=by_share()).fire_until(at("2023-03-14 00:00"))
    half = at("2023-03-09 09:00") + timedelta(days=3, hours=15) / 2 - timedelta(days=1)
    assert levels(done)[0] == (-1, half)


def test_a_warning_that_was_due_before_the_date_was_known_is_none() -> None:
    """Answered when three quarters were used: only the last fourth is left, and no warning."""
    steps = [
        forwarded(MONDAY),
        asked("2023-03-09 21:00", "institution", 1),
        completed("2023-03-10 09:00"),
    ]
    done = run(steps, policy=by_share())
    assert levels(done.fire_until(at("2023-03-11 00:00"))) == [(1, at("2023-03-10 12:00"))]


def test_no_level_is_due_before_the_one_below_it() -> None:
    """A share of a short limit and days of a long one mix in one ladder."""
    ladder = (a_ladder_step(1, at_share=9.5), a_ladder_step(2, after_days=3))
    done = run([forwarded(MONDAY)], policy=a_policy(own_ladder=ladder)).fire_until(LATER)
    found = levels(done)
    assert [level for level, _ in found] == [0, 1, 2, 3]
    assert [due_at for _, due_at in found] == sorted(due_at for _, due_at in found)
    assert found[1][1] == found[2][1]


def test_a_last_level_repeats_for_a_bounded_time_at_levels_that_go_on() -> None:
    """Each five working days, to the same people; after a year all is said."""
    ladder = (a_ladder_step(4, after_days=10, repeat_days=5),)
    policy = a_policy(own_ladder=ladder)
    done = run([forwarded(MONDAY)], policy=policy).fire_until(LATER)
    breaches = done.of(e.DeadlineBreached)

    assert [b.level for b in breaches] == list(range(1, 4 + REPEATS_MAX + 1))
    assert len({b.recipients for b in breaches[3:]}) == 1
    calendar = policy.calendar(BANDUNG, at(MONDAY))
    for before, after in pairwise(breaches[3:]):
        assert after.due_at == calendar.shift(before.due_at, 5).at
    assert done.case.timer_at is None


def test_repeats_that_were_taken_back_are_those_after_the_stop() -> None:
    """Accepted before the second repeat."""
    ladder = (a_ladder_step(4, after_days=10, repeat_days=5),)
    breached = run([forwarded(MONDAY)], policy=a_policy(own_ladder=ladder)).fire_until(
        at("2023-05-15 00:00")
    )
    done = breached.then(returned("2023-04-05 09:00"))
    taken, told = done.of(e.BreachWithdrawn), breached.of(e.DeadlineBreached)
    assert {t.level for t in taken} == {b.level for b in told if b.due_at >= at("2023-04-05 09:00")}
    assert len(taken) > 1


def test_a_limit_in_minutes_ends_to_the_minute_in_opening_hours() -> None:
    """1200 minutes from Thursday 15:30: 30 then, 360 on Friday, 420 on Monday, 390 on Tuesday."""
    step = dispatched("2023-03-09 15:30", report_class=ReportClass.INFORMATION)
    [set_] = run([step], policy=in_minutes()).of(e.DeadlineSet)
    assert (set_.limit, set_.limit_unit) == (1200, "working_minutes")
    assert set_.deadline == at("2023-03-14 15:30")


def test_a_limit_in_minutes_warns_and_escalates_a_working_day_away() -> None:
    """At the same time of the day."""
    step = dispatched("2023-03-09 15:30", report_class=ReportClass.INFORMATION)
    done = run([step], policy=in_minutes()).fire_until(LATER)
    assert levels(done)[:3] == [
        (0, at("2023-03-13 15:30")), (1, at("2023-03-14 15:30")), (2, at("2023-03-17 15:30")),
    ]  # fmt: skip


def test_days_by_another_class_become_minutes_from_the_same_start() -> None:
    """The unit of the limit is the class's, and the event says why the date moved."""
    step = dispatched("2023-03-09 15:30", report_class=ReportClass.UNSUPERVISED)
    done = run([step], policy=in_minutes())
    [moved] = done.then(reclassified("2023-03-10 09:00", ReportClass.INFORMATION)).of(
        e.DeadlineMoved
    )
    assert (moved.why, moved.deadline) == ("reclassified", at("2023-03-14 15:30"))


def test_working_days_are_what_is_measured_also_of_a_limit_in_minutes() -> None:
    """So that averages compare."""
    steps = [
        dispatched("2023-03-09 15:30", report_class=ReportClass.INFORMATION),
        at_unit(e.FollowUpGiven, "2023-03-13 15:30"),
    ]
    [met] = run(steps, policy=in_minutes()).of(e.DeadlineMet, "follow_up")
    assert met.working_days == 2


# ---- the arithmetic

CALENDAR = POLICY.calendar(BANDUNG, at("2026-11-24 00:00"))
OPEN = OpeningHours(CALENDAR, HOURS)
MOMENTS = st.datetimes(datetime(2024, 1, 1), datetime(2025, 12, 1)).map(  # noqa: DTZ001
    lambda naive: naive.replace(tzinfo=CALENDAR.zone)
)
PAUSES = st.lists(st.tuples(MOMENTS, st.timedeltas(timedelta(0), timedelta(days=20))), max_size=3)


@given(MOMENTS, st.integers(1, 5000), PAUSES)
def test_minutes_left_before_a_pause_are_left_after_it(
    start: datetime, minutes: int, drawn: list[tuple[datetime, timedelta]]
) -> None:
    """The same as opening hours count it, in one walk and in two."""
    limit = Limit(minutes=minutes, unit="working_minutes", source="test")
    pauses = [Pause(since, since + length) for since, length in drawn]
    found = due_after_pauses(CALENDAR, start, limit, pauses, OPEN)
    assert found is not None
    assert found.at == OPEN.add(start, timedelta(minutes=minutes), pauses)


@given(MOMENTS, st.integers(1, 30), st.floats(0.05, 3), PAUSES)
def test_so_much_of_the_limit_is_used_when_its_share_is_due(
    start: datetime, days: int, share: float, drawn: list[tuple[datetime, timedelta]]
) -> None:
    """Working time from the start to then, pauses out, over the limit's own."""
    measure = Measure(CALENDAR)
    pauses = [Pause(since, since + length) for since, length in drawn]
    end = CALENDAR.reckon(start, days).at
    found = share_used_at(measure, start, end, share, pauses)
    used = measure.elapsed(start, found)
    joined: list[Pause] = []
    for since, until in sorted(pauses):
        assert until is not None
        before = joined[-1].until if joined else None
        since = max(since, before, start) if before is not None else max(since, start)  # noqa: PLW2901
        until = min(until, found)  # noqa: PLW2901
        if since < until:
            used -= measure.elapsed(since, until)
            joined.append(Pause(since, until))
    assert used == pytest.approx(measure.elapsed(start, end) * share, abs=timedelta(microseconds=2))


@pytest.mark.parametrize(
    "pauses",
    [
        [("2023-03-07 10:00", "2023-03-08 10:00"), ("2023-03-07 22:00", "2023-03-09 10:00")],
        [("2023-03-07 10:00", "2023-03-09 10:00"), ("2023-03-08 10:00", "2023-03-08 12:00")],
        [("2023-03-07 10:00", "2023-03-09 10:00"), ("2023-03-10 10:00", "2023-03-07 12:00")],
        [("2023-03-07 10:00", "2023-03-08 10:00"), ("2023-03-08 10:00", "2023-03-09 10:00")],
    ],
)
def test_pauses_that_overlap_rest_once_and_one_that_ends_before_it_starts_never(
    pauses: list[tuple[str, str]],
) -> None:
    """Two working days in all, whatever is said how often."""
    found = due_after_pauses(
        CALENDAR, at(MONDAY), Limit(days=3, source="test"),
        [Pause(at(since), at(until)) for since, until in pauses],
    )  # fmt: skip
    assert found is not None
    assert found.at == at("2023-03-14 00:00")


def test_a_time_without_a_zone_is_refused_by_the_arithmetic() -> None:
    """No event can carry one; here it is a caller's mistake and says so."""
    naive = datetime(2023, 3, 6, 9)  # noqa: DTZ001
    with pytest.raises(ValueError, match="without a time zone"):
        due_after_pauses(CALENDAR, naive, Limit(days=3, source="test"), [])
    with pytest.raises(ValueError, match="without a time zone"):
        Measure(CALENDAR, "working_minutes", OPEN).add(naive, timedelta(minutes=5))
