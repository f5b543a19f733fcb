"""The national admin's decisions, row by row."""

from typing import Any

import pytest
from pydantic import BaseModel

from shared.contract.events import (
    Archive,
    AskForInformation,
    CommandRefused,
    InformationRequested,
    ReportArchived,
    ReportBlocked,
    ReportForwarded,
    ReportWithdrawn,
)
from shared.rules.decision import event_id
from tests.support.builders import (
    BANDUNG,
    HSU,
    NATIONAL,
    OTHER_REPORT,
    REPORT,
    SEALED,
    a_block,
    a_cause,
    a_clear_report,
    a_closing,
    a_completion,
    a_forward,
    a_reopening,
    a_report,
    a_returning,
    a_time_out,
    a_withdrawal,
    an_accept,
    an_archive,
    an_archiving,
    an_ask,
    at,
)
from tests.unit.verification.histories import POLICY, national


def ask(**changes: Any) -> AskForInformation:
    """Return the national admin's question before the first forward."""
    return an_ask(**({"institution": NATIONAL, "holding": 0} | changes))


def archive(**changes: Any) -> Archive:
    """Return the national admin's wish to archive before the first forward."""
    return an_archive(**({"institution": NATIONAL, "holding": 0} | changes))


# A status, the records that lead to it, and the holding that a command then names.
STATES: dict[str, tuple[list[BaseModel], int]] = {
    "none": ([], 0),
    "waiting": ([a_report()], 0),
    "asked": ([a_report(), ask()], 0),
    "forwarded": ([a_report(), a_forward()], 1),
    "closed": ([a_report(), a_forward(), a_closing()], 1),
    "archived": ([a_report(), archive()], 0),
    "blocked": ([a_report(), a_block()], 0),
    "withdrawn": ([a_report(), a_withdrawal()], 0),
}
COMMANDS = {"Forward": a_forward, "Ask": ask, "Archive": archive, "Block": a_block}
WAITS = ""

# status: what Forward, AskForInformation, Archive, Block give; a lower-case name is a refusal.
TABLE = {
    "none": (WAITS, WAITS, WAITS, WAITS),
    "waiting": ("ReportForwarded", "InformationRequested", "ReportArchived", "ReportBlocked"),
    "asked": (WAITS, WAITS, "ReportArchived", "ReportBlocked"),
    "forwarded": (WAITS, WAITS, WAITS, "ReportBlocked"),
    "closed": ("already_closed", "already_closed", "already_closed", "ReportBlocked"),
    "archived": ("archived",) * 4,
    "blocked": ("blocked",) * 4,
    "withdrawn": ("withdrawn",) * 4,
}
ROWS = [
    (status, command, outcome)
    for status, outcomes in TABLE.items()
    for command, outcome in zip(COMMANDS, outcomes, strict=True)
]
STATUS_AFTER = {
    "ReportForwarded": "forwarded",
    "InformationRequested": "asked",
    "ReportArchived": "archived",
    "ReportBlocked": "blocked",
}


@pytest.mark.parametrize(("status", "command", "outcome"), ROWS)
def test_each_command_in_each_status_has_its_outcome(
    status: str, command: str, outcome: str
) -> None:
    """The table of `national.py`, commands."""
    records, holding = STATES[status]
    history = national(records)
    assert history.status == status

    answers = history.feed(COMMANDS[command](holding=holding))

    if outcome == WAITS:
        assert answers == []
        assert history.case is not None
        assert history.case.timer_at == at(len(records) + 1) + POLICY.command_wait
    elif outcome in STATUS_AFTER:
        assert [type(a).__name__ for a in answers] == [outcome]
        assert history.status == STATUS_AFTER[outcome]
    else:
        assert [a.reason for a in answers if isinstance(a, CommandRefused)] == [outcome]
        assert history.status == status


REQUEST = event_id(a_cause("record-2", at(2)), "verification.national", InformationRequested)
FACTS: list[tuple[str, BaseModel, str, list[str]]] = [
    ("none", a_report(), "waiting", []),
    ("none", a_clear_report(), "forwarded", ["ReportForwarded"]),
    ("none", a_withdrawal(), "withdrawn", ["ReportWithdrawn"]),
    ("none", a_completion(), "unknown", []),
    ("none", a_returning(), "none", []),
    ("none", a_closing(), "none", []),
    ("none", an_archiving(), "none", []),
    ("none", a_time_out("unknown"), "none", []),
    ("waiting", a_clear_report(), "waiting", []),
    ("waiting", a_completion(), "waiting", []),
    ("waiting", a_returning(), "waiting", []),
    ("waiting", a_time_out(REQUEST), "waiting", []),
    ("waiting", a_withdrawal(), "withdrawn", ["ReportWithdrawn"]),
    ("asked", a_completion(), "waiting", []),
    ("asked", a_time_out(REQUEST), "archived", ["ReportArchived"]),
    ("asked", a_time_out("another request"), "asked", []),
    ("asked", a_time_out(REQUEST, window="reply"), "asked", []),
    ("asked", a_withdrawal(), "withdrawn", ["ReportWithdrawn"]),
    ("forwarded", a_returning(), "waiting", []),
    ("forwarded", a_returning(holding=2), "forwarded", []),
    ("forwarded", a_returning(holding=0), "forwarded", []),
    ("forwarded", an_archiving(), "archived", []),
    ("forwarded", an_archiving(holding=2), "forwarded", []),
    ("forwarded", a_closing(), "closed", []),
    ("forwarded", a_closing(holding=0), "forwarded", []),
    ("forwarded", a_reopening(), "forwarded", []),
    ("forwarded", a_completion(), "forwarded", []),
    ("forwarded", a_withdrawal(), "withdrawn", ["ReportWithdrawn"]),
    ("closed", a_reopening(), "forwarded", []),
    ("closed", a_reopening(holding=2), "closed", []),
    ("closed", a_returning(), "waiting", []),
    ("closed", an_archiving(), "archived", []),
    ("closed", a_withdrawal(), "closed", []),
    *(
        (end, fact, end, [])
        for end in ("archived", "blocked", "withdrawn")
        for fact in (
            a_clear_report(), a_completion(), a_withdrawal(), a_returning(holding=0),
            an_archiving(holding=0), a_closing(holding=0), a_reopening(holding=0),
            a_time_out(REQUEST),
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize(("status", "fact", "after", "published"), FACTS)
def test_each_fact_in_each_status_has_its_outcome(
    status: str, fact: BaseModel, after: str, published: list[str]
) -> None:
    """The table of `national.py`, facts."""
    history = national(STATES[status][0])
    before = len(history.published)

    history.feed(fact)

    assert history.status == after
    assert history.published_names()[before:] == published


def test_an_officers_forward_says_who_decided() -> None:
    """`by` is the officer, and the holding is the next."""
    history = national([a_report(), a_forward(to=BANDUNG, by="officer-7")])

    assert history.answers("record-2") == [
        ReportForwarded(
            report_id=REPORT, institution=BANDUNG, holding=1, by="officer-7", why="officer"
        )
    ]


@pytest.mark.parametrize(
    ("records", "command", "reason"),
    [
        ([a_report()], a_forward(to="9999"), "unknown_institution"),
        ([a_report()], a_forward(to=NATIONAL), "forward_to_itself"),
        ([a_report()], a_forward(institution=HSU), "not_the_holder"),
        ([], a_block(institution=HSU), "not_the_holder"),
        ([a_report()], an_accept(institution=NATIONAL, holding=0), "not_for_this_stage"),
        ([a_report()], archive(reason="duplicate"), "duplicate_of_missing"),
        (
            [a_report()],
            archive(reason="duplicate", duplicate_of=REPORT),
            "duplicate_of_itself",
        ),
        ([a_report()], archive(reason="expired"), "reason_not_allowed"),
        ([a_report(), a_forward()], a_forward(), "already_forwarded"),
        ([a_report(), a_forward()], archive(), "already_forwarded"),
        ([a_report(), a_forward(), a_returning()], a_forward(), "stale_holding"),
        ([a_report(), a_forward(), a_returning()], ask(), "stale_holding"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_reason(
    records: list[BaseModel], command: BaseModel, reason: str
) -> None:
    """At once, with nothing changed, naming the command."""
    history = national(records)
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


@pytest.mark.parametrize(
    "reason",
    ["hate_speech", "no_evidence", "unclear", "not_relevant", "out_of_scope", "reporter_wish"],
)
def test_an_officer_archives_for_each_reason(reason: str) -> None:
    """Expiry is the system's alone, a duplicate names the other report."""
    history = national([a_report(), archive(reason=reason, note=SEALED, duplicate_of=OTHER_REPORT)])

    assert history.answers("record-2") == [
        ReportArchived(
            report_id=REPORT, by="admin", institution=NATIONAL, holding=0, reason=reason,
            officer="officer-1", note=SEALED,
        )
    ]  # fmt: skip


def test_a_duplicate_names_the_report_it_repeats() -> None:
    """So that its reporter can be sent there."""
    history = national([a_report(), archive(reason="duplicate", duplicate_of=OTHER_REPORT)])

    (archived,) = history.answers("record-2")
    assert isinstance(archived, ReportArchived)
    assert archived.duplicate_of == OTHER_REPORT


def test_what_expired_is_archived_by_the_system() -> None:
    """Ten working days without completion (domain.md section 1, clock 4)."""
    history = national([a_report(), ask(), a_time_out(REQUEST)])

    assert history.answers("record-3") == [
        ReportArchived(
            report_id=REPORT, by="system", institution=NATIONAL, holding=0, reason="expired"
        )
    ]


def test_after_a_second_question_the_first_window_no_longer_counts() -> None:
    """Only the request now open may expire."""
    history = national([a_report(), ask(), a_completion(), ask(), a_time_out(REQUEST)])

    assert history.status == "asked"


def test_a_completion_sent_before_the_question_does_not_answer_it() -> None:
    """Intake's stream may be read late: the older completion was for an earlier question."""
    history = national([a_report()])
    history.feed(ask(), now=at(30))

    history.feed(a_completion(), now=at(29))
    assert history.status == "asked"

    history.feed(a_completion(), now=at(31))
    assert history.status == "waiting"


def test_a_completion_read_before_the_question_answers_it_if_it_was_sent_later() -> None:
    """The streams have no order: read in either, the reporter has answered."""
    history = national([a_report()])
    history.feed(a_completion(), now=at(31))

    history.feed(ask(), now=at(30))

    assert history.published_names() == ["InformationRequested"]
    assert history.status == "waiting"


def test_a_completion_answers_the_open_question_not_the_one_it_releases() -> None:
    """The second question goes out only now: nobody can have answered it."""
    history = national([a_report()])
    for minute, event in enumerate((ask(), ask(), a_completion()), start=30):
        history.feed(event, now=at(minute))

    assert history.published_names() == ["InformationRequested", "InformationRequested"]
    assert history.status == "asked"


def test_after_a_completion_an_officer_decides_not_auto() -> None:
    """An officer asked, so an officer sees the answer."""
    history = national([a_report(), ask(), a_completion()])

    assert history.published_names() == ["InformationRequested"]


def test_after_two_returns_the_forward_is_final() -> None:
    """domain.md section 1: then the national admin decides."""
    history = national([
        a_report(),
        a_forward(), a_returning(),
        a_forward(holding=1, to=BANDUNG), a_returning(holding=2, institution=BANDUNG),
        a_forward(holding=2),
    ])  # fmt: skip

    forwards = [e for _, e in history.published if isinstance(e, ReportForwarded)]
    assert [(f.holding, f.institution, f.final) for f in forwards] == [
        (1, HSU, False), (2, BANDUNG, False), (3, HSU, True),
    ]  # fmt: skip


def test_others_questions_and_archives_are_not_this_stages() -> None:
    """The institution stage answers them; nothing is published here, no case is made."""
    for command in (an_ask(), an_archive()):
        history = national([command])

        assert (history.case, history.published) == (None, [])


def test_a_block_waits_for_nobody() -> None:
    """It counts in any holding: content is blocked whoever holds the report."""
    history = national([a_report(), a_forward(), a_block(holding=0)])

    assert history.answers("record-3") == [
        ReportBlocked(report_id=REPORT, by="officer-1", reason=SEALED)
    ]


def test_a_withdrawal_is_published_once() -> None:
    """Also when the reporter insists."""
    history = national([a_report(), a_withdrawal(), a_withdrawal()])

    assert [e for _, e in history.published] == [ReportWithdrawn(report_id=REPORT)]
