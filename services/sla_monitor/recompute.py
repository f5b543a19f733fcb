"""The recompute: after a change of the registry, every case that it may move settles again.

Begins once all lanes have seen the change, so that a case decided later knows it anyway. Bounded
batches, the progress kept in the database: a process that dies goes on where it was, and a case
asked twice under the same id decides once. What moves is decided by the rule, as events.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from services.sla_monitor.rules import MonitoredCase
from shared.contract import topics
from shared.contract.events import CalendarAmended, PolicyChanged, Recompute
from shared.platform.postgres import Connection, Pool
from shared.registry import NATIONAL, Change, Registry
from shared.runtime.stage import Resources
from shared.runtime.timers import InFlight, internal_record

if TYPE_CHECKING:
    from shared.runtime.lanes import Partition

STAGE: Final = "sla-monitor"
BATCH_MAX: Final = 2_000
LOOK_SECONDS: Final = 1.0
ROOM_SECONDS_MAX: Final = 60.0  # a stage that decides nothing for so long is asked all the same
LISTING_SECONDS_MAX: Final = 900.0  # it reads all cases once: longer than any other statement
_ZONES: Final = timedelta(days=1)  # a local day lies within a day of the same day in UTC

_LANES: Final = """
    SELECT state FROM cases WHERE report_id >= 'registry.' AND report_id < 'registry/'
"""
_CANDIDATES: Final = """
    FROM cases WHERE is_open AND counts_from < $2 AND counts_until > $1
    AND ($3::text[] IS NULL OR string_to_array(institutions, ',') && $3::text[])
"""
"""Which open cases a change may move: by its `window` and the institutions that it concerns."""
_BEGIN: Final = f"""
    WITH candidates AS (
        INSERT INTO recompute_cases (version, report_id) SELECT $4, report_id {_CANDIDATES}
        ON CONFLICT DO NOTHING RETURNING 1
    )
    INSERT INTO recomputes (version, changed, seen_at, total)
    SELECT $4, $5, $6, count(*) FROM candidates
    ON CONFLICT (version) DO NOTHING
"""
_PENDING: Final = """
    SELECT version, changed, seen_at, after, asked, total FROM recomputes
    WHERE finished_at IS NULL ORDER BY seen_at, version LIMIT 1 FOR UPDATE SKIP LOCKED
"""
_NEXT: Final = """
    SELECT report_id FROM recompute_cases WHERE version = $1 AND report_id > $2
    ORDER BY report_id LIMIT $3
"""
_PROGRESS: Final = "SELECT asked, total, finished_at FROM recomputes WHERE version = $1"
_FORGET: Final = "DELETE FROM recompute_cases WHERE version = $1"
_FINISH: Final = "UPDATE recomputes SET finished_at = now() WHERE version = $1"
_ASKED: Final = """
    UPDATE recomputes SET after = $2, asked = asked + $3 WHERE version = $1
"""


class Recomputer:
    """Runs beside the stage's consumer; several may, one works."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._asked_to: dict[str, dict[Partition, int]] = {}  # version -> where its last one lies

    async def __call__(self, context: Resources) -> None:
        """Look for changes that every lane has seen, and ask the cases they may move.

        Waits after each batch until the stage has decided nearly all, so that the day's timers and
        records have few of these before them.
        """
        room = InFlight(STAGE, context)
        while not context.stopping.is_set():
            async with context.pool.acquire() as connection:
                await self._begin_new(connection)
                has_more = await self._step(connection, context, room)
            if has_more:
                await room.wait(ROOM_SECONDS_MAX)
            else:
                await asyncio.sleep(LOOK_SECONDS)

    async def _begin_new(self, connection: Connection) -> None:
        lanes = await lane_cases(connection)
        if len(lanes) < topics.PARTITIONS:
            return
        begun = {row["version"] for row in await connection.fetch("SELECT version FROM recomputes")}
        for change in seen_by_all(lanes):
            if change.event.version not in begun:
                await self._begin(connection, change)

    async def _begin(self, connection: Connection, change: Change) -> None:
        """List the candidates of a change, in the transaction that makes it known as begun."""
        event = change.event
        async with connection.transaction():
            await connection.execute(
                _BEGIN,
                *_scope(event, self._registry),
                event.version,
                "calendar" if isinstance(event, CalendarAmended) else "policy",
                change.seen_at,
                timeout=LISTING_SECONDS_MAX,
            )

    async def _step(self, connection: Connection, context: Resources, room: InFlight) -> bool:
        """Ask the next batch of the oldest recompute; tell whether there may be more to do at once.

        The progress is saved after the records are: killed between the two, it asks them again.
        """
        async with connection.transaction():
            row = await connection.fetchrow(_PENDING)
            if row is None:
                return False
            version = row["version"]
            rows = await connection.fetch(_NEXT, version, row["after"], BATCH_MAX)
            if not rows:
                if not await self._is_decided(version, room):
                    return False
                await connection.execute(_FORGET, version)
                await connection.execute(_FINISH, version)
                context.logger.info("recomputed", version=version)
                return True
            await context.log.publish(
                [
                    internal_record(
                        STAGE,
                        Recompute(report_id=report_id, version=version, changed=row["changed"]),
                        cause=f"{version}@{report_id}",
                        now=row["seen_at"],
                    )
                    for (report_id,) in rows
                ]
            )
            await connection.execute(_ASKED, version, rows[-1]["report_id"], len(rows))
            return True

    async def _is_decided(self, version: str, room: InFlight) -> bool:
        """Tell whether the stage has decided all that was asked for a version."""
        if version not in self._asked_to:
            self._asked_to[version] = await room.ends()
        return not await room.left_before(self._asked_to[version])


class Progress(NamedTuple):
    """How far the recompute of a version is: cases asked, of how many."""

    asked: int
    total: int
    is_finished: bool


async def progress(pool: Pool, version: str) -> Progress | None:
    """Read how far the recompute of a version is; None if it has not begun."""
    row = await pool.fetchrow(_PROGRESS, version)
    if row is None:
        return None
    return Progress(row["asked"] or 0, row["total"] or 0, row["finished_at"] is not None)


async def lane_cases(connection: Connection) -> list[MonitoredCase]:
    """Read the cases of the lanes themselves, which have the changes that each lane has seen."""
    rows = await connection.fetch(_LANES)
    return [MonitoredCase.model_validate_json(row["state"]) for row in rows]


async def count_open(connection: Connection) -> int:
    """Count the open cases."""
    return int(await connection.fetchval("SELECT count(*) FROM cases WHERE is_open"))


async def count_candidates(
    connection: Connection, event: CalendarAmended | PolicyChanged, registry: Registry
) -> int:
    """Count the open cases that a change may move."""
    scope = _scope(event, registry)
    return int(await connection.fetchval(f"SELECT count(*) {_CANDIDATES}", *scope))


async def candidates(
    connection: Connection,
    event: CalendarAmended | PolicyChanged,
    registry: Registry,
    *,
    prefetch: int,
) -> AsyncIterator[MonitoredCase]:
    """Read the open cases that a change may move, `prefetch` rows at a time, in a transaction."""
    scope = _scope(event, registry)
    async for row in connection.cursor(f"SELECT state {_CANDIDATES}", *scope, prefetch=prefetch):
        yield MonitoredCase.model_validate_json(row["state"])


def _scope(
    event: CalendarAmended | PolicyChanged, registry: Registry
) -> tuple[datetime, datetime, tuple[str, ...] | None]:
    return *window(event), concerned(event, registry)


def concerned(event: CalendarAmended | PolicyChanged, registry: Registry) -> tuple[str, ...] | None:
    """Name the institutions whose open reports a change concerns; None for all."""
    if isinstance(event, CalendarAmended):
        institutions = registry.institutions.items()
        return tuple(code for code, owner in institutions if event.chain in owner.calendars)
    if not event.applies_to_open:
        return ()
    return None if event.institution == NATIONAL else (event.institution,)


def seen_by_all(lanes: Sequence[MonitoredCase]) -> list[Change]:
    """List the changes that every lane has seen, each with the time of the last that saw it."""
    by_version: dict[str, list[Change]] = {}
    for lane in lanes:
        for change in {change.event.version: change for change in lane.changes}.values():
            by_version.setdefault(change.event.version, []).append(change)
    whole = (seen for seen in by_version.values() if len(seen) == len(lanes))
    return [max(seen, key=lambda change: change.seen_at) for seen in whole]


def window(event: CalendarAmended | PolicyChanged) -> tuple[datetime, datetime]:
    """Return from when to when (UTC) a clock must run for a change to move it."""
    if isinstance(event, PolicyChanged):
        return datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    days: Iterable[date] = (
        *(day for day, _, _ in event.add), *event.remove,
        *(date(year, month, day) for year in event.decides for month, day in ((1, 1), (12, 31))),
    )  # fmt: skip
    at = [datetime(day.year, day.month, day.day, tzinfo=UTC) for day in days]
    if not at:
        return datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)
    return min(at) - _ZONES, max(at) + 2 * _ZONES
