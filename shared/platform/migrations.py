"""Schema migrations: numbered SQL files, each applied once, in order, and recorded in its schema.

A folder `migrations` holds `0001_<name>.sql`, `0002_<name>.sql` and so on for the component whose
folder it lies in. A stage's schema gets the migrations of the runtime, then the stage's own. All
that are pending are applied in one transaction, under one advisory lock of the database.

A file that was applied is never edited, its remarks excepted: the next number is how to change
something. Its line `-- compatible: yes` says that processes of older releases may go on. Without
that line they may not: the transaction also gives every lane a new fencing token, so that their
next save is a conflict, and `pending_migrations` refuses when they load the lane again.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import Final

from shared.platform.postgres import Connection, Pool

RELEASE: Final = "0.1.0"  # of pyproject.toml, which no image holds
MIGRATION_SECONDS_MAX: Final = 3_600.0
"""Of one migration, and of the wait for another process's."""
_FILE: Final = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
_COMPATIBLE: Final = re.compile(r"^-- compatible: (.*)$", re.MULTILINE)
_TABLE: Final = """
    CREATE TABLE schema_migrations (
        component     text NOT NULL,        -- whose migration it is: runtime, vault, or a stage
        number        integer NOT NULL,
        name          text NOT NULL,
        digest        text NOT NULL,        -- of the statements, without remarks
        is_compatible boolean NOT NULL,     -- older releases may go on
        applied_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
        release       text NOT NULL,        -- that applied it
        PRIMARY KEY (component, number)
    )
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of statements; `is_compatible` says that older releases may go on after it."""

    component: str
    number: int
    name: str
    statements: str
    is_compatible: bool

    @property
    def digest(self) -> str:
        """Return a hash of the statements; remarks and white space are no part of it."""
        words = re.sub(r"--[^\n]*", "", self.statements).split()
        return blake2b(" ".join(words).encode(), digest_size=16).hexdigest()

    def __str__(self) -> str:
        return f"{self.component}/{self.number:04}_{self.name}"


@dataclass(frozen=True, slots=True)
class AppliedMigration:
    """What a schema records of a migration; `applied_at` in UTC."""

    component: str
    number: int
    name: str
    digest: str
    is_compatible: bool
    applied_at: datetime
    release: str

    def __str__(self) -> str:
        return f"{self.component}/{self.number:04}_{self.name}"


class OtherSchema(Exception):  # noqa: N818 - says what the schema is
    """A schema is not one that this release may work with; the message says what to do."""

    def __init__(self, schema: str, why: str) -> None:
        super().__init__(f"schema {schema}: {why}")


def read_migrations(*folders: Path) -> tuple[Migration, ...]:
    """Read the migrations of components, in the order in which they are applied.

    Raises:
        ValueError: a file's name, its number or its header is not as it must be.
    """
    return tuple(migration for folder in folders for migration in _read_folder(folder))


def _read_folder(folder: Path) -> list[Migration]:
    migrations = []
    for number, file in enumerate(sorted(folder.glob("*.sql")), 1):
        name = _FILE.fullmatch(file.name)
        if name is None or int(name[1]) != number:
            raise ValueError(f"{file}: the migration number {number:04} was to come here")
        text = file.read_text(encoding="utf-8")
        header = _COMPATIBLE.search(text)
        if header is not None and header[1] not in ("yes", "no"):
            raise ValueError(f"{file}: write `-- compatible: yes` or `-- compatible: no`")
        is_compatible = header is not None and header[1] == "yes"
        migrations.append(Migration(folder.parent.name, number, name[2], text, is_compatible))
    if not migrations:
        raise ValueError(f"{folder}: no migrations are there")
    return migrations


async def applied_migrations(database: Pool | Connection, schema: str) -> list[AppliedMigration]:
    """Return what a schema records, in the order applied; none where there is no such schema.

    Raises:
        OtherSchema: it has tables, and no record of how they came about.
    """
    if await database.fetchval("SELECT to_regclass($1)", f'"{schema}".schema_migrations') is None:
        tables = await database.fetchval(
            "SELECT count(*) FROM pg_tables WHERE schemaname = $1", schema
        )
        if tables:
            raise OtherSchema(schema, "it was made before migrations; begin with an empty database")
        return []
    rows = await database.fetch(
        "SELECT component, number, name, digest, is_compatible, applied_at, release "
        f'FROM "{schema}".schema_migrations ORDER BY applied_at, component, number'
    )
    return [AppliedMigration(**row) for row in rows]


async def pending_migrations(
    database: Pool | Connection, schema: str, migrations: Sequence[Migration]
) -> tuple[Migration, ...]:
    """Return the migrations that a schema has not got yet.

    Raises:
        OtherSchema: an applied file was changed; or a newer release applied a migration after
            which this one may not go on.
    """
    applied = {(m.component, m.number): m for m in await applied_migrations(database, schema)}
    own = {(m.component, m.number): m for m in migrations}
    for key in applied.keys() & own.keys():
        if applied[key].digest != own[key].digest:
            raise OtherSchema(
                schema,
                f"{own[key]} was changed after {applied[key].release} had applied it. "
                "Restore the file, and write the change as the next migration",
            )
    for key in sorted(applied.keys() - own.keys()):
        if not applied[key].is_compatible:
            raise OtherSchema(
                schema,
                f"release {applied[key].release} applied {applied[key]}, which this release "
                f"({RELEASE}) may not work with. Run that release or a newer one",
            )
    return tuple(migration for key, migration in own.items() if key not in applied)


async def apply_migrations(
    pool: Pool, schema: str, migrations: Sequence[Migration]
) -> tuple[Migration, ...]:
    """Apply what a schema has not got yet, all or nothing; return what was applied now.

    Processes that come together do it one after the other.

    Raises:
        OtherSchema: as `pending_migrations`.
        asyncpg.PostgresError: a statement failed.
    """
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(
            "SELECT pg_advisory_xact_lock(hashtext('lapor schema'))", timeout=MIGRATION_SECONDS_MAX
        )
        pending = await pending_migrations(connection, schema, migrations)
        if not pending:
            return ()
        if await connection.fetchval("SELECT to_regnamespace($1)", f'"{schema}"') is None:
            await connection.execute(f'CREATE SCHEMA "{schema}"')
        await connection.execute(f'SET LOCAL search_path = "{schema}"')
        to_fence: list[str] = []
        if await connection.fetchval("SELECT to_regclass('schema_migrations')") is None:
            await connection.execute(_TABLE)
        elif not all(migration.is_compatible for migration in pending):
            to_fence = await _lane_tables(connection, schema)
        for table in to_fence:  # first, as every save does, and until all is committed
            await connection.execute(
                f"LOCK TABLE {table} IN EXCLUSIVE MODE", timeout=MIGRATION_SECONDS_MAX
            )
        for migration in pending:
            await connection.execute(migration.statements, timeout=MIGRATION_SECONDS_MAX)
            await connection.execute(
                "INSERT INTO schema_migrations "
                "(component, number, name, digest, is_compatible, release) "
                "VALUES ($1, $2, $3, $4, $5, $6)",
                migration.component, migration.number, migration.name, migration.digest,
                migration.is_compatible, RELEASE,
            )  # fmt: skip
        for table in to_fence:
            await connection.execute(
                f"UPDATE {table} SET fencing_token = (random() * 4611686018427387903)::bigint",
                timeout=MIGRATION_SECONDS_MAX,
            )
        return pending


async def _lane_tables(connection: Connection, schema: str) -> list[str]:
    """Return the table of a schema's lanes; of a schema without lanes, those of all stages."""
    rows = await connection.fetch(
        "SELECT schemaname FROM pg_tables WHERE tablename = 'lanes' ORDER BY schemaname"
    )
    schemas = [row["schemaname"] for row in rows]
    return [f'"{name}".lanes' for name in ([schema] if schema in schemas else schemas)]
