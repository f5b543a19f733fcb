"""What two stages decide at once, read in either order: nobody is forgotten, all agree."""

from typing import Any

import pytest

from shared.contract import events as e
from tests.pipeline.harness import Harness
from tests.pipeline.invariants import of_quiet_months, violations
from tests.pipeline.stories import (
    ADMIN,
    BANDUNG,
    HSU,
    dispatched,
    followed_up,
    forwarded,
    held,
    send,
    write,
)

CLASS = e.ReportClass.UNSUPERVISED
ORDERS = pytest.mark.parametrize("seed", range(8))


def agreed(harness: Harness) -> None:
    """Check every invariant now and after months of silence."""
    harness.run()
    assert violations(harness) == []
    harness.wait(days=150)
    assert violations(harness) + of_quiet_months(harness) == []


@ORDERS
def test_a_unit_follows_up_while_the_reporter_withdraws(seed: int) -> None:
    """The end stands; the unit's institution is told that its command took effect before it."""
    harness = Harness(seed)
    report = dispatched(harness)
    message = harness.agency(HSU).send(e.FollowUp, report, text="Sudah.")
    harness.catch_up("agencies.in", "follow-up")
    harness.write(e.WithdrawReport, report)
    harness.catch_up("intake", "verification.national")
    harness.run()
    assert harness.status(report) == ("withdrawn", "withdrawn", "withdrawn", "withdrawn")
    assert harness.agency(HSU).answers_to(message) == ["follow_up"]
    assert len(harness.of(e.FollowUpGiven, report)) == 1
    agreed(harness)


@ORDERS
def test_an_institution_archives_while_the_national_admin_blocks(seed: int) -> None:
    """Both took effect; the block stands in every stage and both senders are answered."""
    harness = Harness(seed)
    report = forwarded(harness)
    archive = harness.agency(HSU).send(e.Archive, report, reason="unclear")
    block = harness.agency(ADMIN).send(e.Block, report, reason="Ujaran kebencian.")
    harness.catch_up("agencies.in", "verification.institution", "verification.national")
    harness.run()
    assert harness.agency(HSU).answers_to(archive) == ["archived"]
    assert len(harness.agency(ADMIN).answers_to(block)) == 1
    ends = {type(x).__name__ for x in harness.events(report) if isinstance(x, e.ReportBlocked)}
    assert set(harness.status(report)) == {"blocked" if ends else "archived"}
    agreed(harness)


@ORDERS
def test_a_return_crosses_the_next_forward_and_everybodys_words(seed: int) -> None:
    """The national admin is fast: the next holder may be told before the last one is answered."""
    harness = Harness(seed)
    report = forwarded(harness)
    back = harness.agency(HSU).send(e.ReturnReport, report, reason="Bukan kami.")
    harness.catch_up("agencies.in", "verification.institution", "verification.national")
    forward = harness.agency(ADMIN).send(e.Forward, report, holding=1, to=BANDUNG)
    harness.catch_up("agencies.in", "verification.national")
    harness.run()
    assert harness.agency(HSU).answers_to(back) == ["report_returned"]
    assert harness.agency(ADMIN).answers_to(forward) == ["forwarded"]
    assert harness.status(report)[:2] == ("forwarded", "waiting")
    agreed(harness)


@ORDERS
def test_two_questions_and_two_completions_at_once(seed: int) -> None:
    """Stages that were away read them in any order, and agree whether the reporter answered."""
    harness = Harness(seed)
    report = forwarded(harness)
    for _ in range(2):
        harness.agency(HSU).send(e.AskForInformation, report, question="Di mana?")
    harness.catch_up("agencies.in")
    for _ in range(2):
        harness.write(e.CompleteInformation, report, text="Di depan toko.")
    harness.catch_up("intake")
    agreed(harness)


@ORDERS
def test_a_completion_crosses_the_end_of_its_window(seed: int) -> None:
    """The reporter answers in the last second: in time for one stage is in time for all."""
    harness = Harness(seed)
    report = held(harness)
    send(harness, ADMIN, e.AskForInformation, report, question="Di mana?")
    harness.broker.now_ms = int(harness.owed(report)["completion"].timestamp() * 1000)
    for timer in harness._timers(harness.now):
        harness._fire(*timer)
    harness.write(e.CompleteInformation, report, text="Di Amuntai.")
    harness.catch_up("intake", "sla-monitor")
    harness.run()
    assert harness.status(report).national in ("waiting", "archived")
    agreed(harness)


@ORDERS
@pytest.mark.parametrize(
    ("word", "first", "closed_by"),
    [
        (e.ReplyToFollowUp, "intake", ""),
        (e.ReplyToFollowUp, "sla-monitor", "system"),
        (e.CloseReport, "intake", "reporter"),
        (e.CloseReport, "sla-monitor", "reporter"),
    ],
)
def test_a_reporters_word_crosses_the_closing_by_silence(
    seed: int, word: type[e.ReporterMessage], first: str, closed_by: str
) -> None:
    """The broker's time decides, in whatever order it is read; a rating stands above silence."""
    harness = Harness(seed)
    report = followed_up(harness)
    harness.broker.now_ms = int(harness.owed(report)["reply"].timestamp() * 1000)
    fields: dict[str, Any] = {"rating": 4, "solved": True} if word is e.CloseReport else {}
    harness.write(word, report, text="Belum.", **fields)
    for timer in harness._timers(harness.now):
        harness._fire(*timer)
    harness.catch_up(first, "intake", "sla-monitor")
    harness.run()
    case = harness.case("follow-up", report)
    assert (case.status, case.closed_by) == ("closed" if closed_by else "replied", closed_by)
    agreed(harness)


@ORDERS
def test_a_reporter_closes_what_the_unit_gives_back(seed: int) -> None:
    """Closed or with the next unit, but in the same place for every stage."""
    harness = Harness(seed)
    report = dispatched(harness)
    harness.agency(HSU).send(e.ReturnToInstitution, report, reason="Bukan kami.")
    harness.write(e.CloseReport, report, rating=2, solved=False)
    harness.catch_up("agencies.in", "intake")
    agreed(harness)


@ORDERS
def test_a_reopening_crosses_a_forward_that_is_not_allowed(seed: int) -> None:
    """The closed report is opened again at its unit, whatever the admin wanted of it."""
    harness = Harness(seed)
    report = followed_up(harness)
    write(harness, e.CloseReport, report, rating=1, solved=False)
    harness.write(e.ReopenReport, report, text="Padam lagi.")
    harness.agency(ADMIN).send(e.Forward, report, holding=1, to=BANDUNG)
    harness.agency(HSU).send(e.Reclassify, report, report_class=e.ReportClass.ASPIRATION, why="Ya.")
    harness.run()
    assert harness.status(report).follow_up == "in_progress"
    assert harness.status(report)[:2] == ("forwarded", "accepted")
    agreed(harness)
