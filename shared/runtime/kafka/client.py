"""Kafka for the shell: one subscriber per stage, one producer of its own, explicit offsets."""

import asyncio
import contextlib
import itertools
import re
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Mapping,
    Sequence,
)
from dataclasses import replace
from hashlib import sha256
from time import monotonic
from typing import Final

from aiokafka import (
    AIOKafkaConsumer,
    AIOKafkaProducer,
    ConsumerRebalanceListener,
    ConsumerRecord,
    TopicPartition,
)
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import (
    CommitFailedError,
    IllegalStateError,
    InvalidTopicError,
    MessageSizeTooLargeError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.message import KafkaMessage
from faststream.kafka.subscriber.usecase import BatchSubscriber

from shared.contract.envelope import Outbound, Record
from shared.contract.topics import ISOLATION, READS, STREAM_BYTES_MAX, STREAMS
from shared.platform.settings import Settings
from shared.registry.principals import Principals
from shared.runtime.kafka.fair_queue import FairQueue
from shared.runtime.kafka.record_batches import Span
from shared.runtime.lanes import Partition
from shared.runtime.ports import DestinationsUnavailable
from shared.runtime.recovery.comparison import Fetched, Timing, in_order, require

SEND_BATCH_BYTES_MAX: Final = 1_000_000
"""Of one request to one partition; below every topic's `max.message.bytes` (kafka.md section 3)."""
COMMIT_INTERVAL_SECONDS: Final = 1.0
POSITION_SECONDS_MAX: Final = 1.0
DESTINATION_ERRORS: Final = (
    InvalidTopicError, MessageSizeTooLargeError, TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)  # fmt: skip
"""Errors of one topic that last until somebody changes the topic or its rights."""
_DESTINATIONS: Final = tuple(re.compile(s.pattern) for s in STREAMS if s.is_family)
METADATA_AGE_MS_MAX: Final = 30_000  # a new channel or agency is read after at most this


class KafkaLog:
    """The shell's `Log` over aiokafka."""

    def __init__(self, settings: Settings, client_id: str, fair_queue: FairQueue) -> None:
        self._settings = settings
        self._client_id = client_id
        self._producer: AIOKafkaProducer | None = None
        self.consumer: AIOKafkaConsumer | None = None
        self._existing: set[str] = set()  # topics of channels and institutions at the broker
        self.fair_queue = fair_queue
        self._uncommitted: dict[Partition, int] = {}  # decided, and not yet committed to Kafka
        self._commit_from = 0.0  # monotonic seconds
        self.is_ending = False  # the next commit is the last

    async def start(self) -> None:
        """Start a producer; idempotent, all replicas, in order."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self._settings.kafka,
            client_id=self._client_id,
            acks="all",
            enable_idempotence=True,
            max_batch_size=SEND_BATCH_BYTES_MAX,
            max_request_size=STREAM_BYTES_MAX,
            metadata_max_age_ms=METADATA_AGE_MS_MAX,
        )
        try:
            await producer.start()
        except BaseException:
            await producer.stop()
            raise
        self._producer = producer

    async def stop(self) -> None:
        """Stop the producer."""
        if self._producer is not None:
            await self._producer.stop()
            self._producer = None

    async def publish(self, outbounds: Sequence[Outbound]) -> None:
        """Send all, in order per partition; after any error the producer is a new one.

        Raises:
            DestinationsUnavailable: everything else was acknowledged.
            KafkaError: not everything was acknowledged; send the whole list again.
        """
        if self._producer is None:
            await self.start()
        producer = self._producer
        refused = await self._missing(producer, {outbound.topic for outbound in outbounds})
        by_partition: dict[Partition, list[Outbound]] = {}
        for outbound in outbounds:
            if outbound.topic in refused:
                continue
            partition = Partition(outbound.topic, outbound.partition)
            by_partition.setdefault(partition, []).append(outbound)
        results = await asyncio.gather(
            *(self._send(producer, partition, batch) for partition, batch in by_partition.items()),
            return_exceptions=True,
        )
        failures = {
            partition: r
            for partition, r in zip(by_partition, results, strict=True)
            if isinstance(r, BaseException)
        }
        if failures:
            # A producer that failed may refuse a partition for ever after.
            await self.stop()
        for partition, failure in failures.items():
            if not (isinstance(failure, DESTINATION_ERRORS) and is_destination(partition.topic)):
                raise failure
            refused.add(partition.topic)
            self._existing.discard(partition.topic)
        if refused:
            raise DestinationsUnavailable(refused)

    async def _missing(self, producer: AIOKafkaProducer, topics: set[str]) -> set[str]:
        """Return which topics of single channels or institutions the broker does not have.

        Asked to send there, the producer would wait for them, and all others with it.
        """
        new = {topic for topic in topics if topic not in self._existing and is_destination(topic)}
        if new:
            metadata = await producer.client.fetch_all_metadata()
            self._existing |= {topic for topic in metadata.topics() if is_destination(topic)}
        return new - self._existing

    async def _send(
        self, producer: AIOKafkaProducer, partition: Partition, outbounds: Sequence[Outbound]
    ) -> None:
        builder = producer.create_batch()
        for outbound in outbounds:
            fields = (outbound.key, outbound.value, outbound.headers)
            if _append(builder, fields) is None:
                await self._flush(producer, builder, partition)
                builder = producer.create_batch()
                _append(builder, fields)
        await self._flush(producer, builder, partition)

    async def _flush(
        self, producer: AIOKafkaProducer, builder: object, partition: Partition
    ) -> None:
        sent = await producer.send_batch(builder, partition.topic, partition=partition.partition)
        await sent

    async def commit(self, offsets: Mapping[Partition, int]) -> None:
        """Commit, at most once a second; `commit_pending` commits what is left.

        A request to the broker after every batch costs as much as the batch at low load, and the
        committed offsets serve only metrics and the refusals at a start.
        """
        self._uncommitted |= offsets
        if self.is_ending or monotonic() >= self._commit_from:
            await self.commit_pending()

    async def commit_pending(self) -> None:
        """Commit for partitions still assigned; that another took one over is no error.

        Raises:
            KafkaError: the broker refused, or is away; the next one commits that too.
        """
        consumer = self.consumer
        if consumer is None or not self._uncommitted:
            return
        offsets = dict(self._uncommitted)
        assigned = consumer.assignment()
        own = {TopicPartition(*p): offset for p, offset in offsets.items() if p in assigned}
        if own:
            with contextlib.suppress(CommitFailedError, IllegalStateError):
                await consumer.commit(own)
        self._uncommitted = {p: at for p, at in self._uncommitted.items() if offsets.get(p) != at}
        self._commit_from = monotonic() + COMMIT_INTERVAL_SECONDS

    def hold(self, partition: Partition) -> None:
        """Read nothing more of a partition until `release`."""
        self.fair_queue.hold(partition)

    def release(self, partition: Partition) -> None:
        """Read a partition on."""
        self.fair_queue.release(partition)

    def seek(self, partition: Partition, offset: int) -> None:
        """Go on at an offset, if the partition is still assigned."""
        if self.consumer is not None:
            with contextlib.suppress(IllegalStateError):
                self.consumer.seek(TopicPartition(*partition), offset)

    async def committed(self, partitions: Iterable[Partition]) -> dict[Partition, int | None]:
        """Return the group's committed offsets."""
        ordered = list(partitions)
        offsets = await asyncio.gather(
            *(self._required.committed(TopicPartition(*p)) for p in ordered)
        )
        return dict(zip(ordered, offsets, strict=True))

    async def starts(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """Return where the logs start."""
        starts = await self._required.beginning_offsets([TopicPartition(*p) for p in partitions])
        return {Partition(*p): offset for p, offset in starts.items()}

    async def ends(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """Return where the logs end."""
        ends = await self._required.end_offsets([TopicPartition(*p) for p in partitions])
        return {Partition(*p): offset for p, offset in ends.items()}

    async def consumer_positions(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """Return the consumer's positions in its own partitions: past transaction markers, too."""
        offsets: dict[Partition, int] = {}
        for p in partitions:
            with contextlib.suppress(IllegalStateError, TimeoutError):
                async with asyncio.timeout(POSITION_SECONDS_MAX):
                    offsets[p] = await self._required.position(TopicPartition(*p))
        return offsets

    async def read_again(
        self, spans: Mapping[Partition, tuple[int, int]], timing: Timing
    ) -> AsyncGenerator[list[Record], None]:
        """Yield the records of spans (first offset, end), in `timing`'s order, beside the group.

        Raises:
            KafkaError: the broker went away. Gone: records were removed by retention.
        """
        if not spans:
            return
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._settings.kafka,
            client_id=self._client_id,
            auto_offset_reset="none",
            isolation_level=ISOLATION,
            max_partition_fetch_bytes=STREAM_BYTES_MAX,  # of each, since one waits for the others
        )
        await consumer.start()
        try:
            starts = await consumer.beginning_offsets([TopicPartition(*p) for p in spans])
            require(spans, {Partition(*p): start for p, start in starts.items()})
            consumer.assign([TopicPartition(*p) for p in spans])
            for p, (start, _) in spans.items():
                consumer.seek(TopicPartition(*p), start)

            async def fetch(partitions: Collection[Partition]) -> Fetched:
                fetched = [TopicPartition(*p) for p in partitions]
                answer = await consumer.getmany(*fetched, timeout_ms=500)
                reached = {Partition(*p): await consumer.position(p) for p in fetched}
                records = itertools.chain.from_iterable(answer.values())
                return Fetched([r for r in records if type(r) is not Span], reached)

            async with contextlib.aclosing(in_order(spans, fetch, timing)) as batches:
                async for records in batches:
                    yield records
        finally:
            await consumer.stop()

    @property
    def _required(self) -> AIOKafkaConsumer:
        if self.consumer is None:
            raise IllegalStateError("the consumer has not started")
        return self.consumer


def is_destination(topic: str) -> bool:
    """Return whether a topic belongs to one channel or institution alone."""
    return any(pattern.match(topic) for pattern in _DESTINATIONS)


def _append(builder: object, fields: tuple[bytes, bytes, list[tuple[str, bytes]]]) -> object:
    key, value, headers = fields
    return builder.append(key=key, value=value, timestamp=None, headers=headers)  # type: ignore[attr-defined]


async def parse_lazily(
    records: tuple[ConsumerRecord, ...],
    parse: Callable[[tuple[ConsumerRecord, ...]], Awaitable[KafkaMessage]],
) -> KafkaMessage:
    """Replace FastStream's parser, which decodes every header: slow, and raises for one not text.

    The shell judges headers that are not UTF-8, record by record.
    """
    message = await parse((replace(records[0], headers=(), value=b""),))
    message.raw_message = records
    return message


async def keep_raw(message: KafkaMessage) -> KafkaMessage:
    """Replace FastStream's decoder: the shell reads the raw records itself."""
    return message


def group_instance_id(stage: str, replica: str, topics: Sequence[str]) -> str:
    """Name a process in its group for good, as long as it reads the same topics.

    Static membership makes a restart after kill -9 cost 1.4 s instead of 10 (kafka.md section 1).
    The broker hands a static member that starts again its old assignment, whatever it subscribes to
    now: of more topics the new ones are nobody's, of fewer aiokafka refuses it and cannot start. So
    with other topics it is another member.
    """
    digest = sha256("\n".join(topics).encode()).hexdigest()[:8]
    return f"{stage}-{replica}-{digest}"


def subscribe(
    broker: KafkaBroker,
    stage: str,
    settings: Settings,
    listener: ConsumerRebalanceListener,
    *,
    principals: Principals,
    fair_queue: FairQueue,
) -> BatchSubscriber:
    """Create the one subscriber of a stage: every stage's settings stand here, tested one by one.

    Of a family it reads the topics of the registry's producers, each by its whole name: a topic of
    nobody's is not read, and which are to be read can be checked
    (`shared/runtime/health/assignment_check.py`). As a pattern, since aiokafka does not start
    while a topic that is subscribed to by name is not there.
    """
    topics, family = principals.topics(READS[stage]), any(s.is_family for s in READS[stage])
    subscriber = broker.subscriber(
        *(() if family else topics),
        pattern=f"^(?:{'|'.join(map(re.escape, topics))})$" if family else None,
        batch=True,
        max_records=settings.batch_records_max,
        group_id=f"lapor.{stage}",
        group_instance_id=group_instance_id(stage, settings.replica, topics),
        auto_offset_reset="earliest",
        isolation_level=ISOLATION,
        ack_policy=AckPolicy.NACK_ON_ERROR,
        session_timeout_ms=10_000,
        heartbeat_interval_ms=1_000,
        max_partition_fetch_bytes=2 * STREAM_BYTES_MAX,
        partition_assignment_strategy=[
            RoundRobinPartitionAssignor if family else RangePartitionAssignor
        ],
        listener=listener,
        parser=parse_lazily,
        decoder=keep_raw,
        title=stage,
        description=f"Everything that {stage} reads, in batches",
    )
    if not isinstance(subscriber, BatchSubscriber):
        raise TypeError("the shell needs a batch subscriber")
    subscriber.get_msg = fair_queue.fetch  # type: ignore[method-assign]
    return subscriber
