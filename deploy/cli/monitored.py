"""What the SLA monitor keeps of reports, as of one moment, and where the stack is that has it."""

import contextlib
import os
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import asyncpg

from deploy.cli.reaching import KAFKA_VARIABLE, Trouble, kafka_address
from services.sla_monitor.rules import Monitored
from services.sla_monitor.store import STORE
from services.sla_monitor.verify import Kept
from shared.clock import Clock
from shared.envelope import Outbound
from shared.lanes import Partition, load_positions, unpack
from shared.postgres import Connection, schema_of
from shared.settings import Settings
from shared.topics import SLA

STAGE: Final = "sla-monitor"
POSTGRES_VARIABLE: Final = "LAPOR_POSTGRES"
SECONDS_MAX: Final = 30.0


# ---- where a stack is


@dataclass(frozen=True, slots=True)
class Place:
    """A stack's broker (host:port), its database (URL), and how it maps time."""

    kafka: str
    postgres: str = field(repr=False)  # it holds a password
    clock: Clock


def place(environ: Mapping[str, str] = os.environ) -> Place:
    """Return where the stack is that the caller means: by LAPOR_KAFKA and LAPOR_POSTGRES, or local.

    Raises:
        LocalStackError: neither is there, or only one of the two is named.
    """
    kafka = kafka_address(environ)
    postgres = environ.get(POSTGRES_VARIABLE, "").strip()
    if environ.get(KAFKA_VARIABLE, "").strip():
        if not postgres:
            raise Trouble(
                f"{KAFKA_VARIABLE} names a broker, and {POSTGRES_VARIABLE} no database.",
                f"Set {POSTGRES_VARIABLE} to the URL that the stages have, "
                "such as postgresql://lapor:…@host:5432/lapor",
            )
        return Place(kafka, postgres, Clock.of(Settings()))
    return _local(environ, kafka, postgres)


def _local(environ: Mapping[str, str], kafka: str, postgres: str) -> Place:
    from deploy.local import stack  # noqa: PLC0415  an image for production cannot import it
    from deploy.local.home import default_home  # noqa: PLC0415
    from deploy.local.state import read_plan  # noqa: PLC0415

    home = default_home(environ)
    plan = read_plan(home)
    told = next((s.env for s in plan.services if s.name == STAGE), {}) if plan else {}
    settings = Settings(
        clock_scale=float(told.get("LAPOR_CLOCK_SCALE", 1)),
        clock_real_origin=told.get("LAPOR_CLOCK_REAL_ORIGIN", ""),
        clock_business_origin=told.get("LAPOR_CLOCK_BUSINESS_ORIGIN", ""),
    )
    return Place(kafka, postgres or stack.connection(home).postgres, Clock.of(settings))


# ---- the database


@contextlib.asynccontextmanager
async def database(dsn: str) -> AsyncIterator[Connection]:
    """Yield a connection in the SLA monitor's schema.

    Raises:
        Trouble: the database does not answer, or the SLA monitor never ran on it.
    """
    try:
        connection = await asyncpg.connect(
            dsn,
            timeout=10,
            command_timeout=SECONDS_MAX,
            server_settings={
                "search_path": schema_of(STAGE),
                "application_name": "lapor deadline",
                "jit": "off",
            },
        )
    except (OSError, TimeoutError, asyncpg.PostgresError) as away:
        raise Trouble(
            f"PostgreSQL does not answer: {away}",
            f"Is it up? See: lapor status. Is the URL right? {POSTGRES_VARIABLE} names it",
        ) from None
    try:
        yield connection
    except asyncpg.UndefinedTableError:
        raise Trouble(
            "This database has no case of the SLA monitor: it never ran here.",
            "Start it: lapor up. Or name another database: " + POSTGRES_VARIABLE,
        ) from None
    finally:
        await connection.close()


@dataclass(frozen=True)
class Snapshot:
    """One lane's rows as of one moment, within a transaction.

    `positions` says which records were decided by then; `unconfirmed` are events of
    `lapor.sla.v1` said by then that the stream may not have yet.
    """

    connection: Connection
    positions: Mapping[Partition, int]
    unconfirmed: tuple[Outbound, ...]

    async def cases(self, report_ids: Iterable[str]) -> dict[str, Kept]:
        """Load the rows of reports; those without one are absent."""
        columns = ", ".join(STORE.columns)
        rows = await self.connection.fetch(
            f"SELECT report_id, sequence, state, alarm_at, {columns} FROM cases "
            "WHERE report_id = ANY($1::text[]) AND state <> ''",
            list(report_ids),
        )
        return {row["report_id"]: _kept(row) for row in rows}


def _kept(row: asyncpg.Record) -> Kept:
    case = Monitored.model_validate_json(row["state"])
    columns = {name: row[name] for name in ("alarm_at", *STORE.columns)}
    return Kept(case, row["sequence"], columns)


async def every_id(connection: Connection) -> list[str]:
    """Return the id of every row, sorted; those of the lanes themselves are among them."""
    rows = await connection.fetch("SELECT report_id FROM cases ORDER BY report_id")
    return [row["report_id"] for row in rows]


@contextlib.asynccontextmanager
async def snapshot(connection: Connection, lane: int) -> AsyncIterator[Snapshot]:
    """Yield a lane as it is at this moment, however long it is looked at."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        row = await connection.fetchrow(
            "SELECT positions, unconfirmed FROM lanes WHERE id = $1", str(lane)
        )
        positions = load_positions(row["positions"]) if row else {}
        events = unpack(row["unconfirmed"]) if row else []
        own = tuple(event for event in events if event.topic == SLA.topic())
        yield Snapshot(connection, positions, own)
