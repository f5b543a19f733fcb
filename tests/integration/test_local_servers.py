"""The broker and the database of the local stack are real, durable, and survive a crash."""

import asyncio

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.integration.stack import Stack

pytestmark = pytest.mark.integration


async def ask(url: str, question: str) -> str:
    """Return the answer to one SQL question."""
    connection = await asyncpg.connect(url)
    try:
        return str(await connection.fetchval(question))
    finally:
        await connection.close()


@pytest.mark.parametrize("setting", ["fsync", "full_page_writes", "synchronous_commit"])
async def test_the_database_is_durable(stack: Stack, setting: str) -> None:
    """A commit that was answered is on the disk."""
    assert await ask(stack.postgres, f"show {setting}") == "on"


async def test_the_database_lets_nobody_in_without_the_password(stack: Stack) -> None:
    """Other users of the machine reach the port, not the data."""
    with pytest.raises(asyncpg.InvalidPasswordError):
        await ask(stack.postgres.replace("lapor:", "lapor:not-"), "select 1")


async def test_a_crashed_database_comes_back_with_its_data(stack: Stack) -> None:
    """The fixture's restart is a crash with recovery, at the same address."""
    await ask(stack.postgres, "create table kept as select 42 as answer")
    await asyncio.to_thread(stack.restart_postgres)
    assert await ask(stack.postgres, "select answer from kept") == "42"


async def test_the_broker_makes_no_topic_unasked(stack: Stack) -> None:
    """A misspelt topic is an error, not a new topic."""
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka)
    await admin.start()
    try:
        await admin.create_topics([NewTopic("asked-for", 1, 1)])
        assert "asked-for" in await admin.list_topics()
        assert "unasked" not in await admin.list_topics()
    finally:
        await admin.close()


async def test_a_killed_broker_comes_back_with_its_records(stack: Stack) -> None:
    """The same address, the same log, after kill -9."""
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka)
    await admin.start()
    await admin.create_topics(
        [NewTopic("kept", 1, 1, topic_configs={"max.message.bytes": str(2 * 1024 * 1024)})]
    )
    await admin.close()
    assert await send(stack.kafka, "kept", bytes(1_500_000)) == 0
    await asyncio.to_thread(stack.kill_kafka)
    await asyncio.to_thread(stack.start_kafka)
    assert await send(stack.kafka, "kept", b"second") == 1


async def send(address: str, topic: str, value: bytes) -> int:
    """Send one record durably and return its offset."""
    async with AIOKafkaProducer(
        bootstrap_servers=address, acks="all", max_request_size=2 * 1024 * 1024
    ) as producer:
        return int((await producer.send_and_wait(topic, value)).offset)
