"""Composition root of the SLA monitor."""

import asyncio
from pathlib import Path
from typing import Any, Final, get_args

from faststream.asgi import AsgiFastStream

from services.sla_monitor.policy import Policy
from services.sla_monitor.recompute import Recomputer
from services.sla_monitor.rules import MonitoredCase, decide
from services.sla_monitor.store import STORE
from shared.contract.events import Clock
from shared.platform.settings import Settings
from shared.registry import Change, Registry, load
from shared.rules.decision import Cause
from shared.runtime.process import stage_app
from shared.runtime.stage import Resources, Stage

_COUNT_SECONDS: Final = 5.0
_OVERDUE: Final = """
    SELECT next_clock, count(*) FROM cases WHERE next_deadline < $1 GROUP BY next_clock
"""


def build() -> AsgiFastStream:
    """Compose the stage's process."""
    return stage_app(Settings(), stage_of(load()))


def stage_of(registry: Registry) -> Stage[Any, Any]:
    """Return the stage: its rule, its store, and the registry as its policy."""
    return Stage(
        name="sla-monitor",
        store=STORE,
        migrations=Path(__file__).with_name("migrations"),
        decide=decide,
        context=PolicyOfLane(registry),
        background=(count_overdue, Recomputer(registry)),
        is_latency_tolerant=True,
    )


class PolicyOfLane:
    """Makes a lane's policy: the registry's files and the changes published since.

    The last policy of each lane is kept: its changes are the same for nearly all of its records,
    and the records of a batch come from all lanes in turns.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._without_changes = Policy(registry)
        self._last: dict[int, tuple[tuple[Change, ...], Policy]] = {}  # by the lane's number

    def __call__(self, cause: Cause, _lookups: None, lane: MonitoredCase | None) -> Policy:
        """Return the policy for a record; pure."""
        if lane is None or not lane.changes:
            return self._without_changes
        changes, policy = self._last.get(cause.partition, ((), self._without_changes))
        if changes is not lane.changes:
            policy = Policy(self._registry.amended(lane.changes))
            self._last[cause.partition] = lane.changes, policy
        return policy


async def count_overdue(context: Resources) -> None:
    """Measure how many reports are past the date of their earliest deadline, by its clock."""
    while not context.stopping.is_set():
        rows = await context.pool.fetch(_OVERDUE, context.clock.now())
        counts = {row["next_clock"]: row["count"] for row in rows}
        for clock in get_args(Clock):
            context.meters.overdue(clock, counts.get(clock, 0))
        await asyncio.sleep(_COUNT_SECONDS)
