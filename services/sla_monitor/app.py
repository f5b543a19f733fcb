"""Composition root of the SLA monitor."""

from pathlib import Path
from typing import Any

from faststream.asgi import AsgiFastStream

from services.sla_monitor.policy import Policy
from services.sla_monitor.rules import decide
from services.sla_monitor.store import STORE
from shared.registry import Registry, load
from shared.service import stage_app
from shared.settings import Settings
from shared.stage import Stage


def build() -> AsgiFastStream:
    """Compose the stage's process."""
    return stage_app(Settings(), stage_of(load()))


def stage_of(registry: Registry) -> Stage[Any, Any]:
    """Return the stage: its rule, its store, and the registry as its policy."""
    return Stage(
        name="sla-monitor",
        store=STORE,
        schema=Path(__file__).with_name("schema.sql"),
        decide=decide,
        policy=Policy(registry),
    )
