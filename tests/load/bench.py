"""`make bench`: what a stage and the whole pipeline do here, beside a baseline of the same run.

A benchmark, not a test: it prints, writes JSON, and asserts nothing. Each part has a stack of its
own; what each figure is to reach, and what was seen, is in docs/benchmarks.md.
"""

import argparse
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Final

from tests.load.bench_live import HIGH_SECONDS, high, idle, live, spikes, to_dispatch
from tests.load.bench_lives import lives, lives_stored
from tests.load.bench_stage import one_stage
from tests.load.journey import Journey
from tests.load.results import Result, machine, out, show, write

QUICK: Final = 0.03
"""Share of the full counts in `make bench-quick`."""
Part = Callable[[argparse.Namespace], Iterator[Result]]


def _stage(chosen: argparse.Namespace) -> Iterator[Result]:
    yield from one_stage(chosen.scale)


def _day(chosen: argparse.Namespace) -> Iterator[Result]:
    with Journey() as journey:
        journey.up()
        yield from idle(journey, chosen.scale)
        yield from live(journey, chosen.scale)
        yield from to_dispatch(journey, chosen.scale)
        yield from high(journey, chosen.scale, chosen.high_seconds)


def _small(chosen: argparse.Namespace) -> Iterator[Result]:
    with Journey("small") as journey:
        journey.up()
        yield from idle(journey, chosen.scale, "small")


def _lives(chosen: argparse.Namespace) -> Iterator[Result]:
    with Journey() as journey:
        journey.up()
        empty = list(lives(journey, chosen.scale))
        yield from empty
        yield from lives_stored(journey, chosen.scale, empty[0].figure)
        yield from spikes(journey, chosen.scale)


PARTS: Final = MappingProxyType[str, Part](
    {"stage": _stage, "small": _small, "live": _day, "lives": _lives}
)


def main() -> None:
    """Run the parts named, or all; print, and write `--json FILE`."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--json", type=Path, default=Path("bench.json"))
    arguments.add_argument("--scale", type=float, default=1.0, help="share of the full counts")
    arguments.add_argument("--quick", action="store_const", const=QUICK, dest="scale")
    arguments.add_argument("--only", choices=tuple(PARTS), action="append")
    arguments.add_argument("--high-seconds", type=int, default=HIGH_SECONDS)
    chosen = arguments.parse_args()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # new topics have no leader at first
    began, described = time.monotonic(), machine()
    results: list[Result] = []
    for name in chosen.only or PARTS:
        out.print(f"{name} …")
        results += PARTS[name](chosen)
    show(results, described)
    write(chosen.json, results, described)
    out.print(f"{time.monotonic() - began:.0f} s; written to {chosen.json}")


if __name__ == "__main__":
    main()
