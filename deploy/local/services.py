"""The processes of the local stack: one row per service, in the order of the pipeline."""

import json
from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import BaseModel

from deploy.local.processes import LOOPBACK

USUAL_HTTP_PORT = 8001  # of the first service; the others follow
TOGETHER = "together"  # the process of the small profile
GRACEFUL_SECONDS = 15  # less than the supervisor's patience, so that a batch in hand is finished

Profile = Literal["full", "small"]


class ServiceSpec(BaseModel, frozen=True):
    """A service: its name, the factory of its ASGI app, and what sets it apart from its twin."""

    name: str
    factory: str
    env: Mapping[str, str] = {}


SERVICES = (
    ServiceSpec(name="intake", factory="services.intake.app:build"),
    ServiceSpec(name="verification.national", factory="services.verification.app:build"),
    ServiceSpec(name="verification.institution", factory="services.verification.app:build"),
    ServiceSpec(name="routing", factory="services.routing.app:build"),
    ServiceSpec(name="follow-up", factory="services.follow_up.app:build"),
    ServiceSpec(name="sla-monitor", factory="services.sla_monitor.app:build"),
    ServiceSpec(name="notifier", factory="services.notifier.app:build"),
    ServiceSpec(name="agencies.in", factory="services.agencies.app:build"),
    ServiceSpec(name="agencies.out", factory="services.agencies.app:build"),
)


class ServiceSlot(BaseModel, frozen=True):
    """A service with the port it was given."""

    service: ServiceSpec
    port: int

    @property
    def http(self) -> str:
        """Where its health, metrics and AsyncAPI pages are."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def env(self) -> dict[str, str]:
        """What this service alone finds in its environment."""
        return {
            **self.service.env,
            "LAPOR_INSTANCE": self.service.name,
            "LAPOR_HTTP_PORT": str(self.port),
        }


def command(slots: Sequence[ServiceSlot]) -> list[str]:
    """Return what follows `python -m` on the command line of the process that hosts these."""
    if len(slots) > 1:
        table = json.dumps([slot.model_dump() for slot in slots])
        return ["deploy.local.single_process", table]
    (slot,) = slots
    return [
        *("uvicorn", slot.service.factory, "--factory"),
        *("--loop", "asyncio", "--host", LOOPBACK, "--port", str(slot.port)),
        *("--timeout-graceful-shutdown", str(GRACEFUL_SECONDS)),
        *(
            "--lifespan",
            "on",
            "--no-access-log",
            "--http",
            "shared.runtime.health.pages:BriefProtocol",
        ),
    ]
