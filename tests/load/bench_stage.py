"""One stage over a backlog, beside the least that is durable and beside a first draft."""

import asyncio
import contextlib
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Final

import psutil

from shared.contract.topics import INSTITUTION, ROUTING
from tests.integration.stack import Stack, running_stack
from tests.integration.workers import fresh, worker
from tests.load.clients import Fields, accepted, drained, fill
from tests.load.results import Result, out

BACKLOG: Final = 200_000
NAIVE: Final = 2_500
ROUNDS: Final = 2
SECONDS_MAX: Final = 120
GOAL_PER_SECOND, GOAL_OF_FLOOR, GOAL_OF_NAIVE = 12_000, 0.4, 30

Records = Mapping[int, Sequence[Fields]]
Measured = tuple[float, float]  # records per second, CPU microseconds of the process per record


@contextlib.contextmanager
def floor(stack: Stack) -> Iterator[int]:
    """Run `floor.py`; yields its pid, and ends it."""
    env = {**os.environ, "LAPOR_KAFKA": stack.kafka, "LAPOR_POSTGRES": stack.postgres}
    process = subprocess.Popen([sys.executable, "-m", "tests.load.floor"], env=env)
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait(30)


@contextlib.contextmanager
def stage(stack: Stack, factory: str, instance: str) -> Iterator[int]:
    """Run a stage's process; yields its pid, and ends it."""
    with worker(stack, factory=factory, env={"LAPOR_INSTANCE": instance}) as running:
        yield running.process.pid


async def _one(
    stack: Stack, records: Records, running: contextlib.AbstractContextManager[int]
) -> Measured:
    await fresh(stack)
    await fill(stack.kafka, INSTITUTION.topic(), records)
    count = sum(map(len, records.values()))
    with running as pid:
        rate = await drained(stack.kafka, ROUTING.topic(), count, SECONDS_MAX)
        used = sum(psutil.Process(pid).cpu_times()[:2])
    return rate, used / count * 1e6


async def _rounds(stack: Stack, scale: float, rounds: int) -> dict[str, list[Measured]]:
    """Measure the three in turns, so that what disturbs one disturbs all."""
    backlog, few = accepted(int(BACKLOG * scale)), accepted(max(500, int(NAIVE * scale)))
    candidates = {
        "ours": (backlog, partial(stage, stack, "services.routing.app:build", "routing")),
        "floor": (backlog, partial(floor, stack)),
        "naive": (few, partial(stage, stack, "tests.load.naive:build", "naive")),
    }
    found: dict[str, list[Measured]] = {name: [] for name in candidates}
    for turn in range(rounds):
        out.print(f"one stage, round {turn + 1} of {rounds} …")
        for name, (records, run) in candidates.items():
            found[name].append(await _one(stack, records, run()))
    return found


def one_stage(scale: float) -> Iterator[Result]:
    """Measure routing with its real rules, the floor and the naive handler, in turns."""
    with running_stack() as stack:
        found = asyncio.run(_rounds(stack, scale, ROUNDS if scale >= 1 else 1))
    rates = {name: [rate for rate, _ in runs] for name, runs in found.items()}
    cpu = {name: statistics.median(used for _, used in runs) for name, runs in found.items()}
    ours, least, naive = (statistics.median(rates[name]) for name in ("ours", "floor", "naive"))
    spread = f"{min(rates['ours']):,.0f} to {max(rates['ours']):,.0f}"
    yield Result(
        "one stage, durable, backlog", ours, "decisions/s", spread,
        None, f"{GOAL_PER_SECOND:,}", ours >= GOAL_PER_SECOND,
    )  # fmt: skip
    yield Result(
        "the same beside the floor", least, "decisions/s", "raw aiokafka, msgspec, one statement",
        ours / least, f"ratio {GOAL_OF_FLOOR}", ours / least >= GOAL_OF_FLOOR,
    )  # fmt: skip
    yield Result(
        "the same beside a handler per record", naive, "decisions/s", "FastStream, a transaction",
        ours / naive, f"ratio {GOAL_OF_NAIVE}", ours / naive >= GOAL_OF_NAIVE,
    )  # fmt: skip
    yield Result(
        "one stage: CPU of its process", cpu["ours"], "µs/decision, start included",
        f"floor {cpu['floor']:.0f}, per record {cpu['naive']:,.0f}", cpu["ours"] / cpu["floor"],
    )  # fmt: skip
