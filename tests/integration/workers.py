"""Stages as real processes, and plain clients that feed and read their topics."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient
from pydantic import BaseModel

from deploy.cli.clients.topic_admin import apply
from shared.contract.envelope import encode, event_headers
from shared.contract.topics import Stream
from shared.runtime.writer import partition_of
from shared.vault.key_text import new_key_text
from tests.integration.stack import Stack

READY_SECONDS_MAX = 60.0
KEYS = {"LAPOR_MASTER_KEY": new_key_text(), "LAPOR_DEAD_LETTER_KEY": new_key_text()}


@dataclass
class Worker:
    """A stage's process."""

    process: "subprocess.Popen[bytes]"
    port: int
    log: Path

    def page(self, path: str) -> tuple[int, str]:
        """Return a page's status and text; 0 while nothing answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as page:
                return page.status, page.read().decode()
        except urllib.error.HTTPError as answer:
            return answer.code, answer.read().decode()
        except OSError:
            return 0, ""

    def metric(self, line: str) -> float:
        """Return a metric's value by the beginning of its line, 0 when absent."""
        for found in self.page("/metrics")[1].splitlines():
            if found.startswith(line):
                return float(found.rsplit(" ", 1)[1])
        return 0.0

    def wait_ready(self) -> "Worker":
        """Wait until the stage consumes."""
        wait_until(lambda: self.page("/readyz")[0] == 200 or self._ended(), "the worker is ready")
        return self

    def _ended(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"the worker ended:\n{self.log.read_text()[-3000:]}")
        return False

    def kill(self) -> None:
        """End it without warning."""
        self.process.kill()
        self.process.wait(30)

    def stop(self) -> int:
        """Ask it to end; return its exit code."""
        self.process.terminate()
        return self.process.wait(30)


@contextlib.contextmanager
def worker(
    stack: Stack,
    factory: str = "tests.integration.echo:build",
    env: Mapping[str, str] | None = None,
    loop: str = "asyncio",
) -> Iterator[Worker]:
    """Start a process; it has ended afterwards."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        migrations, log = Path(folder) / "echo" / "migrations", Path(folder) / "log"
        migrations.mkdir(parents=True)
        (migrations / "0001_nothing.sql").write_text("SELECT 1;")
        full = {
            **os.environ,
            **KEYS,
            "LAPOR_KAFKA": stack.kafka,
            "LAPOR_POSTGRES": stack.postgres,
            "LAPOR_TEST_MIGRATIONS": str(migrations),
            **(env or {}),
        }
        command = [
            sys.executable, "-m", "uvicorn", factory, "--factory", "--loop", loop,
            "--port", str(port), "--log-level", "warning", "--lifespan", "on",
            "--timeout-graceful-shutdown", "15",
            "--http", "shared.runtime.health.pages:BriefProtocol",
        ]  # fmt: skip
        with log.open("wb") as output:
            process = subprocess.Popen(command, env=full, stdout=output, stderr=output)
        try:
            yield Worker(process, port, log)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait(30)


@contextlib.asynccontextmanager
async def held(stack: Stack, lock: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """Hold a lock of the database, until left or until the server dies."""
    holder = await asyncpg.connect(stack.postgres)
    try:
        await holder.execute(f"BEGIN; {lock}")
        yield holder
    finally:
        holder.terminate()


async def is_held_up(process: Worker, holder: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Wait until somebody waits for a lock that is held."""
    async with asyncio.timeout(READY_SECONDS_MAX):
        while not await holder.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            assert process.process.poll() is None
            await asyncio.sleep(0.05)


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
    """Wait for a condition, and say what never came true."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.05)


@contextlib.asynccontextmanager
async def administrator(stack: Stack) -> AsyncIterator[AIOKafkaAdminClient]:
    """Yield an admin client."""
    made = AIOKafkaAdminClient(bootstrap_servers=stack.kafka)
    await made.start()
    try:
        yield made
    finally:
        await made.close()


async def fresh(stack: Stack) -> None:
    """Make the cluster and the database as new: no records, no cases, no committed offsets."""
    async with administrator(stack) as admin:
        ours = [t for t in await admin.list_topics() if t.startswith("lapor.")]
        if ours:
            await admin.delete_topics(ours)
        async with asyncio.timeout(30):
            while any(t.startswith("lapor.") for t in await admin.list_topics()):
                await asyncio.sleep(0.05)
    await apply(stack.kafka)
    connection = await asyncpg.connect(stack.postgres)
    try:
        names = await connection.fetch(
            "SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%' "
            "AND nspname NOT IN ('public', 'information_schema')"
        )
        for row in names:
            await connection.execute(f'DROP SCHEMA "{row["nspname"]}" CASCADE')
    finally:
        await connection.close()


@contextlib.asynccontextmanager
async def producer(stack: Stack) -> AsyncIterator[AIOKafkaProducer]:
    """Yield a plain producer."""
    made = AIOKafkaProducer(bootstrap_servers=stack.kafka, acks="all", enable_idempotence=True)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


async def send(stack: Stack, stream: Stream, events: Sequence[tuple[str, str, BaseModel]]) -> None:
    """Send (event id, report id, event) to a stream, in order, as another stage would."""
    async with producer(stack) as made:
        sent = []
        for event_id, report_id, event in events:
            key = report_id.encode()
            headers = event_headers(
                event_id=event_id,
                event_type=stream.type_of(type(event)),
                source="/test",
                subject=report_id,
                time=datetime.now(UTC),
                causation_id="",
                correlation_id=report_id,
                sequence=1,
            )
            sent.append(
                await made.send(
                    stream.topic(),
                    encode(event),
                    key=key,
                    partition=partition_of(key),
                    headers=headers,
                )
            )
        await asyncio.gather(*sent)


async def read(
    stack: Stack, topic: str, enough: Callable[[list[ConsumerRecord]], bool], seconds: float = 60
) -> list[ConsumerRecord]:
    """Read a topic from its start until there is enough, then until it falls silent."""
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=stack.kafka, auto_offset_reset="earliest")
    await consumer.start()
    found: list[ConsumerRecord] = []
    try:
        async with asyncio.timeout(seconds):
            while not enough(found):
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found.extend(records)
            while more := await consumer.getmany(timeout_ms=300):
                for records in more.values():
                    found.extend(records)
    except TimeoutError:
        raise AssertionError(f"{topic}: only {len(found)} records in {seconds} s") from None
    finally:
        await consumer.stop()
    return found


def header(record: ConsumerRecord, name: str) -> str:
    """Return a header's text."""
    return str(dict(record.headers)[name].decode())
