"""Request and reply over a gateway: send to its topic, pair each message with its answer."""

import asyncio
import contextlib
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, Generic, Literal, NamedTuple, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord
from aiokafka.errors import MessageSizeTooLargeError

from deploy.cli.clients.jsonl import LINE_BYTES_MAX
from deploy.cli.clients.kafka import partitions_of, reader, require, writer
from shared.contract.topics import Stream, kebab

A = TypeVar("A")

IN_FLIGHT_MAX: Final = 1_000  # messages that may wait for answers at once
POLL_MS: Final = 100
ID_SHOWN_MAX: Final = 128


class OutgoingMessage(NamedTuple):
    """What to send, or why it cannot be; `key` is what its answer will be known by."""

    number: int
    id: str = ""
    label: str = ""  # what kind it is, for people and for `answer`
    key: str = ""
    value: bytes = b""
    headers: tuple[tuple[str, bytes], ...] = ()
    fault: str = ""
    detail: str = ""

    @property
    def shown_id(self) -> str:
        """The id as every terminal and JSON can show it."""
        return self.id[:ID_SHOWN_MAX].encode("utf-8", "replace").decode()


End = Literal["answered", "not_sent", "no_answer"]


class ReplyOutcome(NamedTuple, Generic[A]):
    """What became of a message."""

    message: OutgoingMessage
    end: End
    answer: A | None = None
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Gateway(Generic[A]):
    """A pair of topics, and how an answer says which message it is for."""

    sends_to: str
    answers_on: str
    key_of: Callable[[ConsumerRecord], str]
    answer: Callable[[OutgoingMessage, ConsumerRecord], A | None]
    """Read a record as the answer to a message; None if it tells something else about it."""


@dataclass
class Exchange(Generic[A]):
    """One run: every message gets one outcome, in the order in which they become known.

    It gives up when nothing was answered for `silence_seconds` though answers are due.
    """

    gateway: Gateway[A]
    silence_seconds: float
    tell: Callable[[ReplyOutcome[A]], None]
    counts: Counter[End] = field(default_factory=Counter)
    _pending: dict[str, deque[OutgoingMessage]] = field(default_factory=dict)
    _room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(IN_FLIGHT_MAX))
    _moved_at: float = field(default_factory=time.monotonic)
    _trouble: BaseException | None = None

    @property
    def unanswered(self) -> int:
        """How many messages were sent and have neither an answer nor been given up."""
        return sum(map(len, self._pending.values()))

    async def run(self, bootstrap: str, messages: AsyncIterator[OutgoingMessage]) -> None:
        """Send all and wait for the answers.

        Raises:
            KafkaError: the broker went away. CliError: the topics do not exist.
        """
        async with reader(bootstrap) as consumer, writer(bootstrap) as producer:
            await require(consumer, [self.gateway.sends_to])
            partitions = await partitions_of(consumer, self.gateway.answers_on)
            consumer.assign(partitions)
            for partition, end in (await consumer.end_offsets(partitions)).items():
                consumer.seek(partition, end)  # answers to come, not those of yesterday
            feeding = asyncio.create_task(self._feed(producer, messages))
            try:
                await self._listen(consumer, feeding)
            finally:
                feeding.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await feeding
        unanswered = [message for queue in self._pending.values() for message in queue]
        self._pending.clear()
        for message in sorted(unanswered):
            self._end(ReplyOutcome(message, "no_answer"))

    async def _listen(self, consumer: AIOKafkaConsumer, feeding: "asyncio.Task[None]") -> None:
        while not feeding.done() or self._pending:
            for records in (await consumer.getmany(timeout_ms=POLL_MS)).values():
                for record in records:
                    self._hear(record)
            if feeding.done():
                feeding.result()
            if self._trouble is not None:
                raise self._trouble
            if self._pending and time.monotonic() - self._moved_at > self.silence_seconds:
                return

    def _hear(self, record: ConsumerRecord) -> None:
        key = self.gateway.key_of(record)
        queue = self._pending.get(key)
        if queue is None:
            return
        answer = self.gateway.answer(queue[0], record)
        if answer is None:
            return
        message = queue.popleft()
        if not queue:
            del self._pending[key]
        self._room.release()
        self._end(ReplyOutcome(message, "answered", answer))

    async def _feed(
        self, producer: AIOKafkaProducer, messages: AsyncIterator[OutgoingMessage]
    ) -> None:
        async for message in messages:
            if message.fault:
                self._end(_not_sent(message, message.fault, message.detail))
                continue
            await self._room.acquire()
            self._moved_at = time.monotonic()
            self._pending.setdefault(message.key, deque()).append(message)
            try:
                sent = await producer.send(
                    self.gateway.sends_to, message.value, headers=list(message.headers)
                )
            except MessageSizeTooLargeError:
                self._take_back(message)
            else:
                sent.add_done_callback(partial(self._confirmed, message))
        await producer.flush()

    def _confirmed(self, message: OutgoingMessage, sent: "asyncio.Future[Any]") -> None:
        trouble = None if sent.cancelled() else sent.exception()
        if isinstance(trouble, MessageSizeTooLargeError):
            self._take_back(message)
        elif trouble is not None:
            self._trouble = trouble

    def _take_back(self, message: OutgoingMessage) -> None:
        queue = self._pending[message.key]
        queue.remove(message)
        if not queue:
            del self._pending[message.key]
        self._room.release()
        detail = f"{len(message.value):,} bytes and its headers of at most {LINE_BYTES_MAX:,}"
        self._end(_not_sent(message, "too_large", detail))

    def _end(self, outcome: ReplyOutcome[A]) -> None:
        self._moved_at = time.monotonic()
        self.counts[outcome.end] += 1
        self.tell(outcome)


def type_named(stream: Stream, name: str) -> str:
    """Return the CloudEvents type of a message by its name, also of one that does not exist."""
    return f"id.go.lapor.{stream.domain}.{kebab(name)}.v1"


def headers_of(message_id: str, event_type: str, source: str) -> tuple[tuple[str, bytes], ...]:
    """Return the CloudEvents headers that a gateway wants."""
    return (
        ("ce_specversion", b"1.0"),
        ("ce_id", message_id.encode("utf-8", "surrogatepass")),
        ("ce_type", event_type.encode("utf-8", "surrogatepass")),
        ("ce_source", source.encode()),
        ("ce_time", datetime.now(UTC).isoformat().encode()),
        ("content-type", b"application/json"),
    )


def _not_sent(message: OutgoingMessage, reason: str, detail: str) -> ReplyOutcome[Any]:
    return ReplyOutcome(message, "not_sent", None, reason, detail)
