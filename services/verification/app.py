"""Compose the national or the institution stage, as `LAPOR_INSTANCE` says."""

from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from faststream.asgi import AsgiFastStream

from services.verification.case import Policy
from services.verification.institution import decide_institution
from services.verification.national import decide_national
from services.verification.store import INSTITUTION, NATIONAL
from shared.platform.settings import Settings
from shared.registry import Policy as Numbers
from shared.registry import Registry, load
from shared.rules.policy_in_force import policy_at
from shared.runtime.process import stage_app
from shared.runtime.stage import Stage

_MIGRATIONS: Final = Path(__file__).with_name("migrations")


def build() -> AsgiFastStream:
    """Compose this process's stage.

    Raises:
        ValueError: `LAPOR_INSTANCE` names no level of verification.
    """
    settings = Settings()
    return stage_app(settings, stage_of(settings, load()))


def stage_of(settings: Settings, registry: Registry) -> Stage[Any, Any]:
    """Return the stage of the level that the settings name."""

    def policy(numbers: Numbers, command_wait: timedelta) -> Policy:
        return Policy(
            institutions=frozenset(registry.institutions),
            is_automatic=True,
            confidence_min=numbers.auto_forward_confidence,
            returns_max=numbers.returns_max,
            command_wait=command_wait,
        )

    name, context = settings.instance, policy_at(registry, settings.clock_scale, policy)
    match name:
        case "verification.national":
            return Stage(name, NATIONAL, _MIGRATIONS, decide_national, context)
        case "verification.institution":
            return Stage(name, INSTITUTION, _MIGRATIONS, decide_institution, context)
    raise ValueError(
        f"LAPOR_INSTANCE is {name!r}; set verification.national or verification.institution"
    )
