"""Reads every public stream from its first record and keeps what the board and the check need."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final, NamedTuple

from aiokafka import ConsumerRecord

from deploy.actors.kafka import assign, header, reader
from shared.contract import topics
from shared.contract.topics import STREAMS, Stream
from shared.platform.clock import Clock

HIDDEN: Final = ("content", "identity", "message")  # long and sealed: the demo shows only facts
_TYPES: Final = {
    stream.type_of(event): event.__name__ for stream in STREAMS for event in stream.events
}


class Seen(NamedTuple):
    """One record of a stream; `at` is the business time at which the broker took it (UTC)."""

    stream: str  # the name in the table of streams, families with {producer}
    producer: str
    type: str  # the event's class, empty where the type is not in the table
    id: str
    causation: str
    report: str
    at: datetime
    place: str  # topic/partition/offset
    body: dict[str, Any]
    digest: int  # of the value, to see whether an id was said twice with other words
    source: str = ""  # who said it


class Watch:
    """All records seen so far, and counts of them."""

    def __init__(self, clock: Clock) -> None:
        self.records: list[Seen] = []
        self.counts: Counter[tuple[str, str]] = Counter()  # (stream, type)
        self._clock = clock

    async def run(
        self, bootstrap: str, principals: dict[str, list[str]], ready: asyncio.Event
    ) -> None:
        """Read until cancelled; `principals` names the members of each family of topics."""
        consumer = reader(bootstrap, "demo-watch", is_patient=True)
        members = dict(_members(principals))
        await consumer.start()
        try:
            assign(consumer, {topic: stream.partitions for topic, (stream, _) in members.items()})
            ready.set()
            while True:
                batches = await consumer.getmany(timeout_ms=200, max_records=2_000)
                for place, records in batches.items():
                    stream, producer = members[place.topic]
                    self.records += [self._seen(r, stream, producer) for r in records]
        finally:
            await consumer.stop()

    def _seen(self, record: ConsumerRecord, stream: Stream, producer: str) -> Seen:
        name = _TYPES.get(header(record, "ce_type"), "")
        self.counts[stream.name, name] += 1
        return Seen(
            stream=stream.name,
            producer=producer,
            type=name,
            id=header(record, "ce_id"),
            causation=header(record, "causationid"),
            report=(record.key or b"").decode("utf-8", "replace"),
            at=self._clock.of_record(record.timestamp),
            place=f"{record.topic}/{record.partition}/{record.offset}",
            body=_body(record, stream),
            digest=hash(record.value),
            source=header(record, "ce_source"),
        )


def _members(principals: dict[str, list[str]]) -> Iterable[tuple[str, tuple[Stream, str]]]:
    for stream in STREAMS:
        if stream.domain == "internal":
            continue  # internal
        for producer in principals[stream.domain] if stream.is_family else [""]:
            yield stream.topic(producer), (stream, producer)


def _body(record: ConsumerRecord, stream: Stream) -> dict[str, Any]:
    """Return an event's fields without what is sealed; a dead letter's are in its headers."""
    if stream is topics.DEAD_LETTERS:
        return {k: v.decode("utf-8", "replace") for k, v in record.headers}
    try:
        found = json.loads(record.value or b"{}")
    except ValueError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: value for name, value in found.items() if name not in HIDDEN}
