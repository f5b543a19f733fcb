"""Looking for an input that is dealt with wrongly, and making it as small as it can be."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from tests.fuzz.grammar import Batch, Input, drawn
from tests.fuzz.memory import Target


class Finding(NamedTuple):
    """An input that is dealt with wrongly: how to draw it again, and what is wrong."""

    seed: int
    number: int
    error: str
    smallest: Input

    def __str__(self) -> str:
        again = f"python -m tests.fuzz --case {self.seed}:{self.number}"
        return f"{again}\n  {self.error}\n  smallest: {self.smallest!r}"


def hunt(target: Target, seed: int, numbers: range) -> Finding | None:
    """Try inputs of a seed; return the first that is dealt with wrongly, shrunk."""
    reports = target.reports
    for number in numbers:
        given = drawn(seed, number, reports)
        error = fault(target, given)
        if error is not None:
            smallest = shrunk(given, partial(_is_alike, target, error))
            return Finding(seed, number, fault(target, smallest) or error, smallest)
    return None


def _is_alike(target: Target, error: str, given: Input) -> bool:
    found = fault(target, given)
    return found is not None and found.partition(":")[0] == error.partition(":")[0]


def fault(target: Target, given: Input) -> str | None:
    """Return how an input is dealt with wrongly, as the error's name and words."""
    try:
        target.take(given)
    except Exception as wrong:  # noqa: BLE001 - whatever it is, it is what we look for
        return f"{type(wrong).__name__}: {wrong}"
    return None


def shrunk(given: Input, is_wrong: Callable[[Input], bool]) -> Input:
    """Return the smallest like it that is still wrong: each step leaves something out."""
    if not isinstance(given, Batch):
        return given
    while True:
        for smaller in given.smaller():
            if is_wrong(smaller):
                given = smaller
                break
        else:
            return given
