"""Reads one lane of the SLA monitor as of one moment: its cases, its offsets and its outbox."""

import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass

import asyncpg

from services.sla_monitor.audit.verify import CaseRow
from services.sla_monitor.rules import MonitoredCase
from services.sla_monitor.store import STORE
from shared.contract.envelope import Outbound
from shared.contract.topics import SLA, lane_case
from shared.platform.postgres import Connection, Pool
from shared.registry import Change
from shared.runtime.lanes import Partition, load_offsets, unpack


@dataclass(frozen=True)
class Snapshot:
    """One lane's rows as of one moment, within a transaction.

    `offsets` says which records were decided by then; `outbox` are events of `lapor.sla.v1`
    decided by then that the stream may not have yet; `changes` are those of the registry that the
    lane had seen.
    """

    connection: Connection
    offsets: Mapping[Partition, int]
    outbox: tuple[Outbound, ...]
    changes: tuple[Change, ...]

    async def cases(self, report_ids: Iterable[str]) -> dict[str, CaseRow]:
        """Load the rows of reports; those without one are absent."""
        columns = ", ".join(STORE.columns)
        rows = await self.connection.fetch(
            f"SELECT report_id, sequence, state, is_open, timer_at, {columns} FROM cases "
            "WHERE report_id = ANY($1::text[]) AND state <> ''",
            list(report_ids),
        )
        return {row["report_id"]: _case_row(row) for row in rows}


def _case_row(row: asyncpg.Record) -> CaseRow:
    case = MonitoredCase.model_validate_json(row["state"])
    columns = {name: row[name] for name in ("is_open", "timer_at", *STORE.columns)}
    return CaseRow(case, row["sequence"], columns)


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
        offsets = load_offsets(row["offsets"]) if row else {}
        events = unpack(row["outbox"]) if row else []
        own = tuple(event for event in events if event.topic == SLA.topic())
        state = await connection.fetchval(
            "SELECT state FROM cases WHERE report_id = $1", lane_case(lane)
        )
        changes = MonitoredCase.model_validate_json(state).changes if state else ()
        yield Snapshot(connection, offsets, own, changes)
