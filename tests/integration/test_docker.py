"""One stage through Kafka and PostgreSQL in containers of the images of docker-compose.yml."""

import gc
import re
import socket
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import asyncpg
import docker
import pytest
from docker.errors import DockerException
from testcontainers.core.container import DockerContainer

from shared.contract.events import ReportAccepted, ReportClass
from shared.contract.topics import INSTITUTION, ROUTING
from shared.contract.tracking import report_id
from tests.integration.stack import Stack
from tests.integration.workers import fresh, header, read, send, worker

ROOT = Path(__file__).parents[2]
PASSWORD = "lapor"
REPORTS = 20
READY_SECONDS_MAX = 90.0

pytestmark = pytest.mark.docker


@dataclass(frozen=True)
class Containers:
    """The two addresses that the helpers of these tests take from a stack."""

    kafka: str
    postgres: str


def image(name: str) -> str:
    """Return the image that docker-compose.yml names, so that both run the same."""
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    (found,) = re.findall(rf"image: ({name}:\S+)", text)
    return str(found)


def an_engine_answers() -> bool:
    """Say whether there is a Docker engine to talk to."""
    with warnings.catch_warnings():
        # Docker's client forgets to close the socket on which nobody answered.
        warnings.simplefilter("ignore", ResourceWarning)
        answers = True
        try:
            with closing(docker.from_env()) as client:
                client.ping()
        except DockerException:
            answers = False
        gc.collect()
    return answers


def free_port() -> int:
    """Return a port nobody listens on; Kafka must know its own before it starts."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def wait_for(container: DockerContainer, command: list[str]) -> None:
    """Wait until a command in the container succeeds; fail with the container's last words."""
    deadline = time.monotonic() + READY_SECONDS_MAX
    while container.exec(command).exit_code != 0:
        if time.monotonic() > deadline:
            output = b"".join(container.get_logs()).decode(errors="replace")
            raise AssertionError(f"{container.image} is not ready:\n{output[-3000:]}")
        time.sleep(0.2)


def kafka(host: str, port: int) -> DockerContainer:
    """Describe a broker as docker-compose.yml has it, without a volume; clients find it there."""
    settings = {
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"HOST://{host}:{port},PLAINTEXT://localhost:9092",
        "KAFKA_LISTENERS": "HOST://:19092,PLAINTEXT://:9092,CONTROLLER://:9093",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": (
            "HOST:PLAINTEXT,PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"
        ),
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_INTER_BROKER_LISTENER_NAME": "PLAINTEXT",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
        "KAFKA_LOG_MESSAGE_TIMESTAMP_TYPE": "LogAppendTime",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "KAFKA_HEAP_OPTS": "-Xms256m -Xmx512m",
    }
    script = str(ROOT / "deploy" / "docker" / "kafka-ready.sh")
    return (
        DockerContainer(image("apache/kafka"))
        .with_bind_ports(19092, port)
        .with_envs(**settings)
        .with_volume_mapping(script, "/kafka-ready.sh", "ro")
    )


def postgres() -> DockerContainer:
    """Describe a database as docker-compose.yml has it, without a volume."""
    return (
        DockerContainer(image("postgres"))
        .with_exposed_ports(5432)
        .with_envs(POSTGRES_USER="lapor", POSTGRES_PASSWORD=PASSWORD, POSTGRES_DB="lapor")
    )


@pytest.fixture(scope="module")
def containers() -> Iterator[Stack]:
    """Yield a broker and a database in containers, gone afterwards."""
    if not an_engine_answers():
        pytest.skip("Not run: no Docker engine answers on this machine.")
    port = free_port()
    with ExitStack() as until_the_end:
        database = until_the_end.enter_context(postgres())
        host = database.get_container_host_ip()  # only a container that runs can tell
        broker = until_the_end.enter_context(kafka(host, port))
        wait_for(broker, ["bash", "/kafka-ready.sh"])
        wait_for(database, ["pg_isready", "-q", "-h", "127.0.0.1", "-U", "lapor", "-d", "lapor"])
        url = f"postgresql://lapor:{PASSWORD}@{host}:{database.get_exposed_port(5432)}/lapor"
        yield cast("Stack", Containers(f"{host}:{port}", url))


def an_accepted(number: int) -> tuple[str, str, ReportAccepted]:
    """Build what routing reads: event id, report id, event."""
    report = report_id(b"tests", "docker", str(number))
    event = ReportAccepted(
        report_id=report,
        institution="6308",
        holding=1,
        by="officer-1",
        report_class=ReportClass.UNSUPERVISED,
        category_id="1397",
    )
    return f"accepted-{number}", report, event


async def test_a_stage_runs_through_the_images_of_compose(containers: Stack) -> None:
    """Every record is decided and answered once; the cases are in the database."""
    await fresh(containers)
    events = [an_accepted(number) for number in range(REPORTS)]
    with worker(containers) as stage:
        stage.wait_ready()
        await send(containers, INSTITUTION, events)
        said = await read(containers, ROUTING.topic(), lambda found: len(found) >= REPORTS)
        assert stage.stop() in (0, -15)
    assert sorted(header(record, "ce_subject") for record in said) == sorted(e[1] for e in events)
    assert {record.timestamp_type for record in said} == {1}  # LogAppendTime
    connection = await asyncpg.connect(containers.postgres)
    try:
        assert await connection.fetchval("SELECT count(*) FROM routing.cases") == REPORTS
    finally:
        await connection.close()
