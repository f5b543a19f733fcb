"""Whole lifecycles: submitted, accepted, dispatched, followed up and closed, through all stages."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient

from shared.contract.topics import READS
from tests.load.journey import Journey
from tests.load.results import Result, out
from tests.load.simulated_clients import SimulatedClients, submissions
from tests.load.stored import store, stored

BACKLOG: Final = 20_000  # at a hundred lives a second, all parts together take a quarter of an hour
BACKLOG_STORED: Final = 10_000  # long enough for a rate, beside a million stored
STORED: Final = 1_000_000
GOAL_PER_SECOND, GOAL_OF_EMPTY = 1_000, 0.9
# DIGIT's published load test of its complaint service, 16 cores: requests a second that went
# through with an empty database, and with a million complaints in it.
PUBLISHED_EMPTY, PUBLISHED_STORED = 37, 6.3


@dataclass(frozen=True, slots=True)
class Run:
    """A backlog taken through: reports a second until every stage had decided everything."""

    count: int
    rate: float
    cpu: dict[str, float]  # CPU milliseconds per report, by process
    database_bytes: float  # per report
    stream_bytes: float
    wal_bytes: float


async def undecided(kafka: str) -> int:
    """Count the records that stages have not decided and committed yet."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka)
    await asyncio.gather(admin.start(), consumer.start())
    try:
        left = 0
        for stage in READS:
            places = await admin.list_consumer_group_offsets(f"lapor.{stage}")
            ends = await consumer.end_offsets(list(places))
            left += sum(ends[place] - at.offset for place, at in places.items())
        return left
    finally:
        await asyncio.gather(admin.close(), consumer.stop())


async def settled(kafka: str, seconds_max: float = 120.0) -> None:
    """Wait until every stage has decided everything.

    Raises:
        TimeoutError: it took longer than `seconds_max`.
    """
    async with asyncio.timeout(seconds_max):
        while await undecided(kafka):
            await asyncio.sleep(0.2)


async def backlog(journey: Journey, count: int, salt: str) -> Run:
    """Submit so many reports at once and wait until all are closed and nothing is left to decide.

    Raises:
        RuntimeError: not all of them were closed.
    """
    reports = list(submissions(salt, range(count), journey.report_id))
    _, bytes_before, wal_before = await stored(journey.postgres)
    streams_before, cpu_before = journey.stream_bytes(), journey.cpu_seconds()
    driver_before, began = time.process_time(), time.perf_counter()
    async with SimulatedClients(journey.kafka) as clients:
        await clients.submit_all(reports)
        if not await clients.until(closed=count):
            raise RuntimeError(f"{clients.closed} of {count} closed, {clients.refused} refused")
        await settled(journey.kafka)
    seconds = time.perf_counter() - began
    cpu = journey.cpu_seconds() - cpu_before
    cpu["(driver)"] = time.process_time() - driver_before  # type: ignore[assignment]
    _, bytes_after, wal_after = await stored(journey.postgres)
    return Run(
        count, count / seconds,
        {name: used / count * 1000 for name, used in cpu.most_common()},
        (bytes_after - bytes_before) / count,
        (journey.stream_bytes() - streams_before) / count,
        (wal_after - wal_before) / count,
    )  # fmt: skip


def lives(journey: Journey, scale: float) -> Iterator[Result]:
    """Measure a backlog of whole lifecycles in an empty stack."""
    count = int(BACKLOG * scale)
    out.print(f"{count:,} whole lifecycles, nothing stored …")
    run = asyncio.run(backlog(journey, count, "empty"))
    yield Result(
        f"whole lifecycles, backlog of {count:,}, nothing stored", run.rate, "reports/s",
        f"DIGIT, 16 cores, published: {PUBLISHED_EMPTY}/s", run.rate / PUBLISHED_EMPTY,
        f"{GOAL_PER_SECOND:,}", run.rate >= GOAL_PER_SECOND,
    )  # fmt: skip
    yield from _costs(run, "nothing stored")


def lives_stored(journey: Journey, scale: float, empty: float) -> Iterator[Result]:
    """Measure the same with a million reports stored; `empty` is the rate without."""
    there, count = int(BACKLOG * scale), int(BACKLOG_STORED * scale)
    times = int(STORED * scale) // there
    out.print(f"{there:,} reports copied {times} times in every stage …")
    began = time.perf_counter()
    asyncio.run(store(journey.postgres, times, there))
    reports, size, _ = asyncio.run(stored(journey.postgres))
    out.print(f"{reports:,} stored after {time.perf_counter() - began:.0f} s; {count:,} more …")
    yield Result(
        f"database with {reports:,} reports", size / reports, "bytes per report, indexes included"
    )
    run = asyncio.run(backlog(journey, count, "stored"))
    share = run.rate / empty
    yield Result(
        f"whole lifecycles, backlog of {count:,}, {reports:,} stored", run.rate, "reports/s",
        f"nothing stored: {empty:,.0f}/s; DIGIT, 1,000,000 stored: {PUBLISHED_STORED}/s", share,
        f"ratio {GOAL_OF_EMPTY}", share >= GOAL_OF_EMPTY,
    )  # fmt: skip
    yield from _costs(run, f"{reports:,} stored")


def _costs(run: Run, when: str) -> Iterator[Result]:
    most = ", ".join(f"{name} {ms:.2f}" for name, ms in list(run.cpu.items())[:12])
    yield Result(f"CPU of a lifecycle, {when}", sum(run.cpu.values()), "ms", most)
    yield Result(
        f"disk of a lifecycle, {when}", run.wal_bytes, "bytes of WAL",
        f"tables {run.database_bytes:,.0f}, streams {run.stream_bytes:,.0f} bytes",
    )  # fmt: skip
