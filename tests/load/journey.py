"""From submission to dispatch through a whole local stack, with an agency that accepts at once."""

import asyncio
import json
import random
import shutil
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from deploy.local import stack
from deploy.local.home import Home, default_cache
from shared.topics import INBOX, OUTBOX, ROUTING, SUBMISSIONS
from shared.tracking import report_id

CHANNEL, INSTITUTION = "api", "3204"
PATIENCE_SECONDS = 30.0


@dataclass
class Latencies:
    """How long each dispatched report took, in seconds."""

    sent: int
    seconds: list[float] = field(default_factory=list)
    wall_seconds: float = 0.0


class Journey:
    """A whole stack in a home of its own, gone afterwards."""

    def __enter__(self) -> Self:
        self._home = Home(Path(tempfile.mkdtemp(prefix="lapor-bench-")))
        self._cpu = 0.0
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        stack.down(self._home)
        shutil.rmtree(self._home.postgres.resolve(), ignore_errors=True)
        shutil.rmtree(self._home.root, ignore_errors=True)

    def up(self) -> None:
        """Start it, silently."""
        quiet = stack.Progress(jars=lambda _done, _all: None, step=lambda _state, _ready: None)
        state = stack.up(self._home, default_cache(), quiet, plan=stack.DEFAULT_PLAN)
        self.kafka = state.kafka
        self.postgres = stack.connection(self._home).postgres
        self._cpu = self._cpu_seconds()

    def _processes(self) -> list[psutil.Process]:
        state = stack.running(self._home)
        if state is None:
            return []
        found = {}
        for child in state.children:
            process = child.mark.process() if child.mark else None
            for one in [process, *process.children(recursive=True)] if process else []:
                found[one.pid] = one
        return list(found.values())

    def resident_bytes(self) -> int:
        """Return the proportional resident memory of all of it."""
        return sum(p.memory_full_info().pss for p in self._processes())

    def _cpu_seconds(self) -> float:
        return sum(sum(p.cpu_times()[:2]) for p in self._processes())

    def cores_used(self, wall_seconds: float) -> float:
        """Return how many cores the stack kept busy since it was up."""
        return (self._cpu_seconds() - self._cpu) / wall_seconds


async def latencies(kafka: str, rate: int, seconds: int, seed: int = 0) -> Latencies:
    """Submit at a rate; the agency accepts what it gets; measure until each dispatch is seen.

    A second measurement in a stack needs another seed, or its texts are suspected duplicates.
    """
    found = Latencies(sent=rate * seconds)
    sent_at: dict[str, float] = {}
    began = time.monotonic()
    producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all", linger_ms=0)
    inbox = AIOKafkaConsumer(INBOX.topic(INSTITUTION), bootstrap_servers=kafka)
    dispatched = AIOKafkaConsumer(ROUTING.topic(), bootstrap_servers=kafka)
    clients = (producer, inbox, dispatched)
    await asyncio.gather(*(c.start() for c in clients))
    await asyncio.gather(*(c.seek_to_end() for c in (inbox, dispatched)))
    try:
        agency = asyncio.create_task(_accept(inbox, producer))
        watching = asyncio.create_task(_watch(dispatched, sent_at, found))
        await _submit(producer, rate, range(seed, seed + found.sent), sent_at)
        await asyncio.wait([watching], timeout=PATIENCE_SECONDS)
        agency.cancel()
        watching.cancel()
    finally:
        await asyncio.gather(*(c.stop() for c in clients))
    found.wall_seconds = time.monotonic() - began
    return found


def unlike(seed: int) -> str:
    """Write a body that reads like no other, so that none is held as a suspected duplicate."""
    draw = random.Random(seed)
    letters = "aeiou", "bcdghjklmnprstwy"
    return " ".join(
        "".join(draw.choice(letters[n % 2]) for n in range(draw.randint(4, 9))) for _ in range(50)
    )


async def _submit(
    producer: AIOKafkaProducer, rate: int, numbers: range, sent_at: dict[str, float]
) -> None:
    began = time.monotonic()
    for turn, number in enumerate(numbers):
        await asyncio.sleep(max(0.0, began + turn / rate - time.monotonic()))
        message_id = f"bench-{time.time_ns()}-{number}"
        value = {
            "title": "Jalan berlubang", "body": f"Kabupaten Bandung: {unlike(number)}.",
            "category_id": "1397", "institution": INSTITUTION,
            "report_class": "Pengaduan Tidak Berkadar Pengawasan",
            "reporter": {"email": f"pelapor-{number}@contoh.example"},
        }  # fmt: skip
        sent_at[report_id(CHANNEL, message_id)] = time.monotonic()
        headers = [
            ("ce_id", message_id.encode()), ("ce_type", b"id.go.lapor.channel.submit-report.v1"),
        ]  # fmt: skip
        await producer.send(SUBMISSIONS.topic(CHANNEL), json.dumps(value).encode(), headers=headers)


async def _accept(inbox: AIOKafkaConsumer, producer: AIOKafkaProducer) -> None:
    async for record in inbox:
        entry = json.loads(record.value)
        if entry["entry"] != "report_to_verify":
            continue
        value = {
            "report_id": entry["report_id"], "holding": entry["holding"], "by": "officer-1",
            "report_class": "Pengaduan Tidak Berkadar Pengawasan", "category_id": "1397",
        }  # fmt: skip
        headers = [
            ("ce_id", f"accept-{entry['report_id']}".encode()),
            ("ce_type", b"id.go.lapor.agency.accept.v1"),
        ]
        await producer.send(OUTBOX.topic(INSTITUTION), json.dumps(value).encode(), headers=headers)


async def _watch(dispatched: AIOKafkaConsumer, sent_at: dict[str, float], found: Latencies) -> None:
    waiting = 0
    async for record in dispatched:
        report = record.key.decode()
        if report in sent_at:
            found.seconds.append(time.monotonic() - sent_at.pop(report))
            waiting += 1
        if waiting >= found.sent:
            return
