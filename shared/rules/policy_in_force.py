"""The policy in force when a record came, so that a replay decides by the same one.

The numbers are the national admin's, by its local day.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from typing import Final, TypeVar

from pydantic import BaseModel

from shared.registry.models import NATIONAL, Policy
from shared.registry.registry import Registry
from shared.rules.decision import Cause, Decide, Decision

C = TypeVar("C")
P = TypeVar("P")
PolicyAt = Callable[[datetime], P]
_STREAMS_DELAY_MAX: Final = timedelta(seconds=10)
"""Real time: a guess at how far one stream may be behind another while all stages run."""


def policy_at(
    registry: Registry, clock_scale: float, make: Callable[[Policy, timedelta], P]
) -> PolicyAt[P]:
    """Return a stage's policy at a time; `make` is given the numbers and how long a command waits.

    On a scaled clock a day is short; a command waits at least as long as the streams may differ.
    """
    wait_min = _STREAMS_DELAY_MAX * clock_scale

    @cache
    def made(numbers: Policy) -> P:
        return make(numbers, max(timedelta(days=numbers.command_wait_days), wait_min))

    return lambda now: made(registry.policy(NATIONAL, now))


def by_time(decide: Decide[C, P]) -> Decide[C, PolicyAt[P]]:
    """Let a rule decide by the policy in force at the time of its record."""

    def decide_in_force(
        case: C | None, event: BaseModel, cause: Cause, policy: PolicyAt[P], /
    ) -> Decision[C]:
        return decide(case, event, cause, policy(cause.now))

    return decide_in_force
