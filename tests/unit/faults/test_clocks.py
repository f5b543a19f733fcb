"""How the checker of the fault runs follows a report's deadlines."""

from datetime import UTC, datetime

from tests.faults.checker.clocks import Clocks

MARCH = datetime(2026, 3, 1, tzinfo=UTC)
FIRST, LATER = "2026-02-03T16:00:00Z", "2026-02-06T16:00:00Z"
SAID = {"level": 1, "due_at": FIRST, "detected_at": FIRST}


def told(clocks: Clocks, name: str, run: str, deadline: str, **more: object) -> None:
    """Tell one event of the SLA stream."""
    clocks.take(name, {"clock": "dispatch", "run": run, "deadline": deadline, **more})


def test_what_is_owed_and_passed_without_a_word_is_found() -> None:
    """Until it is breached, once."""
    clocks = Clocks()
    told(clocks, "DeadlineSet", "a", FIRST)
    assert list(clocks.overdue(MARCH)) == [("dispatch", FIRST)]
    told(clocks, "DeadlineBreached", "a", FIRST, **SAID)
    assert list(clocks.overdue(MARCH)) == []
    assert clocks.doubled == []
    told(clocks, "DeadlineBreached", "a", FIRST, **SAID)
    assert len(clocks.doubled) == 1


def test_a_word_about_one_run_is_none_about_another() -> None:
    """A report that comes back is owed twice by one clock, with one start and one date."""
    clocks = Clocks()
    told(clocks, "DeadlineSet", "a", FIRST)
    told(clocks, "DeadlineSet", "b", FIRST)
    told(clocks, "DeadlineMet", "a", FIRST)
    told(clocks, "DeadlineMet", "a", FIRST)
    assert list(clocks.overdue(MARCH)) == [("dispatch", FIRST)]
    told(clocks, "DeadlineBreached", "a", FIRST, **SAID)
    assert list(clocks.overdue(MARCH)) == [("dispatch", FIRST)]
    told(clocks, "DeadlineMet", "b", FIRST)
    assert list(clocks.overdue(MARCH)) == []


def test_a_date_that_moved_counts_instead_of_the_one_before() -> None:
    """A move from a date that was not this run's is found."""
    clocks = Clocks()
    told(clocks, "DeadlineSet", "a", FIRST)
    told(clocks, "DeadlineMoved", "a", LATER, deadline_before=FIRST)
    assert list(clocks.overdue(MARCH)) == [("dispatch", LATER)]
    assert clocks.strayed == []
    told(clocks, "DeadlineMoved", "a", LATER, deadline_before=FIRST)
    told(clocks, "DeadlineMoved", "b", LATER, deadline_before=FIRST)
    assert clocks.strayed == [("a", FIRST), ("b", FIRST)]


def test_a_breach_that_was_withdrawn_may_be_said_again() -> None:
    """As the contract of withdrawn breaches has it."""
    clocks = Clocks()
    told(clocks, "DeadlineBreached", "a", FIRST, **SAID)
    told(clocks, "BreachWithdrawn", "a", FIRST, level=1)
    told(clocks, "DeadlineBreached", "a", FIRST, **SAID)
    assert clocks.doubled == []
