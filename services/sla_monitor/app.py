"""Composition root of the SLA monitor."""

from pathlib import Path

from faststream.asgi import AsgiFastStream

from services.sla_monitor.policy import Policy
from services.sla_monitor.rules import decide
from services.sla_monitor.store import STORE
from shared.registry import load
from shared.service import stage_app
from shared.settings import Settings
from shared.stage import Stage


def build() -> AsgiFastStream:
    """Compose the stage: its rule, its store, and the registry as its policy."""
    return stage_app(
        Settings(),
        Stage(
            name="sla-monitor",
            store=STORE,
            schema=Path(__file__).with_name("schema.sql"),
            decide=decide,
            policy=Policy(load()),
        ),
    )
