"""Fetches a stage's records fairly: each partition has its share, none holds up the others."""

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

FETCH_MS_MAX: Final = 1_000  # between two looks at whether the stage is to stop
RETRY_SECONDS: Final = 15.0  # a partition whose next batch cannot be read is paused so long

Fetched = Mapping[TopicPartition, Sequence[ConsumerRecord]]


class FairQueue:
    """Fetches records in turns; pauses partitions that are held or cannot be read.

    A batch has at most `share_max` records of one partition: a busy producer waits behind its own
    records, and the others for one batch at most. Without it one partition may fill a batch of
    `records_max`, since each partition mixes many producers.
    """

    def __init__(self, records_max: int, share_max: int | None = None) -> None:
        self._records_max = records_max
        self._share_max = share_max
        self._turn = 0
        self._held: set[TopicPartition] = set()  # read again after `release`
        self._broken: dict[TopicPartition, float] = {}  # when to try again, monotonic seconds
        self._logger = structlog.get_logger()
        self.consumer: AIOKafkaConsumer | None = None
        self.is_more = False  # a partition gave its whole share: more of it waits
        self.reposition: Callable[[Iterable[Partition]], Awaitable[None]] | None = None

    @property
    def paused(self) -> frozenset[Partition]:
        """Return the partitions that are not read now."""
        return frozenset(Partition(*p) for p in (*self._held, *self._broken))

    def hold(self, partition: Partition) -> None:
        """Read nothing more of a partition until `release`."""
        self._held.add(TopicPartition(*partition))
        self._pause(TopicPartition(*partition))

    def release(self, partition: Partition) -> None:
        """Read a partition on."""
        released = TopicPartition(*partition)
        self._held.discard(released)
        if released not in self._broken and self.consumer is not None:
            with contextlib.suppress(IllegalStateError):
                self.consumer.resume(released)

    def assigned(self) -> None:
        """Forget all pauses: a new assignment reads all partitions."""
        self._held.clear()
        self._broken.clear()

    async def fetch(self, consumer: AIOKafkaConsumer) -> tuple[ConsumerRecord, ...]:
        """Return what has arrived as soon as anything has, or nothing after a while.

        FastStream's own loop polls every few milliseconds and sleeps as long when there is nothing:
        fifty wake-ups a second of an idle stage, and records are late.
        """
        self.consumer = consumer
        if self._broken:
            await self._retry(consumer)
        share = self._share_max or self._records_max
        fetched = dict(await self._getmany(consumer, (), FETCH_MS_MAX, share))
        if self._share_max is not None and fetched:
            for partition in self._others(consumer, fetched):
                room = self._records_max - sum(map(len, fetched.values()))
                if room <= 0:
                    break
                fetched |= await self._getmany(consumer, (partition,), 0, min(share, room))
        self.is_more = any(len(records) >= share for records in fetched.values())
        return tuple(itertools.chain.from_iterable(fetched.values()))

    def _others(self, consumer: AIOKafkaConsumer, fetched: Fetched) -> list[TopicPartition]:
        """Return the other partitions with buffered records, beginning with another each time."""
        ready = [p for p in consumer._fetcher._records if p not in fetched]  # noqa: SLF001 - no public name
        self._turn += 1
        at = self._turn % len(ready) if ready else 0
        return ready[at:] + ready[:at]

    async def _getmany(
        self,
        consumer: AIOKafkaConsumer,
        partitions: Sequence[TopicPartition],
        wait_ms: int,
        records_max: int,
    ) -> Fetched:
        try:
            return await consumer.getmany(*partitions, timeout_ms=wait_ms, max_records=records_max)  # type: ignore[no-any-return]
        except IllegalStateError:
            return {}  # no longer ours
        except BrokenPartition as broken:
            self._pause_broken([broken.partition], broken.why, broken.first)
        except TopicAuthorizationFailedError as refused:
            own = [p for p in consumer.assignment() if p.topic in refused.args]
            if not own:
                raise
            self._pause_broken(own, "TopicAuthorizationFailedError")
        return {}

    def _pause_broken(
        self, partitions: Iterable[TopicPartition], why: str, offset: int | None = None
    ) -> None:
        for partition in partitions:
            self._broken[partition] = monotonic() + RETRY_SECONDS
            self._pause(partition)
            at = f"{partition.topic}/{partition.partition}"
            way_on = {} if offset is None else {"skip": f"lapor lanes skip {at}/{offset} --why …"}
            self._logger.critical("partition_cannot_be_read", partition=at, why=why, **way_on)

    def _pause(self, partition: TopicPartition) -> None:
        if self.consumer is not None:
            with contextlib.suppress(IllegalStateError):
                self.consumer.pause(partition)

    async def _retry(self, consumer: AIOKafkaConsumer) -> None:
        """Read broken partitions from their stored offsets: an operator may have moved them."""
        now = monotonic()
        due = [p for p, at in self._broken.items() if at <= now]
        for partition in due:
            del self._broken[partition]
        if due and self.reposition is not None:
            await self.reposition(Partition(*p) for p in due)
        for partition in due:
            if partition not in self._held:
                with contextlib.suppress(IllegalStateError):
                    consumer.resume(partition)
