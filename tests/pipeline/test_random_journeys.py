"""Random histories of people, institutions, crossings and crashes; the same invariants after all.

`python -m tests.pipeline.test_random_journeys 0 1000` searches further; a seed that once failed
is kept in `KEPT`.
"""

import sys
from typing import Final

import pytest

from tests.pipeline.harness import Harness
from tests.pipeline.invariants import of_quiet_months, violations
from tests.pipeline.random_actors import RandomActors

KEPT: Final[tuple[int, ...]] = ()
SEEDS: Final = 40  # about 15 s on one core
DEEDS: Final = 120


def history(seed: int) -> tuple[Harness, list[str]]:
    """Run a history and return the violations, at rest and after months of silence."""
    harness = Harness(seed)
    actors = RandomActors(harness)
    for _ in range(DEEDS):
        actors.act()
    harness.run()
    found = violations(harness)
    harness.wait(days=150)
    return harness, [*found, *violations(harness), *of_quiet_months(harness)]


@pytest.mark.parametrize("seed", [*KEPT, *range(SEEDS)])
def test_whatever_happens_the_invariants_hold(seed: int) -> None:
    """One answer each, one payload per id, one opinion of all stages, and always somebody owes."""
    _, found = history(seed)

    assert not found, "\n".join(dict.fromkeys(found))


if __name__ == "__main__":
    for number in range(int(sys.argv[1]), int(sys.argv[2])):
        try:
            failures = history(number)[1]
        except Exception as bug:  # noqa: BLE001 - a search goes on
            failures = [f"raised {bug!r}"]
        if failures:
            print(number, *dict.fromkeys(failures), sep="\n   ", flush=True)
