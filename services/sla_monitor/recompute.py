"""The recompute: after a change of the registry, every case that it may move settles again.

Begins once all lanes have seen the change, so that a case decided later knows it anyway. Bounded
batches, the place kept in the database: a process that dies goes on where it was, and a case asked
twice under the same id decides once. What moves is decided by the rule, as events.
"""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from services.sla_monitor.rules import Monitored
from shared.contract import topics
from shared.contract.events import CalendarAmended, PolicyChanged, Recompute
from shared.platform.postgres import Connection
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

LANES: Final = """
    SELECT state FROM cases WHERE report_id >= 'registry.' AND report_id < 'registry/'
"""
CANDIDATES: Final = """
    FROM cases WHERE is_open AND counts_from < $2 AND counts_until > $1
    AND ($3::text[] IS NULL OR string_to_array(institutions, ',') && $3::text[])
"""
"""Which open cases a change may move: by its `window` and the institutions that it concerns."""
_BEGIN: Final = f"""
    WITH candidates AS (
        INSERT INTO recompute_cases (version, report_id) SELECT $4, report_id {CANDIDATES}
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
        lanes = [
            Monitored.model_validate_json(row["state"]) for row in await connection.fetch(LANES)
        ]
        if len(lanes) < topics.PARTITIONS:
            return
        known = {row["version"] for row in await connection.fetch("SELECT version FROM recomputes")}
        for change in seen_by_all(lanes):
            if change.event.version not in known:
                await self._begin(connection, change)

    async def _begin(self, connection: Connection, change: Change) -> None:
        """List the candidates of a change, in the transaction that makes it known as begun."""
        event = change.event
        async with connection.transaction():
            await connection.execute(
                _BEGIN,
                *window(event),
                concerned(event, self._registry),
                event.version,
                "calendar" if isinstance(event, CalendarAmended) else "policy",
                change.seen_at,
                timeout=LISTING_SECONDS_MAX,
            )

    async def _step(self, connection: Connection, context: Resources, room: InFlight) -> bool:
        """Ask the next batch of the oldest recompute; say whether there may be more to do at once.

        The place is saved after the records are: killed between the two, it asks them again.
        """
        async with connection.transaction():
            row = await connection.fetchrow(_PENDING)
            if row is None:
                return False
            version = row["version"]
            found = await connection.fetch(_NEXT, version, row["after"], BATCH_MAX)
            if not found:
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
                    for (report_id,) in found
                ]
            )
            await connection.execute(_ASKED, version, found[-1]["report_id"], len(found))
            return True

    async def _is_decided(self, version: str, room: InFlight) -> bool:
        """Say whether the stage has decided all that was asked for a version."""
        if version not in self._asked_to:
            self._asked_to[version] = await room.ends()
        return not await room.left_before(self._asked_to[version])


def concerned(event: CalendarAmended | PolicyChanged, registry: Registry) -> tuple[str, ...] | None:
    """Name the institutions whose open reports a change concerns; None for all."""
    if isinstance(event, CalendarAmended):
        known = registry.institutions.items()
        return tuple(code for code, owner in known if event.chain in owner.calendars)
    if not event.applies_to_open:
        return ()
    return None if event.institution == NATIONAL else (event.institution,)


def seen_by_all(lanes: Sequence[Monitored]) -> list[Change]:
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
