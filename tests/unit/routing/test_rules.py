"""Routing's table, row by row: what each fact and command does in each state."""

from datetime import timedelta

import pytest
from pydantic import BaseModel

from services.routing.case import Status
from shared.contract import events as e
from tests.support.builders import NOON, REPORT
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
    reasons,
)

SECOND_RETURN = a_unit_return(dispatch=2, unit=DISTRICT)
STATES: dict[str, tuple[BaseModel, ...]] = {
    "nothing": (),
    "dispatched": (an_accept(),),
    "held": (an_accept(category_id=None),),
    "closed": (an_accept(), a_close()),
    "returned": (an_accept(), a_report_return()),
    "archived": (an_accept(), an_archive()),
    "withdrawn": (an_accept(), a_withdrawal()),
    "blocked": (an_accept(), a_block()),
}
ENDED = ("archived", "withdrawn", "blocked")
# fact or command -> state before -> (what is published, state after); else nothing changes
TABLE: list[tuple[BaseModel, dict[str, tuple[list[str], str]]]] = [
    (an_accept(), {"nothing": ([ROADS], "dispatched")}),
    (
        an_accept(holding=2),
        {s: ([ROADS], "dispatched") for s in STATES if s not in ENDED},
    ),
    (a_reclassification(), {}),
    (
        a_unit_return(),
        {"dispatched": ([DISTRICT], "dispatched"), "closed": ([DISTRICT], "dispatched")},
    ),
    (a_unit_return(dispatch=2), {}),
    (a_unit_return(holding=2), {}),
    (a_close(), {"dispatched": ([], "closed")}),
    (a_close(dispatch=2), {}),
    (a_report_return(), {s: ([], "returned") for s in STATES if s not in ENDED}),
    (an_archive(), {s: ([], "archived") for s in STATES if s not in ENDED}),
    (a_withdrawal(), {s: ([], "withdrawn") for s in STATES if s not in ("withdrawn", "blocked")}),
    (a_block(), dict.fromkeys(STATES, ([], "blocked"))),
    (
        a_dispatch(),
        {
            "nothing": ([], "nothing"),
            "dispatched": (["already_dispatched"], "dispatched"),
            "held": ([SPARE], "dispatched"),
            "closed": (["already_dispatched"], "closed"),
            "returned": (["already_returned"], "returned"),
        }
        | {s: ([s], s) for s in ENDED},
    ),
    (
        a_dispatch(institution="3204", unit="3204-001"),
        {s: (["not_the_holder"], s) for s in ("dispatched", "held", "closed", "returned", *ENDED)},
    ),
    (
        a_dispatch(holding=0),
        {s: (["stale_holding"], s) for s in ("dispatched", "held", "closed", "returned")}
        | {s: ([s], s) for s in ENDED}
        | {"nothing": (["not_the_holder"], "nothing")},
    ),
    (a_dispatch(holding=2), {s: ([s], s) for s in ENDED}),
    (
        a_dispatch(unit="6308-777"),
        {
            "dispatched": (["already_dispatched"], "dispatched"),
            "held": (["unknown_unit"], "held"),
            "closed": (["already_dispatched"], "closed"),
            "returned": (["already_returned"], "returned"),
        }
        | {s: ([s], s) for s in ENDED},
    ),
    (e.TimerFired(report_id=REPORT, due_at=NOON), {}),
    (e.SubmissionRepeated(report_id=REPORT, channel="web", message_id="m"), {}),
]
ROWS = [
    (event, state, outcome.get(state, ([], state))) for event, outcome in TABLE for state in STATES
]


@pytest.mark.parametrize(("event", "state", "expected"), ROWS)
def test_the_table(event: BaseModel, state: str, expected: tuple[list[str], str]) -> None:
    """Each cell: what is published and where the report stands after."""
    history = a_history(*STATES[state])

    published = history.feed(event)

    status = history.case.status if history.case else "nothing"
    assert (reasons(published), status) == expected


def test_a_dispatch_says_where_why_and_of_what_class() -> None:
    """All that follow-up, the clocks and the unit need travels in the event."""
    (published,) = a_history().feed(an_accept())

    assert published == e.ReportDispatched(
        report_id=REPORT, institution="6308", holding=1, dispatch=1, unit=ROADS,
        rule="roads.amuntai", why="category 1397, place 63.08.05: roads", by="auto",
        report_class=e.ReportClass.UNSUPERVISED,
    )  # fmt: skip


def test_a_reclassification_counts_from_the_next_dispatch() -> None:
    """The class is the one in force when the report is given to a unit."""
    history = a_history(an_accept(), a_reclassification(category_after="928"))
    (published,) = history.feed(a_unit_return())

    assert isinstance(published, e.ReportDispatched)
    assert published.report_class is e.ReportClass.SUPERVISED
    assert history.current.category_id == "928"


def test_a_reclassification_of_another_holding_changes_nothing() -> None:
    """An older holding's facts are ignored."""
    history = a_history(an_accept(holding=2))
    before = history.current

    assert history.feed(a_reclassification(holding=1)) == []
    assert history.current == before


@pytest.mark.parametrize(
    ("proposed", "expected"),
    [
        (HEALTH, [HEALTH]),  # a unit of the institution
        (ROADS, [DISTRICT]),  # the one that returned it
        ("6308-777", [DISTRICT]),  # no unit
        ("3204-001", [DISTRICT]),  # another institution's
    ],
)
def test_the_unit_proposed_comes_first(proposed: str, expected: list[str]) -> None:
    """If it is a unit of the institution that was not tried."""
    history = a_history(an_accept())
    published = history.feed(a_unit_return(proposed_unit=proposed))

    assert reasons(published) == expected
    assert isinstance(published[0], e.ReportDispatched)
    assert published[0].rule == ("proposed_by_unit" if proposed == HEALTH else "infrastructure")


@pytest.mark.parametrize(
    ("category", "proposed", "reason"),
    [("928", None, "nothing_fits"), ("928", "6308-777", "unit_unknown"), ("7", None, None)],
)
def test_held_where_no_unit_is_left(
    category: str, proposed: str | None, reason: str | None
) -> None:
    """It says what the admin should know: nothing fits, or a name that is no unit's."""
    history = a_history(an_accept(category_id=category))
    if reason is None:
        assert reasons([event for _, event in history.published]) == ["unit_unknown"]
        return
    published = history.feed(a_unit_return(unit=DISTRICT, proposed_unit=proposed))

    assert published == [
        e.RoutingHeld(
            report_id=REPORT, institution="6308", holding=1, reason=reason, tried=(DISTRICT,)
        )
    ]  # fmt: skip


def test_after_two_returns_the_admin_decides_and_the_dispatch_is_final() -> None:
    """A unit tried before may be named; it may not return the report again."""
    history = a_history(an_accept(), a_unit_return())
    held = history.feed(SECOND_RETURN)
    (published,) = history.feed(a_dispatch(unit=ROADS))

    assert held == [
        e.RoutingHeld(
            report_id=REPORT, institution="6308", holding=1, reason="returned_twice",
            tried=(ROADS, DISTRICT),
        )
    ]  # fmt: skip
    assert isinstance(published, e.ReportDispatched)
    assert (published.dispatch, published.unit, published.final) == (3, ROADS, True)
    assert (published.rule, published.by) == ("named_by_admin", "officer")
    assert history.current.tried == (ROADS, DISTRICT)


def test_a_dispatch_by_the_admin_before_that_may_still_be_returned() -> None:
    """The limit counts returns, not who named the unit."""
    history = a_history(an_accept(category_id=None))
    (first,) = history.feed(a_dispatch())
    held = history.feed(a_unit_return(unit=SPARE))

    assert isinstance(first, e.ReportDispatched)
    assert not first.final
    assert reasons(held) == ["nothing_fits"]


def test_a_new_holding_begins_afresh() -> None:
    """Units tried and returns count within the holding."""
    history = a_history(an_accept(), a_unit_return(), a_report_return())
    (published,) = history.feed(an_accept(holding=2))

    assert isinstance(published, e.ReportDispatched)
    assert (published.holding, published.dispatch, published.unit) == (2, 1, ROADS)
    assert (history.current.tried, history.current.returns) == ((ROADS,), 0)


# ---- commands before their report


def test_an_early_dispatch_waits_for_the_holding_and_is_its_own_answer() -> None:
    """The directory had nothing; the admin's dispatch was there already."""
    history = a_history(a_dispatch())
    published = history.feed(an_accept(category_id=None))

    assert reasons(published) == ["nothing_fits", SPARE]
    assert reasons(history.answers("record-1")) == [SPARE]
    assert history.current.waiting == ()
    assert history.current.timer_at is None


@pytest.mark.parametrize("category", ["1397", None])
def test_an_early_dispatch_ends_as_a_later_one(category: str | None) -> None:
    """Both orders leave the same report, and the same answer to the command."""
    accept = an_accept(category_id=category)
    early, late = a_history(a_dispatch(), accept), a_history(accept, a_dispatch())

    assert early.case == late.case
    assert early.answers("record-1") == [
        event.model_copy(update={"refused": "record-1"})
        if isinstance(event, e.CommandRefused)
        else event
        for event in late.answers("record-2")
    ]


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (an_archive(), "not_the_holder"),
        (a_block(), "not_the_holder"),
        (a_withdrawal(), "not_the_holder"),
        (a_report_return(), "already_returned"),
        (an_accept(holding=2), "stale_holding"),
        (an_accept(institution="3204"), "not_the_holder"),
    ],
)
def test_what_waits_is_refused_when_its_holding_can_come_no_more(
    event: BaseModel, reason: str
) -> None:
    """The refusal names the command, not the record that released it."""
    history = a_history(a_dispatch(), event)

    (refusal,) = history.answers("record-1")
    assert isinstance(refusal, e.CommandRefused)
    assert (refusal.reason, refusal.refused, refusal.message_id) == (reason, "record-1", "m-1")
    assert history.current.timer_at is None


def test_a_command_of_a_later_holding_waits_on() -> None:
    """Only what is about this holding or an earlier one is answered."""
    history = a_history(a_dispatch(holding=2), an_accept())

    assert history.answers("record-1") == []
    history.feed(an_accept(holding=2, category_id=None))
    assert reasons(history.answers("record-1")) == [SPARE]


def test_the_timer_refuses_after_a_day_and_fires_for_the_rest() -> None:
    """Each command waits its own day; a timer of another time means nothing."""
    history = a_history(a_dispatch(), a_dispatch())
    first = NOON + timedelta(minutes=1, days=1)
    assert history.current.timer_at == first
    assert history.feed(e.TimerFired(report_id=REPORT, due_at=first + timedelta(days=9))) == []

    history.feed(e.TimerFired(report_id=REPORT, due_at=first))
    assert reasons(history.answers("record-1")) == ["not_the_holder"]
    assert history.current.timer_at == first + timedelta(minutes=1)

    history.fire()
    assert reasons(history.answers("record-2")) == ["not_the_holder"]
    assert history.current.waiting == ()


@pytest.mark.parametrize("end", [an_archive(), a_block(), a_withdrawal()])
def test_an_end_before_the_start_is_the_end(end: BaseModel) -> None:
    """Nothing is dispatched of a report that has ended."""
    history = a_history(end)

    assert history.feed(an_accept()) == []
    assert history.current.status in (Status.ARCHIVED, Status.BLOCKED, Status.WITHDRAWN)
