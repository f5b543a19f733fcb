"""A decree or a policy moves dates that people were told: they hear of it, the others do not."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.contract import events as e
from shared.contract.envelope import Outbound, encode, event_headers
from shared.contract.topics import PARTITIONS, REGISTRY, SLA
from shared.runtime.timers import internal_record
from tests.pipeline.harness import Harness, at
from tests.pipeline.invariants import of_quiet_months, violations
from tests.pipeline.stories import BANDUNG, HSU, dispatched, followed_up, forwarded, send
from tests.pipeline.test_promises import SOREANG, dated, told

START = datetime(2026, 5, 5, 2, tzinfo=UTC)  # a Tuesday, after the newest decree of the files
FIRST, SECOND = at("2026-05-29 24:00", zone_hours=7), at("2026-06-02 24:00", zone_hours=7)
DECREE = e.CalendarAmended.model_validate({
    "version": "id-2026-05-12", "chain": "indonesia", "known_from": "2026-05-12",
    "decree": "Keputusan Bersama 12 Mei 2026 (rekaan)", "source": "test",
    "add": [("2026-05-22", "joint_leave", "Cuti Bersama")],
})  # fmt: skip
SHORTER = e.PolicyChanged.model_validate({
    "version": "6308-2026-05-05", "institution": HSU, "valid_from": "2026-05-05",
    "limits": {"reply": {"amount": 7, "unit": "calendar_days", "source": "test"}},
    "applies_to_open": True,
})  # fmt: skip


@pytest.fixture(params=range(4), ids=lambda seed: f"order{seed}")
def harness(request: pytest.FixtureRequest) -> Harness:
    """Yield a harness in May 2026."""
    return Harness(seed=request.param, start=START)


def publish(harness: Harness, change: e.CalendarAmended | e.PolicyChanged, *reports: str) -> None:
    """Publish a change to every lane, and ask reports to settle again, as the recompute does."""
    for lane in range(PARTITIONS):
        headers = event_headers(
            event_id=f"{change.version}-{lane}", event_type=REGISTRY.type_of(type(change)),
            source="/lapor/operators", subject=change.version, time=harness.now, causation_id="",
            correlation_id="", sequence=0,
        )  # fmt: skip
        harness.broker.append(
            Outbound(REGISTRY.topic(), lane, b"registry", encode(change), headers)
        )
    harness.catch_up("sla-monitor")
    changed: Any = "calendar" if isinstance(change, e.CalendarAmended) else "policy"
    for report in reports:
        ask = e.Recompute(report_id=report, version=change.version, changed=changed)
        cause = f"{change.version}@{report}"
        harness.broker.append(internal_record("sla-monitor", ask, cause=cause, now=harness.now))


def quiet(harness: Harness) -> None:
    """Check every invariant now and after months of silence."""
    assert violations(harness) == []
    harness.wait(days=150)
    assert violations(harness) + of_quiet_months(harness) == []


def test_a_decree_that_moves_a_date_is_told_to_whom_it_was_promised(harness: Harness) -> None:
    """The reporter and the institution; of a date that the decree does not move, nobody."""
    moved = forwarded(harness, **SOREANG)
    send(harness, BANDUNG, e.Accept, moved, report_class=e.ReportClass.UNSUPERVISED)
    untouched = dispatched(harness)
    early = harness.owed(untouched)["follow_up"]
    assert harness.owed(moved) == {"follow_up": FIRST}
    harness.advance(at("2026-05-12 10:00", zone_hours=7))
    publish(harness, DECREE, moved, untouched)
    harness.run()

    assert harness.owed(moved) == {"follow_up": SECOND}
    assert told(harness, moved)[-2:] == [("dispatched", FIRST), ("reporter_deadline_moved", SECOND)]
    assert dated(harness, BANDUNG) == [("deadline_set", FIRST), ("deadline_moved", SECOND)]
    assert told(harness, untouched)[-1] == ("dispatched", early)
    (why,) = harness.of(e.DeadlineMoved, moved)
    assert (why.why, why.calendar_version) == ("calendar", "id-2026-05-12")
    publish(harness, DECREE, moved, untouched)
    harness.run()
    assert (
        len(told(harness, moved)) == 3
    )  # forwarded, dispatched, moved: the same decree moves once
    quiet(harness)


def test_a_decree_after_the_warning_is_told_to_the_warned(harness: Harness) -> None:
    """Published in the last hours, it moves a date that the unit was warned of."""
    report = forwarded(harness, **SOREANG)
    send(harness, BANDUNG, e.Accept, report, report_class=e.ReportClass.UNSUPERVISED)
    harness.advance(FIRST - timedelta(hours=2))
    (warning,) = harness.of(e.DeadlineApproaching, report)
    publish(harness, DECREE, report)
    harness.run()
    for person in warning.recipients:
        expected = [("deadline_approaching", FIRST), ("deadline_moved", SECOND)]
        assert told(harness, report, person) == expected
    quiet(harness)


@pytest.mark.parametrize("is_notifier_late", [True, False])
def test_a_reply_window_that_is_cut_is_told_after_the_follow_up_that_named_it(
    harness: Harness, *, is_notifier_late: bool
) -> None:
    """The monitor's word lies in another stream: it may be read before the follow-up is."""
    report = dispatched(harness)
    harness.agency(HSU).send(e.FollowUp, report, text="Lampu sudah kami ganti.")
    harness.catch_up("agencies.in", "follow-up", "sla-monitor")
    if not is_notifier_late:
        harness.run()
    promised = {x.clock: x.deadline for x in harness.of(e.DeadlineSet, report)}["reply"]
    publish(harness, SHORTER, report)
    harness.catch_up("sla-monitor")
    harness.run()
    (moved,) = harness.of(e.DeadlineMoved, report)
    assert promised - moved.deadline == timedelta(days=3)
    assert told(harness, report)[-2:] == [
        ("follow_up", promised), ("reporter_deadline_moved", moved.deadline),
    ]  # fmt: skip
    assert harness.case("notifier", report).early == ()
    quiet(harness)


def test_a_reply_window_by_a_policy_that_the_notifier_does_not_know_is_corrected(
    harness: Harness,
) -> None:
    """It reckons by its files; the monitor, which closes the report, has the last word."""
    publish(harness, SHORTER)
    harness.run()
    report = followed_up(harness)
    (reply,) = [x for x in harness.events(report, SLA) if getattr(x, "clock", "") == "reply"]
    (_, named), (template, corrected) = told(harness, report)[-2:]
    assert (template, corrected) == ("reporter_deadline_moved", reply.deadline)
    assert named - corrected == timedelta(days=3)
    quiet(harness)
