"""Compose the national or the institution stage, as `LAPOR_INSTANCE` says."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from faststream.asgi import AsgiFastStream
from pydantic import BaseModel

from services.verification.institution import Institution, decide_institution
from services.verification.national import National, decide_national
from services.verification.rules import NATIONAL_ADMIN, Policy
from services.verification.store import INSTITUTION, NATIONAL
from shared.decision import Cause, Decision
from shared.registry.load import load
from shared.registry.registry import Registry
from shared.service import stage_app
from shared.settings import Settings
from shared.stage import Stage

PolicyAt = Callable[[datetime], Policy]
_SCHEMA: Final = Path(__file__).with_name("schema.sql")
_STREAMS_DELAY_MAX: Final = timedelta(seconds=10)
"""Real time: a guess at how far one stream may be behind another while all stages run."""


def build() -> AsgiFastStream:
    """Compose this process's stage.

    Raises:
        ValueError: `LAPOR_INSTANCE` names no level of verification.
    """
    settings = Settings()
    return stage_app(settings, stage_of(settings, load()))


def stage_of(settings: Settings, registry: Registry) -> Stage[Any, Any]:
    """Return the stage of the level that the settings name."""
    policy = policy_at(settings, registry)
    match settings.instance:
        case "verification.national":
            return Stage(settings.instance, NATIONAL, _SCHEMA, _national, policy)
        case "verification.institution":
            return Stage(settings.instance, INSTITUTION, _SCHEMA, _institution, policy)
    raise ValueError(
        f"LAPOR_INSTANCE is {settings.instance!r}; "
        "set verification.national or verification.institution"
    )


def policy_at(settings: Settings, registry: Registry) -> PolicyAt:
    """Return the national policy in force at a time, so that a replay decides by the same one.

    On a scaled clock a day is short; a command waits at least as long as the streams may differ.
    """
    zone = ZoneInfo(registry.institution(NATIONAL_ADMIN).time_zone)
    institutions = frozenset(registry.institutions)
    wait_min = _STREAMS_DELAY_MAX * settings.clock_scale

    @cache
    def on(day: date) -> Policy:
        found = registry.policy(NATIONAL_ADMIN, day)
        return Policy(
            institutions=institutions,
            confidence_min=found.auto_forward_confidence,
            returns_max=found.returns_max,
            command_wait=max(timedelta(days=found.command_wait_days), wait_min),
        )

    return lambda now: on(now.astimezone(zone).date())


def _national(
    case: National | None, event: BaseModel, cause: Cause, policy: PolicyAt
) -> Decision[National]:
    return decide_national(case, event, cause, policy(cause.now))


def _institution(
    case: Institution | None, event: BaseModel, cause: Cause, policy: PolicyAt
) -> Decision[Institution]:
    return decide_institution(case, event, cause, policy(cause.now))
