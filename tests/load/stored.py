"""A million reports in every stage's tables: those that went through it, copied under other ids."""

import asyncio
from typing import Final

import asyncpg

from deploy.local.services import SERVICES
from shared.platform.postgres import schema_of

SECONDS_MAX: Final = 600.0
BANDED: Final = "intake"  # looks for texts that read alike: copies must not
_DRAWN: Final = ("exact", "simhash", *(f"band{n}" for n in range(8)))
_TABLES: Final = tuple(dict.fromkeys(schema_of(service.name) for service in SERVICES))


def _copy(schema: str, columns: list[str], table: str = "cases") -> str:
    """Compose the statement that adds `$1` copies of each row, the report's id renewed.

    A new id is of the old and the copy's number, so that a report has one in all stages.
    """
    fresh = "upper(substr(md5(c.report_id || n::text), 1, 12))"
    state = f"replace(convert_from(c.state, 'UTF8'), c.report_id, {fresh})"
    value = {"report_id": fresh, "state": f"convert_to({state}, 'UTF8')"}
    if schema == BANDED:
        wide = {"exact": 63, "simhash": 63}
        for name in _DRAWN:
            bits = wide.get(name, 31)
            kind = "bigint" if name in wide else "int"
            value[name] = f"((random() - 0.5) * 2::float8 ^ {bits})::{kind}"
    chosen = ", ".join(value.get(name, f"c.{name}") for name in columns)
    return (
        f"INSERT INTO {schema}.{table} ({', '.join(columns)}) SELECT {chosen} "
        f"FROM (SELECT * FROM {schema}.{table} LIMIT $2) AS c, generate_series(1, $1) AS n "
        "ON CONFLICT DO NOTHING"
    )


async def _multiply(postgres: str, schema: str, table: str, times: int, of: int) -> None:
    connection = await asyncpg.connect(postgres, command_timeout=SECONDS_MAX)
    try:
        rows = await connection.fetch(
            "SELECT column_name FROM information_schema.columns "
            "WHERE table_schema = $1 AND table_name = $2",
            schema, table,
        )  # fmt: skip
        await connection.execute("SET synchronous_commit = off")
        await connection.execute("SET maintenance_work_mem = '256MB'")
        indexes = await connection.fetch(
            "SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS made "
            "FROM pg_index WHERE indrelid = $1::regclass AND NOT indisprimary",
            f"{schema}.{table}",
        )  # fmt: skip
        for index in indexes:  # built afterwards, which is several times faster
            await connection.execute(f"DROP INDEX {index['name']}")
        statement = _copy(schema, [row["column_name"] for row in rows], table)
        await connection.execute(statement, times, of)
        for index in indexes:
            await connection.execute(index["made"])
        await connection.execute(f"VACUUM (ANALYZE) {schema}.{table}")
    finally:
        await connection.close()


async def store(postgres: str, times: int, of: int) -> None:
    """Copy `of` reports so many times in every stage, two tables at once; then checkpoint."""
    tables = [("vault", "report_key"), *((schema, "cases") for schema in _TABLES)]
    gate = asyncio.Semaphore(2)

    async def one(schema: str, table: str) -> None:
        async with gate:
            await _multiply(postgres, schema, table, times, of)

    await asyncio.gather(*(one(*table) for table in tables))
    connection = await asyncpg.connect(postgres, command_timeout=SECONDS_MAX)
    try:
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


async def stored(postgres: str) -> tuple[int, int, int]:
    """Return the reports stored, the bytes of the database, and of WAL written so far."""
    connection = await asyncpg.connect(postgres, command_timeout=SECONDS_MAX)
    try:
        (row,) = await connection.fetch(
            "SELECT (SELECT count(*) FROM intake.cases) AS reports, "
            "pg_database_size(current_database()) AS bytes, "
            "pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint AS wal"
        )
        return row["reports"], row["bytes"], row["wal"]
    finally:
        await connection.close()
