"""`python -m tests.fuzz [--seeds A:B] [--count N] [--case SEED:NUMBER]`: many inputs, in memory.

Each seed gives `count` inputs; the seeds are shared out over the cores. Exit code 0: every input
was dealt with as it must be; 1: the first that was not is printed, shrunk, with how to try it
again.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Final

from tests.fuzz.grammar import drawn
from tests.fuzz.hunt import Finding, fault, hunt
from tests.fuzz.memory import Target

PIECE: Final = 5_000  # inputs between two words of how far it is


def _piece(seed: int, start: int, end: int) -> Finding | None:
    global _target  # noqa: PLW0603 - one for each process of the pool
    if _target is None:
        _target = Target()
    return hunt(_target, seed, range(start, end))


_target: Target | None = None


def _pieces(seeds: range, count: int) -> Iterator[tuple[int, int, int]]:
    for seed in seeds:
        for start in range(0, count, PIECE):
            yield seed, start, min(start + PIECE, count)


def _again(case: str) -> int:
    seed, number = map(int, case.split(":"))
    target = Target()
    given = drawn(seed, number, target.reports)
    error = fault(target, given)
    print(given, error or "is dealt with as it must be", sep="\n")
    return 1 if error else 0


def main() -> int:
    """Try them all; print how many, how fast, and the first that is wrong."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seeds", default="1:2", help="from and before, 1:5")
    arguments.add_argument("--count", type=int, default=50_000, help="inputs of each seed")
    arguments.add_argument("--case", help="one input again, SEED:NUMBER")
    chosen = arguments.parse_args()
    if chosen.case:
        return _again(chosen.case)
    first, _, before = chosen.seeds.partition(":")
    seeds = range(int(first), int(before or int(first) + 1))
    pieces = list(_pieces(seeds, chosen.count))
    began, done = time.monotonic(), 0
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        running = {pool.submit(_piece, *piece): piece for piece in pieces}
        for ended in as_completed(running):
            if finding := ended.result():
                print(finding, flush=True)
                pool.shutdown(wait=False, cancel_futures=True)
                return 1
            _, start, end = running[ended]
            done += end - start
            rate = done / (time.monotonic() - began)
            print(f"{done:,} of {len(seeds) * chosen.count:,} inputs, {rate:,.0f}/s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
