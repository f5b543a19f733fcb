"""The baseline: the same durable work done the way a first draft does it, one record at a time.

A FastStream handler per record: parse, decide, save in a transaction, publish and wait for all
replicas, then let FastStream commit. No batch, no lane, and none of the shell's guarantees.
"""

import os

import asyncpg
from faststream.asgi import AsgiFastStream
from faststream.kafka import KafkaBroker
from faststream.kafka.annotations import KafkaMessage
from faststream.middlewares import AckPolicy

from shared.contract.events import ReportAccepted, ReportDispatched
from shared.contract.topics import INSTITUTION, ROUTING

SCHEMA = """
    CREATE TABLE IF NOT EXISTS naive (
        report_id text PRIMARY KEY, version int NOT NULL, state text NOT NULL
    )
"""


def build() -> AsgiFastStream:
    """Compose the naive stage."""
    broker = KafkaBroker(
        os.environ["LAPOR_KAFKA"], acks="all", enable_idempotence=True,
        allow_auto_create_topics=False, logger=None,
    )  # fmt: skip
    pools: list[asyncpg.Pool[asyncpg.Record]] = []

    async def start() -> None:
        pools.append(
            await asyncpg.create_pool(os.environ["LAPOR_POSTGRES"], min_size=1, max_size=2)
        )
        await pools[0].execute(SCHEMA)

    @broker.subscriber(
        INSTITUTION.topic(), group_id="naive", auto_offset_reset="earliest",
        ack_policy=AckPolicy.NACK_ON_ERROR,
    )  # fmt: skip
    async def handle(event: ReportAccepted, message: KafkaMessage) -> None:
        said = ReportDispatched(
            report_id=event.report_id, institution=event.institution, holding=event.holding,
            dispatch=1, unit="6308-001", rule="naive", why="it came", by="auto",
            report_class=event.report_class,
        )  # fmt: skip
        async with pools[0].acquire() as connection, connection.transaction():
            await connection.fetchrow(
                "SELECT version, state FROM naive WHERE report_id = $1 FOR UPDATE", event.report_id
            )
            await connection.execute(
                "INSERT INTO naive VALUES ($1, 1, $2) ON CONFLICT (report_id) DO UPDATE "
                "SET version = naive.version + 1, state = excluded.state",
                event.report_id,
                said.model_dump_json(),
            )
        await broker.publish(
            said, ROUTING.topic(), key=event.report_id.encode(),
            headers={"ce_id": str(message.message_id), "ce_subject": event.report_id},
        )  # fmt: skip

    return AsgiFastStream(broker, on_startup=[start], logger=None)
