"""The policy in force when a record came, so that a replay decides by the same one.

The numbers are the national admin's, by its local day.
"""

from collections.abc import Callable
from datetime import timedelta
from functools import cache
from typing import Final, TypeVar

from shared.registry.models import NATIONAL, Policy
from shared.registry.registry import Registry
from shared.rules.decision import Cause

P = TypeVar("P")
PolicyInForce = Callable[[Cause, object, object], P]
_STREAMS_DELAY_MAX: Final = timedelta(seconds=10)
"""Real time: a guess at how far one stream may be behind another while all stages run."""


def policy_at(
    registry: Registry, clock_scale: float, make: Callable[[Policy, timedelta], P]
) -> PolicyInForce[P]:
    """Return a stage's context: its policy at the time of the record.

    `make` is given the numbers and how long a command waits.

    On a scaled clock a day is short; a command waits at least as long as the streams may differ.
    """
    wait_min = _STREAMS_DELAY_MAX * clock_scale

    @cache
    def made(numbers: Policy) -> P:
        return make(numbers, max(timedelta(days=numbers.command_wait_days), wait_min))

    return lambda cause, _lookups, _lane: made(registry.policy(NATIONAL, cause.now))
