"""100,000 deadlines due at the same second: how long until all is said, and what the day feels."""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.events import DeadlineBreached
from shared.topics import PARTITIONS, SLA
from tests.integration.stack import Stack, running_stack
from tests.integration.workers import fresh, header, read, worker
from tests.load.bench import Result, out
from tests.load.bench_sla_cases import about_to_breach, prepared, rows, seed

COUNT: Final = 100_000
GOAL_SECONDS: Final = 20.0
PATIENCE_SECONDS: Final = 300.0
FACTORY: Final = "services.sla_monitor.app:build"


async def said(kafka: str, count: int) -> float:
    """Return the seconds until the SLA stream has grown by `count` records from its start.

    Raises:
        TimeoutError: it took longer than five minutes.
    """
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka)
    await consumer.start()
    places = [TopicPartition(SLA.topic(), n) for n in range(PARTITIONS)]
    began = time.perf_counter()
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while sum((await consumer.end_offsets(places)).values()) < count:
                await asyncio.sleep(0.1)
    finally:
        await consumer.stop()
    return time.perf_counter() - began


async def checked(stack: Stack, count: int) -> str:
    """Say in words whether each was said exactly once."""
    found = await read(stack, SLA.topic(), lambda records: len(records) >= count)
    kind = SLA.type_of(DeadlineBreached)
    reports = [record.key for record in found if header(record, "ce_type") == kind]
    return f"{len(reports):,} breaches of {len(set(reports)):,} reports"


async def breaches(stack: Stack, count: int, processes: int) -> tuple[float, str]:
    """Start processes on a table full of what is due; return seconds, and what was said."""
    await fresh(stack)
    await prepared(stack.postgres)
    await seed(stack.postgres, rows([about_to_breach(datetime.now(UTC))], count, "due"))
    with contextlib.ExitStack() as running:
        workers = [
            running.enter_context(worker(stack, FACTORY, {"LAPOR_REPLICA": str(n)}))
            for n in range(processes)
        ]
        for one in workers:
            await asyncio.to_thread(one.wait_ready)
        seconds = await said(stack.kafka, count)
        return seconds, await checked(stack, count)


def due_at_once(scale: float) -> Iterator[Result]:
    """Measure one process, then two, on what is due at the same second."""
    count = int(COUNT * scale)
    with running_stack() as stack:
        for processes in (1, 2):
            out.print(f"{count:,} due at the same second, {processes} process(es) …")
            seconds, found = asyncio.run(breaches(stack, count, processes))
            yield Result(
                f"{count:,} due at once, {processes} process(es)", seconds, "s until published",
                f"wanted: {GOAL_SECONDS:.0f} s; {found}", seconds / GOAL_SECONDS,
            )  # fmt: skip
