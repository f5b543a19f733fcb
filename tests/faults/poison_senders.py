"""Poison senders: at both gateways all the time, each kind in turn; and a bystander who is timed.

They speak as a channel and an institution that may speak: raw batches of every kind that a broker
takes, commands about other people's reports, wrong secrets, replays that nobody can open, records
of a topic that nobody knows. The bystander is another channel, whose answers are waited for.
"""

import asyncio
import contextlib
import json
import random
import time
from collections import Counter
from itertools import count, cycle
from statistics import quantiles
from typing import Final, NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError

from shared.contract.topics import ANSWERS, OUTBOX, PARTITIONS, REPLAYS, SUBMISSIONS
from shared.contract.tracking import tracking_number
from tests.faults.checker.names import STAGES
from tests.faults.load.report_script import ReportScript, life
from tests.faults.load.retrying_producer import RetryingProducer
from tests.senders.poisons import MODERATE, Letter, Poison
from tests.senders.produce import RawProducer

CHANNEL: Final = "social"
AGENCY: Final = "3204"
BYSTANDER: Final = "ios"
NOWHERE: Final = "lapor.unknown.v1"
POISON_ID: Final = "stranger-"  # begins the id of what they send
PAUSE_SECONDS: Final = 0.4  # between two poisons, each at both gateways
ASK_SECONDS: Final = 0.1  # between two questions of the bystander
WARM_SECONDS: Final = 4.0
TURN_SECONDS: Final = 3.0
TURNS: Final = 6  # without and with poison, in turn
SEND_SECONDS_MAX: Final = 3.0
SLOWER_MAX: Final = 2.0
NOTICED_SECONDS: Final = 0.25  # below this difference two cores make noise
_UNKNOWN_TYPE: Final = "id.go.lapor.channel.no-such.v1"
_SECRET: Final = "0000-0000-0000"


class Compared(NamedTuple):
    """How long the bystander waited for answers, in seconds: without the strangers, and with."""

    without: tuple[float, ...]
    beside: tuple[float, ...]

    def percentiles(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Return (p50, p95) without and with."""
        p50, p95 = zip(*(_p50_p95(times) for times in self), strict=True)
        return (p50[0], p95[0]), (p50[1], p95[1])

    def __str__(self) -> str:
        (a50, a95), (b50, b95) = self.percentiles()
        return (
            f"others' answers without and with poison senders: p50 {a50 * 1000:.0f} and "
            f"{b50 * 1000:.0f} ms, ratio {b50 / a50:.2f}; p95 {a95 * 1000:.0f} and "
            f"{b95 * 1000:.0f} ms, ratio {b95 / a95:.2f}"
        )

    @property
    def problem(self) -> str:
        """Say what is wrong with it; empty if nothing is."""
        for before, after in zip(*self.percentiles(), strict=True):
            if after > SLOWER_MAX * before and after - before > NOTICED_SECONDS:
                return f"others are slowed: {self}"
        return ""


def _p50_p95(times: tuple[float, ...]) -> tuple[float, float]:
    cuts = quantiles(times, n=20, method="inclusive")
    return cuts[9], cuts[18]


class PoisonSenders:
    """Everybody who sends what nobody should."""

    def __init__(self, kafka: str, producer: RetryingProducer, seed: int) -> None:
        self.counts: Counter[str] = Counter()
        self.poison: dict[str, tuple[str, list[str]]] = {}  # markers of records beside the gateways
        self._kafka, self._producer, self._seed = kafka, producer, seed
        self._draw = random.Random(f"strangers:{seed}")
        self._may_speak = asyncio.Event()
        self._may_speak.set()
        self._is_asking = True
        self._times: list[float] = []  # where the bystander notes how long it waited
        self._raw_producers = cycle([RawProducer(address) for address in kafka.split(",")])
        self._raw = next(self._raw_producers)
        self._letters = (
            Letter(
                SUBMISSIONS.topic(CHANNEL), b"id.go.lapor.channel.submit-report.v1",
                b'{"title": "Lampu", "body": "Lampu jalan di depan pasar padam."}', "attachments",
            ),
            Letter(
                OUTBOX.topic(AGENCY), b"id.go.lapor.agency.accept.v1",
                json.dumps({"report_id": "0" * 12, "holding": 1, "by": "orang",
                            "report_class": "Permintaan Informasi"}).encode(), "note",
            ),
        )  # fmt: skip

    # ---- strangers

    async def run(self) -> None:
        """Speak until cancelled: a batch at both gateways, and one of the other things."""
        await self._make_topic()
        for number, poison in zip(count(), cycle(MODERATE), strict=False):
            await self._may_speak.wait()
            own = f"{POISON_ID}{self._seed}-{number}"
            for letter in self._letters:
                await self._batch(poison, letter, own)
            await self._words(number, own)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _make_topic(self) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self._kafka)
        with contextlib.suppress(KafkaError, OSError, TopicAlreadyExistsError):
            await admin.start()
            await admin.create_topics([NewTopic(NOWHERE, 1, 1)])
        await admin.close()

    async def _batch(self, poison: Poison, letter: Letter, own: str) -> None:
        """Send a batch once; it may come to nothing while the broker is away."""
        ids = (own, *(f"{own}-{n}" for n in range(3)))
        self._producer.unsound.update(f"{letter.topic} {each}" for each in ids)
        try:
            async with asyncio.timeout(SEND_SECONDS_MAX):
                said = await self._raw.produce(letter.topic, poison.make(letter, own.encode()))
        except (OSError, TimeoutError):
            self._raw = next(self._raw_producers)
            return
        self.counts["poison batches"] += said.error == 0

    async def _words(self, number: int, own: str) -> None:
        """Send what can be read, and is about what is not the sender's."""
        turn, other = number % 4, life(self._seed, max(0, number * 2 - 8))
        match turn:
            case 0:
                await self._foreign(own, other)
            case 1:
                await self._wrong_secret(own, other)
            case 2:
                await self._replay(own)
            case _:
                self.poison[own] = ("", [])
                await self._producer.send(NOWHERE, b"{}", [("lapor-fault", own.encode())])
                self.counts["poison to a topic of nobody"] += 1

    async def _foreign(self, own: str, other: ReportScript) -> None:
        kind = self._draw.choice(("accept", "follow-up", "close-case", "archive"))
        body = {
            "report_id": other.report_id, "by": "orang lain", "holding": 999, "unit": "3204-002",
            "text": "x", "solved": True, "reason": "unclear", "report_class": "Aspirasi",
        }  # fmt: skip
        topic = OUTBOX.topic(AGENCY)
        own = f"foreign-{own}"
        await self._producer.say(topic, own, f"id.go.lapor.agency.{kind}.v1", body, is_sound=False)
        self.counts["poison commands about others' reports"] += 1

    async def _wrong_secret(self, own: str, other: ReportScript) -> None:
        body = {"tracking_number": tracking_number(other.report_id), "secret": _SECRET}
        topic, own = SUBMISSIONS.topic(CHANNEL), f"secret-{own}"
        kind = "id.go.lapor.channel.withdraw-report.v1"
        await self._producer.say(topic, own, kind, body, is_sound=False)
        self.counts["poison secrets"] += 1

    async def _replay(self, own: str) -> None:
        """Ask a stage for a replay that its key does not open."""
        stage = self._draw.choice(STAGES)
        said = {
            "stage": stage, "action": "retry", "topic": SUBMISSIONS.topic(CHANNEL),
            "partition": "0", "offset": "0", "time": "2026-01-05T00:00:00+00:00",
            "ce_id": own, "lapor-fault": own, "report": "",
        }  # fmt: skip
        self.poison[own] = ("seal_broken", [stage])
        headers = [(name, text.encode()) for name, text in said.items()]
        partition = self._draw.randrange(PARTITIONS)
        await self._producer.send(REPLAYS.topic(), b"garbage", headers, partition=partition)
        self.counts["poison replays"] += 1

    # ---- the bystander

    async def compare(self) -> Compared:
        """Time a bystander without and with the strangers, in short turns, before any fault."""
        asking = asyncio.create_task(self._ask())
        self._may_speak.clear()
        await asyncio.sleep(WARM_SECONDS)
        found: tuple[list[float], list[float]] = [], []
        for turn in range(TURNS):
            is_beside = turn % 2
            (self._may_speak.set if is_beside else self._may_speak.clear)()
            self._times = found[is_beside]
            await asyncio.sleep(TURN_SECONDS)
        self._may_speak.set()
        self._is_asking = False
        await asking
        return Compared(*(tuple(times) for times in found))

    async def _ask(self) -> None:
        """Send what is turned away at once, every 100 ms, and wait for each answer."""
        topic = SUBMISSIONS.topic(BYSTANDER)
        began: dict[str, tuple[float, list[float]]] = {}
        producer = AIOKafkaProducer(bootstrap_servers=self._kafka, acks="all")
        consumer = AIOKafkaConsumer(bootstrap_servers=self._kafka, group_id=None)
        await asyncio.gather(producer.start(), consumer.start())
        place = TopicPartition(ANSWERS.topic(BYSTANDER), 0)
        consumer.assign([place])
        await consumer.seek_to_end(place)
        hearing = asyncio.create_task(_hear(consumer, began))
        try:
            for number in count():
                if not self._is_asking:
                    break
                own = f"bystander-{self._seed}-{number}"
                self._producer.unsound.add(f"{topic} {own}")
                began[own] = time.monotonic(), self._times
                headers = [("ce_id", own.encode()), ("ce_type", _UNKNOWN_TYPE.encode())]
                await producer.send_and_wait(topic, b"{}", headers=headers)
                await asyncio.sleep(ASK_SECONDS)
            async with asyncio.timeout(10 * TURN_SECONDS):
                while began:
                    await asyncio.sleep(ASK_SECONDS)
        finally:
            hearing.cancel()
            await asyncio.gather(producer.stop(), consumer.stop())

    async def close(self) -> None:
        """Close the connections."""
        await self._raw.close()


async def _hear(consumer: AIOKafkaConsumer, began: dict[str, tuple[float, list[float]]]) -> None:
    async for record in consumer:
        found = began.pop(json.loads(record.value)["message_id"], None)
        if found is not None:
            at, times = found
            times.append(time.monotonic() - at)
