"""The timer loop: finds due timers by an index, at a cost that does not grow with open cases.

It decides nothing: it publishes `TimerFired` with the case's own `timer_at`, and fires again after
a pause until the stage has decided (law 5). The rule compares that time with its case's, never with
a clock. Several loops may run at once; each claims other rows.

It yields: a morning when 100,000 timers are due must not delay the day's reports. It goes on only
while few timers are in flight: a report has few before it, and the loop takes no more of the
machine than the stage's own decisions do.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Final, NamedTuple

from shared.contract import topics
from shared.contract.envelope import Outbound, derive_id, encode, event_headers
from shared.contract.events import Event, TimerFired
from shared.platform.postgres import Connection
from shared.platform.settings import Settings
from shared.runtime.lanes import Partition, load_offsets
from shared.runtime.metrics import Meters
from shared.runtime.stage import Resources
from shared.runtime.writer import partition_of

WITHOUT_LOOP: Final = ("notifier",)  # its own loop delivers, claimed by the same `claim`
BEGINNING: Final = datetime.min.replace(tzinfo=UTC)
FULL_LOOK_TICKS: Final = 4
"""Every so many ticks a look is without the low watermark: so late fires, at most, what was saved
with a time below it."""
SAVE_SECONDS: Final = 2.0
"""A timer saved within so many real seconds of its own time is above the watermark anyway."""
IN_FLIGHT_MAX: Final = 3_000
"""A loop claims on below so many timers not yet decided, of all loops: six batches of the shell. A
consumer with buffered records asks the broker for the idle partitions alone, which may take half a
second: its buffer must last so long."""
IN_FLIGHT_LOOK_SECONDS: Final = 0.05

_LOOK: Final = """
    WITH due AS (
        SELECT report_id, fire_at FROM cases WHERE fire_at >= $4 AND fire_at <= $1
        ORDER BY fire_at LIMIT $2 FOR UPDATE SKIP LOCKED
    )
    UPDATE cases SET fire_at = $1 + $3::interval
    FROM due WHERE cases.report_id = due.report_id AND cases.fire_at <= $1
    RETURNING cases.report_id, cases.timer_at, due.fire_at
"""


@dataclass(frozen=True, slots=True)
class Due:
    """A case whose timer is due; times are business times, UTC."""

    report_id: str
    timer_at: datetime


class Look(NamedTuple):
    """The timers that a look claimed, and the latest `fire_at` (UTC) among them; None for none."""

    due: list[Due]
    newest: datetime | None

    @property
    def oldest(self) -> datetime | None:
        """Return since when the earliest has been due."""
        return min((each.timer_at for each in self.due), default=None)


class Watermark:
    """Below which time a loop need not look, since all that was to fire there is claimed.

    What was claimed leaves dead entries at the front of the index until a vacuum, for hours while
    a backup holds its snapshot; looks from here on do not read them. Every `full_seconds` one look
    reads all: so late, at most, fires what was saved with a time below (a late fact, a save slower
    than `margin`) or given up by another loop. A clock that went back causes such a look at once.
    """

    def __init__(self, full_seconds: float, margin: timedelta) -> None:
        self._full_seconds = full_seconds
        self._margin = margin
        self._low = BEGINNING
        self._full_from = float("-inf")

    def begin(self, now: datetime, seconds: float) -> datetime:
        """Return from which time on to look (UTC); `seconds` is a clock that only goes forward."""
        if self._low > now or seconds >= self._full_from:
            self._full_from = seconds + self._full_seconds
            return BEGINNING
        return self._low

    def advance(self, now: datetime, look: Look, limit: int) -> None:
        """Advance after a look: to its newest timer if it was full, else almost to now."""
        is_bounded = len(look.due) >= limit and look.newest is not None
        self._low = look.newest if is_bounded and look.newest else now - self._margin


def has_timers(stage: str) -> bool:
    """Return whether a stage's process runs the timer loop."""
    return topics.internal(stage) is not None and stage not in WITHOUT_LOOP


async def look_for(
    connection: Connection,
    now: datetime,
    limit: int,
    again_after: timedelta,
    since: datetime = BEGINNING,
) -> Look:
    """Claim due cases, the oldest first, and put their next firing off; business times, UTC.

    Only what is to fire at `since` or later is seen. Rows that another loop holds are passed over.
    """
    rows = await connection.fetch(_LOOK, now, limit, again_after, since)
    due = [Due(row["report_id"], row["timer_at"]) for row in rows]
    return Look(due, max((row["fire_at"] for row in rows), default=None))


async def claim(
    connection: Connection, now: datetime, limit: int, again_after: timedelta
) -> list[Due]:
    """Claim due cases and put their next firing off; times are business times."""
    return (await look_for(connection, now, limit, again_after)).due


class InFlight:
    """Counts the records of a stage's internal topic that no process has decided yet."""

    def __init__(self, stage: str, resources: Resources) -> None:
        self._resources = resources
        stream = topics.internal_stream_of(stage)
        self._partitions = [Partition(stream.topic(), n) for n in range(stream.partitions)]

    async def in_flight(self) -> int:
        """Count the records published and not decided.

        Raises:
            KafkaError, asyncpg.PostgresError: broker or database are away, or not yet assigned.
        """
        return await self.left_before(await self.ends())

    async def ends(self) -> dict[Partition, int]:
        """Return where the stage's internal topic ends."""
        return await self._resources.log.ends(self._partitions)

    async def left_before(self, ends: Mapping[Partition, int]) -> int:
        """Count the records before some offsets that are not decided."""
        decided: dict[Partition, int] = {}
        for row in await self._resources.pool.fetch("SELECT offsets FROM lanes"):
            decided |= load_offsets(row["offsets"])
        return sum(max(0, end - decided.get(partition, 0)) for partition, end in ends.items())

    async def wait(self, seconds_max: float) -> bool:
        """Wait until few are in flight; False after `seconds_max`: then lost timers fire again."""
        until = monotonic() + seconds_max
        while not self._resources.stopping.is_set():
            if await self.in_flight() < IN_FLIGHT_MAX:
                return True
            if monotonic() >= until:
                return False
            await asyncio.sleep(IN_FLIGHT_LOOK_SECONDS)
        return False


class TimerLoop:
    """Fires a stage's timers until it stops."""

    def __init__(
        self, stage: str, settings: Settings, resources: Resources, meters: Meters
    ) -> None:
        self._stage = stage
        self._settings = settings
        self._resources = resources
        self._meters = meters
        self._again_after = timedelta(seconds=settings.timer_refire_seconds * resources.clock.scale)
        self._in_flight = InFlight(stage, resources)

    async def run(self) -> None:
        """Claim and publish, bounded per look; go on at once while more is due."""
        resources, settings = self._resources, self._settings
        watermark = Watermark(
            FULL_LOOK_TICKS * settings.timer_tick_seconds,
            timedelta(seconds=SAVE_SECONDS * resources.clock.scale),
        )
        while not resources.stopping.is_set():
            now = resources.clock.now()
            since = watermark.begin(now, monotonic())
            async with resources.pool.acquire() as connection:
                look = await look_for(
                    connection, now, settings.timer_claim_max, self._again_after, since
                )
            watermark.advance(now, look, settings.timer_claim_max)
            self._measure_lag(now, look.oldest)
            if look.due:
                await resources.log.publish([timer(self._stage, d, now) for d in look.due])
            if len(look.due) < settings.timer_claim_max:
                await asyncio.sleep(settings.timer_tick_seconds)
            elif not await self._in_flight.wait(settings.timer_refire_seconds):
                self._measure_lag(resources.clock.now(), look.oldest)

    def _measure_lag(self, now: datetime, oldest: datetime | None) -> None:
        """Set the metric: for how many real seconds the oldest timer of a look had been due."""
        lag = (now - oldest).total_seconds() / self._resources.clock.scale if oldest else 0.0
        self._meters.timer_lag_seconds.set(max(0.0, lag))


def timer(stage: str, due: Due, now: datetime) -> Outbound:
    """Return the record that wakes a stage for a case; `now` is the business time of firing.

    Each firing has an id of its own: one that came too early must not silence the next.
    """
    cause = f"{due.report_id}@{due.timer_at.isoformat()}"
    event = TimerFired(report_id=due.report_id, due_at=due.timer_at)
    return internal_record(stage, event, cause=f"{cause}#{now.isoformat()}", now=now)


def internal_record(stage: str, event: Event, *, cause: str, now: datetime) -> Outbound:
    """Return a record of a stage's internal topic; its id is derived from the cause."""
    stream = topics.internal_stream_of(stage)
    event_type = stream.type_of(type(event))
    key = event.report_id.encode()
    headers = event_headers(
        event_id=derive_id(stage, cause, now, event_type, 1),
        event_type=event_type,
        source=f"/lapor/{stage}/timers",
        subject=event.report_id,
        time=now,
        causation_id=cause,
        correlation_id=event.report_id,
        sequence=0,
    )
    return Outbound(stream.topic(), partition_of(key), key, encode(event), headers)
