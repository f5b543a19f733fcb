"""A date that was told and then moves is told again to the same people, once, whatever crosses."""

from datetime import timedelta
from itertools import permutations
from typing import TYPE_CHECKING, Any

import pytest

from shared.contract import events as e
from shared.contract.topics import NOTIFICATIONS, SLA
from tests.pipeline.harness import Harness, at
from tests.pipeline.invariants import of_quiet_months, violations
from tests.pipeline.random_actors import CHECKPOINTS
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


def told(harness: Harness, report: str, person: str = "reporter") -> list[tuple[str, "datetime"]]:
    """Return which dates a person was promised by which template, in order."""
    asked = harness.events(report, NOTIFICATIONS)
    requests = [x for x in asked if isinstance(x, e.NotificationRequested) and x.deadline]
    return [(x.template, x.deadline) for x in requests if x.person == person and x.deadline]


def dated(harness: Harness, code: str) -> list[tuple[str, "datetime | None"]]:
    """Return an institution's inbox lines on the follow-up's date."""
    lines = [x for x in harness.inbox(code) if x.clock == "follow_up"]
    return [(x.entry, x.deadline) for x in lines if x.entry in ("deadline_set", "deadline_moved")]


def at_the_unit(harness: Harness) -> str:
    """Let a report reach a unit of Kabupaten Bandung, with 14 working days to go."""
    report = forwarded(harness, **SOREANG)
    send(harness, BANDUNG, e.Accept, report, report_class=e.ReportClass.UNSUPERVISED)
    assert harness.owed(report) == {"follow_up": FIRST}
    return report


def reclassified(harness: Harness, report: str) -> None:
    """Give the unit 60 working days instead."""
    change = {"report_class": e.ReportClass.SUPERVISED, "why": "Korupsi."}
    send(harness, BANDUNG, e.Reclassify, report, **change)
    assert harness.owed(report) == {"follow_up": SECOND}


def test_each_step_tells_the_reporter_until_when_it_is_owed(harness: Harness) -> None:
    """One message a step, with the date that the SLA monitor set; nothing is corrected."""
    report = followed_up(harness)
    write(harness, e.ReplyToFollowUp, report, text="Masih padam.")
    send(harness, HSU, e.FollowUp, report, text="Sekarang menyala.")
    write(harness, e.CloseReport, report, rating=4, solved=True)
    write(harness, e.ReopenReport, report, text="Padam lagi.")
    set_ = [x for x in harness.events(report, SLA) if isinstance(x, e.DeadlineSet)]
    dates = {(x.clock, x.started_by): x.deadline for x in set_}
    follow_up = sorted([
        ("dispatched", dates["follow_up", "dispatched"]),
        ("replied", dates["follow_up", "answered"]),
        ("reopened", dates["follow_up", "reopened"]),
        ("forwarded", dates["institution_verification", "forwarded"]),
        *[("follow_up", x.deadline) for x in set_ if x.clock == "reply"],
    ])  # fmt: skip
    assert sorted(told(harness, report)) == follow_up
    assert harness.case("notifier", report).early == ()
    assert violations(harness) == []


def test_another_class_is_told_to_the_reporter_the_warned_and_the_institution(
    harness: Harness,
) -> None:
    """Whoever was told the first date is told the second, once, by an event of its own."""
    report = at_the_unit(harness)
    harness.advance(FIRST - timedelta(hours=1))
    (warning,) = harness.of(e.DeadlineApproaching, report)
    reclassified(harness, report)
    harness.wait(days=1)

    assert told(harness, report)[-2:] == [
        ("dispatched", FIRST),
        ("reporter_deadline_moved", SECOND),
    ]
    assert warning.recipients
    for person in warning.recipients:
        expected = [("deadline_approaching", FIRST), ("deadline_moved", SECOND)]
        assert told(harness, report, person) == expected
    assert dated(harness, BANDUNG) == [("deadline_set", FIRST), ("deadline_moved", SECOND)]
    requests = harness.of(e.NotificationRequested, report)
    moved = {x.about for x in requests if "moved" in x.template}
    assert len(moved) == 1
    sent = {letter.notification_id for letter in harness.letters}
    assert {x.notification_id for x in requests if x.about in moved} <= sent
    assert violations(harness) == []


def test_who_was_told_nothing_is_told_nothing(harness: Harness) -> None:
    """Nobody was warned yet: the move goes to the reporter and to the inbox alone."""
    report = at_the_unit(harness)
    reclassified(harness, report)
    requests = harness.of(e.NotificationRequested, report)
    assert {x.person for x in requests if "moved" in x.template} == {"reporter"}
    harness.advance(SECOND - timedelta(hours=1))
    (warning,) = harness.of(e.DeadlineApproaching, report)
    for person in warning.recipients:
        assert told(harness, report, person) == [("deadline_approaching", SECOND)]


def test_a_rest_while_the_reporter_is_asked_moves_what_they_were_told(harness: Harness) -> None:
    """The institution asks, the reporter answers a day later: the new date comes with the why."""
    report = forwarded(harness)
    (_, first), *_ = told(harness, report)
    send(harness, HSU, e.AskForInformation, report, question="Di mana?")
    harness.wait(days=1)
    write(harness, e.CompleteInformation, report, text="Di Amuntai.")
    (moved,) = harness.of(e.DeadlineMoved, report)
    assert (moved.why, moved.deadline_before) == ("resumed", first)
    assert told(harness, report)[-1] == ("reporter_deadline_moved", moved.deadline)
    harness.wait(days=1)
    assert violations(harness) == []


READERS = ("intake", "sla-monitor", "notifier", "agencies.out")


@pytest.mark.parametrize("order", list(permutations(READERS)), ids=">".join)
def test_the_move_may_cross_everything(order: tuple[str, ...]) -> None:
    """In whatever order the stages catch up, with the report still unread by some: the same end.

    The stages that decide have read all; those that tell people may have read nothing yet.
    """
    harness = Harness()
    report = harness.submit(**SOREANG)
    deciding = ("intake", "verification.national", "verification.institution")
    harness.catch_up(*deciding)
    bandung = harness.agency(BANDUNG)
    bandung.send(e.Accept, report, holding=1, report_class=e.ReportClass.UNSUPERVISED)
    harness.catch_up("agencies.in", "verification.institution", "routing", "follow-up")
    harness.catch_up(order[0])
    change = {"report_class": e.ReportClass.SUPERVISED, "why": "Korupsi."}
    bandung.send(e.Reclassify, report, holding=1, **change)
    harness.catch_up("agencies.in", "verification.institution", "routing", *order)
    harness.run()

    assert harness.owed(report) == {"follow_up": SECOND}
    dates = [date for template, date in told(harness, report) if template != "forwarded"]
    entries = [date for _, date in dated(harness, BANDUNG)]
    # The monitor that reads both at once sets the second date at once: then nothing moves.
    assert dates in ([FIRST, SECOND], [SECOND])
    assert entries == dates
    assert violations(harness) == []
    harness.wait(days=150)
    assert violations(harness) + of_quiet_months(harness) == []


@pytest.mark.parametrize("crash", CHECKPOINTS)
@pytest.mark.parametrize("seed", range(4))
def test_a_notifier_that_dies_tells_nobody_twice(seed: int, crash: str) -> None:
    """It dies in the batch that tells the move; the message has one id and one payload."""
    harness = Harness(seed)
    report = at_the_unit(harness)
    harness.processes["notifier"].crash_at.append(crash)
    reclassified(harness, report)
    harness.repeat(f.record for f in harness.facts(SLA) if isinstance(f.event, e.DeadlineMoved))
    harness.run()
    harness.wait(days=1)
    moved = [x for x in told(harness, report) if x[0] == "reporter_deadline_moved"]
    assert moved == [("reporter_deadline_moved", SECOND)]
    assert violations(harness) == []
