"""The floor: the least that is durable. Raw aiokafka, msgspec, one statement per batch.

It parses, decides a constant, saves the batch and its offsets in one statement, publishes, and
commits. It knows no case, no headers, no policy, no dead letter, no second process.
"""

import asyncio
import gc
import os
from collections import defaultdict
from collections.abc import Mapping

import asyncpg
import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from shared.contract.topics import INSTITUTION, ROUTING
from shared.platform.postgres import Pool

RECORDS_MAX = 500
SCHEMA = """
    CREATE TABLE IF NOT EXISTS floor_places (partition int PRIMARY KEY, position bigint NOT NULL);
    CREATE TABLE IF NOT EXISTS floor_cases (
        report_id text COLLATE "C" PRIMARY KEY, version int NOT NULL, state bytea NOT NULL
    ) WITH (fillfactor = 70)
"""
SAVE = """
    WITH places AS (
        INSERT INTO floor_places SELECT * FROM unnest($1::int[], $2::bigint[])
        ON CONFLICT (partition) DO UPDATE SET position = excluded.position
    )
    INSERT INTO floor_cases AS c
    SELECT id, 1, state FROM unnest($3::text[], $4::bytea[]) AS x(id, state)
    ON CONFLICT (report_id) DO UPDATE SET version = c.version + 1, state = excluded.state
"""


class Accepted(msgspec.Struct):
    """What comes."""

    report_id: str
    institution: str
    holding: int
    report_class: str


class Dispatched(msgspec.Struct):
    """What goes."""

    report_id: str
    institution: str
    holding: int
    report_class: str
    dispatch: int = 1
    unit: str = "6308-001"
    rule: str = "floor"
    why: str = "it came"
    by: str = "auto"


DECODE = msgspec.json.Decoder(Accepted).decode
ENCODE = msgspec.json.Encoder().encode


async def main() -> None:
    """Read from the first record until killed."""
    kafka = os.environ["LAPOR_KAFKA"]
    pool = await asyncpg.create_pool(os.environ["LAPOR_POSTGRES"], min_size=1, max_size=1)
    await pool.execute(SCHEMA)
    consumer = AIOKafkaConsumer(
        INSTITUTION.topic(), bootstrap_servers=kafka, group_id="floor", enable_auto_commit=False,
        auto_offset_reset="earliest", max_partition_fetch_bytes=2 * 1_048_576,
    )  # fmt: skip
    producer = AIOKafkaProducer(
        bootstrap_servers=kafka, acks="all", enable_idempotence=True, max_batch_size=1_000_000
    )
    await asyncio.gather(consumer.start(), producer.start())
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    while True:
        batch = await consumer.getmany(timeout_ms=20, max_records=RECORDS_MAX)
        if batch:
            await _decide(batch, pool, producer)
            ends = {place: records[-1].offset + 1 for place, records in batch.items()}
            await consumer.commit(ends)


async def _decide(
    batch: Mapping[TopicPartition, list[ConsumerRecord]], pool: Pool, producer: AIOKafkaProducer
) -> None:
    positions: dict[int, int] = {}
    ids: list[str] = []
    states: list[bytes] = []
    outgoing: dict[int, list[tuple[bytes, bytes]]] = defaultdict(list)
    for place, records in batch.items():
        positions[place.partition] = records[-1].offset + 1
        mine = outgoing[place.partition]
        for record in records:
            event = DECODE(record.value)
            value = ENCODE(
                Dispatched(event.report_id, event.institution, event.holding, event.report_class)
            )
            ids.append(event.report_id)
            states.append(value)
            mine.append((record.key, value))
    await pool.execute(SAVE, list(positions), list(positions.values()), ids, states)
    for partition, pairs in outgoing.items():
        builder = producer.create_batch()
        for key, value in pairs:
            builder.append(key=key, value=value, timestamp=None)
        await (await producer.send_batch(builder, ROUTING.topic(), partition=partition))


if __name__ == "__main__":
    asyncio.run(main())
