"""The one table of states: in every state of a report exactly who owes the next step, by what."""

import pytest

from services.sla_monitor.clocks import CLOCKS
from shared.contract import events as e
from shared.contract.events import Clock, ReportClass
from tests.unit.sla_monitor.builders import (
    HSU,
    OTHER_UNIT,
    Step,
    accepted,
    archived,
    asked,
    at_unit,
    blocked,
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

RECEIVED = received("2023-03-06 09:00")
FORWARDED = [RECEIVED, forwarded("2023-03-06 10:00")]
ACCEPTED = [*FORWARDED, accepted("2023-03-06 11:00")]
DISPATCHED = [*ACCEPTED, dispatched("2023-03-06 12:00")]
FOLLOWED_UP = [*DISPATCHED, at_unit(e.FollowUpGiven, "2023-03-07 09:00")]
REPLIED = [*FOLLOWED_UP, at_unit(e.ReporterAnswered, "2023-03-08 09:00")]
CLOSED = [*FOLLOWED_UP, at_unit(e.ReportClosed, "2023-03-08 09:00")]
REOPENED = [*CLOSED, at_unit(e.ReportReopened, "2023-03-09 09:00")]
RETURNED = [*FORWARDED, returned("2023-03-06 12:00")]
UNIT_RETURNED = [*DISPATCHED, at_unit(e.UnitReturned, "2023-03-07 09:00")]
AGAIN = [*UNIT_RETURNED, dispatched("2023-03-07 10:00", 2, OTHER_UNIT)]

# state: its facts, the clock of the next step, who owes it, in how much of which unit
STATES: dict[str, tuple[list[Step], tuple[Clock, str, int, str]]] = {
    "received": ([RECEIVED], ("national_verification", "national", 3, "working_days")),
    "asked by the national admin": (
        [RECEIVED, asked("2023-03-06 10:00")], ("completion", "reporter", 10, "working_days")),
    "completed for the national admin": (
        [RECEIVED, asked("2023-03-06 10:00"), completed("2023-03-07 10:00")],
        ("national_verification", "national", 3, "working_days")),
    "forwarded": (FORWARDED, ("institution_verification", "institution", 3, "working_days")),
    "asked by the institution": (
        [*FORWARDED, asked("2023-03-06 11:00", "institution", 1)],
        ("completion", "reporter", 10, "working_days")),
    "completed for the institution": (
        [*FORWARDED, asked("2023-03-06 11:00", "institution", 1), completed("2023-03-07 10:00")],
        ("institution_verification", "institution", 3, "working_days")),
    "accepted, not yet dispatched": (ACCEPTED, ("dispatch", "institution", 3, "working_days")),
    "routing held": (
        [*ACCEPTED, held("2023-03-06 11:01")], ("dispatch", "institution", 3, "working_days")),
    "dispatched": (DISPATCHED, ("follow_up", "unit", 14, "working_days")),
    "reclassified": (
        [*DISPATCHED, reclassified("2023-03-06 13:00", ReportClass.SUPERVISED)],
        ("follow_up", "unit", 60, "working_days")),
    "initial response given": (
        [*DISPATCHED, at_unit(e.InitialResponseGiven, "2023-03-06 15:00")],
        ("follow_up", "unit", 14, "working_days")),
    "returned by the unit": (UNIT_RETURNED, ("dispatch", "institution", 3, "working_days")),
    "returned by the unit, routing held": (
        [*UNIT_RETURNED, held("2023-03-07 09:01")], ("dispatch", "institution", 3, "working_days")),
    "dispatched again": (AGAIN, ("follow_up", "unit", 14, "working_days")),
    "followed up": (FOLLOWED_UP, ("reply", "reporter", 10, "calendar_days")),
    "followed up once more": (
        [*FOLLOWED_UP, at_unit(e.FollowUpGiven, "2023-03-08 09:00", round=2)],
        ("reply", "reporter", 10, "calendar_days")),
    "replied": (REPLIED, ("follow_up", "unit", 5, "working_days")),
    "replied and followed up": (
        [*REPLIED, at_unit(e.FollowUpGiven, "2023-03-09 09:00", round=2)],
        ("reply", "reporter", 10, "calendar_days")),
    "replied, returned by the unit": (
        [*REPLIED, at_unit(e.UnitReturned, "2023-03-09 09:00")],
        ("dispatch", "institution", 3, "working_days")),
    "reopened": (REOPENED, ("follow_up", "unit", 5, "working_days")),
    "reopened and followed up": (
        [*REOPENED, at_unit(e.FollowUpGiven, "2023-03-10 09:00", round=2)],
        ("reply", "reporter", 10, "calendar_days")),
    "returned to the national admin": (
        RETURNED, ("national_verification", "national", 3, "working_days")),
    "returned by the institution after a unit's return": (
        [*UNIT_RETURNED, held("2023-03-07 09:01"), returned("2023-03-07 12:00")],
        ("national_verification", "national", 3, "working_days")),
    "returned and asked": (
        [*RETURNED, asked("2023-03-06 13:00", holding=1)],
        ("completion", "reporter", 10, "working_days")),
    "forwarded again": (
        [*RETURNED, forwarded("2023-03-07 09:00", HSU, 2)],
        ("institution_verification", "institution", 3, "working_days")),
}  # fmt: skip
OVER: dict[str, list[Step]] = {
    "archived": [RECEIVED, archived("2023-03-06 10:00")],
    "blocked": [RECEIVED, blocked("2023-03-06 10:00")],
    "withdrawn": [*DISPATCHED, withdrawn("2023-03-06 13:00")],
    "closed": CLOSED,
    "closed by the reporter before a follow-up": [
        *DISPATCHED, at_unit(e.ReportClosed, "2023-03-07 09:00", by="reporter")
    ],
}  # fmt: skip


@pytest.mark.parametrize("state", STATES)
def test_exactly_one_owes_the_next_step_by_a_limit(state: str) -> None:
    """Its clock runs and fires; a second clock that runs is the follow-up behind a dispatch."""
    steps, (clock, owner, limit, unit) = STATES[state]
    case = run(steps).case
    running = {
        said.clock: (said.owner, said.limit, said.limit_unit)
        for said in case.announcements.values()
        if said.met_at is None
    }
    if clock == "completion":  # the clock of whoever asked rests
        [resting] = running.keys() - {"completion"}
        assert resting.endswith("_verification")
        assert case.next_clock == "completion"
    elif clock == "dispatch" and "follow_up" in running:  # goes on without a unit
        assert running["follow_up"][0] == "institution"
    else:
        assert running.keys() == {clock}
    assert running[clock] == (owner, limit, unit)
    assert case.timer_at is not None


@pytest.mark.parametrize("state", OVER)
def test_nobody_owes_anything_of_what_is_over(state: str) -> None:
    """A closed report may be reopened, which is nobody's duty."""
    case = run(OVER[state]).case
    assert case.is_over
    assert (case.timer_at, case.next_deadline, case.holder) == (None, None, "")


def test_every_clock_of_the_table_is_owed_in_some_state() -> None:
    """And no state names another."""
    assert {row.clock for row in CLOCKS} == {clock for _, (clock, *_) in STATES.values()}


def test_the_initial_response_is_measured_when_the_follow_up_is_given() -> None:
    """Two working days to the first word, three to the follow-up; of each round its own."""
    steps = [
        dispatched("2023-03-06 09:00"),
        at_unit(e.InitialResponseGiven, "2023-03-08 09:00"),
        at_unit(e.InitialResponseGiven, "2023-03-08 15:00"),
        at_unit(e.FollowUpGiven, "2023-03-09 09:00"),
        at_unit(e.ReporterAnswered, "2023-03-13 09:00"),
        at_unit(e.FollowUpGiven, "2023-03-14 09:00", round=2),
    ]
    first, second = run(steps).of(e.DeadlineMet, "follow_up")
    assert (first.initial_response_working_days, first.working_days) == (2, 3)
    assert (second.initial_response_working_days, second.working_days) == (None, 1)


def test_an_initial_response_read_late_is_said_with_the_same_end() -> None:
    """The follow-up was read first."""
    given = at_unit(e.FollowUpGiven, "2023-03-09 09:00", n=2)
    done = run([dispatched("2023-03-06 09:00", n=0), given])
    [met] = done.then(at_unit(e.InitialResponseGiven, "2023-03-08 09:00", n=1)).of(e.DeadlineMet)
    assert (met.initial_response_working_days, met.working_days) == (2, 3)
