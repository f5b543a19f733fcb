"""Topics read from one end to the other, with no more in memory than is wanted."""

import time
from collections.abc import Callable, Sequence
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from deploy.cli.reaching import Trouble
from deploy.cli.showing import Screen
from shared.parking import Kept

POLL_MS: Final = 500
SILENCE_SECONDS_MAX: Final = 30.0


def without_value(record: ConsumerRecord) -> Kept:
    """Return a record without its bytes, which may be a megabyte each."""
    return Kept(
        record.topic, record.partition, record.offset, record.timestamp, record.key, None,
        list(record.headers),
    )  # fmt: skip


async def headers_of(
    consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition], screen: Screen
) -> list[Kept]:
    """Return every record up to now without its bytes.

    Raises:
        KafkaError: the broker went away. Trouble: it stopped answering.
    """
    consumer.assign(partitions)  # first: of a topic it does not know a consumer asks for ever
    starts = await consumer.beginning_offsets(partitions)
    ends = await consumer.end_offsets(partitions)
    found: list[Kept] = []
    screen.total = sum(ends[p] - starts[p] for p in partitions)
    await _read(
        consumer,
        {p: (starts[p], ends[p]) for p in partitions},
        lambda r: found.append(without_value(r)),
        screen.advance,
    )
    return found


async def whole(
    consumer: AIOKafkaConsumer, partition: TopicPartition, offsets: Sequence[int]
) -> dict[int, ConsumerRecord]:
    """Return the records of one partition that lie at these offsets, as far as they are there.

    Raises:
        KafkaError: the broker went away. Trouble: it stopped answering.
    """
    wanted, found = set(offsets), dict[int, ConsumerRecord]()

    def take(record: ConsumerRecord) -> None:
        if record.offset in wanted:
            found[record.offset] = record

    await _read(consumer, {partition: (min(wanted), max(wanted) + 1)}, take)
    return found


async def _read(
    consumer: AIOKafkaConsumer,
    bounds: dict[TopicPartition, tuple[int, int]],
    take: Callable[[ConsumerRecord], None],
    advance: Callable[[int], None] = lambda _done: None,
) -> None:
    consumer.assign(list(bounds))
    for partition, (start, _) in bounds.items():
        consumer.seek(partition, start)
    left = {p for p, (start, end) in bounds.items() if start < end}
    done, moved_at = 0, time.monotonic()
    while left:
        if time.monotonic() - moved_at > SILENCE_SECONDS_MAX:
            raise Trouble("Kafka stopped answering.", "Is it up? See: lapor status")
        batches = await consumer.getmany(*left, timeout_ms=POLL_MS)
        for partition, records in batches.items():
            for record in records:
                if record.offset < bounds[partition][1]:
                    take(record)
            done += len(records)
            moved_at = time.monotonic()
        advance(done)
        left = {p for p in left if await consumer.position(p) < bounds[p][1]}
