"""Channels and officers, acted out cheaply: a report is submitted, accepted, followed up, closed.

They read the inboxes as an agency does and answer each entry with one command. What they send in
one look goes as one request per outbox, so that they cost little beside what they measure.
"""

import asyncio
import json
import random
import time
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Final, NamedTuple, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord

from shared.contract.events import ReportClosed, ReportDispatched
from shared.contract.topics import FOLLOW_UP, INBOX, OUTBOX, ROUTING, SUBMISSIONS
from tests.load.clients import BATCH, BATCH_BYTES, Fields, send

CHANNEL: Final = "api"
INSTITUTIONS: Final = {"3204": "Kabupaten Bandung", "6308": "Kabupaten Hulu Sungai Utara"}
REPORT_CLASS: Final = "Pengaduan Tidak Berkadar Pengawasan"
LOOK_MS: Final = 20
PATIENCE_SECONDS: Final = 60.0
_DISPATCHED: Final = ROUTING.type_of(ReportDispatched).encode()
_CLOSED: Final = FOLLOW_UP.type_of(ReportClosed).encode()


class Moments(NamedTuple):
    """When a report was to be submitted, was dispatched and was closed: epoch seconds, 0 for not.

    The first is the plan's, so that a late sender counts; the others are the broker's.
    """

    submitted: float
    dispatched: float = 0.0
    closed: float = 0.0


class Submission(NamedTuple):
    """A report to submit, as bytes."""

    report: str
    fields: Fields


def vocabulary() -> tuple[str, ...]:
    """Return words to write texts with, each text unlike any other."""
    draw = random.Random(1708)
    letters = "aeiou", "bcdghjklmnprstwy"
    return tuple(
        "".join(draw.choice(letters[n % 2]) for n in range(draw.randint(4, 9)))
        for _ in range(20_000)
    )


def submissions(
    salt: str, numbers: Iterable[int], named_by: Callable[[str, str], str]
) -> Iterator[Submission]:
    """Write reports, the institutions in turns; another salt gives other reports."""
    words = vocabulary()
    for number in numbers:
        code, place = list(INSTITUTIONS.items())[number % len(INSTITUTIONS)]
        message_id = f"bench-{salt}-{number}"
        text = " ".join(random.Random(message_id).choices(words, k=50))
        value = {
            "title": "Jalan berlubang", "body": f"{place}: {text}.", "category_id": "1397",
            "institution": code, "report_class": REPORT_CLASS,
            "reporter": {"email": f"pelapor-{number}@contoh.example"},
        }  # fmt: skip
        headers = [
            ("ce_id", message_id.encode()), ("ce_type", b"id.go.lapor.channel.submit-report.v1"),
        ]  # fmt: skip
        fields = (None, json.dumps(value).encode(), headers)
        yield Submission(named_by(CHANNEL, message_id), fields)


class SimulatedClients:
    """Everybody outside; `moments` tells of every report that was submitted here.

    If no unit answers, a report goes only as far as its dispatch.
    """

    def __init__(self, kafka: str, *, units_answer: bool = True) -> None:
        self._units_answer = units_answer
        self.moments: dict[str, Moments] = {}
        self.dispatched = self.closed = self.refused = 0
        self._kafka = kafka
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        kafka = self._kafka
        self._producer = AIOKafkaProducer(
            bootstrap_servers=kafka, acks="all", linger_ms=0, max_batch_size=BATCH_BYTES
        )
        self._inboxes = AIOKafkaConsumer(
            *(INBOX.topic(code) for code in INSTITUTIONS), bootstrap_servers=kafka,
            max_partition_fetch_bytes=4 * 1_048_576,
        )  # fmt: skip
        self._facts = AIOKafkaConsumer(
            ROUTING.topic(), FOLLOW_UP.topic(), bootstrap_servers=kafka, fetch_max_wait_ms=100,
            fetch_min_bytes=100_000,
        )  # fmt: skip
        self._clients = (self._producer, self._inboxes, self._facts)
        await asyncio.gather(*(client.start() for client in self._clients))
        await asyncio.gather(*(c.seek_to_end() for c in (self._inboxes, self._facts)))
        self._tasks = [asyncio.create_task(loop()) for loop in (self._act, self._watch)]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(client.stop() for client in self._clients))

    # ---- channels

    async def submit(self, reports: Iterable[Submission], rate: float) -> None:
        """Hand in reports, so many a second."""
        began = time.time()
        topic = SUBMISSIONS.topic(CHANNEL)
        for turn, (report, (_, value, headers)) in enumerate(reports):
            due = began + turn / rate
            await asyncio.sleep(max(0.0, due - time.time()))
            self.moments[report] = Moments(due)
            await self._producer.send(topic, value, headers=headers)

    async def submit_all(self, reports: list[Submission]) -> None:
        """Hand in reports as fast as the broker takes them."""
        topic = SUBMISSIONS.topic(CHANNEL)
        places = sorted(await self._producer.partitions_for(topic))
        for turn, at in enumerate(range(0, len(reports), BATCH)):
            chunk = reports[at : at + BATCH]
            now = time.time()
            self.moments |= {each.report: Moments(now) for each in chunk}
            await send(
                self._producer, topic, places[turn % len(places)], (each.fields for each in chunk)
            )

    async def until(
        self, *, dispatched: int = 0, closed: int = 0, seconds_max: float = PATIENCE_SECONDS
    ) -> bool:
        """Wait until so many are; return whether they were, within a time without any."""
        last, since = (self.dispatched, self.closed), time.monotonic()
        while self.dispatched < dispatched or self.closed < closed:
            await asyncio.sleep(0.05)
            for task in self._tasks:
                if task.done():
                    task.result()
            if (self.dispatched, self.closed) != last:
                last, since = (self.dispatched, self.closed), time.monotonic()
            if time.monotonic() - since > seconds_max:
                return False
        return True

    # ---- officers

    async def _act(self) -> None:
        while True:
            found = await self._inboxes.getmany(timeout_ms=1_000)
            for place, records in found.items():
                outbox = OUTBOX.topic(place.topic.split(".")[2])
                commands = [c for record in records if (c := self._command(record)) is not None]
                for at in range(0, len(commands), BATCH):
                    await send(self._producer, outbox, 0, commands[at : at + BATCH])
            await asyncio.sleep(LOOK_MS / 1000)

    def _command(self, record: ConsumerRecord) -> Fields | None:
        value = record.value
        said: dict[str, object]
        if b'"report_to_verify"' in value:
            kind, said = b"accept", {"report_class": REPORT_CLASS, "category_id": "1397"}
        elif b'"dispatched"' in value and self._units_answer:
            kind, said = b"follow-up", {"text": "Lubang sudah ditambal."}
        elif b'"follow_up"' in value and b'"entry":"follow_up"' in value:
            kind, said = b"close-case", {"solved": True}
        else:
            self.refused += b'"command_re' in value
            return None
        entry = json.loads(value)
        body = {"report_id": entry["report_id"], "holding": entry["holding"], "by": "petugas"}
        if kind == b"follow-up":
            body["unit"] = entry["unit"]
        own = dict(record.headers)["ce_id"]
        headers = [("ce_id", kind + b"-" + own), ("ce_type", b"id.go.lapor.agency.%b.v1" % kind)]
        return None, json.dumps(body | said).encode(), headers

    # ---- what is seen of it

    async def _watch(self) -> None:
        while True:
            found = await self._facts.getmany(timeout_ms=1_000)
            for records in found.values():
                for record in records:
                    self._see(record)
            await asyncio.sleep(LOOK_MS / 1000)

    def _see(self, record: ConsumerRecord) -> None:
        known = self.moments.get(record.key.decode())
        kind = next(value for name, value in record.headers if name == "ce_type")
        if known is None or kind not in (_DISPATCHED, _CLOSED):
            return
        at = record.timestamp / 1000
        if kind == _DISPATCHED:
            self.dispatched += 1
            self.moments[record.key.decode()] = known._replace(dispatched=at)
        else:
            self.closed += 1
            self.moments[record.key.decode()] = known._replace(closed=at)

    def seconds_to_dispatch(self, since: float = 0.0) -> list[float]:
        """Return how long each report that was dispatched took, of those submitted since."""
        return [
            m.dispatched - m.submitted
            for m in self.moments.values()
            if m.dispatched and m.submitted >= since
        ]

    def seconds_to_close(self, since: float = 0.0) -> list[float]:
        """Return how long each report that was closed took, of those submitted since."""
        return [
            m.closed - m.submitted
            for m in self.moments.values()
            if m.closed and m.submitted >= since
        ]
