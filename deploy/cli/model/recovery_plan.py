"""How far a stage's database is behind its logs, and the order to decide that again."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from deploy.cli.clients.kafka import CLIENT_ID, reader
from deploy.cli.clients.topic_reader import Bounds as Span
from deploy.cli.clients.topic_reader import bounds_of, scan
from deploy.cli.terminal.console import CliError
from deploy.cli.terminal.progress import Screen
from shared.contract.topics import READS, Stream, published_by
from shared.platform.postgres import Pool
from shared.runtime.lanes import (
    Bounds,
    Kind,
    Partition,
    Refusal,
    core_lane,
    gateway_lane,
    load_offsets,
    start_at,
)
from shared.runtime.recovery.comparison import Order, Published, published_events
from shared.runtime.recovery.store import give_order

MARGIN_MS: Final = 3_600_000
"""So much earlier than the first record to decide again the own streams are read: two brokers'
clocks may differ, and what is read in vain is only compared with nothing."""
QUIET_SECONDS_MAX: Final = 13.0  # a process that was killed is counted out after 10


@dataclass(frozen=True, slots=True)
class PartitionProgress:
    """A partition that a stage reads: how far it was decided, and whether that can be right."""

    partition: Partition
    lane: str
    position: int | None
    bounds: Bounds
    kind: Kind | None

    @property
    def start(self) -> int:
        """Return where to go on."""
        if self.kind == "recreated":
            return self.bounds.start
        return max(self.position or 0, self.bounds.start)

    @property
    def is_forgotten(self) -> bool:
        """Say whether records were decided that the database knows nothing of, or may have been."""
        return self.position is None or (self.bounds.committed or 0) > self.position

    @property
    def again(self) -> int:
        """Count the records that were decided before and are to be decided again."""
        return max(0, min(self.bounds.committed or 0, self.bounds.end) - self.start)

    @property
    def new(self) -> int:
        """Count the records that may never have been decided."""
        return self.bounds.end - self.start - self.again

    @property
    def lost(self) -> int | None:
        """Count the records that are gone; None where nobody can know how many."""
        if self.kind == "recreated":
            return None
        return self.start - (self.position or 0)


class Behind(NamedTuple):
    """How a stage stands: its partitions, what to compare with, an order not yet fulfilled."""

    stage: str
    partitions: list[PartitionProgress]
    own: Span
    since_ms: int | None  # since when what it said may be said again
    ordered: bool

    @property
    def troubled(self) -> list[PartitionProgress]:
        """List the partitions for which the stage refuses to run."""
        return [s for s in self.partitions if s.kind is not None]

    @property
    def own_events(self) -> int:
        """Count the events of its own to compare with."""
        return sum(end - start for start, end in self.own.values())

    @property
    def has_loss(self) -> bool:
        """Say whether records are gone that it has not decided."""
        return any(s.lost != 0 for s in self.troubled)


async def look(bootstrap: str, pool: Pool, stage: str) -> Behind:
    """Return how a stage stands.

    Raises:
        KafkaError: the broker went away. CliError: the stage never made its tables.
    """
    async with reader(bootstrap) as consumer:
        places = await _partitions(consumer, READS[stage])
        committed = await _committed(bootstrap, stage, places)
        bounds = await bounds_of(consumer, [TopicPartition(*p) for p in places])
        positions, is_ordered = await _stored(pool, stage)
        standing = [
            _standing(stage, p, positions.get(p), Bounds(*bounds[p], committed.get(p)))
            for p in places
        ]
        since = await _since(consumer, standing)
        own = await _own(consumer, stage, since)
    return Behind(stage, standing, own, since, is_ordered)


def _standing(stage: str, p: Partition, position: int | None, bounds: Bounds) -> PartitionProgress:
    is_gateway = any(stream.is_family for stream in READS[stage])
    found = start_at(stage, p, position, bounds)
    kind = found.kind if isinstance(found, Refusal) else None
    return PartitionProgress(
        p, (gateway_lane if is_gateway else core_lane)(p), position, bounds, kind
    )


async def _partitions(consumer: AIOKafkaConsumer, streams: Iterable[Stream]) -> list[Partition]:
    """Return the partitions of some streams, of families those of the members there are."""
    names = await consumer.topics()
    return sorted(
        Partition(name, number)
        for stream in streams
        for name in names
        if re.match(stream.pattern, name)
        for number in range(stream.partitions)
    )


async def _committed(
    bootstrap: str, stage: str, places: Sequence[Partition]
) -> dict[Partition, int]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, client_id=CLIENT_ID)
    await admin.start()
    try:
        found = await admin.list_consumer_group_offsets(
            f"lapor.{stage}", partitions=[TopicPartition(*p) for p in places]
        )
    finally:
        await admin.close()
    return {Partition(*p): at.offset for p, at in found.items() if at.offset >= 0}


async def _stored(pool: Pool, stage: str) -> tuple[dict[Partition, int], bool]:
    positions: dict[Partition, int] = {}
    try:
        for row in await pool.fetch("SELECT offsets FROM lanes"):
            positions |= load_offsets(row["offsets"])
        return positions, bool(await pool.fetchval("SELECT EXISTS (SELECT FROM recovery_order)"))
    except asyncpg.UndefinedTableError:
        raise CliError(
            f"{stage} has no tables in this database.",
            "Start it once: it makes them, and then refuses to run. Then the same command again",
        ) from None


async def _since(consumer: AIOKafkaConsumer, standing: Sequence[PartitionProgress]) -> int | None:
    """Return since when what the stage said may be said again; None if nothing is to be decided.

    It is the broker's time of the earliest record to decide again; where one is gone that had been
    decided and is forgotten, nobody knows its time.
    """
    if any(s.lost and s.is_forgotten for s in standing):
        return 0
    firsts = {
        TopicPartition(*s.partition): (s.start, s.start + 1)
        for s in standing
        if s.start < s.bounds.end
    }
    times = [record.timestamp async for records in scan(consumer, firsts) for record in records]
    return min(times, default=None)


async def _own(consumer: AIOKafkaConsumer, stage: str, since_ms: int | None) -> Span:
    """Return where the stage's own events lie that may be said again."""
    if since_ms is None:
        return {}
    places = [TopicPartition(*p) for p in await _partitions(consumer, published_by(stage))]
    at = await consumer.offsets_for_times(dict.fromkeys(places, max(0, since_ms - MARGIN_MS)))
    bounds = await bounds_of(consumer, places)
    return {p: (at[p].offset if at[p] else bounds[p][1], bounds[p][1]) for p in places}


# ---- the order


async def order(bootstrap: str, pool: Pool, behind: Behind, screen: Screen) -> int:
    """Order a stage to decide again what is behind; return how many events it compares with.

    Raises:
        KafkaError: the broker went away. CliError: the stage runs.
    """
    given = Order(
        until={s.partition: s.bounds.end for s in behind.partitions},
        committed={s.partition: s.bounds.committed or 0 for s in behind.partitions},
        given_ms=round(time.time() * 1000),
    )
    skipped: dict[str, dict[Partition, int]] = {}
    for s in behind.troubled:
        if s.lost != 0:
            skipped.setdefault(s.lane, {})[s.partition] = s.start
    async with reader(bootstrap) as consumer:
        screen.total = behind.own_events
        told = _told(consumer, behind, screen)
        count = await give_order(pool, given, told, skipped)
    await _commit_recreated(bootstrap, behind)
    return count


async def _told(
    consumer: AIOKafkaConsumer, behind: Behind, screen: Screen
) -> AsyncIterator[list[Published]]:
    done = 0
    async for records in scan(consumer, behind.own):
        yield [event for record in records for event in published_events(behind.stage, record)]
        done += len(records)
        screen.advance(done)


async def _commit_recreated(bootstrap: str, behind: Behind) -> None:
    """Let the group's offsets follow where a new topic is shorter than they are."""
    offsets = {
        TopicPartition(*s.partition): s.start
        for s in behind.troubled
        if (s.bounds.committed or 0) > s.bounds.end
    }
    if not offsets:
        return
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, client_id=CLIENT_ID, group_id=f"lapor.{behind.stage}",
        enable_auto_commit=False,
    )  # fmt: skip
    await consumer.start()
    try:
        consumer.assign(list(offsets))
        await consumer.commit(offsets)
    finally:
        await consumer.stop()


async def require_stopped(bootstrap: str, stage: str) -> None:
    """Return when no process of a stage is in its group: nothing of it can arrive any more.

    Raises:
        CliError: one is there and stays.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, client_id=CLIENT_ID)
    await admin.start()
    try:
        until = time.monotonic() + QUIET_SECONDS_MAX
        while members := await _members(admin, stage):
            if time.monotonic() > until:
                raise CliError(
                    f"{stage} runs: {members} of its processes are in its group.",
                    "Stop it first, all of it; it starts again afterwards",
                )
            await asyncio.sleep(0.5)
    finally:
        await admin.close()


async def _members(admin: AIOKafkaAdminClient, stage: str) -> int:
    (found,) = await admin.describe_consumer_groups([f"lapor.{stage}"])
    return sum(len(group[5]) for group in found.groups)


def counts(standing: Iterable[PartitionProgress]) -> Mapping[str, int]:
    """Add up what is to be decided again, what is new, and what is known to be lost."""
    some = list(standing)
    return {
        "again": sum(s.again for s in some),
        "new": sum(s.new for s in some),
        "lost": sum(s.lost or 0 for s in some),
    }
