"""Plain clients that fill topics fast and measure by the logs' ends."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from shared.contract.envelope import encode, event_headers
from shared.contract.events import ReportAccepted, ReportClass
from shared.contract.topics import INSTITUTION, PARTITIONS
from shared.contract.tracking import report_id
from shared.runtime.writer import partition_of

BATCH = 400
BATCH_BYTES = 1_000_000
CATEGORIES = ("1397", "942", "928", "963")
CLASSES = tuple(ReportClass)
Fields = tuple[bytes | None, bytes, list[tuple[str, bytes]]]  # key, value, headers


def accepted(count: int, first: int = 0) -> dict[int, list[Fields]]:
    """Return that many accepted reports, each another report, by partition.

    A second call needs another `first`, or its reports are those of the call before.
    """
    event_type = INSTITUTION.type_of(ReportAccepted)
    found: dict[int, list[Fields]] = defaultdict(list)
    for number in range(first, first + count):
        report = report_id(b"tests", "bench", str(number))
        event = ReportAccepted(
            report_id=report, institution="3204", holding=1, by="officer-1",
            report_class=CLASSES[number % 4], category_id=CATEGORIES[number % 4],
        )  # fmt: skip
        headers = event_headers(
            event_id=f"bench-{number:09}", event_type=event_type, source="/bench", subject=report,
            time=datetime.now(UTC), causation_id="bench", correlation_id=report, sequence=1,
        )  # fmt: skip
        key = report.encode()
        found[partition_of(key)].append((key, encode(event), headers))
    return found


async def fill(bootstrap: str, topic: str, records: Mapping[int, Sequence[Fields]]) -> None:
    """Write records to their partitions of a topic, as fast as the broker takes them."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, max_batch_size=BATCH_BYTES
    )
    await producer.start()
    try:
        for partition, mine in records.items():
            for at in range(0, len(mine), BATCH):
                await send(producer, topic, partition, mine[at : at + BATCH])
    finally:
        await producer.stop()


async def send(
    producer: AIOKafkaProducer, topic: str, partition: int, records: Iterable[Fields]
) -> None:
    """Send records as one request.

    Raises:
        ValueError: they are more than the producer's batch holds.
    """
    builder = producer.create_batch()
    for key, value, headers in records:
        if builder.append(key=key, value=value, timestamp=None, headers=headers) is None:
            raise ValueError("too much for one request")
    await (await producer.send_batch(builder, topic, partition=partition))


async def written(bootstrap: str, topic: str, partitions: int = PARTITIONS) -> int:
    """Return how many records a topic holds."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()
    try:
        places = [TopicPartition(topic, n) for n in range(partitions)]
        return sum((await consumer.end_offsets(places)).values())
    finally:
        await consumer.stop()


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
