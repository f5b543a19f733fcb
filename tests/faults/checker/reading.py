"""Reads topics and tables with plain clients: no consumer group, no lock, nothing changed."""

import json
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

import asyncpg
import msgpack
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from shared.runtime.kafka import record_batches
from tests.faults.checker.names import STAGES, schema_of
from tests.faults.checker.snapshot import Case, Lanes, OutboxRow, Place, Record, Tables

BATCH = 2_000
_MORE = ("status", "holder", "pending", "next_deadline", "next_clock")


def reader(bootstrap: str) -> AIOKafkaConsumer:
    """Return a consumer to be assigned by hand, from the first record on.

    What cannot be unpacked is one record to it, at the last offset, as it is to the stages.
    """
    record_batches.install()
    return AIOKafkaConsumer(
        bootstrap_servers=bootstrap, group_id=None, auto_offset_reset="earliest",
        enable_auto_commit=False, fetch_max_wait_ms=100, metadata_max_age_ms=5_000,
        max_partition_fetch_bytes=4 * 1_048_576,
    )  # fmt: skip


async def places(bootstrap: str) -> list[TopicPartition]:
    """Return every partition of the pipeline's topics.

    Raises:
        LookupError: there are none.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        names = sorted(t for t in await admin.list_topics() if t.startswith("lapor."))
        found = [
            TopicPartition(topic["topic"], partition["partition"])
            for topic in (await admin.describe_topics(names) if names else ())
            for partition in topic["partitions"]
        ]
    finally:
        await admin.close()
    if not found or {tp.topic for tp in found} != set(names):
        raise LookupError("the broker does not show the pipeline's topics")
    return found


async def records(
    consumer: AIOKafkaConsumer, every: Sequence[TopicPartition], since: dict[Place, int]
) -> AsyncIterator[Record]:
    """Yield what stands in the logs between these offsets and their ends of now."""
    consumer.assign(every)
    ends = await consumer.end_offsets(every)
    starts = await consumer.beginning_offsets(every)
    at = {tp: max(since.get((tp.topic, tp.partition), 0), starts[tp]) for tp in every}
    left = {tp for tp in every if at[tp] < ends[tp]}
    if not left:
        return
    consumer.assign(left)
    for tp in left:
        consumer.seek(tp, at[tp])
    while left:
        for tp, batch in (await consumer.getmany(timeout_ms=500, max_records=BATCH)).items():
            for record in batch:
                if record.offset < ends[tp]:
                    yield plain(record)
            if batch[-1].offset + 1 >= ends[tp]:
                left.discard(tp)
                consumer.pause(tp)


def plain(record: ConsumerRecord) -> Record:
    """Return a record without what belongs to the client."""
    return Record(
        record.topic, record.partition, record.offset, record.timestamp, record.key, record.value,
        tuple((name, value or b"") for name, value in record.headers),
    )  # fmt: skip


async def record_all(bootstrap: str) -> list[Record]:
    """Return every record there is: for a small pipeline only."""
    consumer = reader(bootstrap)
    await consumer.start()
    try:
        return [r async for r in records(consumer, await places(bootstrap), {})]
    finally:
        await consumer.stop()


async def tables(postgres: str) -> Tables:
    """Return every stage's lanes and cases, all as of one instant."""
    connection = await asyncpg.connect(postgres, timeout=10)
    lanes: dict[str, Lanes] = {}
    cases: dict[str, dict[str, Case]] = {}
    parked = 0
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            for stage in STAGES:
                schema = schema_of(stage)
                if await connection.fetchval("SELECT to_regnamespace($1) IS NULL", schema):
                    continue
                lanes[stage] = _lanes(await connection.fetch(f'SELECT * FROM "{schema}".lanes'))
                cases[stage] = {}
                async for row in connection.cursor(
                    f'SELECT * FROM "{schema}".cases', prefetch=1_000
                ):
                    if not row["report_id"].startswith("registry."):
                        cases[stage][row["report_id"]] = _case(row)
                        parked += bool(row.get("parked"))
    finally:
        await connection.close()
    return Tables(lanes, cases, parked)


async def lanes(postgres: str) -> dict[str, Lanes]:
    """Return every stage's lanes alone: cases may be many."""
    connection = await asyncpg.connect(postgres, timeout=10)
    try:
        return {
            stage: _lanes(await connection.fetch(f'SELECT * FROM "{schema_of(stage)}".lanes'))
            for stage in STAGES
        }
    finally:
        await connection.close()


def _lanes(rows: Iterable[asyncpg.Record]) -> Lanes:
    positions: dict[Place, int] = {}
    held: list[OutboxRow] = []
    for row in rows:
        for place, offset in json.loads(row["offsets"]).items():
            topic, _, number = place.rpartition("/")
            positions[topic, int(number)] = offset
        if row["outbox"]:
            held += map(_outbox_row, msgpack.unpackb(row["outbox"]))
    return Lanes(positions, held)


def _outbox_row(packed: list[Any]) -> OutboxRow:
    topic, _, _, value, headers = packed
    said = {name: bytes(text).decode() for name, text in headers}
    return OutboxRow(topic, said["ce_id"], said["ce_type"], said.get("ce_subject", ""), value)


def _case(row: asyncpg.Record) -> Case:
    state = json.loads(row["state"]) if row["state"] else {}
    kept = {name: state[name] for name in _KEPT if name in state}
    more = {name: row[name] for name in _MORE if name in row}
    return Case(row["sequence"], row["is_open"], row["timer_at"], kept, more)


_KEPT = ("received", "holding", "dispatch", "waiting")
"""All that the rules look at of a case's state: cases are many."""
