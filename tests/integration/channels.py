"""Channels and institutions as plain Kafka clients, beside real stages."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import NewTopic

from shared.contract.topics import ANSWERS, SUBMISSIONS
from tests.integration.stack import Stack
from tests.integration.workers import administrator, producer

ANSWER_SECONDS_MAX = 60.0


class Channel:
    """An honest channel: sends reports and waits for the answers."""

    def __init__(self, name: str, made: AIOKafkaProducer, answers: AIOKafkaConsumer) -> None:
        self.name = name
        self._made, self._answers = made, answers
        self._number = 0

    async def send(self) -> str:
        """Send a report; return the id of its message."""
        self._number += 1
        own = f"{self.name}-{self._number}"
        body = {"title": f"Lampu {own}", "body": "Lampu jalan mati sejak kemarin malam."}
        headers = [
            ("ce_id", own.encode()),
            ("ce_type", b"id.go.lapor.channel.submit-report.v1"),
            ("ce_source", b"/test"),
            ("ce_specversion", b"1.0"),
        ]
        topic = SUBMISSIONS.topic(self.name)
        await self._made.send_and_wait(topic, json.dumps(body).encode(), headers=headers)
        return own

    async def answer(self, own: str, seconds: float = ANSWER_SECONDS_MAX) -> dict[str, Any]:
        """Wait for the answer to a message."""
        async with asyncio.timeout(seconds):
            while True:
                answer: dict[str, Any] = json.loads((await self._answers.getone()).value)
                if answer["message_id"] == own:
                    return answer

    async def ask(self) -> float:
        """Return how long an answer took, seconds."""
        begun = time.monotonic()
        answer = await self.answer(await self.send())
        assert answer["outcome"] == "received"
        return time.monotonic() - begun

    async def asks(self, count: int) -> list[float]:
        """Ask so many times, one after the other."""
        return [await self.ask() for _ in range(count)]


@contextlib.asynccontextmanager
async def channel_of(stack: Stack, name: str) -> AsyncIterator[Channel]:
    """Yield a channel that reads its answers from now on."""
    answers = AIOKafkaConsumer(ANSWERS.topic(name), bootstrap_servers=stack.kafka)
    await answers.start()
    try:
        async with producer(stack) as made:
            yield Channel(name, made, answers)
    finally:
        await answers.stop()


async def delete_topic(stack: Stack, topic: str) -> None:
    """Delete a topic, as somebody's slip does."""
    async with administrator(stack) as admin:
        await admin.delete_topics([topic])
        async with asyncio.timeout(30):
            while topic in await admin.list_topics():
                await asyncio.sleep(0.05)


async def create_topic(stack: Stack, topic: str) -> None:
    """Create a topic as `lapor topics apply` would."""
    async with administrator(stack) as admin:
        await admin.create_topics([NewTopic(topic, 1, 1)])
