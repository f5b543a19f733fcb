"""Compose routing: the registry's directories and numbers around the rule."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from faststream.asgi import AsgiFastStream

from services.routing.case import Policy
from services.routing.directory import Directories
from services.routing.rules import decide
from services.routing.store import STORE
from shared.platform.settings import Settings
from shared.registry import Policy as Numbers
from shared.registry import Registry, load
from shared.rules.policy_in_force import policy_at
from shared.runtime.process import stage_app
from shared.runtime.stage import Stage


def build() -> AsgiFastStream:
    """Compose the stage's process."""
    settings = Settings()
    return stage_app(settings, stage_of(settings, load()))


def stage_of(settings: Settings, registry: Registry) -> Stage[Any, Any]:
    """Return the stage."""
    directories = Directories(
        {code: registry.directory(code) for code in registry.institutions},
        frozenset(registry.units),
    )

    def policy(numbers: Numbers, command_wait: timedelta) -> Policy:
        return Policy(directories, numbers.unit_returns_max, command_wait)

    return Stage(
        name="routing",
        store=STORE,
        migrations=Path(__file__).with_name("migrations"),
        decide=decide,
        context=policy_at(registry, settings.clock_scale, policy),
    )
