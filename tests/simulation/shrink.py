"""Make a failing history short: leave steps out, and make the rest smaller, while it fails."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

TRIES_MAX: Final = 4_000
_FIELDS: Final = ((20, 1023), (10, 1023), (6, 15), (0, 63))  # of a step, see `history.Step`


def shrink(steps: Sequence[int], fails: Callable[[Sequence[int]], bool]) -> list[int]:
    """Return a history that still fails, from which nothing more can be left out.

    The first number is the history's setting and stays in its place.
    """
    best, left = list(steps), TRIES_MAX
    while left:
        for shorter in _simpler(best):
            left -= 1
            if fails(shorter):
                best = shorter
                break
            if not left:
                break
        else:
            return best
    return best


def _simpler(steps: list[int]) -> Iterator[list[int]]:
    size = max(1, len(steps) // 2)
    while size:
        for at in range(len(steps) - size, 0, -size):
            yield steps[:at] + steps[at + size :]
        size //= 2
    for at, step in enumerate(steps):
        for smaller in _smaller(step):
            yield [*steps[:at], smaller, *steps[at + 1 :]]


def _smaller(step: int) -> Iterator[int]:
    for shift, mask in _FIELDS:
        value = step >> shift & mask
        for less in dict.fromkeys((0, value // 2, value - 1)):
            if 0 <= less < value:
                yield step & ~(mask << shift) | less << shift
