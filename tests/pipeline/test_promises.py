"""A date that was told and then moves is told again to the same people, once, whatever crosses."""

from datetime import timedelta
from itertools import permutations
from typing import TYPE_CHECKING, Any

import pytest

from shared.contract import events as e
from shared.contract.topics import NOTIFICATIONS, SLA
from tests.pipeline.city import City, at
from tests.pipeline.crowd import CHECKPOINTS
from tests.pipeline.invariants import of_quiet_months, violations
from tests.pipeline.stories import BANDUNG, HSU, followed_up, forwarded, send, write

if TYPE_CHECKING:
    from datetime import datetime

SOREANG: dict[str, Any] = {
    "title": "Lampu jalan padam di Soreang",
    "body": "Lampu penerangan jalan raya Soreang Kabupaten Bandung padam sejak dua minggu.",
    "institution": BANDUNG,
}
"""Kabupaten Bandung has the national limits, so a class changes them; it is in WIB."""
FIRST, SECOND = at("2023-05-16 24:00", zone_hours=7), at("2023-07-26 24:00", zone_hours=7)


def told(city: City, report: str, person: str = "reporter") -> list[tuple[str, "datetime"]]:
    """Return which dates a person was promised by which template, in order."""
    asked = city.events(report, NOTIFICATIONS)
    requests = [x for x in asked if isinstance(x, e.NotificationRequested) and x.deadline]
    return [(x.template, x.deadline) for x in requests if x.person == person and x.deadline]


def dated(city: City, code: str) -> list[tuple[str, "datetime | None"]]:
    """Return an institution's inbox lines on the follow-up's date."""
    lines = [x for x in city.inbox(code) if x.clock == "follow_up"]
    return [(x.entry, x.deadline) for x in lines if x.entry in ("deadline_set", "deadline_moved")]


def at_the_unit(city: City) -> str:
    """Let a report reach a unit of Kabupaten Bandung, with 14 working days to go."""
    report = forwarded(city, **SOREANG)
    send(city, BANDUNG, e.Accept, report, report_class=e.ReportClass.UNSUPERVISED)
    assert city.owed(report) == {"follow_up": FIRST}
    return report


def reclassified(city: City, report: str) -> None:
    """Give the unit 60 working days instead."""
    change = {"report_class": e.ReportClass.SUPERVISED, "why": "Korupsi."}
    send(city, BANDUNG, e.Reclassify, report, **change)
    assert city.owed(report) == {"follow_up": SECOND}


def test_each_step_tells_the_reporter_until_when_it_is_owed(city: City) -> None:
    """One message a step, with the date that the SLA monitor set; nothing is corrected."""
    report = followed_up(city)
    write(city, e.ReplyToFollowUp, report, text="Masih padam.")
    send(city, HSU, e.FollowUp, report, text="Sekarang menyala.")
    write(city, e.CloseReport, report, rating=4, solved=True)
    write(city, e.ReopenReport, report, text="Padam lagi.")
    set_ = [x for x in city.events(report, SLA) if isinstance(x, e.DeadlineSet)]
    dates = {(x.clock, x.started_by): x.deadline for x in set_}
    follow_up = sorted([
        ("dispatched", dates["follow_up", "dispatched"]),
        ("replied", dates["follow_up", "answered"]),
        ("reopened", dates["follow_up", "reopened"]),
        ("forwarded", dates["institution_verification", "forwarded"]),
        *[("follow_up", x.deadline) for x in set_ if x.clock == "reply"],
    ])  # fmt: skip
    assert sorted(told(city, report)) == follow_up
    assert city.case("notifier", report).early == ()
    assert violations(city) == []


def test_another_class_is_told_to_the_reporter_the_warned_and_the_institution(city: City) -> None:
    """Whoever was told the first date is told the second, once, by an event of its own."""
    report = at_the_unit(city)
    city.advance(FIRST - timedelta(hours=1))
    (warning,) = city.of(e.DeadlineApproaching, report)
    reclassified(city, report)
    city.wait(days=1)

    assert told(city, report)[-2:] == [("dispatched", FIRST), ("reporter_deadline_moved", SECOND)]
    assert warning.recipients
    for person in warning.recipients:
        expected = [("deadline_approaching", FIRST), ("deadline_moved", SECOND)]
        assert told(city, report, person) == expected
    assert dated(city, BANDUNG) == [("deadline_set", FIRST), ("deadline_moved", SECOND)]
    requests = city.of(e.NotificationRequested, report)
    moved = {x.about for x in requests if "moved" in x.template}
    assert len(moved) == 1
    sent = {letter.notification_id for letter in city.letters}
    assert {x.notification_id for x in requests if x.about in moved} <= sent
    assert violations(city) == []


def test_who_was_told_nothing_is_told_nothing(city: City) -> None:
    """Nobody was warned yet: the move goes to the reporter and to the inbox alone."""
    report = at_the_unit(city)
    reclassified(city, report)
    requests = city.of(e.NotificationRequested, report)
    assert {x.person for x in requests if "moved" in x.template} == {"reporter"}
    city.advance(SECOND - timedelta(hours=1))
    (warning,) = city.of(e.DeadlineApproaching, report)
    for person in warning.recipients:
        assert told(city, report, person) == [("deadline_approaching", SECOND)]


def test_a_rest_while_the_reporter_is_asked_moves_what_they_were_told(city: City) -> None:
    """The institution asks, the reporter answers a day later: the new date comes with the why."""
    report = forwarded(city)
    (_, first), *_ = told(city, report)
    send(city, HSU, e.AskForInformation, report, question="Di mana?")
    city.wait(days=1)
    write(city, e.CompleteInformation, report, text="Di Amuntai.")
    (moved,) = city.of(e.DeadlineMoved, report)
    assert (moved.why, moved.deadline_before) == ("resumed", first)
    assert told(city, report)[-1] == ("reporter_deadline_moved", moved.deadline)
    city.wait(days=1)
    assert violations(city) == []


READERS = ("intake", "sla-monitor", "notifier", "agencies.out")


@pytest.mark.parametrize("order", list(permutations(READERS)), ids=">".join)
def test_the_move_may_cross_everything(order: tuple[str, ...]) -> None:
    """In whatever order the stages catch up, with the report still unread by some: the same end.

    The stages that decide have read all; those that tell people may have read nothing yet.
    """
    city = City()
    report = city.submit(**SOREANG)
    deciding = ("intake", "verification.national", "verification.institution")
    city.catch_up(*deciding)
    bandung = city.agency(BANDUNG)
    bandung.send(e.Accept, report, holding=1, report_class=e.ReportClass.UNSUPERVISED)
    city.catch_up("agencies.in", "verification.institution", "routing", "follow-up")
    city.catch_up(order[0])
    change = {"report_class": e.ReportClass.SUPERVISED, "why": "Korupsi."}
    bandung.send(e.Reclassify, report, holding=1, **change)
    city.catch_up("agencies.in", "verification.institution", "routing", *order)
    city.run()

    assert city.owed(report) == {"follow_up": SECOND}
    dates = [date for template, date in told(city, report) if template != "forwarded"]
    entries = [date for _, date in dated(city, BANDUNG)]
    # The monitor that reads both at once sets the second date at once: then nothing moves.
    assert dates in ([FIRST, SECOND], [SECOND])
    assert entries == dates
    assert violations(city) == []
    city.wait(days=150)
    assert violations(city) + of_quiet_months(city) == []


@pytest.mark.parametrize("crash", CHECKPOINTS)
@pytest.mark.parametrize("seed", range(4))
def test_a_notifier_that_dies_tells_nobody_twice(seed: int, crash: str) -> None:
    """It dies in the batch that tells the move; the message has one id and one payload."""
    city = City(seed)
    report = at_the_unit(city)
    city.processes["notifier"].crash_at.append(crash)
    reclassified(city, report)
    city.repeat(f.record for f in city.facts(SLA) if isinstance(f.event, e.DeadlineMoved))
    city.run()
    city.wait(days=1)
    moved = [x for x in told(city, report) if x[0] == "reporter_deadline_moved"]
    assert moved == [("reporter_deadline_moved", SECOND)]
    assert violations(city) == []
