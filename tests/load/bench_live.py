"""A live day: reports arrive at a rate, everybody acts at once; idle cost; and spikes."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from deploy.local.services import Profile
from shared.contract.topics import DEAD_LETTERS
from tests.load.bench_lives import settled
from tests.load.clients import written
from tests.load.journey import Journey
from tests.load.results import Result, out, percentile
from tests.load.simulated_clients import SimulatedClients, submissions

RATES: Final = (10, 50, 100)
RATE_SECONDS: Final = 20
WARM_SECONDS: Final = 3  # of each rate, not counted: code paths and tables are new
DISPATCH_RATE: Final = 50
GOAL_DISPATCH_MS: Final = 1_000
HIGH_RATE: Final = 300
HIGH_SECONDS: Final = 60
IDLE_SECONDS: Final = 15
SPIKES: Final = (1, 15, 25, 35, 300)
SPIKE_SECONDS: Final = 6
GOAL_MS: Final = {100: 200, 300: 1_000}
GOAL_CORES: Final = {100: 1.0}
GOAL_IDLE_CORES: Final[dict[Profile, float]] = {"full": 0.15, "small": 0.08}
GOAL_GIB, GOAL_GONE_SECONDS = 1.2, 60


@dataclass(frozen=True, slots=True)
class Day:
    """What was seen at a rate; times in milliseconds."""

    sent: int
    closed: int
    dispatch_ms: list[float]
    close_ms: list[float]
    cores: dict[str, float]  # of each process of the stack
    driver_cores: float
    behind_seconds: float  # from the last submission until everything was closed


async def day(journey: Journey, rate: int, seconds: int, salt: str) -> Day:
    """Submit at a rate and wait until all is closed; the first seconds are not counted."""
    reports = list(submissions(salt, range(rate * (seconds + WARM_SECONDS)), journey.report_id))
    async with SimulatedClients(journey.kafka) as clients:
        await clients.submit(reports[: rate * WARM_SECONDS], rate)
        since, began = time.time(), time.perf_counter()
        cpu, driver = journey.cpu_seconds(), time.process_time()
        await clients.submit(reports[rate * WARM_SECONDS :], rate)
        wall = time.perf_counter() - began
        used = journey.cpu_seconds() - cpu
        driver_cores = (time.process_time() - driver) / wall
        ended = time.perf_counter()
        await clients.until(closed=len(reports))
        behind = time.perf_counter() - ended
        return Day(
            len(reports), clients.closed,
            [s * 1000 for s in clients.seconds_to_dispatch(since)],
            [s * 1000 for s in clients.seconds_to_close(since)],
            {name: s / wall for name, s in used.most_common()}, driver_cores, behind,
        )  # fmt: skip


def live(journey: Journey, scale: float, rates: tuple[int, ...] = RATES) -> Iterator[Result]:
    """Measure submission to dispatch and to the end at low rates."""
    for rate in rates:
        seconds = max(4, int(RATE_SECONDS * scale))
        out.print(f"live, {rate} reports/s for {seconds} s …")
        yield from _told(asyncio.run(day(journey, rate, seconds, f"live-{rate}")), rate)


def to_dispatch(journey: Journey, scale: float) -> Iterator[Result]:
    """Measure submission to dispatch where no unit answers: half a life is all the load."""
    seconds = max(4, int(RATE_SECONDS * scale))
    out.print(f"live, {DISPATCH_RATE} reports/s as far as dispatch, {seconds} s …")
    found = asyncio.run(_dispatched(journey, seconds))
    p50, p95, p99 = (percentile(found, share) * 1000 for share in (0.5, 0.95, 0.99))
    yield Result(
        f"live, {DISPATCH_RATE}/s, as far as dispatch: p95", p95, "ms",
        f"p50 {p50:,.0f}, p99 {p99:,.0f}; {len(found):,} of {DISPATCH_RATE * seconds:,}",
        None, f"{GOAL_DISPATCH_MS:,}", p95 < GOAL_DISPATCH_MS,
    )  # fmt: skip


async def _dispatched(journey: Journey, seconds: int) -> list[float]:
    """Return how long each took, in seconds; those of the first moments are not counted."""
    warm, count = DISPATCH_RATE * WARM_SECONDS, DISPATCH_RATE * (seconds + WARM_SECONDS)
    reports = list(submissions("to-dispatch", range(count), journey.report_id))
    async with SimulatedClients(journey.kafka, units_answer=False) as clients:
        await clients.submit(reports[:warm], DISPATCH_RATE)
        since = time.time()
        await clients.submit(reports[warm:], DISPATCH_RATE)
        await clients.until(dispatched=count)
        return clients.seconds_to_dispatch(since)


def high(journey: Journey, scale: float, seconds: int = HIGH_SECONDS) -> Iterator[Result]:
    """Measure the same at a high rate."""
    seconds = max(5, int(seconds * scale))
    out.print(f"live, {HIGH_RATE} reports/s for {seconds} s …")
    found = asyncio.run(day(journey, HIGH_RATE, seconds, "high"))
    yield from _told(found, HIGH_RATE)
    yield Result(
        f"live, {HIGH_RATE}/s for {seconds} s: until the last is closed", found.behind_seconds,
        "s after the last was sent", f"{found.closed:,} of {found.sent:,} closed",
        None, "nothing piles up: 10", found.behind_seconds <= 10 and found.closed == found.sent,
    )  # fmt: skip
    yield Result(f"memory (PSS) after {HIGH_RATE}/s", journey.resident_bytes() / 2**20, "MiB")


def _told(found: Day, rate: int) -> Iterator[Result]:
    p50, p95, p99 = (percentile(found.dispatch_ms, share) for share in (0.5, 0.95, 0.99))
    goal = GOAL_MS.get(rate)
    yield Result(
        f"live, {rate}/s: submitted to dispatched, p95", p95, "ms",
        f"p50 {p50:,.0f}, p99 {p99:,.0f}; to closed p95 {percentile(found.close_ms, 0.95):,.0f}; "
        f"{found.closed:,} of {found.sent:,} closed",
        None, f"{goal}" if goal else "", p95 < goal if goal else None,
    )  # fmt: skip
    cores = GOAL_CORES.get(rate)
    total = sum(found.cores.values()) + found.driver_cores
    yield Result(
        f"live, {rate}/s: cores busy", total, "cores",
        f"{_most(found.cores)}; the clients {found.driver_cores:.2f}",
        None, f"{cores}" if cores else "", total <= cores if cores else None,
    )  # fmt: skip


def _most(cores: dict[str, float]) -> str:
    """Name the processes that use most, of some in that order."""
    return ", ".join(f"{name} {share:.3f}" for name, share in list(cores.items())[:5])


# ---- nothing to do


def idle(journey: Journey, scale: float, profile: Profile = "full") -> Iterator[Result]:
    """Measure what a stack uses that nobody talks to."""
    seconds = max(6, int(IDLE_SECONDS * scale))
    out.print(f"idle, profile {profile}, {seconds} s …")
    time.sleep(5)  # what it does after a start is over
    before = journey.cpu_seconds()
    time.sleep(seconds)
    used = journey.cpu_seconds() - before
    cores = sum(used.values()) / seconds
    most = _most({name: s / seconds for name, s in used.most_common()})
    goal = GOAL_IDLE_CORES[profile]
    yield Result(f"idle, profile {profile}", cores, "cores", most, None, f"{goal}", cores < goal)
    gib = journey.resident_bytes() / 2**30
    yield Result(
        f"idle, profile {profile}: memory (PSS)", gib * 1024, "MiB", "", None,
        f"{GOAL_GIB} GiB", gib < GOAL_GIB,
    )  # fmt: skip


# ---- spikes


async def _dead_letters(kafka: str) -> int:
    return await written(kafka, DEAD_LETTERS.topic(), DEAD_LETTERS.partitions)


async def _spikes(journey: Journey, scale: float) -> tuple[list[float], int, int]:
    """Return the seconds until the backlog of each turn was gone, the errors, and the reports."""
    seconds = max(2, int(SPIKE_SECONDS * scale))
    gone: list[float] = []
    before = await _dead_letters(journey.kafka) + journey.restarts()
    async with SimulatedClients(journey.kafka) as clients:
        for turn, rate in enumerate(SPIKES * 2):
            reports = list(submissions(f"spike-{turn}", range(rate * seconds), journey.report_id))
            await clients.submit(reports, rate)
            ended = time.perf_counter()
            if rate == max(SPIKES):
                await clients.until(closed=len(clients.moments))
                await settled(journey.kafka)
                gone.append(time.perf_counter() - ended)
        lost = len(clients.moments) - clients.closed
        errors = await _dead_letters(journey.kafka) + journey.restarts() - before
        return gone, lost + errors + clients.refused, len(clients.moments)


def spikes(journey: Journey, scale: float) -> Iterator[Result]:
    """Measure turns of 1, 15, 25, 35 and 300 reports/s, twice, on what is stored by then."""
    turns = "-".join(map(str, SPIKES))
    out.print(f"spikes of {turns}/s, twice …")
    gone, errors, count = asyncio.run(_spikes(journey, scale))
    yield Result(
        f"spikes, {turns}/s in turns: errors", errors, "lost, refused, dead letters, restarts",
        f"of {count:,} reports", None, "0", errors == 0,
    )  # fmt: skip
    yield Result(
        f"spikes, {turns}/s in turns: until the backlog was gone", max(gone), "s", "the slower one",
        None, f"{GOAL_GONE_SECONDS}", max(gone) <= GOAL_GONE_SECONDS,
    )  # fmt: skip
