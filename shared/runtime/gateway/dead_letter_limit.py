"""When dead letters mean that a release is bad, and when only that one sender is. Pure.

Whatever one sender or one report does must not stop a stage for all others; a rule that fails for
several of them must, before it drains a topic into the dead letters.
"""

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from typing import Final

from shared.runtime.stage import ShellLimits

DECIDED: Final = ""  # stands in the window for a record that could be decided
LANES_MIN: Final = 2  # at a gateway: so many senders past their own bound are no one sender's doing


def extended(window: deque[str], senders: Sequence[str], records: int) -> deque[str]:
    """Return the window of last records after a batch; `senders` are those of dead letters."""
    longer = deque(window, maxlen=window.maxlen)
    longer.extend([*senders, *[DECIDED] * (records - len(senders))])
    return longer


def of_each(window: Iterable[str]) -> Counter[str]:
    """Count the dead letters of each sender."""
    return Counter(sender for sender in window if sender != DECIDED)


def counted(window: Sequence[str], limits: ShellLimits, *, is_gateway: bool) -> int:
    """Return how many of the window's dead letters count against the stage's limit.

    In the core of one report no more than its own bound. At a gateway the senders are few, so all
    count once several of them are past it, and else no more than the bound of each.
    """
    own, own_max = of_each(window), limits.dead_letter_own_max
    if is_gateway and sum(n >= own_max for n in own.values()) >= LANES_MIN:
        return own.total()
    return sum(min(n, own_max) for n in own.values())


def is_past(window: Sequence[str], limits: ShellLimits, *, is_gateway: bool) -> bool:
    """Return whether the stage must stop."""
    count = counted(window, limits, is_gateway=is_gateway)
    share = count / max(1, len(window))
    return count >= limits.dead_letter_count_max and share > limits.dead_letter_share_max
