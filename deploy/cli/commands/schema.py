"""`lapor schema status` and `apply`: the migrations of the database, applied and pending."""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import asyncpg
import typer
from rich.text import Text

import services
from deploy.cli.clients.kafka import run
from deploy.cli.clients.postgres import POSTGRES_VARIABLE, postgres_address
from deploy.cli.terminal.console import CliError, err, out
from deploy.cli.terminal.output import write_json
from deploy.cli.terminal.text import columns
from shared.contract.topics import READS
from shared.platform.migrations import (
    AppliedMigration,
    Migration,
    OtherSchema,
    applied_migrations,
    apply_migrations,
    pending_migrations,
    read_migrations,
)
from shared.platform.postgres import PASSING, Pool, connect, schema_of
from shared.runtime.case_store import SHELL_MIGRATIONS
from shared.vault import key_store

SERVICES: Final = Path(services.__file__).parent
JSON = Annotated[bool, typer.Option("--json", help="For programs.")]
Status = Mapping[str, tuple[Sequence[AppliedMigration], Sequence[Migration]]]

group = typer.Typer(no_args_is_help=True, help="The database's schemas and their migrations.")


def schemas() -> dict[str, tuple[Migration, ...]]:
    """Return every schema of the pipeline with the migrations that it is to have, in order."""
    shared = {name: read_migrations(folder) for name, folder in key_store.SCHEMAS.items()}
    own = {
        schema_of(stage): read_migrations(
            SHELL_MIGRATIONS, SERVICES / schema_of(stage.partition(".")[0]) / "migrations"
        )
        for stage in READS
    }
    return {**shared, **own}


@group.command()
def status(*, as_json: JSON = False) -> None:
    """Show of each schema the applied and pending migrations; exit with 1 if any is pending."""
    dsn = postgres_address()
    states = run(_status(dsn))
    if as_json:
        write_json([_as_dict(schema, *state) for schema, state in states.items()], indent=2)
    else:
        for schema, (applied, pending) in states.items():
            heading = f"{schema}: {len(applied)} applied, {len(pending)} pending"
            out.print(Text(heading, style="bold"), soft_wrap=True)
            rows = [
                (str(m), f"{m.applied_at:%Y-%m-%d %H:%M:%S} UTC by {m.release}") for m in applied
            ]
            for line in columns([*rows, *((str(m), "pending") for m in pending)]):
                out.print(Text(f"    {line}"), soft_wrap=True)
    is_pending = any(pending for _, pending in states.values())
    if is_pending and not as_json:
        err.print("Apply them: lapor schema apply")
    raise typer.Exit(int(is_pending))


@group.command()
def apply(*, as_json: JSON = False) -> None:
    """Apply pending migrations, each schema's all or none of them, and say which."""
    dsn = postgres_address()
    done = run(_apply(dsn))
    if as_json:
        write_json(
            {schema: [str(m) for m in applied] for schema, applied in done.items()}, indent=2
        )
        return
    for schema, applied in done.items():
        for migration in applied:
            out.print(Text(f"{schema}: applied {migration}"), soft_wrap=True)
    if not any(done.values()):
        out.print("Nothing is pending.")


def _as_dict(
    schema: str, applied: Sequence[AppliedMigration], pending: Sequence[Migration]
) -> dict[str, Any]:
    return {
        "schema": schema,
        "applied": [
            {
                "migration": str(m),
                "digest": m.digest,
                "is_compatible": m.is_compatible,
                "applied_at": m.applied_at.isoformat(),
                "release": m.release,
            }
            for m in applied
        ],
        "pending": [str(m) for m in pending],
    }


async def _status(dsn: str) -> Status:
    async with _database(dsn) as pool:
        return {
            schema: (
                await applied_migrations(pool, schema),
                await pending_migrations(pool, schema, migrations),
            )
            for schema, migrations in schemas().items()
        }


async def _apply(dsn: str) -> dict[str, tuple[Migration, ...]]:
    async with _database(dsn) as pool:
        return {
            schema: await apply_migrations(pool, schema, migrations)
            for schema, migrations in schemas().items()
        }


@contextlib.asynccontextmanager
async def _database(dsn: str) -> AsyncIterator[Pool]:
    """Yield connections; what the database or a schema refuses becomes a CliError."""
    try:
        async with await connect(dsn, "public") as pool:
            yield pool
    except OtherSchema as other:
        raise CliError(f"{other}.") from None
    except PASSING as away:
        raise CliError(
            f"PostgreSQL does not answer: {away or type(away).__name__}",
            f"Is it up? See: lapor status. Is the address right? {POSTGRES_VARIABLE} names it",
        ) from None
    except asyncpg.PostgresError as refused:
        raise CliError(
            f"PostgreSQL refuses: {refused}", "Nothing of that schema was changed"
        ) from None
