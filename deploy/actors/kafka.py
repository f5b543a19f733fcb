"""Kafka as an outside author sees it: plain records, CloudEvents headers, public topics."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from pydantic import BaseModel

from shared.contract.topics import Stream

JSON: Final = b"application/json"


@dataclass(frozen=True, slots=True)
class OutgoingRecord:
    """One record for a gateway: where it goes, its id, its bytes."""

    topic: str
    message_id: str
    value: bytes
    headers: tuple[tuple[str, bytes], ...]
    key: bytes | None = None


def letter(
    stream: Stream, producer: str, message_id: str, message: BaseModel, causation_id: str = ""
) -> OutgoingRecord:
    """Write a message as its producer sends it; `causation_id` names what it answers."""
    headers = headers_of(stream.type_of(type(message)), message_id, f"/demo/{producer}")
    if causation_id:
        headers = (*headers, ("causationid", causation_id.encode()))
    value = message.model_dump_json(exclude_none=True).encode()
    return OutgoingRecord(stream.topic(producer), message_id, value, headers)


def headers_of(event_type: str, message_id: str, source: str) -> tuple[tuple[str, bytes], ...]:
    """Return the headers that a gateway needs."""
    return (
        ("ce_specversion", b"1.0"),
        ("ce_id", message_id.encode()),
        ("ce_type", event_type.encode()),
        ("ce_source", source.encode()),
        ("content-type", JSON),
    )


def producer(bootstrap: str, client_id: str) -> AIOKafkaProducer:
    """Return a producer for a gateway: acknowledged, without repeats of its own."""
    return AIOKafkaProducer(
        bootstrap_servers=bootstrap, client_id=client_id, acks="all", enable_idempotence=True
    )


async def send(by: AIOKafkaProducer, what: OutgoingRecord) -> None:
    """Send one record and wait for the broker's acknowledgement."""
    await by.send_and_wait(what.topic, value=what.value, key=what.key, headers=list(what.headers))


def reader(bootstrap: str, client_id: str, *, is_patient: bool = False) -> AIOKafkaConsumer:
    """Return a consumer without a group, to be assigned by hand from the first record on.

    A patient one asks for many records at once: each answer over 100 partitions costs milliseconds.
    """
    return AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        client_id=client_id,
        group_id=None,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        fetch_min_bytes=256_000 if is_patient else 1,
        fetch_max_wait_ms=400,
    )


def assign(consumer: AIOKafkaConsumer, topics: Mapping[str, int]) -> None:
    """Read these topics, given with their number of partitions."""
    consumer.assign([TopicPartition(t, p) for t, count in topics.items() for p in range(count)])


def header(record: ConsumerRecord, name: str) -> str:
    """Return a header as text, empty where there is none."""
    for key, value in record.headers:
        if key == name:
            return str(value.decode("utf-8", "replace"))
    return ""
