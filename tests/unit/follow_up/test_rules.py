"""Follow-up's table, row by row: what each fact, command and message does in each state."""

from datetime import timedelta

import pytest
from pydantic import BaseModel

from services.follow_up.rules import STAGE, decide
from shared.contract import events as e
from shared.rules.decision import Decision, event_id
from shared.runtime.reader import Inbound
from shared.runtime.writer import Writer
from tests.simulation.memory import MemoryRecord
from tests.support.builders import NOON, REPORT, a_cause, at
from tests.unit.follow_up.builders import (
    HEALTH,
    POLICY,
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
    names,
    window_of,
)

Cell = tuple[list[str], str]
FOLLOWED = (a_dispatch(), a_response(), a_follow_up())  # record 3 opens the window
STATES: dict[str, tuple[BaseModel, ...]] = {
    "nothing": (),
    "waiting": (a_dispatch(),),
    "in_progress": (a_dispatch(), a_response()),
    "followed_up": FOLLOWED,
    "replied": (*FOLLOWED, a_reply()),
    "closed": (*FOLLOWED, a_closing()),
    "archived": (a_dispatch(), an_archive()),
    "withdrawn": (a_dispatch(), a_withdrawal()),
    "blocked": (a_dispatch(), a_block()),
}
ENDED = ("archived", "withdrawn", "blocked")
OPEN = ("waiting", "in_progress", "followed_up", "replied")
AT_UNIT = (*OPEN, "closed")
END_ROWS: dict[str, Cell] = {state: ([state], state) for state in ENDED}


def _refused(reason: str, *states: str) -> dict[str, Cell]:
    return {state: ([reason], state) for state in states}


# fact, command or message -> state before -> (what is published, state after); else nothing changes
TABLE: list[tuple[str, BaseModel, dict[str, Cell]]] = [
    ("dispatch", a_dispatch(), {"nothing": ([], "waiting")}),
    (
        "next dispatch",
        a_dispatch(dispatch=2, unit=ROADS),
        {s: ([], "waiting") for s in STATES if s not in ENDED},
    ),
    (
        "next holding",
        a_dispatch(holding=2, institution="3204", unit="3204-001"),
        {s: ([], "waiting") for s in STATES if s not in ENDED},
    ),
    (
        "response",
        a_response(),
        {"waiting": (["InitialResponseGiven"], "in_progress")}
        | _refused("already_responded", "in_progress")
        | _refused("already_followed_up", "followed_up", "replied")
        | _refused("already_closed", "closed")
        | END_ROWS,
    ),
    (
        "follow-up",
        a_follow_up(),
        {s: (["FollowUpGiven"], "followed_up") for s in OPEN}
        | _refused("already_closed", "closed")
        | END_ROWS,
    ),
    (
        "unit's return",
        a_unit_return(),
        {s: (["UnitReturned"], "nothing") for s in ("waiting", "in_progress")}
        | _refused("already_followed_up", "followed_up", "replied")
        | _refused("already_closed", "closed")
        | END_ROWS,
    ),
    (
        "admin's closing",
        a_closing(),
        _refused("not_followed_up", "waiting", "in_progress")
        | {s: (["closed by admin"], "closed") for s in ("followed_up", "replied")}
        | _refused("already_closed", "closed")
        | END_ROWS,
    ),
    (
        "wrong unit",
        a_follow_up(unit=ROADS),
        _refused("wrong_unit", *AT_UNIT) | END_ROWS,
    ),
    (
        "wrong institution",
        a_follow_up(institution="3204"),
        _refused("not_the_holder", *AT_UNIT, *ENDED),
    ),
    (
        "admin of another institution",
        a_closing(institution="3204"),
        _refused("not_the_holder", *AT_UNIT, *ENDED),
    ),
    (
        "earlier holding",
        a_response(holding=0),
        _refused("stale_holding", *AT_UNIT) | _refused("not_the_holder", "nothing") | END_ROWS,
    ),
    ("later holding", a_follow_up(holding=2), END_ROWS),
    ("reply", a_reply(), {"followed_up": (["ReporterAnswered"], "replied")}),
    (
        "reporter's closing",
        a_reporters_closing(),
        {s: (["closed by reporter"], "closed") for s in OPEN},
    ),
    (
        "reopening",
        a_reopening(),
        _refused("not_closed", "nothing", *OPEN)
        | {"closed": (["ReportReopened"], "in_progress")}
        | END_ROWS,
    ),
    ("silence", a_silence(3), {"followed_up": (["closed by system"], "closed")}),
    ("silence of another window", a_silence(2), {}),
    (
        "incomplete for too long",
        a_silence(3).model_copy(update={"window": "completion"}),
        {},
    ),
    ("return of the report", a_report_return(), {s: ([], "nothing") for s in ("nothing", *OPEN)}),
    ("archive", an_archive(), {s: ([], "archived") for s in STATES if s not in ENDED}),
    (
        "withdrawal",
        a_withdrawal(),
        {s: ([], "withdrawn") for s in STATES if s not in ("withdrawn", "blocked")},
    ),
    ("block", a_block(), {s: ([], "blocked") for s in STATES}),
    ("another timer", e.TimerFired(report_id=REPORT, due_at=NOON), {}),
    ("not read", e.SubmissionRepeated(report_id=REPORT, channel="web", message_id="m"), {}),
]
ROWS = [
    (f"{name} - {state}", event, state, cells.get(state, ([], state)))
    for name, event, cells in TABLE
    for state in STATES
]


@pytest.mark.parametrize(("row", "event", "state", "expected"), ROWS)
def test_the_table(row: str, event: BaseModel, state: str, expected: Cell) -> None:
    """Each cell: what is published and where the report stands after."""
    history = a_history(*STATES[state])

    published = history.feed(event)

    status = history.case.status if history.case else "nothing"
    assert (names(published), status) == expected, row


def test_facts_name_where_the_report_is() -> None:
    """Institution, holding, dispatch and unit come from the dispatch; texts stay sealed."""
    history = a_history(a_dispatch(holding=2, dispatch=3))
    place = {
        "report_id": REPORT, "institution": "6308", "holding": 2, "dispatch": 3, "unit": HEALTH,
    }  # fmt: skip

    assert history.feed(a_response(holding=2)) == [
        e.InitialResponseGiven(**place, by="l", text="s")
    ]
    assert history.feed(a_follow_up(holding=2)) == [
        e.FollowUpGiven(**place, by="l", round=1, text="s")
    ]
    assert history.feed(a_reply()) == [e.ReporterAnswered(**place, round=1, text="s")]
    assert history.feed(a_reporters_closing(rating=2, solved=False)) == [
        e.ReportClosed(**place, by="reporter", solved=False, rating=2)
    ]
    assert history.feed(a_reopening()) == [e.ReportReopened(**place, text="s")]


def test_a_unit_returns_with_its_reason_and_a_better_unit() -> None:
    """Routing learns both; the case waits for the next dispatch."""
    history = a_history(a_dispatch())
    (published,) = history.feed(a_unit_return(proposed_unit=ROADS))

    assert isinstance(published, e.UnitReturned)
    assert (published.dispatch, published.reason, published.proposed_unit) == (1, "s", ROADS)
    assert names(history.feed(a_dispatch())) == []
    assert history.current.status == "nothing"


def test_a_final_dispatch_may_not_be_returned() -> None:
    """After two returns the admin's decision stands."""
    history = a_history(a_dispatch(dispatch=3, final=True))

    assert names(history.feed(a_unit_return())) == ["return_limit"]
    assert history.current.status == "waiting"


def test_a_new_dispatch_begins_again() -> None:
    """What the first unit published does not count for the second."""
    history = a_history(a_dispatch(), a_response(), a_unit_return(), a_dispatch(dispatch=2))

    assert names(history.feed(a_response())) == ["InitialResponseGiven"]
    assert names(history.feed(a_unit_return())) == ["UnitReturned"]


def test_an_older_dispatch_changes_nothing() -> None:
    """Of two dispatches the higher is current, whichever is read first."""
    newer = a_dispatch(holding=2, institution="3204", unit="3204-001")
    history = a_history(newer, a_dispatch(dispatch=2))

    assert history.current == a_history(a_dispatch(dispatch=2), newer).current


def test_a_later_holding_outlives_the_return_of_an_earlier_one() -> None:
    """Both orders leave the same case; the earlier holding's commands are stale."""
    later = a_dispatch(holding=2)
    returned_first, returned_late = (
        a_history(a_report_return(), later),
        a_history(later, a_report_return()),
    )

    assert returned_first.current == returned_late.current
    assert names(returned_first.feed(a_follow_up())) == ["stale_holding"]


def test_rounds_count_on_across_holdings() -> None:
    """A round names one follow-up of the report."""
    history = a_history(*FOLLOWED, a_report_return(), a_dispatch(holding=2))
    (given,) = history.feed(a_follow_up(holding=2))

    assert isinstance(given, e.FollowUpGiven)
    assert given.round == 2


# ---- the reply window


def test_each_follow_up_opens_its_own_window() -> None:
    """Only the silence after the latest follow-up closes the report."""
    history = a_history(*FOLLOWED, a_reply(), a_follow_up())

    assert (history.current.round, history.current.window) == (2, window_of(5))
    assert history.feed(a_silence(3)) == []
    assert names(history.feed(a_silence(5))) == ["closed by system"]


def test_the_window_is_named_by_the_id_the_follow_up_gets_also_when_it_waited() -> None:
    """A command that came first is the cause of its event, at the time of its release."""
    history = a_history(a_follow_up(), a_dispatch())
    released = a_cause("record-1", at(2))
    assert names(history.answers("record-1")) == ["FollowUpGiven"]
    assert history.current.window == event_id(released, STAGE, e.FollowUpGiven)


@pytest.mark.parametrize("fed", [FOLLOWED, (a_follow_up(), a_dispatch())])
def test_the_window_has_the_very_id_that_the_shell_writes(fed: tuple[BaseModel, ...]) -> None:
    """`TimeRanOut` names that id."""
    before = a_history(*fed[:-1])
    cause = a_cause(f"record-{len(fed)}", at(len(fed)))
    decision = decide(before.case, fed[-1], cause, POLICY)
    record = MemoryRecord("t", 0, 0, 0, REPORT.encode(), b"", ())
    writer = Writer(STAGE, is_gateway=False, seal=lambda value, *_place: value)

    (written,) = writer.write(
        Decision(None, decision.events), Inbound(record, fed[-1], cause, REPORT, b""), 0
    )

    assert decision.case is not None
    assert dict(written.headers)["ce_id"].decode() == decision.case.window


def test_a_reopened_report_owes_another_follow_up() -> None:
    """The admin cannot close it again before that, and the old window means nothing."""
    history = a_history(*FOLLOWED, a_silence(3), a_reopening())

    assert history.feed(a_silence(3)) == []
    assert names(history.feed(a_closing())) == ["not_followed_up"]
    assert names(history.feed(a_response())) == ["already_followed_up"]
    assert names(history.feed(a_follow_up())) == ["FollowUpGiven"]
    assert (history.current.round, history.current.reopened) == (2, 1)


@pytest.mark.parametrize(("late", "expected"), [(0, "ReportReopened"), (1, "window_over")])
def test_reopening_ends_with_the_policys_days(late: int, expected: str) -> None:
    """To the second; the refusal goes to the reporter through the national admin."""
    history = a_history(*FOLLOWED, a_closing())
    now = at(4) + timedelta(days=POLICY.reopen_days, seconds=late)
    (published,) = history.feed(a_reopening(), now=now)

    assert names([published]) == [expected]
    if late:
        assert published == e.CommandRefused(
            report_id=REPORT, institution="00", message_id="r-3", refused="record-5",
            command="ReopenRequested", holding=1, reason="window_over",
        )  # fmt: skip


def test_a_report_closed_before_any_command_of_the_unit_may_be_reopened_and_returned() -> None:
    """The unit has published nothing yet: all its commands are open to it."""
    history = a_history(a_dispatch(), a_reporters_closing(), a_reopening())

    assert history.current.status == "in_progress"
    assert names(history.feed(a_response())) == ["InitialResponseGiven"]
    assert names(history.feed(a_unit_return())) == ["UnitReturned"]


# ---- streams that cross


@pytest.mark.parametrize(("reply", "silence"), [(4, 5), (5, 4), (4, 4)])
def test_between_a_reply_and_the_end_of_its_window_the_brokers_time_decides(
    reply: int, silence: int
) -> None:
    """Whichever is read first; the stage may have been away for days."""
    reply_first, silence_first = a_history(*FOLLOWED), a_history(*FOLLOWED)
    reply_first.feed(a_reply(), now=at(reply))
    reply_first.feed(a_silence(3), now=at(silence))
    silence_first.feed(a_silence(3), now=at(silence))
    silence_first.feed(a_reply(), now=at(reply))

    expected = "replied" if reply <= silence else "closed"
    assert (reply_first.current.status, silence_first.current.status) == (expected, expected)
    assert names(silence_first.feed(a_follow_up())) == names(reply_first.feed(a_follow_up()))


def test_the_reporters_own_closing_stands_above_the_systems() -> None:
    """Its rating is not lost; the days to reopen count from the first closing."""
    word_first = a_history(*FOLLOWED, a_reporters_closing(), a_silence(3))
    silence_first = a_history(*FOLLOWED, a_silence(3), a_reporters_closing())

    assert [h.current.closed_by for h in (word_first, silence_first)] == ["reporter", "reporter"]
    assert names([event for _, event in silence_first.published][-2:]) == [
        "closed by system",
        "closed by reporter",
    ]
    assert silence_first.current.closed_at == at(4)
    assert silence_first.feed(a_reporters_closing()) == []


def test_a_return_of_the_report_before_its_dispatch_stops_it() -> None:
    """The institution gave it back; the dispatch of that holding is read too late."""
    early = a_history(a_report_return(), a_dispatch())
    late = a_history(a_dispatch(), a_report_return())

    assert (early.current.status, late.current.status) == ("nothing", "nothing")
    assert names(late.feed(a_follow_up())) == ["already_returned"]
    assert names(early.feed(a_follow_up())) == ["not_the_holder"]
    assert names(early.feed(a_dispatch(holding=2))) == []
    assert early.current.status == "waiting"


def test_a_closed_report_that_its_institution_returned_reopens_at_nobodys_unit() -> None:
    """The national admin has it; both orders leave the same."""
    reopened_first = a_history(*FOLLOWED, a_closing(), a_reopening(), a_report_return())
    returned_first = a_history(*FOLLOWED, a_closing(), a_report_return(), a_reopening())

    assert returned_first.current == reopened_first.current
    assert returned_first.current.status == "nothing"


@pytest.mark.parametrize("end", [an_archive(), a_block(), a_withdrawal()])
def test_an_end_before_the_start_is_the_end(end: BaseModel) -> None:
    """Nothing begins at a unit; who held it, as far as known here, gets the reason."""
    early, late = a_history(end, a_dispatch()), a_history(a_dispatch(), end)

    assert early.current.status == late.current.status
    assert names(early.feed(a_response())) == ["not_the_holder"]
    assert names(late.feed(a_response())) == [late.current.status]
