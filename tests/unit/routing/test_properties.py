"""Any sequence of records: nothing raises, every command is answered once, ends are final."""

from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from services.routing.store import STORE
from shared.contract import events as e
from shared.rules.terminal import ENDS
from tests.unit.routing.builders import (
    DISTRICT,
    HEALTH,
    ROADS,
    SPARE,
    a_block,
    a_close,
    a_dispatch,
    a_history,
    a_reclassification,
    a_report_return,
    a_unit_return,
    a_withdrawal,
    an_accept,
    an_archive,
)

holdings = st.integers(0, 3)
dispatches = st.integers(1, 3)
units = st.sampled_from([ROADS, DISTRICT, HEALTH, SPARE, "6308-777", "3204-001"])
institutions = st.sampled_from(["6308", "6308", "3204"])
RECORDS: st.SearchStrategy[BaseModel] = st.one_of(
    st.builds(
        an_accept,
        holding=holdings,
        institution=institutions,
        category_id=st.sampled_from(["1397", "928", "7", None]),
    ),
    st.builds(a_reclassification, holding=holdings),
    st.builds(a_report_return, holding=holdings, institution=institutions),
    st.builds(
        a_unit_return,
        holding=holdings,
        dispatch=dispatches,
        proposed_unit=st.one_of(st.none(), units),
    ),
    st.builds(a_close, holding=holdings, dispatch=dispatches),
    st.builds(a_dispatch, holding=holdings, unit=units, institution=institutions),
    st.builds(a_dispatch),
    st.builds(an_archive),
    st.builds(a_block),
    st.builds(a_withdrawal),
)


@given(st.lists(RECORDS, max_size=30))
def test_every_command_gets_exactly_one_answer(records: list[BaseModel]) -> None:
    """Its effect or one refusal, at the latest when its wait is over."""
    history = a_history(*records)
    history.fire()

    for number, record in enumerate(records, 1):
        if isinstance(record, e.Dispatch):
            (answer,) = history.answers(f"record-{number}")
            assert isinstance(answer, e.ReportDispatched | e.CommandRefused)
            if isinstance(answer, e.ReportDispatched):
                assert (answer.unit, answer.holding) == (record.unit, record.holding)


@given(st.lists(RECORDS, max_size=30))
def test_no_unit_is_tried_twice_unless_the_admin_says_so(records: list[BaseModel]) -> None:
    """Dispatches count up by one in their holding, and go to the institution's own units."""
    published = [event for _, event in a_history(*records).published]
    dispatched = [event for event in published if isinstance(event, e.ReportDispatched)]

    seen: dict[int, list[str]] = {}
    for event in dispatched:
        before = seen.setdefault(event.holding, [])
        assert event.dispatch == len(before) + 1
        assert event.by != "auto" or event.unit not in before
        assert event.unit.startswith(event.institution)
        before.append(event.unit)
    assert sorted(seen) == list(seen)


@given(st.lists(RECORDS, max_size=20), st.lists(RECORDS, max_size=20))
def test_an_end_is_final(before: list[BaseModel], after: list[BaseModel]) -> None:
    """After it only refusals are published, and only a higher end changes the case."""
    history = a_history(*before, an_archive())
    for record in after:
        published = history.feed(record)
        assert all(isinstance(event, e.CommandRefused) for event in published)
        assert history.current.status in ENDS
    assert not STORE.is_open(history.current)
    assert STORE.timer_at(history.current) is None


STARTS: dict[str, list[BaseModel]] = {
    "institution": [an_accept(), a_reclassification(), a_report_return(), an_accept(holding=2)],
    "ends": [a_block()],
    "national": [a_withdrawal()],
}


@given(st.permutations([name for name, events in STARTS.items() for _ in events]))
def test_streams_may_come_in_any_order_among_themselves(order: list[str]) -> None:
    """Whatever is read first, the report ends the same."""
    queues = {name: iter(events) for name, events in STARTS.items()}
    history = a_history(*(next(queues[name]) for name in order))

    assert history.current.status == "blocked"


@given(st.permutations(["institution"] * 4 + ["follow_up"] * 2 + ["agencies"]))
def test_a_stop_before_its_start_leaves_the_same_case(order: list[str]) -> None:
    """A return of the holding, a unit's return and a closing cross; the next holding stands."""
    queues = {
        "institution": iter(STARTS["institution"]),
        "follow_up": iter([a_unit_return(), a_close(dispatch=2)]),
        "agencies": iter([a_dispatch(holding=2)]),
    }
    history = a_history(*(next(queues[name]) for name in order))

    assert (history.current.status, history.current.holding) == ("dispatched", 2)
    assert (history.current.dispatch, history.current.tried) == (1, (ROADS,))
    assert history.current.waiting == ()
