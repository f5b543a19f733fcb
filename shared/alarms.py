"""The alarm loop: finds what is due by an index, at a cost that does not grow with what is open.

It decides nothing: it publishes `AlarmRang` with the case's own `alarm_at`, and rings again after a
pause until the stage has decided (law 5). The rule compares that time with its case's, never with
a clock. Several loops may run at once; each claims other rows.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from shared import topics
from shared.envelope import Outbound, derive_id, encode, event_headers
from shared.events import AlarmRang, Event
from shared.metrics import Meters
from shared.outbound import partition_of
from shared.postgres import Connection
from shared.settings import Settings
from shared.stage import Context

WITHOUT_LOOP: Final = ("notifier",)  # its own loop delivers, claimed by the same `claim`


@dataclass(frozen=True, slots=True)
class Due:
    """A case whose alarm is due; times are business times, UTC."""

    report_id: str
    alarm_at: datetime


def has_loop(stage: str) -> bool:
    """Say whether a stage's process runs the alarm loop."""
    return topics.alarms(stage) is not None and stage not in WITHOUT_LOOP


async def claim(
    connection: Connection, now: datetime, limit: int, again_after: timedelta
) -> list[Due]:
    """Claim due cases and put their next ringing off; times are business times."""
    rows = await connection.fetch(
        """
        UPDATE cases SET ring_at = $1 + $3::interval
        WHERE report_id IN (
            SELECT report_id FROM cases WHERE ring_at <= $1
            ORDER BY ring_at LIMIT $2 FOR UPDATE SKIP LOCKED
        ) AND ring_at <= $1
        RETURNING report_id, alarm_at
        """,
        now,
        limit,
        again_after,
    )
    return [Due(row["report_id"], row["alarm_at"]) for row in rows]


class Ringer:
    """Rings a stage's alarms until it stops."""

    def __init__(self, stage: str, settings: Settings, context: Context, meters: Meters) -> None:
        self._stage = stage
        self._settings = settings
        self._context = context
        self._meters = meters
        self._again_after = timedelta(
            seconds=settings.alarm_ring_again_seconds * context.clock.scale
        )

    async def run(self) -> None:
        """Claim and publish, bounded per tick; go on at once while there is more."""
        context = self._context
        while not context.stopping.is_set():
            now = context.clock.now()
            async with context.pool.acquire() as connection:
                due = await claim(
                    connection, now, self._settings.alarm_claim_max, self._again_after
                )
            if due:
                oldest = min(d.alarm_at for d in due)
                lag = (now - oldest).total_seconds() / context.clock.scale
                self._meters.alarm_lag_seconds.set(lag)
                await context.log.publish([alarm(self._stage, d, now) for d in due])
            else:
                self._meters.alarm_lag_seconds.set(0)
            if len(due) < self._settings.alarm_claim_max:
                await asyncio.sleep(self._settings.alarm_tick_seconds)


def alarm(stage: str, due: Due, now: datetime) -> Outbound:
    """Return the record that wakes a stage for a case; `now` is the business time of ringing.

    Each ringing has an id of its own: one that came too early must not silence the next.
    """
    cause = f"{due.report_id}@{due.alarm_at.isoformat()}"
    event = AlarmRang(report_id=due.report_id, due_at=due.alarm_at)
    return to_itself(stage, event, cause=f"{cause}#{now.isoformat()}", now=now)


def to_itself(stage: str, event: Event, *, cause: str, now: datetime) -> Outbound:
    """Return a record of a stage to itself about one case; its id is derived from the cause."""
    stream = topics.alarms_of(stage)
    event_type = stream.type_of(type(event))
    key = event.report_id.encode()
    headers = event_headers(
        event_id=derive_id(stage, cause, now, event_type, 1),
        event_type=event_type,
        source=f"/lapor/{stage}/alarms",
        subject=event.report_id,
        time=now,
        causation_id=cause,
        correlation_id=event.report_id,
        sequence=0,
    )
    return Outbound(stream.topic(), partition_of(key), key, encode(event), headers)
