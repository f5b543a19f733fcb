"""How everybody outside speaks: until the broker has acknowledged it, however long that takes."""

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

PAUSE_SECONDS: Final = 0.5


class RetryingProducer:
    """One producer for all; what was acknowledged is written down, a message a line."""

    def __init__(self, kafka: str, journal: Path) -> None:
        self.unsound: set[str] = set()
        self.said: Counter[str] = Counter()  # by kind of gateway
        self.retried = 0
        self._kafka = kafka
        self._journal = journal.open("w", encoding="utf-8")
        self._producer: Any = None
        self._lock = asyncio.Lock()

    async def say(
        self,
        topic: str,
        message_id: str,
        event_type: str,
        body: Mapping[str, object] | bytes,
        *,
        is_sound: bool = True,
    ) -> None:
        """Send a message until it is acknowledged; a repeat after a failure is the same message."""
        value = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = [("ce_type", event_type.encode())]
        if message_id:
            headers.append(("ce_id", message_id.encode()))
        if not is_sound:
            self.unsound.add(f"{topic} {message_id}")
        await self.send(topic, value, headers)
        self.said[topic.split(".")[1]] += 1
        if message_id:
            self._journal.write(f"{topic} {message_id}\n")

    async def send(
        self,
        topic: str,
        value: bytes | None,
        headers: list[tuple[str, bytes]],
        *,
        key: bytes | None = None,
        partition: int | None = None,
    ) -> None:
        """Send a record until it is acknowledged."""
        while True:
            producer: AIOKafkaProducer = None
            try:
                producer = await self._open()
                await producer.send_and_wait(
                    topic, value, key=key, partition=partition, headers=headers
                )
            except (KafkaError, OSError):
                self.retried += 1
                await self._drop(producer)
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                return

    async def _open(self) -> AIOKafkaProducer:
        async with self._lock:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    bootstrap_servers=self._kafka, acks="all", enable_idempotence=True,
                    linger_ms=5, request_timeout_ms=15_000, max_request_size=2 * 1_048_576,
                )  # fmt: skip
                try:
                    await producer.start()
                except BaseException:
                    await producer.stop()
                    raise
                self._producer = producer
            return self._producer

    async def _drop(self, failed: Any) -> None:
        """Give up a producer that failed: it may refuse a partition for ever.

        One that is stopped to the end leaves those waiting who still speak through it (aiokafka).
        """
        if failed is None or failed is not self._producer:
            return  # another has done so
        self._producer = None
        with contextlib.suppress(KafkaError, TimeoutError):
            await asyncio.wait_for(failed.stop(), 5)

    async def close(self) -> None:
        """Close the producer and the journal."""
        await self._drop(self._producer)
        self._journal.close()
