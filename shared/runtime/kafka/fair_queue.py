"""What has arrived for a stage: each partition its share, and none that holds up the others."""

import contextlib
import itertools
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from time import monotonic
from typing import Final

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import IllegalStateError, TopicAuthorizationFailedError

from shared.runtime.kafka.record_batches import BrokenPartition
from shared.runtime.lanes import Partition

ARRIVAL_MS_MAX: Final = 1_000  # between two looks at whether the stage is to stop
TRY_AGAIN_SECONDS: Final = 15.0  # a partition whose next batch cannot be read rests so long

Found = Mapping[TopicPartition, Sequence[ConsumerRecord]]


class FairQueue:
    """Takes records in turns, and leaves partitions alone that cannot be read or are to wait.

    `share_max` records of one partition at most are in a batch: whoever sends much waits behind
    himself, and nobody waits longer than for one batch. None: partitions are mixed senders', and
    one may fill a batch of `records_max`.
    """

    def __init__(self, records_max: int, share_max: int | None = None) -> None:
        self._records_max = records_max
        self._share_max = share_max
        self._turn = 0
        self._waiting: set[TopicPartition] = set()  # to be read on when `release`d
        self._broken: dict[TopicPartition, float] = {}  # to be tried again, monotonic seconds
        self._logger = structlog.get_logger()
        self.consumer: AIOKafkaConsumer | None = None
        self.is_more = False  # a partition gave its whole share: more of it waits
        self.reposition: Callable[[Iterable[Partition]], Awaitable[None]] | None = None

    @property
    def left_alone(self) -> frozenset[Partition]:
        """Return the partitions that are not read now."""
        return frozenset(Partition(*p) for p in (*self._waiting, *self._broken))

    def hold(self, partition: Partition) -> None:
        """Read nothing more of a partition until `release`."""
        self._waiting.add(TopicPartition(*partition))
        self._pause(TopicPartition(*partition))

    def release(self, partition: Partition) -> None:
        """Read a partition on."""
        place = TopicPartition(*partition)
        self._waiting.discard(place)
        if place not in self._broken and self.consumer is not None:
            with contextlib.suppress(IllegalStateError):
                self.consumer.resume(place)

    def assigned(self) -> None:
        """Forget who waits: a new assignment reads all of it."""
        self._waiting.clear()
        self._broken.clear()

    async def take(self, consumer: AIOKafkaConsumer) -> tuple[ConsumerRecord, ...]:
        """Return what has arrived as soon as anything has, or nothing after a while.

        FastStream's own way looks every few milliseconds and, having found nothing, sleeps as long
        again: fifty wake-ups a second of a stage with nothing to do, and a record that came is
        late.
        """
        self.consumer = consumer
        if self._broken:
            await self._try_again(consumer)
        share = self._share_max or self._records_max
        found = dict(await self._some(consumer, (), ARRIVAL_MS_MAX, share))
        if self._share_max is not None and found:
            for place in self._others(consumer, found):
                room = self._records_max - sum(map(len, found.values()))
                if room <= 0:
                    break
                found |= await self._some(consumer, (place,), 0, min(share, room))
        self.is_more = any(len(records) >= share for records in found.values())
        return tuple(itertools.chain.from_iterable(found.values()))

    def _others(self, consumer: AIOKafkaConsumer, found: Found) -> list[TopicPartition]:
        """Return the other partitions that have records here, beginning with another each time."""
        ready = [p for p in consumer._fetcher._records if p not in found]  # noqa: SLF001 - no public word for it
        self._turn += 1
        at = self._turn % len(ready) if ready else 0
        return ready[at:] + ready[:at]

    async def _some(
        self, consumer: AIOKafkaConsumer, places: Sequence[TopicPartition], wait_ms: int, most: int
    ) -> Found:
        try:
            return await consumer.getmany(*places, timeout_ms=wait_ms, max_records=most)  # type: ignore[no-any-return]
        except IllegalStateError:
            return {}  # no longer ours
        except BrokenPartition as broken:
            self._leave_alone([broken.partition], broken.why, broken.first)
        except TopicAuthorizationFailedError as refused:
            mine = [p for p in consumer.assignment() if p.topic in refused.args]
            if not mine:
                raise
            self._leave_alone(mine, "TopicAuthorizationFailedError")
        return {}

    def _leave_alone(
        self, places: Iterable[TopicPartition], why: str, offset: int | None = None
    ) -> None:
        for place in places:
            self._broken[place] = monotonic() + TRY_AGAIN_SECONDS
            self._pause(place)
            at = f"{place.topic}/{place.partition}"
            way_on = {} if offset is None else {"skip": f"lapor lanes skip {at}/{offset} --why …"}
            self._logger.critical("partition_cannot_be_read", partition=at, why=why, **way_on)

    def _pause(self, place: TopicPartition) -> None:
        if self.consumer is not None:
            with contextlib.suppress(IllegalStateError):
                self.consumer.pause(place)

    async def _try_again(self, consumer: AIOKafkaConsumer) -> None:
        """Read broken partitions from where their lanes stand now: an operator may have skipped."""
        now = monotonic()
        due = [place for place, at in self._broken.items() if at <= now]
        for place in due:
            del self._broken[place]
        if due and self.reposition is not None:
            await self.reposition(Partition(*place) for place in due)
        for place in due:
            if place not in self._waiting:
                with contextlib.suppress(IllegalStateError):
                    consumer.resume(place)
