"""A new institution and a new channel on a running local stack: files, topics, nothing else."""

import asyncio
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import psutil
import pytest

from deploy.cli.clients.topic_admin import apply
from deploy.local.services import SERVICES, Profile
from deploy.local.stack import DEFAULT_PLAN, down
from deploy.local.state import Plan, read_state
from shared.runtime.health.registry_watch import EX_TEMPFAIL
from tests.integration.registries import a_registry, add_channel, add_institution
from tests.integration.stack import Stack, temporary_home, up_silently
from tests.integration.test_topics import AGENCY, INTAKE, READ_SECONDS_MAX, asked
from tests.integration.workers import Worker

pytestmark = pytest.mark.integration

GATEWAYS = ("intake", "agencies.in")


@pytest.mark.parametrize("profile", ["full", "small"])
def test_a_new_producer_is_served_without_a_restart_by_hand(
    profile: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted from `topics apply`; whether each stage is a process of its own, or all are one."""
    registry = a_registry(tmp_path / "registry")
    monkeypatch.setenv("LAPOR_REGISTRY", str(registry))
    services = tuple(service for service in SERVICES if service.name in GATEWAYS)
    plan = Plan(profile=profile, services=services, provision=DEFAULT_PLAN.provision)
    with temporary_home() as home:
        state = up_silently(home, plan, profile)
        broker = cast("Stack", SimpleNamespace(kafka=state.kafka))
        pages = {slot.service.name: slot.port for child in state.children for slot in child.slots}
        processes = [psutil.Process(child.pid) for child in state.children if child.slots]
        add_institution(registry, "3171")
        add_channel(registry, "telegram")
        asyncio.run(apply(state.kafka))
        began = time.monotonic()
        for gateway, producer in ((AGENCY, "3171"), (INTAKE, "telegram")):
            log = next(Path(child.log) for child in state.children if child.slots)
            page = Worker(cast("Any", None), pages[gateway.stage], log)
            asyncio.run(asked(broker, gateway, producer, page))
            page.wait_ready()
        assert time.monotonic() - began < READ_SECONDS_MAX
        assert not any(process.is_running() for process in processes)
        after = read_state(home)
        assert after is not None
        ended = [(child.restarts, child.exit_code) for child in after.children if child.slots]
        assert ended == [(1, EX_TEMPFAIL)] * len(processes)
        down(home)
