"""`python -m tests.load.away [--minutes 60] [--rate 50]`: a stage whose database is away.

Records keep coming, the stage must fetch no more than it holds, and its memory must stay flat; when
the database is back, every record is decided once. A measurement, not a test: run by hand.
"""

import argparse
import asyncio
import logging
import statistics
import time
from typing import Final, NamedTuple

import psutil
from rich.console import Console

from shared.contract.topics import INSTITUTION, ROUTING
from tests.integration.stack import Stack, running_stack
from tests.integration.workers import Worker, fresh, worker
from tests.load.clients import accepted, drained, fill, written

WARM_RECORDS: Final = 5_000  # decided before the outage: what is allocated once is allocated then
CATCH_UP_SECONDS_MAX: Final = 600.0
out = Console(width=100)


class Look(NamedTuple):
    """One look at the process, some time into the outage."""

    seconds: float
    waiting_records: int
    memory_mib: float  # proportional set size
    cpu_share: float  # of one core, since the look before


async def outage(stack: Stack, stage: Worker, seconds: float, rate: int) -> list[Look]:
    """Keep records coming for so long, and look once a minute."""
    process = psutil.Process(stage.process.pid)
    looks: list[Look] = []
    began, sent = time.monotonic(), 0
    looked_at, cpu = began, sum(process.cpu_times()[:2])
    while (now := time.monotonic()) - began < seconds or not looks:
        due = int(rate * (now - began)) - sent
        if due > 0:
            await fill(stack.kafka, INSTITUTION.topic(), accepted(due, first=WARM_RECORDS + sent))
            sent += due
        if now - looked_at >= min(60.0, seconds):
            used = sum(process.cpu_times()[:2])
            share = (used - cpu) / (now - looked_at)
            memory = process.memory_full_info().pss / 2**20
            looks.append(Look(now - began, sent, memory, share))
            looked_at, cpu = now, used
            _say(looks[-1])
        await asyncio.sleep(5.0)
    return looks


def _say(look: Look) -> None:
    out.print(
        f"{look.seconds / 60:5.1f} min: {look.waiting_records:8,} records wait, "
        f"{look.memory_mib:6.1f} MiB, {100 * look.cpu_share:4.1f} % of a core",
        highlight=False,
    )


async def measure(stack: Stack, seconds: float, rate: int) -> None:
    """Warm up, take the database away, bring it back, count."""
    await fresh(stack)
    with worker(stack, "services.routing.app:build", {"LAPOR_INSTANCE": "routing"}) as stage:
        stage.wait_ready()
        await fill(stack.kafka, INSTITUTION.topic(), accepted(WARM_RECORDS))
        await drained(stack.kafka, ROUTING.topic(), WARM_RECORDS, seconds_max=60)
        await asyncio.to_thread(stack.stop_postgres, "immediate")
        out.print(f"the database is away; {rate} records/s come for {seconds / 60:g} min …")
        looks = await outage(stack, stage, seconds, rate)
        await asyncio.to_thread(stack.start_postgres)
        back, came = time.monotonic(), await written(stack.kafka, INSTITUTION.topic())
        await drained(stack.kafka, ROUTING.topic(), came, CATCH_UP_SECONDS_MAX)
        caught_up = time.monotonic() - back
        memory = [look.memory_mib for look in looks]
        out.print(
            f"memory: {memory[0]:.1f} MiB first, {memory[-1]:.1f} last, {max(memory):.1f} most; "
            f"{100 * statistics.mean(look.cpu_share for look in looks):.1f} % of a core; caught up "
            f"{caught_up:.1f} s after; {came:,} came, "
            f"{await written(stack.kafka, ROUTING.topic()):,} decided",
            highlight=False,
        )


def main() -> None:
    """Run it, and print a line a minute."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--minutes", type=float, default=60.0)
    arguments.add_argument("--rate", type=int, default=50, help="records a second")
    chosen = arguments.parse_args()
    logging.getLogger("aiokafka").setLevel(logging.ERROR)  # new topics have no leader at first
    with running_stack() as stack:
        asyncio.run(measure(stack, chosen.minutes * 60, chosen.rate))


if __name__ == "__main__":
    main()
