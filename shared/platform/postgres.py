"""Connections to PostgreSQL, schemas applied once, and which failures are worth waiting for."""

import asyncio
import re
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

import asyncpg

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    Pool = asyncpg.Pool[asyncpg.Record]
    Connection = (
        asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]
    )
else:  # asyncpg's own classes take no parameters
    Pool = asyncpg.Pool
    Connection = asyncpg.Connection

# What passes by itself once the server is back, has room, or the other transaction has ended.
PASSING: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.DeadlockDetectedError,
    asyncpg.LockNotAvailableError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InternalClientError,
    asyncpg.PostgresSystemError,
    OSError,
    TimeoutError,
    asyncio.IncompleteReadError,
)
COMMAND_SECONDS_MAX: Final = 30.0


def schema_of(stage: str) -> str:
    """Return the schema of a stage: `verification.national` has `verification_national`."""
    return stage.replace(".", "_").replace("-", "_")


class OtherSchema(Exception):  # noqa: N818 - says what the schema is
    """A stage's tables are another release's."""

    def __init__(self, schema: str, found: str, wanted: str) -> None:
        super().__init__(
            f"the tables of {schema} were made by {found}, this release is {wanted}. "
            "Change them as the release says, ending with "
            f"COMMENT ON SCHEMA \"{schema}\" IS '{wanted}'; or begin with an empty database"
        )


async def connect(dsn: str, schema: str, *, size_max: int = 4) -> Pool:
    """Open a stage's pool, its schema first in the search path.

    Raises:
        OSError, asyncpg.PostgresError: the server is not there or refuses.
    """
    return await asyncpg.create_pool(
        dsn,
        min_size=1,
        max_size=size_max,
        command_timeout=COMMAND_SECONDS_MAX,
        reset=_as_it_is,
        server_settings={
            "search_path": schema,
            "application_name": f"lapor {schema}",
            # A plan made while a table is empty is a bad plan later (docs/benchmarks.md).
            "plan_cache_mode": "force_custom_plan",
            "jit": "off",
        },
    )


async def _as_it_is(_connection: object) -> None:
    """Give a connection back without a word to the server: no stage sets anything in a session.

    asyncpg's own reset is a round trip after each statement, half of all of a stage.
    """


async def apply_schema(pool: Pool, schema: str, files: "Sequence[Path]") -> bool:
    """Create a schema from its files once, whoever comes first; return whether it was now.

    Holds an advisory lock, so that processes that start together do it one after the other. The
    schema's comment names the files that made it.

    Raises:
        OtherSchema: other files than these made it.
    """
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    version = _version(text)
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext('lapor schema'))")
        found = await connection.fetchrow(
            "SELECT obj_description(oid, 'pg_namespace') AS version FROM pg_namespace "
            "WHERE nspname = $1",
            schema,
        )
        if found is not None:
            if found["version"] != version:
                raise OtherSchema(schema, found["version"] or "an unnamed version", version)
            return False
        await connection.execute(f'CREATE SCHEMA "{schema}"')
        await connection.execute(f'SET LOCAL search_path = "{schema}"')
        await connection.execute(text)
        await connection.execute(f"COMMENT ON SCHEMA \"{schema}\" IS '{version}'")
        return True


def _version(text: str) -> str:
    """Return a short hash of statements; remarks and white space are no part of it."""
    words = re.sub(r"--[^\n]*", "", text).split()
    return blake2b(" ".join(words).encode(), digest_size=6).hexdigest()
