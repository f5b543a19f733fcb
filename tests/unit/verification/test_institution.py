"""The decisions of the institution that holds a report, row by row."""

import pytest
from pydantic import BaseModel

from shared.contract.events import (
    CommandRefused,
    InformationRequested,
    ReportAccepted,
    ReportArchived,
    ReportClass,
    ReportReclassified,
    ReportReturned,
)
from shared.rules.decision import event_id
from tests.support.builders import (
    BANDUNG,
    HSU,
    NATIONAL,
    OTHER_REPORT,
    REPORT,
    SEALED,
    a_blocking,
    a_cause,
    a_closing,
    a_completion,
    a_dispatching,
    a_forward,
    a_forwarding,
    a_holding_up,
    a_reclassify,
    a_reopening,
    a_return,
    a_time_out,
    a_withdrawing,
    an_accept,
    an_archive,
    an_archiving,
    an_ask,
    at,
)
from tests.unit.verification.histories import POLICY, institution

ENDS = {
    "archived": an_archiving(institution=NATIONAL, holding=0),
    "blocked": a_blocking(),
    "withdrawn": a_withdrawing(),
}
STATES: dict[str, list[BaseModel]] = {
    "none": [],
    "waiting": [a_forwarding()],
    "asked": [a_forwarding(), an_ask()],
    "accepted": [a_forwarding(), an_accept()],
    "held": [a_forwarding(), an_accept(), a_holding_up()],
    "dispatched": [a_forwarding(), an_accept(), a_holding_up(), a_dispatching()],
    "returned": [a_forwarding(), a_return()],
    "closed": [a_forwarding(), an_accept(), a_dispatching(), a_closing()],
    "archived": [a_forwarding(), an_archive()],
    "blocked": [a_forwarding(), a_blocking()],
    "withdrawn": [a_forwarding(), a_withdrawing()],
}
COMMANDS = {
    "Accept": an_accept,
    "Return": a_return,
    "Ask": an_ask,
    "Archive": an_archive,
    "Reclassify": a_reclassify,
}
WAITS = ""
ACCEPTED = ("already_accepted", WAITS, "already_accepted", "ReportArchived", "ReportReclassified")

# status: what Accept, ReturnReport, AskForInformation, Archive, Reclassify give; a lower-case
# name is a refusal's reason.
TABLE = {
    "none": (WAITS,) * 5,
    "waiting": (
        "ReportAccepted", "ReportReturned", "InformationRequested", "ReportArchived",
        "not_accepted",
    ),
    "asked": (WAITS, WAITS, WAITS, "ReportArchived", WAITS),
    "accepted": ACCEPTED,
    "held": (ACCEPTED[0], "ReportReturned", *ACCEPTED[2:]),
    "dispatched": ACCEPTED,
    "returned": ("already_returned",) * 5,
    "closed": ("already_closed",) * 5,
    "archived": ("archived",) * 5,
    "blocked": ("blocked",) * 5,
    "withdrawn": ("withdrawn",) * 5,
}  # fmt: skip
ROWS = [
    (status, command, outcome)
    for status, outcomes in TABLE.items()
    for command, outcome in zip(COMMANDS, outcomes, strict=True)
]
STATUS_AFTER = {
    "ReportAccepted": "accepted",
    "ReportReturned": "returned",
    "InformationRequested": "asked",
    "ReportArchived": "archived",
    "ReportReclassified": "accepted",
}


@pytest.mark.parametrize(("status", "command", "outcome"), ROWS)
def test_each_command_in_each_status_has_its_outcome(
    status: str, command: str, outcome: str
) -> None:
    """The table of `institution.py`, commands."""
    history = institution(STATES[status])
    before = history.status

    answers = history.feed(COMMANDS[command]())

    if outcome == WAITS:
        assert answers == []
        assert history.case is not None
        assert history.case.timer_at == at(len(STATES[status]) + 1) + POLICY.command_wait
    elif outcome in STATUS_AFTER:
        assert [type(a).__name__ for a in answers] == [outcome]
        assert history.status == STATUS_AFTER[outcome]
    else:
        assert [a.reason for a in answers if isinstance(a, CommandRefused)] == [outcome]
        assert history.status == before


REQUEST = event_id(a_cause("record-2", at(2)), "verification.institution", InformationRequested)
EXPIRED = ReportArchived(
    report_id=REPORT, by="system", institution=HSU, holding=1, reason="expired"
)
FACTS: list[tuple[str, BaseModel, str]] = [
    ("none", a_forwarding(), "waiting"),
    ("none", a_forwarding(holding=2), "waiting"),
    ("none", a_completion(), "unknown"),
    ("none", a_time_out("unknown"), "none"),
    ("none", a_dispatching(), "none"),
    ("none", a_holding_up(), "none"),
    ("none", a_closing(), "none"),
    ("none", a_reopening(), "none"),
    *(("none", fact, end) for end, fact in ENDS.items()),
    ("waiting", a_completion(), "waiting"),
    ("waiting", a_time_out(REQUEST), "waiting"),
    ("waiting", a_closing(), "waiting"),
    ("asked", a_completion(), "waiting"),
    ("asked", a_time_out(REQUEST), "archived"),
    ("asked", a_time_out("another request"), "asked"),
    ("asked", a_time_out(REQUEST, window="reply"), "asked"),
    ("asked", a_forwarding(holding=2), "waiting"),
    ("accepted", a_completion(), "accepted"),
    ("accepted", a_closing(), "closed"),
    ("accepted", a_closing(holding=2), "accepted"),
    ("accepted", a_reopening(), "accepted"),
    ("accepted", a_forwarding(), "accepted"),
    ("accepted", a_forwarding(holding=2, institution=BANDUNG), "waiting"),
    ("returned", a_forwarding(holding=2, institution=BANDUNG), "waiting"),
    ("returned", a_closing(), "returned"),
    ("closed", a_reopening(), "accepted"),
    ("closed", a_reopening(holding=2), "closed"),
    ("archived", a_blocking(), "blocked"),
    ("archived", a_withdrawing(), "withdrawn"),
    ("blocked", ENDS["archived"], "blocked"),
    ("blocked", a_withdrawing(), "blocked"),
    *(
        (status, fact, end)
        for status in ("waiting", "asked", "accepted", "returned", "closed")
        for end, fact in ENDS.items()
    ),
    *(
        (end, fact, end)
        for end in ENDS
        for fact in (
            a_forwarding(holding=2), a_completion(), a_closing(), a_reopening(),
            a_dispatching(), a_holding_up(), a_time_out(REQUEST),
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize(("status", "fact", "after"), FACTS)
def test_each_fact_in_each_status_has_its_outcome(status: str, fact: BaseModel, after: str) -> None:
    """The table of `institution.py`, facts; only an expiry makes the stage publish something."""
    history = institution(STATES[status])

    published = history.feed(fact)

    assert history.status == after
    is_expiry = (status, after) == ("asked", "archived") and fact != ENDS["archived"]
    assert published == ([EXPIRED] if is_expiry else [])


@pytest.mark.parametrize(
    ("records", "command", "reason"),
    [
        ([a_forwarding()], an_accept(institution=BANDUNG), "not_the_holder"),
        ([a_forwarding()], an_accept(institution=NATIONAL), "not_the_holder"),
        ([], an_accept(institution=NATIONAL), "not_the_holder"),
        ([a_forwarding()], an_accept(holding=0), "stale_holding"),
        (
            [a_forwarding(), a_forwarding(holding=2, institution=BANDUNG)],
            an_accept(),
            "not_the_holder",
        ),
        ([a_forwarding()], a_forward(institution=HSU, holding=1), "not_for_this_stage"),
        ([a_forwarding(final=True)], a_return(), "return_limit"),
        (
            [a_forwarding(final=True), an_accept(), a_holding_up()],
            a_return(),
            "return_limit",
        ),
        ([a_forwarding(final=True), an_ask()], a_return(), "return_limit"),
        ([a_forwarding()], an_archive(reason="duplicate"), "duplicate_of_missing"),
        ([a_forwarding()], an_archive(reason="expired"), "reason_not_allowed"),
        (
            [a_forwarding(), an_accept()],
            a_reclassify(report_class=ReportClass.UNSUPERVISED),
            "same_class",
        ),
        (
            [a_forwarding(), an_accept(category_id="27")],
            a_reclassify(report_class=ReportClass.UNSUPERVISED, category_id="27"),
            "same_class",
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_its_reason(
    records: list[BaseModel], command: BaseModel, reason: str
) -> None:
    """At once, naming the command and its sender."""
    history = institution(records)
    before = history.status

    (refused,) = history.feed(command)

    assert isinstance(refused, CommandRefused)
    assert (refused.reason, refused.refused, refused.message_id) == (
        reason,
        history.record_id,
        "command-1",
    )
    assert refused.command == type(command).__name__
    assert before in (history.status, "none")


def test_an_acceptance_carries_the_commands_category_and_place_or_the_forwards() -> None:
    """The officer corrects what the reporter or screening said, or leaves it."""
    forward = a_forwarding(category_id="3", place_code="63.08")
    left = institution([forward, an_accept()])
    corrected = institution([forward, an_accept(category_id="27", place_code="63.08.01")])

    assert left.answers("record-2") == [
        ReportAccepted(
            report_id=REPORT, institution=HSU, holding=1, by="officer-1",
            report_class=ReportClass.UNSUPERVISED, category_id="3", place_code="63.08",
        )
    ]  # fmt: skip
    (accepted,) = corrected.answers("record-2")
    assert isinstance(accepted, ReportAccepted)
    assert (accepted.category_id, accepted.place_code) == ("27", "63.08.01")


def test_a_reclassification_says_before_and_after_who_and_why() -> None:
    """It buys time or takes it, so it is audited (domain.md section 1)."""
    history = institution(
        [
            a_forwarding(),
            an_accept(category_id="3"),
            a_reclassify(by="officer-9"),
            a_reclassify(report_class=ReportClass.SUPERVISED, category_id="27"),
        ]
    )

    first, second = history.answers("record-3") + history.answers("record-4")
    assert first == ReportReclassified(
        report_id=REPORT, institution=HSU, holding=1, by="officer-9", why=SEALED,
        class_before=ReportClass.UNSUPERVISED, class_after=ReportClass.SUPERVISED,
        category_before="3", category_after="3",
    )  # fmt: skip
    assert isinstance(second, ReportReclassified)
    assert (second.category_before, second.category_after) == ("3", "27")


def test_a_return_names_the_reason_and_a_better_owner() -> None:
    """Bukan kewenangan (domain.md section 1)."""
    history = institution([a_forwarding(), a_return(proposed_owner=BANDUNG)])

    assert history.answers("record-2") == [
        ReportReturned(
            report_id=REPORT, institution=HSU, holding=1, by="officer-1", reason=SEALED,
            proposed_owner=BANDUNG,
        )
    ]  # fmt: skip


def test_an_archive_names_the_holder_and_the_officer() -> None:
    """By the admin, in the holding it was decided in."""
    history = institution([
        a_forwarding(), an_archive(reason="duplicate", duplicate_of=OTHER_REPORT),
    ])  # fmt: skip

    assert history.answers("record-2") == [
        ReportArchived(
            report_id=REPORT, by="admin", institution=HSU, holding=1, reason="duplicate",
            duplicate_of=OTHER_REPORT, officer="officer-1",
        )
    ]  # fmt: skip


def test_a_request_names_the_stage_that_asks() -> None:
    """The reporter's window and the resting clock hang on it."""
    history = institution([a_forwarding(), an_ask()])

    assert history.answers("record-2") == [
        InformationRequested(
            report_id=REPORT, stage="institution", institution=HSU, holding=1, by="officer-1",
            question=SEALED, asked_at=at(2),
        )
    ]  # fmt: skip


def test_a_new_holding_forgets_the_old_ones_question_and_class() -> None:
    """Another institution decides afresh."""
    history = institution([
        a_forwarding(category_id="3"), an_ask(),
        a_forwarding(holding=2, institution=BANDUNG, final=True),
        a_time_out(REQUEST),
    ])  # fmt: skip

    assert history.case is not None
    assert history.case.model_dump(exclude_defaults=True, mode="json") == {
        "status": "waiting", "holding": 2, "holder": BANDUNG, "is_final": True,
    }  # fmt: skip


def test_the_national_admins_questions_and_archives_are_not_this_stages() -> None:
    """The national stage answers them; nothing is published here, no case is made."""
    for command in (an_ask(institution=NATIONAL), an_archive(institution=NATIONAL)):
        history = institution([command])

        assert (history.case, history.published) == (None, [])
