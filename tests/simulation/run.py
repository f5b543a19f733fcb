"""Run many histories from the command line, and tell a failing one as short as it gets.

python -m tests.simulation.run --seeds 1:10000
python -m tests.simulation.run --mutations --seeds 1:3000
"""

import argparse
import sys
import textwrap
import time
from collections.abc import Sequence
from itertools import islice

from tests.simulation.history import run, steps_of, story
from tests.simulation.mutations import CAUGHT, HARMLESS, Mutation
from tests.simulation.processes import Parts
from tests.simulation.shrink import shrink

FAILURES_MAX = 3


def caught(mutation: Mutation, seeds: Sequence[int]) -> tuple[int, str] | None:
    """Return the first seed whose history shows that a clause is missing, and what it shows."""
    with mutation.applied() as parts:
        for seed in seeds:
            if found := run(steps_of(seed), parts):
                return seed, found[0]
    return None


def print_failure(seed: int, parts: Parts) -> None:
    """Print a failing history, shrunk, in words and with its numbers."""
    shortest = shrink(steps_of(seed), lambda steps: bool(run(steps, parts)))
    print(f"\nseed {seed}, shrunk to {len(shortest) - 1} steps: {shortest}")
    print(textwrap.indent(story(shortest, parts), "  "))


def run_seeds(seeds: range, only: str) -> int:
    """Run histories on the shell, or with one clause taken back; return the exit code."""
    chosen = next((m for m in (*CAUGHT, *HARMLESS) if only and only in m.name), Mutation("nothing"))
    with chosen.applied() as parts:
        begun = time.process_time()
        failing = list(islice((s for s in seeds if run(steps_of(s), parts)), FAILURES_MAX))
        minutes = (time.process_time() - begun) / 60
        ran = (failing[-1] if len(failing) == FAILURES_MAX else seeds[-1]) - seeds[0] + 1
        print(f"{ran} histories, {ran / minutes:,.0f} per minute of CPU, failing: {failing or 0}")
        for seed in failing:
            print_failure(seed, parts)
    return 1 if failing else 0


def run_mutations(seeds: range) -> int:
    """Print by which seed each clause taken back is noticed; return the exit code."""
    missed = 0
    for mutation in (*CAUGHT, *HARMLESS):
        first = caught(mutation, seeds)
        missed += first is None and mutation in CAUGHT
        result = (
            "not noticed" if first is None else f"{first[0] - seeds[0] + 1:5d}  {first[1][:70]}"
        )
        print(f"{mutation.name:50s} {result}", flush=True)
    return 1 if missed else 0


def main() -> int:
    """Read the command line; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default="1:10001", help="first:beyond the last")
    parser.add_argument("--mutations", action="store_true", help="take each clause back alone")
    parser.add_argument("--without", default="", help="take back the clause of that name")
    options = parser.parse_args()
    first, _, beyond = options.seeds.partition(":")
    seeds = range(int(first), int(beyond or int(first) + 1))
    return run_mutations(seeds) if options.mutations else run_seeds(seeds, options.without)


if __name__ == "__main__":
    sys.exit(main())
