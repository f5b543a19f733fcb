"""Whose records are in a batch, and which partitions are left alone."""

from collections import Counter
from collections.abc import Iterable
from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import TopicAuthorizationFailedError

from shared.runtime.kafka import fair_queue as module
from shared.runtime.kafka.fair_queue import FairQueue
from shared.runtime.kafka.record_batches import BrokenPartition
from shared.runtime.lanes import Partition

RECORDS, SHARE = 50, 8


class Buffer:
    """What a consumer has fetched; hands it out as aiokafka does, partition by partition."""

    def __init__(self, **counts: int) -> None:
        self.left = {TopicPartition(name, 0): count for name, count in counts.items()}
        self.broken: dict[TopicPartition, Exception] = {}
        self.paused: set[TopicPartition] = set()
        self._fetcher = SimpleNamespace(_records=self.left)

    async def getmany(
        self, *places: TopicPartition, timeout_ms: int, max_records: int
    ) -> dict[TopicPartition, list[str]]:
        """Take up to so many, the first partition's first."""
        del timeout_ms
        found = {}
        for place in [p for p in places or list(self.left) if p not in self.paused]:
            if place in self.broken:
                raise self.broken[place]
            count = min(self.left.get(place, 0), max_records)
            if count:
                found[place] = [place.topic] * count
                max_records -= count
                self.left[place] -= count
                if not self.left[place]:
                    del self.left[place]
            if not max_records:
                break
        return found

    def assignment(self) -> set[TopicPartition]:
        """Return all there is."""
        return {*self.left, *self.broken}

    def pause(self, place: TopicPartition) -> None:
        """Hand out no more of it."""
        self.paused.add(place)

    def resume(self, place: TopicPartition) -> None:
        """Hand it out again."""
        self.paused.discard(place)


async def test_each_has_its_share_and_whoever_has_little_all_of_it() -> None:
    """One record of a channel is in the next batch, whatever another has sent."""
    buffer = Buffer(much=10_000, little=1, some=20)
    batch = Counter(await FairQueue(RECORDS, SHARE).fetch(buffer))

    assert batch == {"much": SHARE, "little": 1, "some": SHARE}


async def test_where_more_are_ready_than_fit_they_take_turns() -> None:
    """Nobody is passed over for ever."""
    buffer = Buffer(**{f"c{n}": 1_000 for n in range(30)})
    fair_queue, had = FairQueue(RECORDS, SHARE), Counter[str]()
    for _ in range(60):
        batch = await fair_queue.fetch(buffer)
        assert len(batch) <= RECORDS
        had.update(batch)

    assert set(had) == {f"c{n}" for n in range(30)}
    assert min(had.values()) * 4 >= sorted(had.values())[-2]


async def test_in_the_core_one_partition_may_fill_a_batch() -> None:
    """There each partition has all senders' records."""
    batch = await FairQueue(RECORDS).fetch(Buffer(p=10_000, q=1))

    assert Counter(batch) == {"p": RECORDS}


@pytest.mark.parametrize(
    "why",
    [
        BrokenPartition(TopicPartition("broken", 0), 3, 4, "checksum"),
        TopicAuthorizationFailedError("broken"),
    ],
)
async def test_a_partition_that_cannot_be_read_is_left_alone_and_tried_again(
    why: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are read meanwhile; it goes on where its lane consumer_positions by then."""
    now = 0.0
    monkeypatch.setattr(module, "monotonic", lambda: now)
    buffer, fair_queue = Buffer(good=100), FairQueue(RECORDS, SHARE)
    place = TopicPartition("broken", 0)
    buffer.broken[place] = why
    buffer.left[place] = 5
    moved: list[Partition] = []

    async def reposition(partitions: Iterable[Partition]) -> None:
        moved.extend(partitions)

    fair_queue.reposition = reposition
    assert Counter(await fair_queue.fetch(buffer)) == {"good": SHARE}
    assert fair_queue.paused == {Partition("broken", 0)}
    del buffer.broken[place]
    assert Counter(await fair_queue.fetch(buffer)) == {"good": SHARE}

    now = module.RETRY_SECONDS
    assert Counter(await fair_queue.fetch(buffer)) == {"good": SHARE, "broken": 5}
    assert moved == [Partition("broken", 0)]
    assert fair_queue.paused == set()


async def test_who_waits_for_a_destination_is_not_read_because_its_batch_is_whole_again() -> None:
    """Only `release` lets it go on."""
    buffer, fair_queue = Buffer(a=1), FairQueue(RECORDS, SHARE)
    await fair_queue.fetch(buffer)
    fair_queue.hold(Partition("b", 0))
    buffer.left[TopicPartition("b", 0)] = 3

    assert await fair_queue.fetch(buffer) == ()
    fair_queue.release(Partition("b", 0))
    assert Counter(await fair_queue.fetch(buffer)) == {"b": 3}
