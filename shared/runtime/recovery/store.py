"""What a stage published before its database was restored, kept in its schema for comparison."""

import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final

from shared.platform.postgres import Connection, Pool
from shared.runtime.lanes import Partition, dump_offsets, load_offsets
from shared.runtime.recovery.comparison import Order, Published, PublishedBefore

SUBJECTS_MAX: Final = 500
_COLUMNS: Final = (
    "subject, event_id, cause_id, decided_at, digest, sequence, published_ms, topic, partition, "
    '"offset"'
)


class PostgresRecoveryStore:
    """The shell's `RecoveryStore` in a stage's schema."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def order(self) -> Order | None:
        """Return the order; after it is fulfilled, an empty one while parked cases are compared."""
        row = await self._pool.fetchrow("SELECT until, committed, given_ms FROM recovery_order")
        if row is not None:
            return Order(
                load_offsets(row["until"]), load_offsets(row["committed"]), row["given_ms"]
            )
        # What was released since is settled, whatever was decided of it.
        await self._pool.execute(
            "DELETE FROM published_before WHERE NOT EXISTS (SELECT FROM cases "
            "WHERE report_id = published_before.subject AND parked <> '')"
        )
        is_left = await self._pool.fetchval("SELECT EXISTS (SELECT FROM published_before)")
        return Order() if is_left else None

    async def published(self, subjects: Sequence[str]) -> PublishedBefore:
        """Return what was published about some subjects."""
        rows = await self._pool.fetch(
            f"SELECT {_COLUMNS} FROM published_before WHERE subject = ANY($1::text[])", subjects
        )
        published: dict[str, dict[str, Published]] = {}
        for row in rows:
            event = Published(*row)
            published.setdefault(event.subject, {})[event.event_id] = event
        return published

    async def subjects(self, after: str) -> list[str]:
        """Return the next subjects about which something was published, in order."""
        rows = await self._pool.fetch(
            "SELECT DISTINCT subject FROM published_before WHERE subject > $1 "
            "ORDER BY subject LIMIT $2",
            after,
            SUBJECTS_MAX,
        )
        return [row["subject"] for row in rows]

    async def forget(self, published: Sequence[Published]) -> None:
        """Forget what is settled."""
        await self._pool.execute(
            "DELETE FROM published_before AS p USING unnest($1::text[], $2::text[]) "
            "AS x(subject, event_id) WHERE p.subject = x.subject AND p.event_id = x.event_id",
            [event.subject for event in published],
            [event.event_id for event in published],
        )

    async def fulfilled(self) -> None:
        """Note that all was decided again."""
        await self._pool.execute("DELETE FROM recovery_order")


async def give_order(
    pool: Pool,
    order: Order,
    published: AsyncIterator[Sequence[Published]],
    skipped: Mapping[str, Mapping[Partition, int]],
) -> int:
    """Order a stage to decide again, all or nothing; return how many events it will compare with.

    `skipped` are the offsets, by lane, of partitions where what was before is lost. Ordered
    again, an order is replaced and nothing is forgotten. The stage must not run.

    Raises:
        asyncpg.UndefinedTableError: the stage has made no tables yet.
    """
    async with pool.acquire() as connection, connection.transaction():
        count = await _remember(connection, published)
        await connection.execute(
            "INSERT INTO recovery_order (until, committed, given_ms) VALUES ($1, $2, $3) "
            "ON CONFLICT (is_one) DO UPDATE SET until = excluded.until, "
            "committed = excluded.committed, given_ms = excluded.given_ms",
            dump_offsets(order.until),
            dump_offsets(order.committed),
            order.given_ms,
        )
        await connection.executemany(
            "INSERT INTO lanes (id, offsets, fencing_token) VALUES ($1, $2, $3) "
            "ON CONFLICT (id) DO UPDATE SET offsets = lanes.offsets || excluded.offsets, "
            "fencing_token = excluded.fencing_token",
            [
                (lane, dump_offsets(offsets), secrets.randbits(62))
                for lane, offsets in skipped.items()
            ],
        )
    return count


async def _remember(connection: Connection, published: AsyncIterator[Sequence[Published]]) -> int:
    count = 0
    await connection.execute(
        "CREATE TEMPORARY TABLE read_now (LIKE published_before) ON COMMIT DROP"
    )
    async for events in published:
        await connection.copy_records_to_table("read_now", records=events)
        # Published twice after a crash, the first is what consumers have read.
        await connection.execute(
            'INSERT INTO published_before SELECT * FROM read_now ORDER BY published_ms, "offset" '
            "ON CONFLICT DO NOTHING"
        )
        await connection.execute("TRUNCATE read_now")
        count += len(events)
    return count
