"""Where the stack is that the caller means: its broker, its database and its clock."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from deploy.cli.clients.kafka import KAFKA_VARIABLE, kafka_address
from deploy.cli.clients.postgres import postgres_address
from shared.platform.clock import Clock
from shared.platform.settings import Settings

STAGE: Final = "sla-monitor"


@dataclass(frozen=True, slots=True)
class StackAddress:
    """A stack's broker (host:port), its database (URL), and how it maps time."""

    kafka: str
    postgres: str = field(repr=False)  # it holds a password
    clock: Clock


def place(environ: Mapping[str, str] = os.environ) -> StackAddress:
    """Return where the stack is that the caller means: by LAPOR_KAFKA and LAPOR_POSTGRES, or local.

    A local stack's clock is that of its plan, another's that of LAPOR_CLOCK_….

    Raises:
        LocalStackError: neither is there.
    """
    kafka, postgres = kafka_address(environ), postgres_address(environ)
    is_named = environ.get(KAFKA_VARIABLE, "").strip()
    return StackAddress(
        kafka, postgres, Clock.of(Settings()) if is_named else _local_clock(environ)
    )


def _local_clock(environ: Mapping[str, str]) -> Clock:
    from deploy.local.paths import default_home  # noqa: PLC0415  an image for production
    from deploy.local.state import read_plan  # noqa: PLC0415  cannot import them

    plan = read_plan(default_home(environ))
    told = next((s.env for s in plan.services if s.name == STAGE), {}) if plan else {}
    return Clock.of(
        Settings(
            clock_scale=float(told.get("LAPOR_CLOCK_SCALE", 1)),
            clock_real_origin=told.get("LAPOR_CLOCK_REAL_ORIGIN", ""),
            clock_business_origin=told.get("LAPOR_CLOCK_BUSINESS_ORIGIN", ""),
        )
    )
