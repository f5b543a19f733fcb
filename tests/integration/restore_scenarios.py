"""A stage whose past is taken away: backups, lost records, recreated topics, and the order."""

import asyncio
import json
import os
from collections.abc import Sequence
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.structs import TopicPartition

from deploy.cli.clients.topic_admin import apply
from shared.contract.envelope import encode
from shared.contract.events import SubmitReport
from shared.contract.topics import INSTITUTION, PARTITIONS, SUBMISSIONS
from tests.integration.all_stages import Ran, ran
from tests.integration.stack import Stack
from tests.integration.test_shell import Event, check, said, some
from tests.integration.workers import fresh, header, producer, send, worker


def restored(stack: Stack, *arguments: str) -> Ran:
    """Run `lapor restored` as an operator."""
    env = {
        **os.environ, "LAPOR_KAFKA": stack.kafka, "LAPOR_POSTGRES": stack.postgres,
        "COLUMNS": "200",
    }  # fmt: skip
    return ran("restored", *arguments, env=env)


async def execute(stack: Stack, *statements: str) -> None:
    """Run statements in one transaction."""
    connection = await asyncpg.connect(stack.postgres)
    try:
        async with connection.transaction():
            for statement in statements:
                await connection.execute(statement)
    finally:
        await connection.close()


async def decided(stack: Stack, count: int, reports: int) -> list[Event]:
    """Let the stage decide so many records of so many reports, and stop it."""
    await fresh(stack)
    sent = some(count, reports)
    await send(stack, INSTITUTION, sent)
    with worker(stack) as process:
        await said(stack, sent)
        process.stop()
    return sent


async def back_up(stack: Stack) -> None:
    """Copy the stage's lanes and cases aside."""
    await execute(
        stack,
        "CREATE SCHEMA backup",
        "CREATE TABLE backup.lanes AS TABLE routing.lanes",
        "CREATE TABLE backup.cases AS TABLE routing.cases",
    )


async def restore(stack: Stack) -> None:
    """Put the copies back."""
    await execute(
        stack,
        "TRUNCATE routing.lanes, routing.cases",
        "INSERT INTO routing.lanes TABLE backup.lanes",
        "INSERT INTO routing.cases TABLE backup.cases",
    )


async def lived(stack: Stack, count: int = 400, reports: int = 40) -> list[Event]:
    """Let the stage decide half, back it up, decide the rest, and restore the backup."""
    await fresh(stack)
    sent = some(count, reports)
    half = count // 2
    await send(stack, INSTITUTION, sent[:half])
    with worker(stack) as process:
        await said(stack, sent[:half])
        process.stop()
    await back_up(stack)
    await send(stack, INSTITUTION, sent[half:])
    with worker(stack) as process:
        await said(stack, sent)
        process.stop()
    await restore(stack)
    return sent


def refused(stack: Stack, why: str) -> None:
    """Start the stage: it ends with 78, and says why and which command to give."""
    with worker(stack) as process:
        assert process.process.wait(30) == 78
        log = process.log.read_text()
    assert why in log
    assert "lapor restored routing" in log


def ordered(stack: Stack, *arguments: str) -> dict[str, Any]:
    """Order what is behind; return what was said of it."""
    done = restored(stack, "routing", *arguments, "--yes", "--json")
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out)
    assert found["is_ordered"]
    return found


async def goes_on(stack: Stack, sent: list[Event], reports: int = 40) -> list[ConsumerRecord]:
    """Start the stage, give it more, and return all it ever said."""
    more = some(reports, reports, start=9_000)
    with worker(stack) as process:
        process.wait_ready()
        await send(stack, INSTITUTION, more)
        records = await said(stack, [*sent, *more])
        process.stop()
    check([*sent, *more], records)
    return records


def in_sequence(records: Sequence[ConsumerRecord]) -> None:
    """See that a report's events are numbered on, also over the restored database."""
    last: dict[str, int] = {}
    for record in records:
        report, number = header(record, "ce_subject"), int(header(record, "sequence"))
        assert number == last.get(report, 0) + 1
        last[report] = number


async def submit(stack: Stack, channel: str, reports: Sequence[tuple[str, SubmitReport]]) -> None:
    """Send submissions as a channel does."""
    async with producer(stack) as made:
        for message_id, report in reports:
            await made.send_and_wait(
                SUBMISSIONS.topic(channel), encode(report),
                headers=[
                    ("ce_id", message_id.encode()),
                    ("ce_type", SUBMISSIONS.type_of(SubmitReport).encode()),
                ],
            )  # fmt: skip


async def ends_of(stack: Stack, topic: str) -> dict[TopicPartition, int]:
    """Return where a topic's partitions end."""
    consumer = AIOKafkaConsumer(bootstrap_servers=stack.kafka)
    await consumer.start()
    try:
        found: dict[TopicPartition, int] = await consumer.end_offsets(
            [TopicPartition(topic, n) for n in range(PARTITIONS)]
        )
    finally:
        await consumer.stop()
    return found


async def remove(stack: Stack, topic: str, before: dict[TopicPartition, int]) -> None:
    """Remove the records before some offsets, as retention does."""
    del topic
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka)
    await admin.start()
    try:
        await admin.delete_records({p: RecordsToDelete(end) for p, end in before.items() if end})
    finally:
        await admin.close()


async def recreate(stack: Stack, topic: str) -> None:
    """Delete a topic and make it anew."""
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka)
    await admin.start()
    try:
        await admin.delete_topics([topic])
        async with asyncio.timeout(30):
            while topic in await admin.list_topics():
                await asyncio.sleep(0.05)
    finally:
        await admin.close()
    await apply(stack.kafka)
