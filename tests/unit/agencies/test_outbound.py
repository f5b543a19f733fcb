"""Each institution is told of a report while it holds it, and nothing that is hidden from it."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from services.agencies.case import InboxCase
from services.agencies.outbound import BREACHES_MAX, COMPLETIONS_MAX, WAITING_MAX
from shared.contract import events as e
from shared.contract.topics import READS
from tests.unit.agencies.builders import (
    BANDUNG,
    BODY,
    EMAIL,
    HSU,
    INSTITUTIONS,
    KEY,
    NAME,
    NATIONAL,
    NOON,
    OTHER,
    PHONE,
    a_fact,
    a_received,
)
from tests.unit.agencies.runs import (
    ELSEWHERE,
    ENDS,
    ERASED,
    FORWARD,
    LOOKUPS,
    RETURN,
    Run,
    begun,
)

BEGINNING = [(NATIONAL, "report_received"), (HSU, "report_to_verify"), (NATIONAL, "forwarded")]


def test_a_forward_shows_the_report_to_the_institution() -> None:
    """What the allow-list names, in the clear, with what the national verification classified."""
    forward = a_fact(e.ReportForwarded, category_id="111", place_code="63.08", final=True)
    run = Run(a_received(confidential=True), forward)
    assert run.lines == BEGINNING
    entry = run.only("report_to_verify")
    assert (entry.holding, entry.final) == (1, True)
    assert entry.report == e.ReportView(
        tracking_number=a_received().tracking_number, channel="web", submitted_at=NOON,
        title="Lampu jalan", body=BODY, place="Pasar", place_code="63.08", reporter=NAME,
        contact=PHONE, confidential=True, category_id="111",
    )  # fmt: skip


def test_who_is_anonymous_is_known_to_the_platform_alone() -> None:
    """00 sees the identity, the institution does not."""
    run = Run(a_received(anonymous=True), FORWARD)
    national = run.only("report_received", NATIONAL).report
    institution = run.only("report_to_verify").report
    assert national is not None
    assert institution is not None
    assert (national.reporter, national.contact) == (NAME, PHONE)
    assert (institution.reporter, institution.contact) == (None, None)
    assert institution.anonymous
    assert institution.body == BODY


@pytest.mark.parametrize(("fact", "entry", "changes"), [
        (e.InformationRequested, "information_requested", {"text": "Di jalan apa?"}),
        (e.ReportAccepted, "accepted", {}),
        (e.ReportReclassified, "reclassified", {"text": "Hanya bertanya"}),
        (e.ReportDispatched, "dispatched", {"unit": "6308-001", "final": False}),
        (e.RoutingHeld, "routing_held", {"reason": "nothing_fits"}),
        (e.InitialResponseGiven, "initial_response", {"text": "Kami periksa"}),
        (e.FollowUpGiven, "follow_up", {"text": "Sudah diganti"}),
        (
            e.UnitReturned, "unit_returned",
            {"text": "Bukan kami", "reason": None, "proposed_unit": "6308-002"},
        ),
        (e.ReportClosed, "closed", {"closed_by": "system", "reason": None, "solved": None}),
        (e.ReportReopened, "reopened", {"text": "Padam lagi"}),
        (e.InformationCompleted, "information_completed", {"text": "Di Jalan Merdeka"}),
        (e.ReporterReplied, "reporter_replied", {"text": "Masih padam"}),
        (e.ReporterClosed, "reporter_closed", {"rating": 4, "solved": True, "reason": None}),
        (e.DeadlineSet, "deadline_set", {"clock": "follow_up", "deadline": NOON}),
        (e.DeadlineMoved, "deadline_moved", {"clock": "follow_up", "reason": "resumed"}),
        (e.DeadlineApproaching, "deadline_approaching", {"unit": "6308-001"}),
        (e.DeadlineBreached, "deadline_breached", {"level": 1}),
        (e.BreachWithdrawn, "breach_withdrawn", {"level": 1, "reason": "moved"}),
    ])  # fmt: skip
def test_the_holder_is_told_of_its_holding(
    fact: type[BaseModel], entry: str, changes: dict[str, object]
) -> None:
    """Each fact by its name, with its words opened."""
    run = begun(a_fact(fact))
    assert run.lines == [(HSU, entry)]
    only = run.only(entry)
    assert {name: getattr(only, name) for name in changes} == changes
    assert (only.holding, only.report) == (1, None)


@pytest.mark.parametrize(
    "fact",
    [
        a_fact(e.ReporterAnswered),
        a_fact(e.ReopenRequested),
        a_fact(e.DeadlineSet, clock="reply"),
        a_fact(e.DeadlineBreached, clock="completion"),
        a_fact(e.ReportDispatched, institution=BANDUNG),
        a_received(),
        FORWARD,
    ],
)
def test_some_facts_tell_the_holder_nothing(fact: BaseModel) -> None:
    """What another entry tells, the reporter's own clocks, another's claim, and repeats."""
    assert begun(fact).lines == []


@pytest.mark.parametrize(
    ("fact", "entry"),
    [
        (a_fact(e.DuplicateSuspected), "duplicate_suspected"),
        (
            a_fact(e.InformationRequested, stage="national", institution=NATIONAL),
            "information_requested",
        ),
        (
            a_fact(e.DeadlineBreached, institution=NATIONAL, clock="national_verification"),
            "deadline_breached",
        ),
        (a_fact(e.InformationCompleted), "information_completed"),
    ],
)
def test_the_national_admin_is_told_of_its_own(fact: BaseModel, entry: str) -> None:
    """Before any institution holds the report."""
    assert Run(a_received(), fact).lines[1:] == [(NATIONAL, entry)]


def test_a_likeness_names_the_reports() -> None:
    """So that the officer can look."""
    run = Run(a_received(), a_fact(e.DuplicateSuspected))
    assert run.only("duplicate_suspected", NATIONAL).similar == (OTHER,)


def test_a_return_goes_to_00_with_its_reason_and_ends_the_holding() -> None:
    """The institution gets the answer to its command, and nothing of the report after that."""
    auto = a_fact(e.ReportDispatched, by="auto")
    run = begun(RETURN, auto, a_fact(e.DeadlineSet), a_fact(e.ReportClosed))
    assert run.lines == [(HSU, "report_returned"), (NATIONAL, "report_returned")]
    returned = run.only("report_returned", NATIONAL)
    assert (returned.text, returned.reason, returned.proposed_owner) == (
        "Bukan kewenangan",
        None,
        BANDUNG,
    )


def test_the_next_holder_sees_the_report_and_the_one_before_no_more() -> None:
    """Also where the forward comes before the return it follows."""
    for facts in ([RETURN, ELSEWHERE], [ELSEWHERE, RETURN]):
        run = begun(*facts, a_fact(e.ReporterReplied), a_fact(e.DeadlineSet))
        assert (BANDUNG, "report_to_verify") in run.lines
        assert (NATIONAL, "report_returned") in run.lines
        assert (BANDUNG, "reporter_replied") in run.lines
        assert [entry for institution, entry in run.lines if institution == HSU] == [
            "report_returned"
        ]


def test_a_later_holder_is_told_what_the_reporter_completed() -> None:
    """The last completions, after the report itself."""
    completed = [
        a_fact(e.InformationCompleted, text=KEY.seal("text", f"no {n}"))
        for n in range(COMPLETIONS_MAX + 1)
    ]
    run = Run(a_received(), *completed, FORWARD)
    texts = [line.text for line in run.entries if line.institution == HSU]
    assert texts == [None, "no 1", "no 2", "no 3"]


@pytest.mark.parametrize("end", ENDS, ids=lambda end: type(end).__name__)
def test_an_end_is_told_to_the_holder_and_to_00_and_is_final(end: BaseModel) -> None:
    """Nothing of the report is told after it."""
    after = (a_fact(e.RoutingHeld), a_fact(e.ReporterReplied), ELSEWHERE, a_fact(e.ReportWithdrawn))
    run = begun(end, *after)
    (holder, entry), (national, same) = run.lines
    assert (holder, national, entry) == (HSU, NATIONAL, same)
    assert run.case is not None
    assert run.case.report is not None
    assert (run.case.report.content, run.case.report.identity, run.case.waiting) == (None, None, ())


@pytest.mark.parametrize("end", ENDS, ids=lambda end: type(end).__name__)
def test_an_end_before_the_start_gives_the_same_final_case(end: BaseModel) -> None:
    """00 is told of the report, then of its end, in whatever order they came."""
    orders = (Run(a_received(), end), Run(end, a_received()))
    assert orders[0].lines == orders[1].lines == [
        (NATIONAL, "report_received"), (NATIONAL, orders[0].lines[1][1]),
    ]  # fmt: skip
    assert all(run.case is not None and run.case.is_ended for run in orders)
    assert orders[1].causes == ["fact-2", "fact-1"]


@pytest.mark.parametrize(
    "early",
    [
        [a_fact(e.ReportAccepted)],
        [a_fact(e.ReportAccepted), a_fact(e.ReportDispatched)],
        [a_fact(e.DeadlineSet), a_fact(e.ReporterReplied)],
        [a_fact(e.FollowUpGiven), a_fact(e.ReportClosed)],
        [a_fact(e.ReportArchived)],
        [RETURN],
    ],
)
def test_facts_before_their_beginning_wait_and_go_out_in_order(early: list[BaseModel]) -> None:
    """Before the forward, before the report, or before both: the same lines."""
    usual = Run(a_received(), FORWARD, *early)
    assert len(usual.lines) > len(BEGINNING)
    assert Run(a_received(), *early, FORWARD).lines == usual.lines
    assert Run(*early, a_received(), FORWARD).lines == usual.lines
    assert Run(*early, FORWARD, a_received()).lines == usual.lines
    assert Run(FORWARD, *early, a_received()).lines == usual.lines


def test_what_waited_names_its_own_cause() -> None:
    """The entry's id derives from the fact it tells."""
    run = Run(a_fact(e.ReportAccepted), FORWARD, a_received())
    assert run.lines == [*BEGINNING, (HSU, "accepted")]
    assert run.causes == ["fact-3", "fact-2", "fact-2", "fact-1"]


def test_what_waits_is_bounded() -> None:
    """Past the bound a fact is let go."""
    run = Run(*(a_fact(e.DeadlineSet) for _ in range(WAITING_MAX + 5)))
    assert run.case is not None
    assert len(run.case.waiting) == WAITING_MAX


def test_a_clock_of_a_holding_that_is_over_is_past() -> None:
    """One that starts later waits for the institution to have the report again."""
    old = a_fact(e.DeadlineMoved)
    new = a_fact(e.DeadlineSet, started_at=NOON + timedelta(hours=1))
    again = a_fact(e.ReportForwarded, holding=2)
    run = begun(RETURN, old, new, again)
    assert [line for line in run.lines if line[0] == HSU] == [
        (HSU, "report_returned"), (HSU, "report_to_verify"), (HSU, "deadline_set"),
    ]  # fmt: skip


@pytest.mark.parametrize("order", [0, 1, 2])
def test_a_date_that_was_told_is_told_again_when_it_moves(order: int) -> None:
    """The inbox entry is the promise: the move follows it, whatever came late, without words."""
    later = NOON + timedelta(days=2)
    dates = [a_fact(e.DeadlineSet), a_fact(e.DeadlineMoved, deadline=later, why="calendar")]
    beginning: list[BaseModel] = [a_received(), FORWARD]
    run = Run(*beginning[:order], *dates, *beginning[order:])
    entries = [x for x in run.entries if x.entry.startswith("deadline")]
    assert [(x.institution, x.entry, x.deadline, x.reason) for x in entries] == [
        (HSU, "deadline_set", NOON, None), (HSU, "deadline_moved", later, "calendar"),
    ]  # fmt: skip
    assert {(x.clock, x.text, x.report) for x in entries} == {("follow_up", None, None)}


@pytest.mark.parametrize("end", [[RETURN], [RETURN, ELSEWHERE], [a_fact(e.ReportWithdrawn)]])
def test_a_breach_is_withdrawn_to_whoever_was_told_of_it(end: list[BaseModel]) -> None:
    """Also when the institution has let the report go since; to one that never was, nothing."""
    breach, withdrawn = a_fact(e.DeadlineBreached), a_fact(e.BreachWithdrawn)
    at_hsu = [line for line in begun(breach, *end, withdrawn).lines if line[0] == HSU]
    assert at_hsu[-1] == (HSU, "breach_withdrawn")
    run = begun(breach, *end, withdrawn, withdrawn)
    assert [entry for _, entry in run.lines].count("breach_withdrawn") == 1
    assert (HSU, "breach_withdrawn") not in begun(*end, breach, withdrawn).lines


def test_the_breaches_that_are_remembered_are_bounded() -> None:
    """A last level that repeats does not make a case grow without end."""
    run = begun(*(a_fact(e.DeadlineBreached, level=n) for n in range(1, BREACHES_MAX + 5)))
    assert run.case is not None
    assert len(run.case.breaches) == BREACHES_MAX


@pytest.mark.parametrize("before", [[], [a_received()], [a_received(), FORWARD, RETURN]])
def test_a_refusal_is_told_to_its_sender_at_any_time(before: list[BaseModel]) -> None:
    """Also to one that holds nothing, with what to do."""
    run = Run(*before)
    run.entries.clear()
    run.decide([a_fact(e.CommandRefused)])
    (refused,) = run.entries
    assert (refused.institution, refused.entry, refused.message_id) == (
        HSU,
        "command_refused",
        "c-1",
    )
    assert refused.reason == "archived"
    assert refused.text


def test_what_is_refused_to_a_reporter_is_no_institutions_refusal() -> None:
    """The notifier tells it."""
    assert Run(a_fact(e.CommandRefused, command="ReopenRequested")).lines == []


def test_who_has_no_inbox_is_told_through_00() -> None:
    """A topic that does not exist would stop the stage."""
    run = Run(a_fact(e.CommandRefused, institution="9999"))
    assert run.lines == [(NATIONAL, "command_refused")]


def test_an_erased_report_is_told_without_words() -> None:
    """The facts remain, the texts are gone for good."""
    run = Run(a_received(), FORWARD, a_fact(e.FollowUpGiven), lookups=ERASED)
    assert run.lines == [*BEGINNING, (HSU, "follow_up")]
    view = run.only("report_to_verify").report
    assert view is not None
    assert (view.title, view.body, view.reporter, view.contact) == (None, None, None, None)
    assert run.only("follow_up").text is None


def test_words_that_do_not_open_are_said_to_be_missing() -> None:
    """Not left out silently."""
    run = begun(a_fact(e.FollowUpGiven, text=KEY.seal("other", "x")))
    assert (run.only("follow_up").text, run.only("follow_up").reason) == (None, "seal_broken")


# ---- for any facts

CLASSES = tuple({c for events in READS["agencies.out"].values() for c in events})


@st.composite
def facts(draw: st.DrawFn) -> BaseModel:
    """Draw a fact of any kind, of any institution and holding."""
    event: Any = draw(st.sampled_from(sorted(CLASSES, key=lambda c: c.__name__)))
    if event is e.ReportReceived:
        return a_received(anonymous=True)
    holding = draw(st.integers(0, 3))
    institution = draw(st.sampled_from([NATIONAL, HSU, BANDUNG]))
    fact: BaseModel = a_fact(event, institution=institution, holding=holding)
    return fact


@given(events=st.lists(facts(), max_size=25), erased=st.booleans())
def test_any_facts_in_any_order_keep_every_promise(
    events: list[BaseModel], *, erased: bool
) -> None:
    """Total, bounded, nothing before the forward, nothing of who is anonymous, one life a case."""
    run = Run(lookups=ERASED if erased else LOOKUPS)
    forwarded: set[str] = set()
    for event in events:
        if isinstance(event, e.ReportForwarded):
            forwarded.add(event.institution)
        before = len(run.entries)
        run.decide([event])
        for entry in run.entries[before:]:
            assert entry.institution in INSTITUTIONS
            if entry.institution != NATIONAL:
                assert entry.entry == "command_refused" or entry.institution in forwarded
                written = entry.model_dump_json() + repr(entry)
                assert all(personal not in written for personal in (NAME, PHONE, EMAIL))
        assert run.case is not None
        assert len(run.case.waiting) <= WAITING_MAX
        assert InboxCase.model_validate_json(run.case.model_dump_json()) == run.case


@given(events=st.lists(facts(), max_size=25))
def test_each_command_that_fails_is_answered_exactly_once(events: list[BaseModel]) -> None:
    """Whatever else the case knows."""
    run = Run(*events)
    failed = sum(isinstance(event, e.CommandRefused) for event in events)
    assert sum(entry == "command_refused" for _, entry in run.lines) == failed
