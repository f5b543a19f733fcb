"""Topics read from one end to the other, with no more in memory than is wanted."""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from deploy.cli.terminal.console import CliError
from deploy.cli.terminal.progress import Screen
from shared.runtime.parking import ParkedRecord, parked_record

POLL_MS: Final = 500
SILENCE_SECONDS_MAX: Final = 30.0


def without_value(record: ConsumerRecord) -> ParkedRecord:
    """Return a record without its bytes, which may be a megabyte each."""
    return parked_record(record)._replace(value=None)


async def headers_of(
    consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition], screen: Screen
) -> list[ParkedRecord]:
    """Return every record up to now without its bytes.

    Raises:
        KafkaError: the broker went away. CliError: it stopped answering.
    """
    bounds, headers_only = await bounds_of(consumer, partitions), list[ParkedRecord]()
    screen.total = sum(end - start for start, end in bounds.values())
    async for records in scan(consumer, bounds):
        headers_only += map(without_value, records)
        screen.advance(len(headers_only))
    return headers_only


async def whole(
    consumer: AIOKafkaConsumer, partition: TopicPartition, offsets: Sequence[int]
) -> dict[int, ConsumerRecord]:
    """Return the records of one partition that lie at these offsets, as far as they are there.

    Raises:
        KafkaError: the broker went away. CliError: it stopped answering.
    """
    requested, records_by_offset = set(offsets), dict[int, ConsumerRecord]()
    async for records in scan(consumer, {partition: (min(requested), max(requested) + 1)}):
        records_by_offset |= {
            record.offset: record for record in records if record.offset in requested
        }
    return records_by_offset


Bounds = Mapping[TopicPartition, tuple[int, int]]
"""From which offset to read each partition, and the one to stop before."""


async def bounds_of(consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition]) -> Bounds:
    """Return where each partition's log starts and ends now."""
    starts = await consumer.beginning_offsets(partitions)
    ends = await consumer.end_offsets(partitions)
    return {partition: (starts[partition], ends[partition]) for partition in partitions}


async def scan(consumer: AIOKafkaConsumer, bounds: Bounds) -> AsyncIterator[list[ConsumerRecord]]:
    """Yield the records within bounds as they come, each partition in its order.

    Raises:
        KafkaError: the broker went away. CliError: it stopped answering.
    """
    left = {p for p, (start, end) in bounds.items() if start < end}
    if left:  # a consumer that was assigned what it then never reads may not stop (aiokafka)
        consumer.assign(list(left))
    for partition in left:
        consumer.seek(partition, bounds[partition][0])
    moved_at = time.monotonic()
    while left:
        batches = await consumer.getmany(*left, timeout_ms=POLL_MS)
        records = [
            r for p, together in batches.items() for r in together if r.offset < bounds[p][1]
        ]
        if records:
            moved_at = time.monotonic()
            yield records
        elif time.monotonic() - moved_at > SILENCE_SECONDS_MAX:
            raise CliError("Kafka stopped answering.", "Is it up? See: lapor status")
        left = {p for p in left if await consumer.position(p) < bounds[p][1]}
