"""Every topic of the registry is read within 30 s, whenever it came; of no other any."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import GroupCoordinatorNotAvailableError

from deploy.cli.clients.topic_admin import apply
from shared.contract.topics import ANSWERS, INBOX, OUTBOX, SUBMISSIONS, Stream
from shared.runtime.health.registry_watch import EX_TEMPFAIL
from tests.integration import workers
from tests.integration.registries import a_registry, add_channel, add_institution
from tests.integration.stack import Stack
from tests.integration.workers import Worker, administrator, fresh, wait_until, worker

pytestmark = pytest.mark.integration

READ_SECONDS_MAX = 30.0
GREEN_SECONDS_MAX = 15.0
REST_SECONDS_MAX = 60.0


@dataclass(frozen=True)
class Gateway:
    """A stage that reads a family of topics, and where it answers."""

    stage: str
    factory: str
    topics: Stream
    answers: Stream
    add: Callable[[Path, str], None]
    producer: str  # that the registry does not have yet
    other: str  # that it has

    @property
    def env(self) -> dict[str, str]:
        """What the stage finds in its environment."""
        return {"LAPOR_INSTANCE": self.stage}


GATEWAYS = (
    Gateway("agencies.in", "services.agencies.app:build", OUTBOX, INBOX, add_institution,
         "3171", "6308"),
    Gateway("intake", "services.intake.app:build", SUBMISSIONS, ANSWERS, add_channel,
         "telegram", "cli"),
)  # fmt: skip
AGENCY, INTAKE = GATEWAYS


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give this process and those that it starts a registry of their own."""
    folder = a_registry(tmp_path / "registry")
    monkeypatch.setenv("LAPOR_REGISTRY", str(folder))
    return folder


@dataclass
class Asked:
    """One message to a gateway, and what its stage said of itself until it was answered."""

    seconds: float
    green: list[float] = field(default_factory=list)  # seconds after the sending


async def asked(stack: Stack, gateway: Gateway, producer: str, process: Worker) -> Asked:
    """Send what cannot be read, which a gateway answers; fail where no answer comes in 30 s."""
    mine = gateway.answers.topic(producer if gateway.answers.is_family else "")
    consumer = AIOKafkaConsumer(mine, bootstrap_servers=stack.kafka, auto_offset_reset="latest")
    await consumer.start()
    try:
        await consumer.seek_to_end()
        async with workers.producer(stack) as outside:
            await outside.send_and_wait(gateway.topics.topic(producer), b"not even JSON")
        began, green = time.monotonic(), list[float]()
        while (waited := time.monotonic() - began) < READ_SECONDS_MAX:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                if any(is_for(producer, gateway, record.value) for record in records):
                    return Asked(waited, green)
            if (await asyncio.to_thread(process.page, "/readyz"))[0] == 200:
                green.append(waited)
    finally:
        await consumer.stop()
    told = process.log.read_text()[-2000:]
    raise AssertionError(
        f"{producer}: no answer in {READ_SECONDS_MAX} s, ready {green[-1:]}\n{told}"
    )


def is_for(producer: str, gateway: Gateway, value: bytes) -> bool:
    """Say whether an answer is this producer's."""
    return gateway.answers.is_family or json.loads(value).get("institution") == producer


async def answered(stack: Stack, gateway: Gateway, producer: str, process: Worker) -> None:
    """Check that a message is answered in time, and that nothing said ready for long before."""
    found = await asked(stack, gateway, producer, process)
    assert [at for at in found.green if at > GREEN_SECONDS_MAX] == []
    process.wait_ready()


@pytest.fixture(autouse=True)
async def rested(stack: Stack) -> None:
    """Wait until no member of an earlier test is left: a static one counts for ten seconds more."""
    groups = [f"lapor.{gateway.stage}" for gateway in GATEWAYS]
    async with administrator(stack) as made, asyncio.timeout(REST_SECONDS_MAX):
        while any([await _members(made, group) for group in groups]):
            await asyncio.sleep(0.2)


async def _members(made: AIOKafkaAdminClient, group: str) -> int:
    try:
        (response,) = await made.describe_consumer_groups([group])
    except GroupCoordinatorNotAvailableError:
        return 0  # a broker as new has no groups
    (found,) = response.to_object()["groups"]
    return len(found["members"])


async def run_once(stack: Stack, gateway: Gateway, **env: str) -> None:
    """Have a stage take its assignment and answer, then stop it as an operator does."""
    with worker(stack, gateway.factory, {**gateway.env, **env}) as process:
        process.wait_ready()
        await answered(stack, gateway, gateway.other, process)
        await asyncio.to_thread(process.stop)


@pytest.mark.parametrize("gateway", GATEWAYS, ids=lambda gateway: gateway.stage)
async def test_a_producer_that_came_between_two_runs_is_read(
    stack: Stack, registry: Path, gateway: Gateway
) -> None:
    """Files, topics, restart: the way of an operator, and of Docker's `topics` before the stages.

    The same static member comes back, and the broker would hand it its old assignment.
    """
    await fresh(stack)
    await run_once(stack, gateway)
    for again in ("", "x"):  # after a first new topic the group was no better than before
        producer = gateway.producer + again.replace("x", "1")
        gateway.add(registry, producer)
        await apply(stack.kafka)
        with worker(stack, gateway.factory, gateway.env) as process:
            await answered(stack, gateway, producer, process)
            await answered(stack, gateway, gateway.other, process)
            await asyncio.to_thread(process.stop)


@pytest.mark.parametrize("gateway", GATEWAYS, ids=lambda gateway: gateway.stage)
async def test_a_topic_that_is_made_while_its_stage_runs_is_read(
    stack: Stack, registry: Path, gateway: Gateway
) -> None:
    """In the registry, not on the broker: not ready, everybody else is served; then it is read."""
    await fresh(stack)
    gateway.add(registry, gateway.producer)
    with worker(stack, gateway.factory, gateway.env) as process:
        await asked(stack, gateway, gateway.other, process)
        await asyncio.to_thread(
            wait_until, lambda: process.metric("lapor_missing_topics") > 0, "it is missed"
        )
        assert process.page("/readyz")[0] == 503
        await asked(stack, gateway, gateway.other, process)
        await apply(stack.kafka)
        await answered(stack, gateway, gateway.producer, process)
        assert "topics_missing" in process.log.read_text()
        assert process.metric("lapor_missing_topics") == 0


@pytest.mark.parametrize("gateway", GATEWAYS, ids=lambda gateway: gateway.stage)
async def test_a_topic_that_is_made_while_its_stage_is_down_is_read(
    stack: Stack, registry: Path, gateway: Gateway
) -> None:
    """In the registry all along: the same member comes back and is handed its old assignment."""
    await fresh(stack)
    gateway.add(registry, gateway.producer)
    async with administrator(stack) as made:
        await made.delete_topics([gateway.topics.topic(gateway.producer)])
    with worker(stack, gateway.factory, gateway.env) as process:
        await asked(stack, gateway, gateway.other, process)
        await asyncio.to_thread(process.stop)
    await apply(stack.kafka)
    with worker(stack, gateway.factory, gateway.env) as process:
        await answered(stack, gateway, gateway.producer, process)
        assert "assignment_incomplete" in process.log.read_text()
        await asyncio.to_thread(
            wait_until, lambda: process.metric("lapor_unassigned_partitions") == 0, "all is read"
        )


async def test_a_stage_whose_registry_names_fewer_starts_and_reads_the_rest(
    stack: Stack, registry: Path
) -> None:
    """An institution taken out, or the release before: its topic is there, and was assigned."""
    await fresh(stack)
    add_institution(registry, "3171")
    await apply(stack.kafka)
    await run_once(stack, AGENCY)
    await asyncio.to_thread((registry / "institutions" / "3171.toml").unlink)
    with worker(stack, AGENCY.factory, AGENCY.env) as process:
        await answered(stack, AGENCY, "6308", process)


async def test_of_two_processes_of_a_stage_one_takes_what_is_new(
    stack: Stack, registry: Path
) -> None:
    """Both stopped and started, as a release does; then one of them alone."""
    await fresh(stack)
    env = AGENCY.env
    first, second = {**env, "LAPOR_REPLICA": "0"}, {**env, "LAPOR_REPLICA": "1"}
    with worker(stack, AGENCY.factory, first) as a, worker(stack, AGENCY.factory, second) as b:
        for one in (a, b):
            await asyncio.to_thread(one.wait_ready)
        await asyncio.gather(asyncio.to_thread(a.stop), asyncio.to_thread(b.stop))
    add_institution(registry, "3171")
    await apply(stack.kafka)
    with worker(stack, AGENCY.factory, first) as a, worker(stack, AGENCY.factory, second) as b:
        for code in ("3171", "6308", "00"):
            await asked(stack, AGENCY, code, a)
        await asyncio.to_thread(a.kill)
        add_institution(registry, "3172")
        await apply(stack.kafka)
        with worker(stack, AGENCY.factory, first) as c:
            for code in ("3172", "3171"):
                await asked(stack, AGENCY, code, c)
        assert await asyncio.to_thread(b.process.wait, 30) == EX_TEMPFAIL


@pytest.mark.parametrize("gateway", GATEWAYS, ids=lambda gateway: gateway.stage)
async def test_an_outsider_cannot_have_a_topic_of_no_registry_read(
    stack: Stack, gateway: Gateway
) -> None:
    """It looks like a producer's, its answers have no topic: nobody waits for it, nobody reads it.

    Made before the stage starts, and while it runs.
    """
    await fresh(stack)
    names = ("evil", "evil2") if gateway is INTAKE else ("9998", "9999")
    evil = [gateway.topics.topic(name) for name in names]
    await made_and_filled(stack, evil[0])
    with worker(stack, gateway.factory, gateway.env) as process:
        await answered(stack, gateway, gateway.other, process)
        await made_and_filled(stack, evil[1])
        for _ in range(3):
            await answered(stack, gateway, gateway.other, process)
        assert process.metric("lapor_lag_records") == 0
        await asyncio.to_thread(process.stop)
    async with administrator(stack) as asking:
        committed = await asking.list_consumer_group_offsets(f"lapor.{gateway.stage}")
    assert gateway.topics.topic(gateway.other) in {p.topic for p in committed}
    assert {p.topic for p in committed}.isdisjoint(evil)


async def made_and_filled(stack: Stack, topic: str) -> None:
    """Make a topic, as whoever may, and write to it."""
    async with administrator(stack) as made:
        await made.create_topics([NewTopic(topic, 1, 1)])
    async with workers.producer(stack) as outside:
        await outside.send_and_wait(topic, b"not even JSON")


@pytest.mark.parametrize("gateway", GATEWAYS, ids=lambda gateway: gateway.stage)
async def test_a_stage_ends_for_a_registry_with_a_new_producer_and_serves_it_started_again(
    stack: Stack, registry: Path, gateway: Gateway
) -> None:
    """Files and topics on a running stack; whoever supervises starts again what ends with 75."""
    await fresh(stack)
    with worker(stack, gateway.factory, gateway.env) as process:
        process.wait_ready()
        (registry / "institutions" / "3173.toml").write_text("half a file", encoding="utf-8")
        await asyncio.to_thread(
            wait_until, lambda: process.metric("lapor_registry_unreadable") == 1, "it is told"
        )
        await answered(stack, gateway, gateway.other, process)
        assert process.log.read_text().count("registry_unreadable") == 1
        (registry / "institutions" / "3173.toml").unlink()
        gateway.add(registry, gateway.producer)
        await apply(stack.kafka)
        assert await asyncio.to_thread(process.process.wait, 30) == EX_TEMPFAIL
        assert gateway.producer in process.log.read_text()
    with worker(stack, gateway.factory, gateway.env) as process:
        await answered(stack, gateway, gateway.producer, process)
