"""An institution that stays silent: who is told at which instant, and exactly once."""

from datetime import datetime
from typing import NamedTuple

from services.notifier.senders import permanent, temporary
from shared.contract import events as e
from shared.contract.topics import SLA
from tests.pipeline.harness import Harness, at
from tests.pipeline.stories import ADMIN, HSU, dispatched, forwarded, held

OVERSIGHT = {"sekda@hsu.example", "inspektorat@hsu.example"}
NATIONAL = {"admin-nasional@lapor.example", "pengaduan@ombudsman.example"}


class Said(NamedTuple):
    """A timer that became an event: level 0 is the warning."""

    clock: str
    level: int
    due_at: datetime
    recipients: set[str]


def said(harness: Harness, report: str) -> list[Said]:
    """Return the warnings and breaches of a report, as they were said."""
    return [
        Said(event.clock, getattr(event, "level", 0), event.due_at, set(event.recipients))
        for event in harness.events(report, SLA)
        if isinstance(event, e.DeadlineApproaching | e.DeadlineBreached)
    ]


def test_a_unit_that_does_nothing_is_warned_then_escalated(harness: Harness) -> None:
    """HSU gives itself five working days: until the end of Wednesday, 3 May 2023."""
    report = dispatched(harness)
    harness.advance(at("2023-05-02 23:59"))
    assert said(harness, report) == []
    expected = [
        Said("follow_up", 0, at("2023-05-02 24:00"), {"penghubung-004@hsu.example"}),
        Said(
            "follow_up", 1, at("2023-05-03 24:00"),
            {"lapor@hsu.example", "kepala-004@hsu.example"},
        ),
        Said("follow_up", 2, at("2023-05-08 24:00"), OVERSIGHT),
        Said("follow_up", 3, at("2023-05-12 24:00"), NATIONAL),
    ]  # fmt: skip
    for number, step in enumerate(expected):
        harness.advance(step.due_at)
        assert said(harness, report) == expected[: number + 1]
    harness.wait(days=90)
    assert said(harness, report) == expected
    assert harness.owed(report) == {"follow_up": at("2023-05-03 24:00")}
    told = [
        (n.person, n.template)
        for n in harness.of(e.NotificationRequested, report)
        if n.template.startswith("deadline")
    ]
    assert sorted(told) == sorted(
        (person, "deadline_breached" if step.level else "deadline_approaching")
        for step in expected
        for person in step.recipients
    )
    inbox = [(x.entry, x.level) for x in harness.inbox(HSU) if x.entry.startswith("deadline_")]
    assert inbox[-4:] == [
        ("deadline_approaching", 0), ("deadline_breached", 1), ("deadline_breached", 2),
        ("deadline_breached", 3),
    ]  # fmt: skip


def test_a_late_follow_up_ends_it_and_is_said_to_be_late(harness: Harness) -> None:
    """What came before is not taken back; what was still to come is not said."""
    report = dispatched(harness)
    harness.advance(at("2023-05-04 09:00"))
    harness.agency(HSU).send(e.FollowUp, report, text="Maaf terlambat.")
    harness.run()
    harness.wait(days=60)
    assert [step.level for step in said(harness, report)] == [0, 1]
    (met,) = [m for m in harness.of(e.DeadlineMet, report) if m.clock == "follow_up"]
    assert (met.on_time, met.deadline) == (False, at("2023-05-03 24:00"))


def test_an_institution_that_verifies_nothing_is_escalated(harness: Harness) -> None:
    """Three working days; the people of the institution itself, its district, then the nation."""
    report = forwarded(harness)
    harness.wait(days=90)
    assert said(harness, report) == [
        Said("institution_verification", 0, at("2023-04-27 24:00"), {"lapor@hsu.example"}),
        Said("institution_verification", 1, at("2023-04-28 24:00"), {"lapor@hsu.example"}),
        Said("institution_verification", 2, at("2023-05-04 24:00"), OVERSIGHT),
        Said("institution_verification", 3, at("2023-05-10 24:00"), NATIONAL),
    ]


def test_the_national_admin_is_escalated_like_anybody(harness: Harness) -> None:
    """In its own zone, WIB, to its own ladder."""
    report = held(harness)
    harness.wait(days=90)
    assert [(step.clock, step.level, step.due_at) for step in said(harness, report)] == [
        ("national_verification", 0, at("2023-04-27 24:00", zone_hours=7)),
        ("national_verification", 1, at("2023-04-28 24:00", zone_hours=7)),
        ("national_verification", 2, at("2023-05-04 24:00", zone_hours=7)),
        ("national_verification", 3, at("2023-05-10 24:00", zone_hours=7)),
    ]
    assert said(harness, report)[1].recipients == {"kepala@lapor.example"}
    assert [x.level for x in harness.inbox(ADMIN) if x.entry == "deadline_breached"] == [1, 2, 3]


def test_a_month_without_timers_is_caught_up_in_order(harness: Harness) -> None:
    """The timer loop was away: every level is said once, dated by when it was due."""
    report = dispatched(harness)
    harness.broker.now_ms += 40 * 24 * 3_600_000
    found = harness.now
    harness.wait(minutes=1)
    assert [(s.level, s.due_at) for s in said(harness, report)] == [
        (0, at("2023-05-02 24:00")), (1, at("2023-05-03 24:00")), (2, at("2023-05-08 24:00")),
        (3, at("2023-05-12 24:00")),
    ]  # fmt: skip
    assert all(b.detected_at >= found for b in harness.of(e.DeadlineBreached, report))


def test_a_timer_that_fires_twice_says_nothing_twice(harness: Harness) -> None:
    """The loop fires again after a minute, until the stage has decided."""
    report = dispatched(harness)
    harness.broker.now_ms += 15 * 24 * 3_600_000
    for _ in range(3):
        for timer in harness._timers(harness.now):
            harness._fire(*timer)
        harness.broker.now_ms += 60_000
    harness.wait(days=30)
    assert [step.level for step in said(harness, report)] == [0, 1, 2, 3]


def test_deliveries_that_fail_are_tried_again_and_end(harness: Harness) -> None:
    """A mail server that is away for a while delays a letter; one that is gone ends it."""
    report = harness.submit()
    harness.outcomes = [temporary("unreachable"), temporary("unreachable"), permanent("no_mailbox")]
    harness.run()
    harness.wait(days=1)
    ended = harness.of(e.NotificationSent, report) + harness.of(e.NotificationFailed, report)
    assert sorted((n.template, n.attempts, type(n).__name__) for n in ended) == [
        ("forwarded", 2, "NotificationSent"), ("received", 2, "NotificationFailed"),
    ]  # fmt: skip
