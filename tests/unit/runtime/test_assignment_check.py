"""What nobody reads: when it is told, when a rebalance is asked for, and how often."""

import itertools

from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment

from shared.runtime.health.assignment_check import (
    REJOIN_PAUSE_SECONDS,
    REJOIN_PAUSE_SECONDS_MAX,
    Unassigned,
    assigned_in,
)
from shared.runtime.lanes import Partition

A, B = Partition("lapor.agency.3171.outbox.v1", 0), Partition("lapor.agency.6308.outbox.v1", 0)


def test_a_partition_counts_from_when_it_was_first_seen_without_a_reader() -> None:
    """And no longer once somebody has it."""
    unassigned = Unassigned()
    unassigned.note([A], 100)
    unassigned.note([A, B], 105)
    assert unassigned.since(0, 110) == [A, B]
    assert unassigned.since(10, 110) == [A]
    unassigned.note([B], 112)
    unassigned.note([A, B], 114)
    assert unassigned.since(9, 114) == [B]


def test_a_rebalance_is_asked_for_at_the_second_look_and_then_less_and_less_often() -> None:
    """One look may fall into a rebalance; one that does not help stops the group in vain."""
    unassigned, asked = Unassigned(), list[float]()
    for now in range(0, 3_600, 2):
        unassigned.note([A], now)
        if unassigned.wants_rebalance(now):
            asked.append(now)
    gaps = [b - a for a, b in itertools.pairwise(asked)]
    assert asked[0] == 2
    assert gaps[:4] == [REJOIN_PAUSE_SECONDS * 2**n for n in range(4)]
    assert max(gaps) == REJOIN_PAUSE_SECONDS_MAX
    assert len(asked) < 20


def test_what_was_cured_is_forgotten() -> None:
    """The next is helped as soon as the first was."""
    unassigned = Unassigned()
    asked = 0.0
    for now in range(0, 3_600, 2):
        unassigned.note([A], now)
        if unassigned.wants_rebalance(now):
            asked = now
    unassigned.note([], asked + 4)
    for now in range(6, 20, 2):
        unassigned.note([B], asked + now)
        assert unassigned.wants_rebalance(asked + now) is (now == REJOIN_PAUSE_SECONDS)


def test_the_groups_assignments_are_read_as_the_broker_tells_them() -> None:
    """A member that has nothing is told with no bytes, or with none of a topic."""
    packed = ConsumerProtocolMemberAssignment(0, [(A.topic, [0, 1]), (B.topic, [0])], b"")
    none = ConsumerProtocolMemberAssignment(0, [], b"")
    members = [{"member_assignment": m} for m in (packed.encode(), none.encode(), b"")]
    assert assigned_in(members) == {A, Partition(A.topic, 1), B}
