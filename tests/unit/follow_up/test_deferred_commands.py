"""What comes before its dispatch waits, and ends as if it had come after."""

from datetime import timedelta

import pytest
from pydantic import BaseModel

from shared.contract import events as e
from shared.rules.deferral import COMMANDS_MAX
from tests.support.builders import REPORT, at
from tests.unit.follow_up.builders import (
    HEALTH,
    ROADS,
    a_block,
    a_closing,
    a_dispatch,
    a_follow_up,
    a_history,
    a_reopening,
    a_reply,
    a_report_return,
    a_reporters_closing,
    a_response,
    a_unit_return,
    a_withdrawal,
    an_archive,
    names,
)

EARLY: list[tuple[BaseModel, ...]] = [
    (a_response(),),
    (a_response(), a_follow_up()),
    (a_follow_up(), a_closing()),
    (a_follow_up(), a_reply()),
    (a_follow_up(), a_closing(), a_reopening()),
    (a_unit_return(),),
    (a_closing(),),
    (a_follow_up(unit=ROADS),),
    (a_follow_up(institution="3204"),),
    (a_reply(),),
    (a_reporters_closing(),),
    (a_reporters_closing(), a_reopening()),
    (a_reply(), a_reporters_closing(), a_follow_up()),
]


@pytest.mark.parametrize("early", EARLY)
def test_what_came_early_ends_as_if_it_came_late(early: tuple[BaseModel, ...]) -> None:
    """Both orders leave the same state and give each record the same answer."""
    before, after = a_history(*early, a_dispatch()), a_history(a_dispatch(), *early)

    times = {"window", "replied_at", "closed_at"}
    assert before.current.model_dump(exclude=times) == after.current.model_dump(exclude=times)
    for record in range(1, len(early) + 1):
        assert names(before.answers(f"record-{record}")) == names(
            after.answers(f"record-{record + 1}")
        )


def test_a_command_between_two_dispatches_waits_for_the_second() -> None:
    """The unit saw its dispatch before this stage did."""
    history = a_history(a_dispatch(), a_unit_return(), a_response(unit=ROADS))
    assert history.answers("record-3") == []

    history.feed(a_dispatch(dispatch=2, unit=ROADS))
    assert names(history.answers("record-3")) == ["InitialResponseGiven"]


def test_a_second_return_waits_for_the_unit_that_gets_it_next() -> None:
    """It may be that unit's own: a holding has several dispatches, a command names none."""
    history = a_history(a_dispatch(), a_unit_return(), a_unit_return())
    history.feed(a_dispatch(dispatch=2, unit=ROADS))

    assert names(history.answers("record-3")) == ["wrong_unit"]


def test_after_an_early_return_the_rest_waits_on() -> None:
    """The commands behind it are for the next unit."""
    history = a_history(a_unit_return(), a_follow_up(unit=ROADS), a_dispatch())
    assert names(history.answers("record-1")) == ["UnitReturned"]
    assert history.current.timer_at == at(2) + timedelta(days=1)

    history.feed(a_dispatch(dispatch=2, unit=ROADS))
    assert names(history.answers("record-2")) == ["FollowUpGiven"]


def test_a_command_of_a_later_holding_waits_while_the_report_is_at_a_unit() -> None:
    """It is decided when that holding's dispatch comes."""
    history = a_history(a_dispatch(), a_follow_up(holding=2))
    history.feed(a_dispatch(holding=2))

    assert names(history.answers("record-2")) == ["FollowUpGiven"]


def test_a_reporters_request_to_close_waits_as_long_as_it_takes() -> None:
    """A closed report has a unit; the dispatch may come weeks later."""
    history = a_history(a_reporters_closing(rating=5))
    assert history.current.timer_at is None

    history.feed(a_dispatch())
    (closed,) = history.answers("record-1")
    assert isinstance(closed, e.ReportClosed)
    assert (closed.unit, closed.rating) == (HEALTH, 5)


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (an_archive(), "not_the_holder"),
        (a_block(), "not_the_holder"),
        (a_withdrawal(), "not_the_holder"),
        (a_report_return(), "not_the_holder"),
        (a_dispatch(holding=2), "stale_holding"),
        (a_dispatch(unit=ROADS), "wrong_unit"),
        (a_dispatch(institution="3204"), "not_the_holder"),
    ],
)
def test_what_waits_is_refused_when_it_can_come_true_no_more(event: BaseModel, reason: str) -> None:
    """The refusal names the command, not the record that released it."""
    history = a_history(a_follow_up(), event)

    (refusal,) = history.answers("record-1")
    assert refusal == e.CommandRefused(
        report_id=REPORT, institution="6308", message_id="m-2", refused="record-1",
        command="FollowUp", holding=1, reason=reason,
    )  # fmt: skip
    assert history.current.timer_at is None


def test_an_end_answers_a_request_to_reopen_and_drops_one_to_close() -> None:
    """A fact needs no answer; a request to reopen is refused with the reason."""
    history = a_history(a_reporters_closing(), a_reopening(), an_archive())

    assert history.answers("record-1") == []
    assert names(history.answers("record-2")) == ["archived"]
    assert history.current.waiting == ()


def test_the_timer_refuses_after_a_day_and_fires_for_the_rest() -> None:
    """Each command waits its own day; the reporter's messages wait on."""
    history = a_history(a_response(), a_reporters_closing(), a_follow_up())
    first = at(1) + timedelta(days=1)
    assert history.current.timer_at == first
    assert history.feed(e.TimerFired(report_id=REPORT, due_at=first + timedelta(days=9))) == []

    history.feed(e.TimerFired(report_id=REPORT, due_at=first))
    assert names(history.answers("record-1")) == ["not_the_holder"]
    assert history.current.timer_at == at(3) + timedelta(days=1)

    history.fire()
    assert names(history.answers("record-3")) == ["not_the_holder"]
    assert [deferred.event_type for deferred in history.current.waiting] == ["ReporterClosed"]


def test_too_many_waiting_are_refused_and_messages_dropped() -> None:
    """Commands and messages have a limit each, so that neither crowds out the other."""
    history = a_history(*[a_response()] * COMMANDS_MAX, *[a_reporters_closing()] * COMMANDS_MAX)
    assert history.published == []

    assert names(history.feed(a_response())) == ["not_the_holder"]
    assert names(history.feed(a_reopening())) == ["too_many_waiting"]
    assert history.feed(a_reporters_closing()) == []
    assert len(history.current.waiting) == 2 * COMMANDS_MAX
