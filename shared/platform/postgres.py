"""Connections to PostgreSQL, and which failures are worth waiting for."""

import asyncio
from typing import TYPE_CHECKING, Final

import asyncpg

if TYPE_CHECKING:
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
        reset=_no_reset,
        server_settings={
            "search_path": schema,
            "application_name": f"lapor {schema}",
            # A plan made while a table is empty is a bad plan later (docs/benchmarks.md).
            "plan_cache_mode": "force_custom_plan",
            "jit": "off",
        },
    )


async def _no_reset(_connection: object) -> None:
    """Give a connection back as it is: no stage sets anything in a session.

    asyncpg's own reset is a round trip after each statement, half of all of a stage.
    """
