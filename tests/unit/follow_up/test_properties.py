"""Any sequence of records: nothing raises, every command is answered once, ends are final."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from services.follow_up.case import COMMANDS, FollowUpCase
from services.follow_up.store import STORE
from shared.contract import events as e
from shared.rules.deferral import COMMANDS_MAX
from shared.rules.terminal import ENDS
from tests.support.builders import at
from tests.support.history import History
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
    a_silence,
    a_unit_return,
    a_withdrawal,
    an_archive,
)

holdings = st.integers(0, 3)
dispatches = st.integers(1, 3)
units = st.sampled_from([HEALTH, HEALTH, ROADS])
institutions = st.sampled_from(["6308", "6308", "3204"])
records = st.integers(1, 30)
STARTS = st.one_of(
    st.builds(a_dispatch),
    st.builds(
        a_dispatch,
        holding=holdings,
        dispatch=dispatches,
        unit=units,
        institution=institutions,
        final=st.booleans(),
    ),
    st.builds(a_report_return, holding=holdings),
)
SAID = st.one_of(
    st.builds(a_response),
    st.builds(a_follow_up),
    st.builds(a_closing),
    st.builds(a_unit_return),
    st.builds(a_follow_up, holding=holdings, unit=units, institution=institutions),
    st.builds(a_unit_return, holding=holdings, unit=units, institution=institutions),
    st.builds(a_closing, holding=holdings, institution=institutions),
    st.builds(a_reply),
    st.builds(a_reporters_closing),
    st.builds(a_reopening),
    st.builds(a_silence, records),
)
FINAL = st.one_of(st.builds(an_archive), st.builds(a_block), st.builds(a_withdrawal))
RECORDS: st.SearchStrategy[BaseModel] = st.one_of(STARTS, SAID, SAID, FINAL)


def _check_answers(history: History[FollowUpCase], fed: list[BaseModel]) -> None:
    for number, record in enumerate(fed, 1):
        answers = history.answers(f"record-{number}")
        if isinstance(record, COMMANDS):
            assert len(answers) == 1
            if not isinstance(answers[0], e.CommandRefused):
                assert getattr(answers[0], "holding", None) == record.holding
        elif isinstance(record, e.ReopenRequested):
            assert len(answers) <= 1


@given(st.lists(st.one_of(STARTS, SAID, SAID), max_size=30))
def test_every_command_gets_exactly_one_answer(fed: list[BaseModel]) -> None:
    """Its effect or one refusal, at the latest when its wait is over."""
    history = a_history(*fed)
    history.fire()

    _check_answers(history, fed)


@given(st.lists(RECORDS, max_size=30))
def test_with_an_end_every_request_to_reopen_is_answered_too(fed: list[BaseModel]) -> None:
    """Nothing is left waiting, and nobody without an answer."""
    history = a_history(*fed, an_archive())

    _check_answers(history, fed)
    assert history.current.waiting == ()
    for number, record in enumerate(fed, 1):
        if isinstance(record, e.ReopenRequested):
            assert len(history.answers(f"record-{number}")) == 1


@given(st.lists(RECORDS, max_size=15), FINAL, st.lists(RECORDS, max_size=15))
def test_an_end_is_final(before: list[BaseModel], end: BaseModel, after: list[BaseModel]) -> None:
    """After it only refusals are published."""
    history = a_history(*before, end)
    for record in after:
        published = history.feed(record)
        assert all(isinstance(event, e.CommandRefused) for event in published)
        assert history.current.status in ENDS
    assert not STORE.is_open(history.current)
    assert STORE.timer_at(history.current) is None


@given(st.lists(RECORDS, max_size=40))
def test_the_state_stays_consistent(fed: list[BaseModel]) -> None:
    """A window belongs to a follow-up, a closing to its time, and nothing grows without bound."""
    history = a_history()
    rounds = 0
    for record in fed:
        for event in history.feed(record):
            if isinstance(event, e.FollowUpGiven):
                assert event.round == rounds + 1
                rounds = event.round
        case = history.case
        if case is None:
            continue
        assert (case.closed_at is not None) == (case.status == "closed") or case.status in ENDS
        assert case.status not in ("followed_up", "replied") or case.window
        assert len(case.waiting) <= 2 * COMMANDS_MAX
        assert STORE.columns["status"][1](case) == case.status


@given(st.data())
def test_streams_may_come_in_any_order_among_themselves(data: st.DataObject) -> None:
    """Dispatch, unit's commands, reporter's messages and the institution's return cross each other.

    Records keep their own time (record n at minute n) and the order within their stream.
    """
    streams: list[list[tuple[int, BaseModel]]] = [
        [(1, a_dispatch()), (9, a_dispatch(holding=2))],
        [(2, a_response()), (3, a_follow_up()), (10, a_response(holding=2))],
        [(8, a_report_return())],
    ]
    turns = [number for number, stream in enumerate(streams) for _ in stream]
    order = data.draw(st.permutations(turns))
    queues = [iter(stream) for stream in streams]
    history = a_history()
    for turn in order:
        record, event = next(queues[turn])
        history.feed(event, f"record-{record}", now=at(record))

    assert (history.current.status, history.current.holding) == ("in_progress", 2)
    assert [len(history.answers(f"record-{record}")) for record in (2, 3, 10)] == [1, 1, 1]
    assert history.current.waiting == ()


@given(
    st.lists(st.sampled_from(["reply", "silence"]), min_size=2, max_size=2, unique=True),
    st.integers(-5, 5),
)
def test_a_reply_in_time_counts_and_one_too_late_does_not(order: list[str], late: int) -> None:
    """For every distance of the two, read in either order."""
    history = a_history(a_dispatch(), a_follow_up())
    came = {"reply": at(10) + timedelta(seconds=late), "silence": at(10)}
    event = {"reply": a_reply(), "silence": a_silence(2)}
    for name in order:
        history.feed(event[name], now=came[name])

    assert history.current.status == ("replied" if late <= 0 else "closed")
