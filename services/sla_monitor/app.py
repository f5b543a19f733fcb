"""Composition root of the SLA monitor."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Any, Final, get_args

from faststream.asgi import AsgiFastStream

from services.sla_monitor.policy import Policy
from services.sla_monitor.recompute import Recomputer
from services.sla_monitor.rules import MonitoredCase, decide
from services.sla_monitor.store import STORE
from shared.contract.events import Clock
from shared.platform.settings import Settings
from shared.registry import Registry, load
from shared.runtime.process import stage_app
from shared.runtime.stage import Context, Stage

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
        policy_of=partial(policy_of, registry),
        background=(count_overdue, Recomputer(registry)),
        is_latency_tolerant=True,
    )


def policy_of(registry: Registry, lane: MonitoredCase | None) -> Policy:
    """Return the registry as a lane has it: the files, and what was published since."""
    return Policy(registry.amended(lane.changes if lane else ()))


async def count_overdue(context: Context) -> None:
    """Measure how many reports are past the date of their earliest deadline, by its clock."""
    while not context.stopping.is_set():
        rows = await context.pool.fetch(_OVERDUE, context.clock.now())
        counts = {row["next_clock"]: row["count"] for row in rows}
        for clock in get_args(Clock):
            context.meters.overdue(clock, counts.get(clock, 0))
        await asyncio.sleep(_COUNT_SECONDS)
