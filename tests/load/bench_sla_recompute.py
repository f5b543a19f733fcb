"""A decree among 1,000,000 open deadlines of which it moves 100,000: how long, and how much memory.

The others' last level lies behind or their clock does not run over the decree's day, so that they
are never read; what moves is decided by the stage's real process.
"""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg
import psutil
from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.cli.model.registry_change import publish
from services.sla_monitor.rules import MonitoredCase
from shared.contract.topics import PARTITIONS, SLA
from tests.integration.stack import Stack, running_stack
from tests.integration.workers import Worker, fresh, worker
from tests.load.bench_sla_cases import (
    SCHEMA,
    decree,
    ladder_step,
    morning,
    prepared,
    rows,
    seed,
    waiting,
)
from tests.load.results import Result, out

OPEN: Final = 1_000_000
MOVED: Final = 100_000
SEED_CHUNK: Final = 100_000
GOAL_SECONDS: Final = 60.0
PATIENCE_SECONDS: Final = 400.0
SAMPLE_SECONDS: Final = 0.2
FACTORY: Final = "services.sla_monitor.app:build"


async def fill(stack: Stack, count: int, moved: int) -> MonitoredCase:
    """Fill the table; return the template of what moves."""
    await fresh(stack)
    await prepared(stack.postgres)
    now = datetime.now(UTC)
    touched = waiting(morning(1))
    behind = [ladder_step(waiting(morning(days)), now) for days in range(60, 160, 5)]
    await seed(stack.postgres, rows([touched], moved, "moved"))
    for first in range(0, count - moved, SEED_CHUNK):
        size = min(SEED_CHUNK, count - moved - first)
        await seed(stack.postgres, rows(behind, size, f"behind-{first}"))
        out.print(f"  {moved + first + size:,} of {count:,} rows")
    return touched


@dataclass
class Memory:
    """Resident memory of a process, bytes: before, and the most seen."""

    before: int
    most: int


@contextmanager
def watched(running: Worker) -> Iterator[Memory]:
    """Sample a process's memory."""
    process = psutil.Process(running.process.pid)
    seen = Memory(before := process.memory_info().rss, before)
    is_over = threading.Event()

    def sample() -> None:
        while not is_over.wait(SAMPLE_SECONDS):
            seen.most = max(seen.most, process.memory_info().rss)

    sampling = threading.Thread(target=sample, daemon=True)
    sampling.start()
    try:
        yield seen
    finally:
        is_over.set()
        sampling.join()


async def finished(stack: Stack) -> Any:
    """Wait until the recompute is done; return its row.

    Raises:
        TimeoutError: it took longer than some minutes.
    """
    connection = await asyncpg.connect(stack.postgres, server_settings={"search_path": SCHEMA})
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                row = await connection.fetchrow(
                    "SELECT total, asked FROM recomputes WHERE finished_at IS NOT NULL"
                )
                if row is not None:
                    return row
                await asyncio.sleep(0.2)
    finally:
        await connection.close()


async def said(kafka: str) -> int:
    """Count the records of the SLA stream."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka)
    await consumer.start()
    try:
        places = [TopicPartition(SLA.topic(), n) for n in range(PARTITIONS)]
        return int(sum((await consumer.end_offsets(places)).values()))
    finally:
        await consumer.stop()


def recompute(scale: float) -> Iterator[Result]:
    """Publish a decree to all partitions, and wait until the last case is settled."""
    count, moved = int(OPEN * scale), int(MOVED * scale)
    with running_stack() as stack:
        touched = asyncio.run(fill(stack, count, moved))
        with worker(stack, FACTORY) as running:
            running.wait_ready()
            process = psutil.Process(running.process.pid)
            cpu = sum(process.cpu_times()[:2])
            with watched(running) as memory:
                began = time.perf_counter()
                asyncio.run(publish(stack.kafka, decree(touched)))
                row = asyncio.run(finished(stack))
                seconds = time.perf_counter() - began
            cpu = sum(process.cpu_times()[:2]) - cpu
            told = asyncio.run(said(stack.kafka))
    name = f"recompute, {count:,} open, {moved:,} move"
    yield Result(
        name, seconds, "s until settled",
        f"wanted: {GOAL_SECONDS:.0f}; {row['asked']:,} asked, {told:,} moves said",
        seconds / GOAL_SECONDS,
    )  # fmt: skip
    yield Result(f"{name}: CPU", cpu / max(1, moved) * 1e6, "µs per move")
    yield Result(
        f"{name}: resident memory, most", memory.most / 2**20, "MiB",
        f"before {memory.before / 2**20:,.0f} MiB", memory.most / memory.before,
    )  # fmt: skip
