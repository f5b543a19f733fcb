"""A stage's cases and lanes in PostgreSQL: loaded in one statement, saved in one transaction."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final, Generic, NamedTuple, TypeVar

import asyncpg
from pydantic import BaseModel

from shared.contract.envelope import Outbound
from shared.platform.postgres import Connection, Pool
from shared.runtime.lanes import Lane, dump_offsets, load_offsets, pack, unpack

M = TypeVar("M", bound=BaseModel)
SHELL_MIGRATIONS: Final = Path(__file__).with_name("migrations")


def _never(_case: object) -> None:
    return None


@dataclass(frozen=True, slots=True)
class CaseStore(Generic[M]):
    """How a stage's cases lie in its `cases` table.

    The shell's own columns (`report_id version sequence decided state is_open timer_at fire_at
    parked`) stand in `shared/runtime/migrations`; `columns` adds the stage's: name -> (SQL type,
    value of a case). `is_open` feeds the metric of open cases, `timer_at` the timer loop (UTC, none
    for no timer).
    """

    case: type[M]
    is_open: Callable[[M], bool]
    timer_at: Callable[[M], datetime | None] = _never
    columns: Mapping[str, tuple[str, Callable[[M], object]]] = field(
        default_factory=lambda: MappingProxyType({})
    )


class Stored(NamedTuple):
    """A case as loaded, with what the shell keeps beside it; `parked` waits for a replay."""

    version: int
    sequence: int
    decided: bytes
    case: BaseModel | None
    parked: bytes = b""


class LaneSave(NamedTuple):
    """A lane to save: valid only if the row still has `token_read`."""

    lane: Lane
    token_read: int


class Conflict(Exception):  # noqa: N818 - a lost race, not a fault
    """Another process saved a lane or a case first; nothing of this batch was saved."""


class PostgresState:
    """The shell's `State` in a stage's schema.

    `check_schema` runs after each loading of lanes: what is saved later with the tokens read is
    refused by the database if a newer release has migrated since (shared/platform/migrations.py).
    """

    def __init__(
        self,
        pool: Pool,
        store: CaseStore[BaseModel],
        check_schema: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._pool = pool
        self._store = store
        self._check_schema = check_schema
        self._save = save_statement(store)

    async def lanes(self, ids: Sequence[str], tokens: Sequence[int]) -> dict[str, Lane]:
        """Return the lanes' rows, made with the given fencing tokens where there were none."""
        rows = await self._pool.fetch(
            """
            WITH made AS (
                INSERT INTO lanes (id, offsets, fencing_token)
                SELECT id, '{}', token FROM unnest($1::text[], $2::bigint[]) AS x(id, token)
                ON CONFLICT (id) DO NOTHING RETURNING id, offsets, outbox, fencing_token
            )
            SELECT id, offsets, outbox, fencing_token, '{}'::text[] AS held FROM made
            UNION ALL
            SELECT id, offsets, outbox, fencing_token,
                   ARRAY(SELECT DISTINCT topic FROM held WHERE held.lane = lanes.id)
            FROM lanes WHERE id = ANY($1::text[])
            """,
            ids,
            tokens,
        )
        if self._check_schema is not None:
            await self._check_schema()
        return {
            row["id"]: Lane(
                row["id"],
                load_offsets(row["offsets"]),
                row["fencing_token"],
                row["outbox"],
                frozenset(row["held"]),
            )
            for row in rows
        }

    async def cases(self, report_ids: Sequence[str]) -> dict[str, Stored]:
        """Load cases; reports without one are absent."""
        rows = await self._pool.fetch(
            "SELECT report_id, version, sequence, decided, state, parked FROM cases "
            "WHERE report_id = ANY($1::text[])",
            report_ids,
        )
        read = self._store.case.__pydantic_validator__.validate_json
        return {
            row["report_id"]: Stored(
                row["version"],
                row["sequence"],
                row["decided"],
                read(row["state"]) if row["state"] else None,
                row["parked"],
            )
            for row in rows
        }

    async def save(self, lanes: Sequence[LaneSave], cases: Mapping[str, Stored]) -> None:
        """Save lanes and cases, all or nothing; versions are the new ones, one above the loaded.

        Raises:
            Conflict: a lane's token or a case's version is no longer the one read.
        """
        ordered = sorted(cases.items())
        arguments = [
            [s.lane.id for s in lanes],
            [dump_offsets(s.lane.offsets) for s in lanes],
            [s.lane.outbox for s in lanes],
            [s.lane.fencing_token for s in lanes],
            [s.token_read for s in lanes],
            *self._columns(ordered),
            len(lanes),
            len(ordered),
        ]
        try:
            await self._pool.execute(self._save, *arguments)
        except (asyncpg.SerializationError, asyncpg.UniqueViolationError) as error:
            raise Conflict(str(error)) from None

    async def clear(self, lane_id: str, token: int) -> None:
        """Empty a lane's outbox, if its fencing token is still this one."""
        await self._pool.execute(
            "UPDATE lanes SET outbox = '' WHERE id = $1 AND fencing_token = $2", lane_id, token
        )

    async def hold(self, lane: Lane, token: int, refused: Sequence[Outbound]) -> None:
        """Move the refused events of a lane from its outbox to `held`; the rest is published.

        Raises:
            Conflict: the lane's token is no longer the one read.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            status = await connection.execute(
                "UPDATE lanes SET outbox = '', fencing_token = $3 "
                "WHERE id = $1 AND fencing_token = $2",
                lane.id, lane.fencing_token, token,
            )  # fmt: skip
            if status != "UPDATE 1":
                raise Conflict(lane.id)
            await connection.execute(
                "INSERT INTO held (lane, topic, outbound) SELECT $1, x.topic, x.outbound "
                "FROM unnest($2::text[], $3::bytea[]) WITH ORDINALITY AS x(topic, outbound, n) "
                "ORDER BY x.n",
                lane.id, [o.topic for o in refused], [pack([o]) for o in refused],
            )  # fmt: skip

    async def held(self, lane_id: str, topic: str, most: int) -> list[tuple[int, Outbound]]:
        """Return the oldest events of a lane that wait for a topic, with their numbers."""
        rows = await self._pool.fetch(
            "SELECT number, outbound FROM held WHERE lane = $1 AND topic = $2 "
            "ORDER BY number LIMIT $3",
            lane_id, topic, most,
        )  # fmt: skip
        return [(row["number"], unpack(row["outbound"])[0]) for row in rows]

    async def release(self, numbers: Sequence[int]) -> None:
        """Delete held events that their topic has taken."""
        await self._pool.execute("DELETE FROM held WHERE number = ANY($1::bigint[])", numbers)

    async def load_lookups(self, collect: Callable[[Connection], object]) -> object:
        """Run a stage's own look-ups on one connection."""
        async with self._pool.acquire() as connection:
            return await collect(connection)  # type: ignore[misc]

    def _columns(self, ordered: Sequence[tuple[str, Stored]]) -> list[list[object]]:
        store = self._store
        models = [stored.case for _, stored in ordered]
        return [
            [report_id for report_id, _ in ordered],
            [stored.version for _, stored in ordered],
            [stored.sequence for _, stored in ordered],
            [stored.decided for _, stored in ordered],
            [
                b"" if m is None else m.__pydantic_serializer__.to_json(m, exclude_defaults=True)
                for m in models
            ],
            [m is not None and store.is_open(m) for m in models],
            # While a case is parked its timer would only fire into the queue.
            [
                None if m is None or stored.parked else store.timer_at(m)
                for m, (_, stored) in zip(models, ordered, strict=True)
            ],
            [stored.parked for _, stored in ordered],
            *(
                [None if m is None else value(m) for m in models]
                for _, value in store.columns.values()
            ),
        ]


_SHELL_COLUMNS = {
    "report_id": "text",
    "version": "int",
    "sequence": "int",
    "decided": "bytea",
    "state": "bytea",
    "is_open": "bool",
    "timer_at": "timestamptz",
    "parked": "bytea",
}


def save_statement(store: CaseStore[BaseModel]) -> str:
    """Compose the one statement that saves a batch.

    A case is written only over the version below its own, a lane only over the token read;
    `assert_saved` raises when either count is short, which rolls all of it back. The timer loop's
    `fire_at` follows `timer_at` when that changes, and stays as fired when it does not.
    """
    columns = _SHELL_COLUMNS | {name: sql for name, (sql, _) in store.columns.items()}
    names = ", ".join(columns)
    arrays = ", ".join(f"${n}::{sql}[]" for n, sql in enumerate(columns.values(), 6))
    updates = ", ".join(f"{name} = excluded.{name}" for name in columns if name != "report_id")
    last = 6 + len(columns)
    return f"""
        WITH saved_lanes AS (
            UPDATE lanes SET offsets = x.offsets::jsonb, outbox = x.outbox,
                             fencing_token = x.token
            FROM unnest($1::text[], $2::text[], $3::bytea[], $4::bigint[], $5::bigint[])
                 AS x(id, offsets, outbox, token, token_read)
            WHERE lanes.id = x.id AND lanes.fencing_token = x.token_read RETURNING 1
        ), saved_cases AS (
            INSERT INTO cases AS c ({names}, fire_at)
            SELECT {names}, timer_at FROM unnest({arrays}) AS x({names})
            ON CONFLICT (report_id) DO UPDATE SET {updates},
                fire_at = CASE WHEN c.timer_at IS DISTINCT FROM excluded.timer_at
                               THEN excluded.timer_at ELSE c.fire_at END
            WHERE c.version = excluded.version - 1 RETURNING 1
        )
        SELECT assert_saved((SELECT count(*) FROM saved_lanes), ${last},
                            (SELECT count(*) FROM saved_cases), ${last + 1})
    """
