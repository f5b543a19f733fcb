"""Both gateways as real processes, an honest sender at each, and an ear for every answer."""

import asyncio
import contextlib
import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from shared.contract.topics import AGENCIES, ANSWERS, INBOX, OUTBOX, PARTITIONS, SUBMISSIONS
from tests.integration.stack import Stack
from tests.integration.workers import Worker, fresh, worker
from tests.senders.poisons import Letter
from tests.senders.produce import RawProducer

CHANNEL, OTHER_CHANNEL = "api", "website"
AGENCY, OTHER_AGENCY = "3204", "6308"
PAUSE_SECONDS: Final = 0.05  # between two messages of an honest sender
UNPACED: Final = {"LAPOR_REFUSED_PER_MINUTE_MAX": "1000000"}  # each message is to have its answer
LOOK_SECONDS: Final = 0.01
APPS: Final = {"intake": "services.intake.app:build", "agencies.in": "services.agencies.app:build"}
SENDERS: Final = {"intake": (CHANNEL, OTHER_CHANNEL), "agencies.in": (AGENCY, OTHER_AGENCY)}
_SUBMISSION: Final = {"title": "Lampu", "body": "Lampu jalan di depan pasar padam sejak Senin."}


class Answer(NamedTuple):
    """What a gateway said of a message: to whom, and as it stands in the log."""

    producer: str
    message_id: str
    reason: str  # empty: it was taken
    body: dict[str, Any]
    at: float  # monotonic seconds


def submission(channel: str) -> Letter:
    """Return an honest report of a channel."""
    return Letter(
        SUBMISSIONS.topic(channel), b"id.go.lapor.channel.submit-report.v1",
        json.dumps(_SUBMISSION).encode(), "attachments",
    )  # fmt: skip


def command(institution: str, report_id: str) -> Letter:
    """Return an honest command of an institution."""
    body = {
        "report_id": report_id, "holding": 1, "by": "petugas",
        "report_class": "Permintaan Informasi",
    }  # fmt: skip
    value = json.dumps(body).encode()
    return Letter(OUTBOX.topic(institution), b"id.go.lapor.agency.accept.v1", value, "note")


def answer_of(record: ConsumerRecord) -> Answer:
    """Read an answer on its sender's own topic, or a command that the gateway let through."""
    body = json.loads(record.value)
    is_through = record.topic == AGENCIES.topic()
    producer = body["institution"] if is_through else record.topic.split(".")[2]
    reason = "" if is_through else body.get("reason") or ""
    return Answer(producer, body.get("message_id") or "", reason, body, time.monotonic())


@dataclass
class Gateways:
    """A run of both gateways; `well` is false once somebody has hurt them for good."""

    stack: Stack
    raw: RawProducer
    workers: dict[str, Worker]
    report_id: str = ""  # of the first honest report
    letters: dict[str, tuple[Letter, Letter]] = field(default_factory=dict)  # stranger's, honest
    answers: dict[str, list[Answer]] = field(default_factory=lambda: defaultdict(list))
    sent: dict[tuple[str, str], float] = field(default_factory=dict)  # honest, not yet answered
    latencies: list[tuple[float, str, float]] = field(default_factory=list)  # sent at, gateway, s
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    # ---- the honest

    async def listen(self) -> None:
        """Take up every answer as it comes."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.stack.kafka, group_id=None, auto_offset_reset="earliest",
            max_partition_fetch_bytes=8 * 1_048_576,
        )  # fmt: skip
        await consumer.start()
        topics = [TopicPartition(ANSWERS.topic(c), 0) for c in SENDERS["intake"]]
        topics += [TopicPartition(INBOX.topic(c), 0) for c in SENDERS["agencies.in"]]
        topics += [TopicPartition(AGENCIES.topic(), n) for n in range(PARTITIONS)]
        consumer.assign(topics)
        try:
            async for record in consumer:
                self._take(answer_of(record))
        finally:
            await consumer.stop()

    def _take(self, answer: Answer) -> None:
        self.answers[answer.producer].append(answer)
        began = self.sent.pop((answer.producer, answer.message_id), None)
        if began is not None:
            gateway = "intake" if answer.producer == OTHER_CHANNEL else "agencies.in"
            self.latencies.append((began, gateway, answer.at - began))

    async def send_honestly(self, gateway: str) -> None:
        """Send an honest message to a gateway every 50 ms, as somebody else than the stranger."""
        sender, letter = SENDERS[gateway][1], self.letters[gateway][1]
        producer = AIOKafkaProducer(bootstrap_servers=self.stack.kafka, acks="all")
        await producer.start()
        try:
            for number in range(1_000_000):
                own = f"honest-{number}"
                self.sent[sender, own] = time.monotonic()
                headers = [("ce_id", own.encode()), ("ce_type", letter.kind)]
                await producer.send_and_wait(letter.topic, letter.value, headers=headers)
                await asyncio.sleep(PAUSE_SECONDS)
        finally:
            await producer.stop()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something in the background until the end."""
        self._tasks.append(asyncio.create_task(work))

    async def end(self) -> None:
        """End what is done in the background."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def slowest_since(self, began: float) -> float:
        """Return how long honest messages sent since then waited at most, or still wait."""
        waited = [seconds for at, _, seconds in self.latencies if at >= began]
        now = time.monotonic()
        return max([*waited, *(now - at for at in self.sent.values())], default=0.0)

    # ---- looking

    async def until(self, is_so: Callable[[], bool], what: str, seconds: float) -> None:
        """Wait for something, and say what never came true."""
        until = time.monotonic() + seconds
        while not is_so():
            for task in self._tasks:
                if task.done():
                    await task
            assert time.monotonic() < until, f"not within {seconds} s: {what}"
            await asyncio.sleep(LOOK_SECONDS)

    @staticmethod
    def producer(gateway: str) -> str:
        """Return as whom the stranger speaks at a gateway."""
        return SENDERS[gateway][0]

    def all_answered_until(self, moment: float) -> bool:
        """Say whether no honest message waits that was sent before."""
        return all(at > moment for at in self.sent.values())

    def of(self, gateway: str, message_id: str) -> list[Answer]:
        """Return the answers that the stranger got to a message."""
        mine = self.answers[SENDERS[gateway][0]]
        return [answer for answer in mine if answer.message_id == message_id]

    def peak_bytes(self, gateway: str) -> int:
        """Return the most memory that a gateway's process held since `forget_peaks`."""
        status = Path(f"/proc/{self.workers[gateway].process.pid}/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024

    def forget_peaks(self) -> None:
        """Measure the most memory anew from here."""
        for each in self.workers.values():
            Path(f"/proc/{each.process.pid}/clear_refs").write_text("5")

    @property
    def has_ended(self) -> bool:
        """Say whether a process is no more."""
        return any(each.process.poll() is not None for each in self.workers.values())


@contextlib.asynccontextmanager
async def open_gateways(stack: Stack) -> AsyncIterator[Gateways]:
    """Start both gateways on a broker and a database as new, and an honest sender at each."""
    await fresh(stack)
    async with contextlib.AsyncExitStack() as held:
        workers = {
            name: held.enter_context(worker(stack, app, {**UNPACED, "LAPOR_INSTANCE": name}))
            for name, app in APPS.items()
        }
        for each in workers.values():
            await asyncio.to_thread(each.wait_ready)
        gateways = Gateways(
            stack, await held.enter_async_context(RawProducer(stack.kafka)), workers
        )
        held.push_async_callback(gateways.end)
        gateways.start(gateways.listen())
        gateways.letters["intake"] = submission(CHANNEL), submission(OTHER_CHANNEL)
        gateways.start(gateways.send_honestly("intake"))
        await gateways.until(
            lambda: bool(gateways.answers[OTHER_CHANNEL]), "a report is received", 20
        )
        report_id = gateways.report_id = gateways.answers[OTHER_CHANNEL][0].body["report_id"]
        gateways.letters["agencies.in"] = (
            command(AGENCY, report_id),
            command(OTHER_AGENCY, report_id),
        )
        gateways.start(gateways.send_honestly("agencies.in"))
        await gateways.until(
            lambda: bool(gateways.answers[OTHER_AGENCY]), "a command is answered", 20
        )
        yield gateways
