"""What the SLA monitor keeps of reports, as of one moment, and where the stack is that has it."""

import contextlib
import os
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import asyncpg

from deploy.cli.clients.kafka import KAFKA_VARIABLE, kafka_address
from deploy.cli.clients.postgres import postgres_address
from services.sla_monitor.audit.verify import Kept
from services.sla_monitor.rules import Monitored
from services.sla_monitor.store import STORE
from shared.contract.envelope import Outbound
from shared.contract.topics import SLA, lane_case
from shared.platform.clock import Clock
from shared.platform.postgres import Connection, Pool
from shared.platform.settings import Settings
from shared.registry import Change
from shared.runtime.lanes import Partition, load_offsets, unpack

STAGE: Final = "sla-monitor"


# ---- where a stack is


@dataclass(frozen=True, slots=True)
class Place:
    """A stack's broker (host:port), its database (URL), and how it maps time."""

    kafka: str
    postgres: str = field(repr=False)  # it holds a password
    clock: Clock


def place(environ: Mapping[str, str] = os.environ) -> Place:
    """Return where the stack is that the caller means: by LAPOR_KAFKA and LAPOR_POSTGRES, or local.

    A local stack's clock is that of its plan, another's that of LAPOR_CLOCK_….

    Raises:
        LocalStackError: neither is there.
    """
    kafka, postgres = kafka_address(environ), postgres_address(environ)
    is_named = environ.get(KAFKA_VARIABLE, "").strip()
    return Place(kafka, postgres, Clock.of(Settings()) if is_named else _local_clock(environ))


def _local_clock(environ: Mapping[str, str]) -> Clock:
    from deploy.local.paths import default_home  # noqa: PLC0415  an image for production
    from deploy.local.state import read_plan  # noqa: PLC0415  cannot import them

    plan = read_plan(default_home(environ))
    told = next((s.env for s in plan.services if s.name == STAGE), {}) if plan else {}
    return Clock.of(
        Settings(
            clock_scale=float(told.get("LAPOR_CLOCK_SCALE", 1)),
            clock_real_origin=told.get("LAPOR_CLOCK_REAL_ORIGIN", ""),
            clock_business_origin=told.get("LAPOR_CLOCK_BUSINESS_ORIGIN", ""),
        )
    )


# ---- the database


@dataclass(frozen=True)
class Snapshot:
    """One lane's rows as of one moment, within a transaction.

    `positions` says which records were decided by then; `outbox` are events of
    `lapor.sla.v1` said by then that the stream may not have yet; `changes` are those of the
    registry that the lane had seen.
    """

    connection: Connection
    positions: Mapping[Partition, int]
    outbox: tuple[Outbound, ...]
    changes: tuple[Change, ...]

    async def cases(self, report_ids: Iterable[str]) -> dict[str, Kept]:
        """Load the rows of reports; those without one are absent."""
        columns = ", ".join(STORE.columns)
        rows = await self.connection.fetch(
            f"SELECT report_id, sequence, state, is_open, timer_at, {columns} FROM cases "
            "WHERE report_id = ANY($1::text[]) AND state <> ''",
            list(report_ids),
        )
        return {row["report_id"]: _kept(row) for row in rows}


def _kept(row: asyncpg.Record) -> Kept:
    case = Monitored.model_validate_json(row["state"])
    columns = {name: row[name] for name in ("is_open", "timer_at", *STORE.columns)}
    return Kept(case, row["sequence"], columns)


async def every_id(pool: Pool) -> list[str]:
    """Return the id of every row, sorted; those of the lanes themselves are among them."""
    rows = await pool.fetch("SELECT report_id FROM cases ORDER BY report_id")
    return [row["report_id"] for row in rows]


@contextlib.asynccontextmanager
async def snapshot(pool: Pool, lane: int) -> AsyncIterator[Snapshot]:
    """Yield a lane as it is at this moment, however long it is looked at."""
    async with (
        pool.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        row = await connection.fetchrow(
            "SELECT offsets, outbox FROM lanes WHERE id = $1", str(lane)
        )
        positions = load_offsets(row["offsets"]) if row else {}
        events = unpack(row["outbox"]) if row else []
        own = tuple(event for event in events if event.topic == SLA.topic())
        state = await connection.fetchval(
            "SELECT state FROM cases WHERE report_id = $1", lane_case(lane)
        )
        changes = Monitored.model_validate_json(state).changes if state else ()
        yield Snapshot(connection, positions, own, changes)
