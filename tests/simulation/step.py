"""One step of a history: a number taken apart. 0 is the most harmless step of all."""

from dataclasses import dataclass
from typing import Final

from tests.simulation.processes import Process

STEP_MAX: Final = 2**30 - 1


@dataclass(slots=True)
class Step:
    """What to do, to whom, and two numbers that say how."""

    kind: int
    who: int
    how: int
    more: int
    chosen: Process

    @property
    def most(self) -> int:
        """Return how many records of a partition a batch takes."""
        return 1 + self.more % 4

    @property
    def only(self) -> int | None:
        """Return the one partition that a batch takes, none for all of them."""
        return None if self.how & 64 else self.how >> 7


def parted(number: int) -> tuple[int, int, int, int]:
    """Return a number's kind, who, how and more."""
    return number & 63, number >> 6 & 15, number >> 10 & 1023, number >> 20
