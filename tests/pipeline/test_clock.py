"""A broker's clock that jumps, back or ahead: answers stay single, nothing is told twice."""

from collections import Counter
from datetime import timedelta

import pytest

from shared.contract import events as e
from tests.pipeline.harness import Harness, at
from tests.pipeline.stories import HSU, dispatched, send


def jump(harness: Harness, **delta: float) -> None:
    """Set the broker's clock to another time between two records."""
    harness.broker.now_ms += int(timedelta(**delta).total_seconds() * 1000)


@pytest.mark.parametrize("back", [{"minutes": -5}, {"hours": -20}, {"days": -30}])
def test_a_clock_set_back_in_mid_life_loses_and_doubles_nothing(
    harness: Harness, back: dict[str, float]
) -> None:
    """The follow-up is dated before the dispatch; it is taken, and silence still closes."""
    report = dispatched(harness)
    jump(harness, **back)

    message = send(harness, HSU, e.FollowUp, report, text="Lampu sudah kami ganti.")

    assert harness.agency(HSU).answers_to(message) == ["follow_up"]
    harness.wait(days=60)
    assert harness.status(report) == ("closed", "closed", "closed", "closed")
    assert harness.owed(report) == {}
    assert harness.dead() == []


def test_a_clock_that_jumps_ahead_fires_every_level_once_and_in_order(harness: Harness) -> None:
    """A month passes between two records: warning and all three levels, each for its own date."""
    report = dispatched(harness)
    jump(harness, days=30)

    harness.run()
    harness.wait(days=1)

    levels = [b.level for b in harness.of(e.DeadlineBreached, report) if b.clock == "follow_up"]
    assert levels == [1, 2, 3]
    assert Counter(
        w.clock for w in harness.of(e.DeadlineApproaching, report) if w.clock == "follow_up"
    ) == {"follow_up": 1}
    due = [b.due_at for b in harness.of(e.DeadlineBreached, report)]
    assert due == sorted(due)
    assert due[0] == at("2023-05-03 24:00")
    jump(harness, days=-29)
    harness.wait(days=40)
    assert [b.level for b in harness.of(e.DeadlineBreached, report)] == levels
    assert harness.dead() == []
