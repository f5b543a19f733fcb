"""`make bench`: what a stage and the whole pipeline do here, beside a baseline of the same run.

A benchmark, not a test: it prints ratios and writes JSON, and asserts nothing.
"""

import argparse
import asyncio
import json
import logging
import os
import platform
import statistics
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from shared.topics import ROUTING
from tests.integration.stack import Stack, running_stack
from tests.integration.workers import fresh, worker
from tests.load.clients import drained, fill
from tests.load.journey import Journey, latencies

out = Console(width=120)


@dataclass(frozen=True)
class Result:
    """A figure, its unit, and what stood beside it."""

    what: str
    figure: float
    unit: str
    beside: str = ""
    ratio: float | None = None


def percentile(values: list[float], share: float) -> float:
    """Return the value below which that share lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


async def throughput(stack: Stack, factory: str, instance: str, count: int) -> float:
    """Return records per second of one process over a backlog, broker and database beside it."""
    await fresh(stack)
    await fill(stack.kafka, count)
    with worker(stack, factory=factory, env={"LAPOR_INSTANCE": instance}):
        return await drained(stack.kafka, ROUTING.topic(), count, seconds_max=90)


async def one_stage(stack: Stack, scale: float) -> list[Result]:
    """Measure routing with its real rules against the naive handler, in turns, three times."""
    ours, naive = [], []
    for round_ in range(3):
        out.print(f"one stage, round {round_ + 1} of 3 …")
        factory = "services.routing.app:build"
        ours.append(await throughput(stack, factory, "routing", int(60_000 * scale)))
        naive.append(await throughput(stack, "tests.load.naive:build", "naive", int(2_500 * scale)))
    stage, baseline = statistics.median(ours), statistics.median(naive)
    return [
        Result("one stage, durable, backlog", stage, "records/s",
               f"naive per-record handler: {baseline:,.0f} records/s", stage / baseline),
        Result("one stage, spread of three runs", min(ours), "records/s (least)",
               f"most {max(ours):,.0f}"),
    ]  # fmt: skip


def live(rate: int, seconds: int) -> list[Result]:
    """Measure submission to dispatch through all nine stages at a rate."""
    out.print(f"whole pipeline at {rate} reports/s for {seconds} s …")
    with Journey() as journey:
        journey.up()
        idle_bytes = journey.resident_bytes()
        found = asyncio.run(latencies(journey.kafka, rate, seconds))
        cores, loaded_bytes = journey.cores_used(found.wall_seconds), journey.resident_bytes()
    name = f"submission to dispatch at {rate}/s"
    return [
        Result(f"{name}: p50", percentile(found.seconds, 0.5) * 1000, "ms"),
        Result(f"{name}: p95", percentile(found.seconds, 0.95) * 1000, "ms",
               f"{len(found.seconds)} of {found.sent} dispatched"),
        Result(f"{name}: p99", percentile(found.seconds, 0.99) * 1000, "ms"),
        Result(f"{name}: cores busy, stack", cores, "cores"),
        Result("resident memory of the stack, idle", idle_bytes / 2**20, "MiB"),
        Result(f"resident memory of the stack after {rate}/s", loaded_bytes / 2**20, "MiB"),
    ]  # fmt: skip


def machine() -> dict[str, object]:
    """Describe the machine that the figures belong to."""
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "python": platform.python_version(),
        "system": platform.platform(),
        "load_before": os.getloadavg(),
    }


def show(results: list[Result], described: dict[str, object]) -> None:
    """Print the table."""
    table = Table(
        title=f"LAPOR pipeline on {described['cores']} cores, load {described['load_before']}"
    )
    for heading in ("what", "figure", "unit", "beside it", "ratio"):
        table.add_column(heading, justify="right" if heading in ("figure", "ratio") else "left")
    for r in results:
        ratio = "" if r.ratio is None else f"{r.ratio:.1f}"
        table.add_row(r.what, f"{r.figure:,.1f}", r.unit, r.beside, ratio)
    out.print(table)


def main() -> None:
    """Run all, print, and write `--json FILE`."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--json", type=Path, default=Path("bench.json"))
    arguments.add_argument("--scale", type=float, default=1.0, help="share of the full counts")
    arguments.add_argument("--only", choices=("stage", "live"), default=None)
    chosen = arguments.parse_args()
    logging.getLogger("aiokafka").setLevel(logging.ERROR)  # new topics have no leader at first
    began, described = time.monotonic(), machine()
    results: list[Result] = []
    if chosen.only != "live":
        with running_stack() as stack:
            results += asyncio.run(one_stage(stack, chosen.scale))
    if chosen.only != "stage":
        results += live(rate=50, seconds=max(5, int(30 * chosen.scale)))
    show(results, described)
    written = {"machine": described, "results": [asdict(r) for r in results]}
    chosen.json.write_text(json.dumps(written, indent=2) + "\n")
    out.print(f"{time.monotonic() - began:.0f} s; written to {chosen.json}")


if __name__ == "__main__":
    main()
