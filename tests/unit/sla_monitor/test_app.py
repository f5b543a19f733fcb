"""The policy of a lane: the registry's files, and what was published since, made once."""

from services.sla_monitor.app import PolicyOfLane
from services.sla_monitor.policy import Policy
from services.sla_monitor.rules import MonitoredCase
from shared.registry import Change
from tests.packaged_registry import REGISTRY
from tests.support.builders import a_cause
from tests.unit.sla_monitor.builders import at
from tests.unit.sla_monitor.test_registry import DECREE, before_the_decree


def a_lane() -> MonitoredCase:
    """Return a lane's own case after it saw a decree, as the database gives it: a new object."""
    change = Change(event=DECREE, seen_at=at("2025-08-13 12:00"))
    return MonitoredCase(report_id="registry.0", changes=(change,))


def test_a_lane_that_saw_no_change_has_the_files() -> None:
    """Whether it has a case of its own or not."""
    policy_of = PolicyOfLane(REGISTRY)
    empty = MonitoredCase(report_id="registry.0")

    assert policy_of(a_cause(), None, None) == Policy(REGISTRY)
    assert policy_of(a_cause(), None, empty) is policy_of(a_cause(), None, None)


def test_lanes_in_turns_have_their_policy_made_once_each() -> None:
    """A batch holds records of all lanes, in turns."""
    registry = before_the_decree()
    policy_of, lanes = PolicyOfLane(registry), [a_lane(), a_lane()]

    first, second = (
        [policy_of(a_cause(partition=n), None, lane) for n, lane in enumerate(lanes)]
        for _ in range(2)
    )

    assert [one is two for one, two in zip(first, second, strict=True)] == [True, True]
    assert first[0].registry is first[1].registry is registry.amended(lanes[0].changes)
    assert first[0].registry.published == lanes[0].changes


def test_a_lane_that_saw_another_change_has_another_policy() -> None:
    """And the lane beside it keeps its own."""
    policy_of, before = PolicyOfLane(before_the_decree()), MonitoredCase(report_id="registry.0")

    assert policy_of(a_cause(), None, before).registry.published == ()
    assert policy_of(a_cause(), None, a_lane()).registry.published == a_lane().changes
    assert policy_of(a_cause(partition=1), None, before).registry.published == ()
