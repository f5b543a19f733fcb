"""Records in the core's streams that no stage wrote: repeats of true ones, and poison."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Mapping
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from shared.contract.topics import (
    AGENCIES,
    FOLLOW_UP,
    INSTITUTION,
    INTAKE,
    NATIONAL,
    PARTITIONS,
    READS,
    ROUTING,
    SLA,
    Stream,
)
from tests.faults.load.retrying_producer import RetryingProducer

STREAMS: Final = (INTAKE, AGENCIES, NATIONAL, INSTITUTION, ROUTING, FOLLOW_UP, SLA)
REPEATED: Final = 1 / 100  # of the records in the core
POISONED: Final = 1 / 500
KINDS: Final = (
    "not_json", "invalid_fields", "empty_value", "wrong_key", "without_id", "without_type",
)  # fmt: skip
STRANGER: Final = "Z" * 12  # nobody's id, nor that of commands about an unknown report
_BY_NAME: Final = {stream.topic(): stream for stream in STREAMS}


class StreamNoise:
    """Reads the core's streams as they grow, and writes into them what nobody should."""

    def __init__(self, kafka: str, producer: RetryingProducer, seed: int) -> None:
        self.poison: dict[str, tuple[str, list[str]]] = {}  # marker -> reason, stages that read it
        self.counts: Counter[str] = Counter()
        self._kafka, self._producer = kafka, producer
        self._draw = random.Random(f"noise:{seed}")
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            consumer = AIOKafkaConsumer(
                bootstrap_servers=self._kafka, group_id=None, auto_offset_reset="latest"
            )
            try:
                await consumer.start()
                consumer.assign(
                    [TopicPartition(s.topic(), n) for s in STREAMS for n in range(PARTITIONS)]
                )
                async for record in consumer:
                    self._consider(record)
            except (KafkaError, OSError):
                await asyncio.sleep(0.5)
            finally:
                await consumer.stop()

    def _consider(self, record: ConsumerRecord) -> None:
        headers = dict(record.headers)
        if "lapor-fault" in headers or "ce_type" not in headers:
            return
        if self._draw.random() < REPEATED:
            self._write(record, record.value, dict(headers), record.key)
            self.counts["repeated"] += 1
        if self._draw.random() < POISONED:
            self._poison(record, headers)

    def _poison(self, record: ConsumerRecord, headers: dict[str, bytes]) -> None:
        """Write what cannot be read beside a true record, and who will have to bury it."""
        kind = KINDS[self.counts["poison"] % len(KINDS)]
        self.counts["poison"] += 1
        marker = f"poison-{self.counts['poison']}"
        made = {**headers, "lapor-fault": marker.encode(), "ce_id": marker.encode()}
        value, key, reason = record.value, record.key, kind
        match kind:
            case "not_json":
                value = b'{"report_id": "'
            case "invalid_fields":
                value = json.dumps({"report_id": 7}).encode()
            case "empty_value":
                value = None
            case "wrong_key":
                key = STRANGER.encode()
            case "without_id":
                del made["ce_id"]
                reason = "missing_header"
            case "without_type":
                del made["ce_type"]
                reason = "missing_header"
        of_type = made.get("ce_type")
        stages = readers(_BY_NAME[record.topic], of_type.decode() if of_type else None)
        self.poison[marker] = (reason, stages)
        self._write(record, value, made, key)

    def _write(
        self,
        like: ConsumerRecord,
        value: bytes | None,
        headers: Mapping[str, bytes],
        key: bytes | None,
    ) -> None:
        sending = self._producer.send(
            like.topic, value, list(headers.items()), key=key, partition=like.partition
        )
        task = asyncio.create_task(sending)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def quiet(self) -> None:
        """Return when all of it was written."""
        while self._tasks:
            await asyncio.sleep(0.1)


def readers(stream: Stream, event_type: str | None) -> list[str]:
    """Return the stages that read a type of a stream, or all that read the stream at all."""
    return [
        stage
        for stage, reads in READS.items()
        if stream in reads
        and (event_type is None or event_type in {stream.type_of(e) for e in reads[stream]})
    ]
