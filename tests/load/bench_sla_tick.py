"""What a look for due deadlines costs when nothing is due, from 10,000 to 10,000,000 open ones.

Beside it, on the same tables, the four designs that this replaces.
"""

import asyncio
import json
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import asyncpg

from shared.platform.migrations import apply_migrations, read_migrations
from shared.platform.postgres import Connection, connect
from shared.runtime.case_store import SHELL_MIGRATIONS
from shared.runtime.timers import BEGINNING, look_for
from tests.integration.stack import running_stack
from tests.load.results import Result, out

SCHEMA: Final = "tick"
SIZES: Final = (10_000, 100_000, 1_000_000, 10_000_000)
CHUNK: Final = 1_000_000
LOOKS: Final = 200
GOAL_RATIO: Final = 1.5
LIMIT: Final = 500
SECONDS_MAX: Final = 120.0
DEAD: Final = 100_000
MINUTE: Final = timedelta(minutes=1)

# What the designs replaced go by; the newest 100 get the index that they need.
_BESIDE: Final = """
    ALTER TABLE cases ADD COLUMN started_at timestamptz NOT NULL,
                      ADD COLUMN limit_days int NOT NULL;
    CREATE INDEX cases_started ON cases (started_at);
"""
_INDEXES: Final = ("cases_due", "cases_open", "cases_started")
_FILL: Final = """
    INSERT INTO cases (report_id, version, sequence, decided, state, is_open, timer_at, fire_at,
                       started_at, limit_days)
    SELECT lpad(n::text, 12, '0'), 1, 1, '', '', true, at, at, at - interval '5 days', 5
    FROM generate_series($1::bigint, $2::bigint) AS n,
         LATERAL (SELECT $3::timestamptz + (n * 7919 % 10000000) * interval '1 second' AS at) AS x
"""


async def by_index(connection: Connection, now: datetime) -> int:
    """Look as the timer loop does; without the watermark, which can only spare it work."""
    return len((await look_for(connection, now, LIMIT, MINUTE)).due)


async def newest_100(connection: Connection, now: datetime) -> int:
    """Look at the newest hundred: cheap, and blind for whatever is older."""
    rows = await connection.fetch(
        "SELECT started_at, limit_days FROM cases WHERE is_open ORDER BY started_at DESC LIMIT 100"
    )
    return sum(_is_due(row, now) for row in rows)


async def rank_over_history(connection: Connection, now: datetime) -> int:
    """Rank every report's history and take the last; here one row each, the least there can be."""
    return int(
        await connection.fetchval(
            """
            SELECT count(*) FROM (
                SELECT is_open, timer_at,
                       rank() OVER (PARTITION BY report_id ORDER BY version DESC) AS place
                FROM cases
            ) AS history WHERE place = 1 AND is_open AND timer_at <= $1
            """,
            now,
            timeout=SECONDS_MAX,
        )
    )


async def loop_over_all(connection: Connection, now: datetime) -> int:
    """Fetch every open report and compare it in the program."""
    found = 0
    async with connection.transaction():
        cursor = connection.cursor(
            "SELECT started_at, limit_days FROM cases WHERE is_open", prefetch=5_000
        )
        async for row in cursor:
            found += _is_due(row, now)
    return found


async def scan_in_sql(connection: Connection, now: datetime) -> int:
    """Add the limit to the start in every row."""
    return int(
        await connection.fetchval(
            "SELECT count(*) FROM cases "
            "WHERE is_open AND started_at + limit_days * interval '1 day' <= $1",
            now,
            timeout=SECONDS_MAX,
        )
    )


def _is_due(row: "asyncpg.Record", now: datetime) -> bool:
    return bool(row["started_at"] + timedelta(days=row["limit_days"]) <= now)


Design = Callable[[Connection, datetime], Awaitable[int]]


class Tick(NamedTuple):
    """A design, and how often it is measured."""

    name: str
    look: Design
    times: int


OURS: Final = Tick("tick by index", by_index, LOOKS)
REPLACED: Final = (
    Tick("newest 100 only (misses the rest)", newest_100, LOOKS),
    Tick("rank over history", rank_over_history, 1),
    Tick("loop over all open", loop_over_all, 1),
    Tick("started_at + limit, scan in SQL", scan_in_sql, 3),
)


async def milliseconds(connection: Connection, tick: Tick, now: datetime) -> float:
    """Return the median time of a look; a design that takes longer than two minutes has no end."""
    taken = []
    for _ in range(tick.times + (tick.times > 1)):
        began = time.perf_counter()
        try:
            async with asyncio.timeout(SECONDS_MAX):
                await tick.look(connection, now)
        except TimeoutError:
            return float("inf")
        taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken[tick.times > 1 :])


async def pages(connection: Connection, now: datetime, since: datetime = BEGINNING) -> int:
    """Return how many pages of table and index a look reads: what a busy machine cannot blur."""
    plan = await connection.fetchval(
        "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT report_id FROM cases "
        "WHERE fire_at >= $3 AND fire_at <= $1 ORDER BY fire_at LIMIT $2 FOR UPDATE SKIP LOCKED",
        now,
        LIMIT,
        since,
    )
    top = json.loads(plan)[0]["Plan"]
    return int(top["Shared Hit Blocks"] + top["Shared Read Blocks"])


async def grow(connection: Connection, before: int, size: int, future: datetime) -> None:
    """Fill the table up to a size; its indexes are made again afterwards."""
    made = await connection.fetch(
        "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = $1", SCHEMA
    )
    definitions = [row["indexdef"] for row in made if row["indexname"] in _INDEXES]
    for name in _INDEXES:
        await connection.execute(f"DROP INDEX {name}")
    for first in range(before + 1, size + 1, CHUNK):
        last = min(size, first + CHUNK - 1)
        await connection.execute(_FILL, first, last, future, timeout=600)
        out.print(f"  {last:,} of {size:,} rows")
    for definition in definitions:
        await connection.execute(definition, timeout=600)
    await connection.execute("VACUUM (ANALYZE) cases", timeout=600)


async def curve(postgres: str, scale: float) -> list[Result]:
    """Measure every design at every size of one growing table, nothing due in it."""
    pool = await connect(postgres, SCHEMA)
    await apply_migrations(pool, SCHEMA, read_migrations(SHELL_MIGRATIONS))
    now = datetime.now(UTC)
    first: dict[str, float] = {}
    results: list[Result] = []
    before = 0
    async with pool.acquire() as connection:
        await connection.execute(_BESIDE)
        for whole in SIZES:
            size = max(1_000, int(whole * scale))
            await grow(connection, before, size, now + timedelta(days=1))
            before = size
            read = await pages(connection, now)
            for tick in (OURS, *REPLACED):
                taken = await milliseconds(connection, tick, now)
                ratio = taken / first.setdefault(tick.name, taken)
                beside = f"{read} pages read; wanted: ratio {GOAL_RATIO}" if tick is OURS else ""
                results.append(Result(f"{size:,} open: {tick.name}", taken, "ms", beside, ratio))
        results += await dead_entries(connection, postgres, now, int(DEAD * scale))
    await pool.close()
    return results


async def dead_entries(
    connection: Connection, postgres: str, now: datetime, count: int
) -> list[Result]:
    """Measure a look after many fired while a backup holds its snapshot, with and without the mark.

    No vacuum may take away what the snapshot may still see.
    """
    backup = await asyncpg.connect(postgres)
    async with backup.transaction(isolation="repeatable_read"):
        await backup.fetchval("SELECT count(*) FROM pg_class")
        ids = "SELECT report_id FROM cases ORDER BY report_id LIMIT $2"
        for at in (now - timedelta(hours=1), now + timedelta(days=30)):
            await connection.execute(
                f"UPDATE cases SET fire_at = $1 WHERE report_id IN ({ids})", at, count, timeout=600
            )
            await connection.execute(
                "UPDATE cases SET fire_at = $1 WHERE report_id = '000000000001'", at
            )
        low = now - timedelta(seconds=2)
        results: list[Result] = []
        for what, since in (("without the watermark", BEGINNING), ("above it", low)):

            async def look(connection: Connection, now: datetime, since: datetime = since) -> int:
                return len((await look_for(connection, now, LIMIT, MINUTE, since)).due)

            taken = await milliseconds(connection, Tick(what, look, 20), now)
            read = await pages(connection, now, since)
            results.append(
                Result(f"{count:,} dead entries under a backup: look {what}", taken, "ms",
                       f"{read} pages read", taken / results[0].figure if results else 1.0)
            )  # fmt: skip
    await backup.close()
    return results


def tick(scale: float) -> Iterator[Result]:
    """Print the curve; the largest table takes a minute or two to make."""
    with running_stack() as stack:
        yield from asyncio.run(curve(stack.postgres, scale))
