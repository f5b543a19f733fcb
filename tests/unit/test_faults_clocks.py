"""How the checker of the fault runs follows a report's deadlines."""

from datetime import UTC, datetime

from tests.faults.checker.clocks import Clocks

MARCH = datetime(2026, 3, 1, tzinfo=UTC)
FIRST, LATER, LAST = "2026-02-03T16:00:00Z", "2026-02-06T16:00:00Z", "2026-02-09T16:00:00Z"


def told(clocks: Clocks, name: str, started: str, deadline: str, **more: object) -> None:
    """Tell one event of the SLA stream."""
    clocks.take(name, {"clock": "dispatch", "started_at": started, "deadline": deadline, **more})


def test_what_is_owed_and_passed_without_a_word_is_found() -> None:
    """Until it is met, or breached."""
    clocks = Clocks()
    told(clocks, "DeadlineSet", "a", FIRST)
    assert list(clocks.overdue(MARCH)) == [("dispatch", FIRST)]
    said = {"level": 1, "due_at": FIRST, "detected_at": FIRST}
    told(clocks, "DeadlineBreached", "a", FIRST, **said)
    assert list(clocks.overdue(MARCH)) == []
    assert clocks.doubled == []
    told(clocks, "DeadlineBreached", "a", FIRST, **said)
    assert len(clocks.doubled) == 1


def test_a_run_whose_start_a_late_fact_moved_is_the_same_run() -> None:
    """The end of a working day can be the date of two starts: nothing is said of the move."""
    clocks = Clocks()
    told(clocks, "DeadlineSet", "b", FIRST)
    told(clocks, "DeadlineMet", "a", FIRST)
    assert list(clocks.overdue(MARCH)) == []


def test_a_date_that_moved_counts_instead_of_the_one_before() -> None:
    """Also where the start moved with it."""
    clocks = Clocks()
    told(clocks, "DeadlineSet", "b", FIRST)
    told(clocks, "DeadlineMoved", "a", LATER, deadline_before=FIRST)
    assert list(clocks.overdue(MARCH)) == [("dispatch", LATER)]
    told(clocks, "DeadlineMet", "a", LATER)
    assert list(clocks.overdue(MARCH)) == []


def test_two_runs_of_a_clock_may_count_from_the_same_start() -> None:
    """A report that comes back counts from its receipt, which may be read after the return."""
    clocks = Clocks()
    told(clocks, "DeadlineSet", "returned", LATER)
    told(clocks, "DeadlineSet", "received", FIRST)
    told(clocks, "DeadlineMoved", "received", LAST, deadline_before=LATER)
    assert list(clocks.overdue(MARCH)) == [("dispatch", FIRST), ("dispatch", LAST)]
    told(clocks, "DeadlineMet", "received", FIRST)
    assert list(clocks.overdue(MARCH)) == [("dispatch", LAST)]
    told(clocks, "DeadlineMet", "received", LAST)
    assert list(clocks.overdue(MARCH)) == []


def test_a_step_that_is_said_again_to_be_done_takes_no_other_run_out() -> None:
    """Its class may become known afterwards, and its date be that of the run that follows."""
    clocks = Clocks()
    told(clocks, "DeadlineSet", "dispatched", LAST)
    told(clocks, "DeadlineMet", "dispatched", LAST, met_at="noon")
    told(clocks, "DeadlineSet", "answered", LATER)
    told(clocks, "DeadlineMet", "dispatched", LATER, met_at="noon")
    assert list(clocks.overdue(MARCH)) == [("dispatch", LATER)]


def test_a_second_run_from_a_known_start_is_done() -> None:
    """A report that came back the day it came in: its start moves to the receipt, its date not."""
    clocks = Clocks()
    told(clocks, "DeadlineSet", "returned", FIRST)
    told(clocks, "DeadlineSet", "received", FIRST)
    told(clocks, "DeadlineMet", "received", FIRST, met_at="morning")
    told(clocks, "DeadlineMet", "received", FIRST, met_at="noon")
    assert list(clocks.overdue(MARCH)) == []


def test_a_breach_that_was_withdrawn_may_be_said_again() -> None:
    """As the contract of withdrawn breaches has it."""
    clocks = Clocks()
    said = {"level": 1, "due_at": FIRST, "detected_at": FIRST}
    told(clocks, "DeadlineBreached", "a", FIRST, **said)
    told(clocks, "BreachWithdrawn", "a", FIRST, level=1)
    told(clocks, "DeadlineBreached", "a", FIRST, **said)
    assert clocks.doubled == []
