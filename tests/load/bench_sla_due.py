"""100,000 deadlines due at the same second: how long until all is said, and what the day feels."""

import asyncio
import contextlib
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

import asyncpg
import psutil
from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.contract.events import DeadlineBreached
from shared.contract.topics import PARTITIONS, SLA
from tests.integration.stack import Stack, running_stack
from tests.integration.workers import Worker, fresh, header, read, worker
from tests.load.bench_sla_cases import SCHEMA, about_to_breach, prepared, rows, seed
from tests.load.journey import Journey
from tests.load.results import Result, out, percentile
from tests.load.simulated_clients import SimulatedClients, submissions

COUNT: Final = 100_000
GOAL_SECONDS: Final = 20.0
PATIENCE_SECONDS: Final = 300.0
RATE: Final = 50  # reports per second
DAY_SECONDS: Final = 40
LEFT_SQL: Final = f"SELECT EXISTS (SELECT FROM {SCHEMA}.cases WHERE timer_at <= $1)"
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
    ids = {header(record, "ce_id") for record in found}
    return f"{len(reports):,} records, {len(ids):,} breaches of {len(set(reports)):,} reports"


class Said(NamedTuple):
    """Seconds until all was published, CPU seconds of the stage's processes, and what it was."""

    seconds: float
    cpu_seconds: float
    what: str


async def breaches(stack: Stack, count: int, processes: int) -> Said:
    """Start processes on a table full of what is due, and wait until all is said."""
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
        before = cpu_seconds(workers)
        seconds = await said(stack.kafka, count)
        return Said(seconds, cpu_seconds(workers) - before, await checked(stack, count))


def cpu_seconds(workers: Sequence[Worker]) -> float:
    """Return the CPU time of some processes so far."""
    return sum(sum(psutil.Process(w.process.pid).cpu_times()[:2]) for w in workers)


def due_at_once(scale: float) -> Iterator[Result]:
    """Measure one process, then two, on what is due at the same second."""
    count = int(COUNT * scale)
    with running_stack() as stack:
        for processes in (1, 2):
            out.print(f"{count:,} due at the same second, {processes} process(es) …")
            found = asyncio.run(breaches(stack, count, processes))
            name = f"{count:,} due at once, {processes} process(es)"
            yield Result(
                name, found.seconds, "s until published",
                f"wanted: {GOAL_SECONDS:.0f}; {found.what}", found.seconds / GOAL_SECONDS,
            )  # fmt: skip
            yield Result(f"{name}: CPU", found.cpu_seconds / count * 1e6, "µs per timer")


async def dispatched(journey: Journey, seconds: int, salt: str) -> list[float]:
    """Return how long each of a day's reports took from submission to dispatch, in seconds."""
    reports = list(submissions(salt, range(RATE * seconds), journey.report_id))
    async with SimulatedClients(journey.kafka) as clients:
        await clients.submit(reports, RATE)
        await clients.until(closed=len(reports))
        return clients.seconds_to_dispatch()


async def fired_seconds(postgres: str, until: datetime) -> float:
    """Return the seconds until no case has a timer left that was due by a time.

    Raises:
        TimeoutError: it took longer than five minutes.
    """
    began = time.perf_counter()
    connection = await asyncpg.connect(postgres)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await connection.fetchval(LEFT_SQL, until):
                await asyncio.sleep(0.5)
    finally:
        await connection.close()
    return time.perf_counter() - began


class Beside(NamedTuple):
    """A day while timers fire: its latencies, until the last fired, and CPU of the stack till then.

    All in seconds.
    """

    latencies: list[float]
    fired_seconds: float
    cpu: float


async def beside(journey: Journey, count: int, seconds: int) -> Beside:
    """Submit reports while all of it fires."""
    now = datetime.now(UTC)
    await seed(journey.postgres, rows([about_to_breach(now)], count, "due"))
    before = journey.cpu_seconds().total()
    day = asyncio.create_task(dispatched(journey, seconds, "beside"))
    seconds_fired = await fired_seconds(journey.postgres, now)
    cpu = journey.cpu_seconds().total() - before
    return Beside(await day, seconds_fired, cpu)


def the_day_beside(scale: float) -> Iterator[Result]:
    """Measure intake to dispatch in the whole stack, idle and while 100,000 are due."""
    count, seconds = int(COUNT * scale), max(5, int(DAY_SECONDS * scale))
    with Journey() as journey:
        journey.up()
        before, began = journey.cpu_seconds().total(), time.perf_counter()
        idle = asyncio.run(dispatched(journey, seconds, "idle"))
        cores = (journey.cpu_seconds().total() - before) / (time.perf_counter() - began)
        out.print(f"idle p95 {percentile(idle, 0.95) * 1000:,.0f} ms; {count:,} fire beside it …")
        busy = asyncio.run(beside(journey, count, seconds))
    if not idle or not busy.latencies:
        raise RuntimeError("no report was dispatched: there is nothing to compare")
    base, p95 = percentile(idle, 0.95), percentile(busy.latencies, 0.95)
    name = f"submission to dispatch at {RATE}/s"
    yield Result(
        f"{name}: p95, nothing due", base * 1000, "ms",
        f"{len(idle)} dispatched; the stack uses {cores:.2f} cores",
    )  # fmt: skip
    yield Result(
        f"{name}: p95 while {count:,} fire", p95 * 1000, "ms",
        f"wanted: ratio under 2; {len(busy.latencies)} dispatched", p95 / base,
    )  # fmt: skip
    yield Result(
        f"{count:,} due at once beside {RATE}/s, 1 process",
        busy.fired_seconds, "s until the last has fired",
        f"wanted: {GOAL_SECONDS:.0f}; the stack used {busy.cpu:.0f} core-seconds till then",
        busy.fired_seconds / GOAL_SECONDS,
    )  # fmt: skip
