"""Plain clients that fill topics fast and measure by the logs' ends."""

import asyncio
import itertools
import time
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from shared.envelope import encode, event_headers
from shared.events import ReportAccepted, ReportClass
from shared.outbound import partition_of
from shared.topics import INSTITUTION, PARTITIONS
from shared.tracking import report_id

BATCH = 400
CATEGORIES = ("1397", "942", "928", "963")
CLASSES = tuple(ReportClass)


async def fill(bootstrap: str, count: int, first: int = 0) -> None:
    """Write that many accepted reports, each another report, spread over the partitions.

    A second call needs another `first`, or its reports are those of the call before.
    """
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, max_batch_size=1_000_000
    )
    await producer.start()
    event_type = INSTITUTION.type_of(ReportAccepted)
    by_partition: dict[int, list[tuple[bytes, bytes, list[tuple[str, bytes]]]]] = defaultdict(list)
    for number in range(first, first + count):
        report = report_id("bench", str(number))
        event = ReportAccepted(
            report_id=report, institution="3204", holding=1, by="officer-1",
            report_class=CLASSES[number % 4], category_id=CATEGORIES[number % 4],
        )  # fmt: skip
        headers = event_headers(
            event_id=f"bench-{number:09}", event_type=event_type, source="/bench", subject=report,
            time=datetime.now(UTC), causation_id="bench", correlation_id=report, sequence=1,
        )  # fmt: skip
        key = report.encode()
        by_partition[partition_of(key)].append((key, encode(event), headers))
    for partition, records in by_partition.items():
        await _send(producer, partition, records)
    await producer.stop()


async def _send(
    producer: AIOKafkaProducer,
    partition: int,
    records: Iterable[tuple[bytes, bytes, list[tuple[str, bytes]]]],
) -> None:
    iterator = iter(records)
    while chunk := list(itertools.islice(iterator, BATCH)):
        builder = producer.create_batch()
        for key, value, headers in chunk:
            builder.append(key=key, value=value, timestamp=None, headers=headers)
        await (await producer.send_batch(builder, INSTITUTION.topic(), partition=partition))


async def drained(bootstrap: str, topic: str, count: int, seconds_max: float) -> float:
    """Return records per second between 5 and 100 % of `count` in a topic.

    Raises:
        TimeoutError: it took longer than `seconds_max`.
    """
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()
    partitions = [TopicPartition(topic, n) for n in range(PARTITIONS)]
    began: tuple[float, int] | None = None
    try:
        base = sum((await consumer.beginning_offsets(partitions)).values())
        async with asyncio.timeout(seconds_max):
            while True:
                done = sum((await consumer.end_offsets(partitions)).values()) - base
                now = time.perf_counter()
                if began is None and done >= count * 0.05:
                    began = (now, done)
                if began is not None and done >= count:
                    return float(done - began[1]) / (now - began[0])
                await asyncio.sleep(0.02)
    finally:
        await consumer.stop()
