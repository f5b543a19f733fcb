"""Compose follow-up: the policy's numbers around the rule."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from faststream.asgi import AsgiFastStream
from pydantic import BaseModel

from services.follow_up.case import FollowUpCase, Policy
from services.follow_up.rules import STAGE, decide
from services.follow_up.store import STORE
from shared.decision import Cause, Decision
from shared.registry.load import load
from shared.registry.registry import NATIONAL, Registry
from shared.service import stage_app
from shared.settings import Settings
from shared.stage import Stage

PolicyAt = Callable[[datetime], Policy]
_SCHEMA: Final = Path(__file__).with_name("schema.sql")
_STREAMS_DELAY_MAX: Final = timedelta(seconds=10)
"""Real time: a guess at how far one stream may be behind another while all stages run."""


def build() -> AsgiFastStream:
    """Compose the stage's process."""
    settings = Settings()
    return stage_app(settings, stage_of(settings, load()))


def stage_of(settings: Settings, registry: Registry) -> Stage[Any, Any]:
    """Return the stage."""
    return Stage(STAGE, STORE, _SCHEMA, _decide, policy_at(settings, registry))


def policy_at(settings: Settings, registry: Registry) -> PolicyAt:
    """Return the policy in force at a time, so that a replay decides by the same one.

    Its numbers are national. On a scaled clock a day is short; a command waits at least as long as
    the streams may differ.
    """
    zone = ZoneInfo(registry.institution(NATIONAL).time_zone)
    wait_min = _STREAMS_DELAY_MAX * settings.clock_scale

    @cache
    def on(day: date) -> Policy:
        found = registry.policy(NATIONAL, day)
        return Policy(
            reopen_days=found.reopen_days,
            command_wait=max(timedelta(days=found.command_wait_days), wait_min),
        )

    return lambda now: on(now.astimezone(zone).date())


def _decide(
    case: FollowUpCase | None, event: BaseModel, cause: Cause, policy: PolicyAt
) -> Decision[FollowUpCase]:
    return decide(case, event, cause, policy(cause.now))
