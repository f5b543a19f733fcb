"""What two stages decide at once, read in either order: nobody is forgotten, all agree."""

from typing import Any

import pytest

from shared.contract import events as e
from tests.pipeline.city import City
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


def agreed(city: City) -> None:
    """Check every invariant now and after months of silence."""
    city.run()
    assert violations(city) == []
    city.wait(days=150)
    assert violations(city) + of_quiet_months(city) == []


@ORDERS
def test_a_unit_follows_up_while_the_reporter_withdraws(seed: int) -> None:
    """The end stands; the unit's institution is told that its command took effect before it."""
    city = City(seed)
    report = dispatched(city)
    message = city.agency(HSU).send(e.FollowUp, report, text="Sudah.")
    city.catch_up("agencies.in", "follow-up")
    city.write(e.WithdrawReport, report)
    city.catch_up("intake", "verification.national")
    city.run()
    assert city.status(report) == ("withdrawn", "withdrawn", "withdrawn", "withdrawn")
    assert city.agency(HSU).answers_to(message) == ["follow_up"]
    assert len(city.of(e.FollowUpGiven, report)) == 1
    agreed(city)


@ORDERS
def test_an_institution_archives_while_the_national_admin_blocks(seed: int) -> None:
    """Both took effect; the block stands in every stage and both senders are answered."""
    city = City(seed)
    report = forwarded(city)
    archive = city.agency(HSU).send(e.Archive, report, reason="unclear")
    block = city.agency(ADMIN).send(e.Block, report, reason="Ujaran kebencian.")
    city.catch_up("agencies.in", "verification.institution", "verification.national")
    city.run()
    assert city.agency(HSU).answers_to(archive) == ["archived"]
    assert len(city.agency(ADMIN).answers_to(block)) == 1
    ends = {type(x).__name__ for x in city.events(report) if isinstance(x, e.ReportBlocked)}
    assert set(city.status(report)) == {"blocked" if ends else "archived"}
    agreed(city)


@ORDERS
def test_a_return_crosses_the_next_forward_and_everybodys_words(seed: int) -> None:
    """The national admin is fast: the next holder may be told before the last one is answered."""
    city = City(seed)
    report = forwarded(city)
    back = city.agency(HSU).send(e.ReturnReport, report, reason="Bukan kami.")
    city.catch_up("agencies.in", "verification.institution", "verification.national")
    forward = city.agency(ADMIN).send(e.Forward, report, holding=1, to=BANDUNG)
    city.catch_up("agencies.in", "verification.national")
    city.run()
    assert city.agency(HSU).answers_to(back) == ["report_returned"]
    assert city.agency(ADMIN).answers_to(forward) == ["forwarded"]
    assert city.status(report)[:2] == ("forwarded", "waiting")
    agreed(city)


@ORDERS
def test_two_questions_and_two_completions_at_once(seed: int) -> None:
    """Stages that were away read them in any order, and agree whether the reporter answered."""
    city = City(seed)
    report = forwarded(city)
    for _ in range(2):
        city.agency(HSU).send(e.AskForInformation, report, question="Di mana?")
    city.catch_up("agencies.in")
    for _ in range(2):
        city.write(e.CompleteInformation, report, text="Di depan toko.")
    city.catch_up("intake")
    agreed(city)


@ORDERS
def test_a_completion_crosses_the_end_of_its_window(seed: int) -> None:
    """The reporter answers in the last second: in time for one stage is in time for all."""
    city = City(seed)
    report = held(city)
    send(city, ADMIN, e.AskForInformation, report, question="Di mana?")
    city.broker.now_ms = int(city.owed(report)["completion"].timestamp() * 1000)
    for timer in city._timers(city.now):
        city._fire(*timer)
    city.write(e.CompleteInformation, report, text="Di Amuntai.")
    city.catch_up("intake", "sla-monitor")
    city.run()
    assert city.status(report).national in ("waiting", "archived")
    agreed(city)


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
    city = City(seed)
    report = followed_up(city)
    city.broker.now_ms = int(city.owed(report)["reply"].timestamp() * 1000)
    fields: dict[str, Any] = {"rating": 4, "solved": True} if word is e.CloseReport else {}
    city.write(word, report, text="Belum.", **fields)
    for timer in city._timers(city.now):
        city._fire(*timer)
    city.catch_up(first, "intake", "sla-monitor")
    city.run()
    case = city.case("follow-up", report)
    assert (case.status, case.closed_by) == ("closed" if closed_by else "replied", closed_by)
    agreed(city)


@ORDERS
def test_a_reporter_closes_what_the_unit_gives_back(seed: int) -> None:
    """Closed or with the next unit, but in the same place for every stage."""
    city = City(seed)
    report = dispatched(city)
    city.agency(HSU).send(e.ReturnToInstitution, report, reason="Bukan kami.")
    city.write(e.CloseReport, report, rating=2, solved=False)
    city.catch_up("agencies.in", "intake")
    agreed(city)


@ORDERS
def test_a_reopening_crosses_a_forward_that_is_not_allowed(seed: int) -> None:
    """The closed report is opened again at its unit, whatever the admin wanted of it."""
    city = City(seed)
    report = followed_up(city)
    write(city, e.CloseReport, report, rating=1, solved=False)
    city.write(e.ReopenReport, report, text="Padam lagi.")
    city.agency(ADMIN).send(e.Forward, report, holding=1, to=BANDUNG)
    city.agency(HSU).send(e.Reclassify, report, report_class=e.ReportClass.ASPIRATION, why="Ya.")
    city.run()
    assert city.status(report).follow_up == "in_progress"
    assert city.status(report)[:2] == ("forwarded", "accepted")
    agreed(city)
