"""Publish a change of the registry to every lane, and follow the recompute that it makes."""

import asyncio
from datetime import UTC, datetime, time
from typing import Any, Final, NamedTuple

from pydantic import BaseModel

from deploy.cli.clients.kafka import partitions_of, reader, require, writer
from deploy.cli.clients.topic_reader import bounds_of, scan
from deploy.cli.terminal.console import CliError
from deploy.cli.terminal.progress import Screen
from services.sla_monitor.recompute import Progress, progress
from shared.contract.envelope import Poison, derive_id, encode, event_headers, parse, text
from shared.contract.events import CalendarAmended, PolicyChanged
from shared.contract.topics import REGISTRY
from shared.platform.clock import Clock
from shared.platform.postgres import Pool
from shared.platform.settings import Settings
from shared.registry import Change

KEY: Final = b"registry"
PRODUCER: Final = "operators"
POLL_SECONDS: Final = 0.3
TAKEN_UP_SECONDS_MAX: Final = 60.0
_TYPES: Final[dict[str, type[BaseModel]]] = {
    REGISTRY.type_of(event): event for event in REGISTRY.events
}


def business_clock() -> Clock:
    """Return the clock of the stack: real, or scaled as the environment says."""
    return Clock.of(Settings())


async def published(bootstrap: str) -> tuple[Change, ...]:
    """Read what was published so far, in order, from the stream's first partition.

    Raises:
        KafkaError: the broker went away. CliError: the topic does not exist.
    """
    clock, changes = business_clock(), list[Change]()
    async with reader(bootstrap) as consumer:
        first = (await partitions_of(consumer, REGISTRY.topic()))[0]
        async for records in scan(consumer, await bounds_of(consumer, [first])):
            for record in records:
                event = _read(dict(record.headers), record.value)
                if event is not None:
                    changes.append(Change(event=event, seen_at=clock.of_record(record.timestamp)))
    return tuple(changes)


def _read(headers: dict[str, bytes], value: bytes | None) -> Any:
    kind = _TYPES.get(text(headers.get("ce_type")))
    try:
        return parse(kind, value) if kind is not None else None
    except Poison:  # a stage makes a dead letter of it; here it is simply not a change
        return None


class LaneChange(NamedTuple):
    """A change as one lane's record."""

    partition: int
    value: bytes
    headers: list[tuple[str, bytes]]


def lanes_of(event: CalendarAmended | PolicyChanged) -> list[LaneChange]:
    """Return a change's records, one for each partition, always the same for the same change.

    Their ids are of the version and the partition, so that a repetition is dropped by its readers.
    """
    kind = REGISTRY.type_of(type(event))
    day = event.known_from if isinstance(event, CalendarAmended) else event.valid_from
    since = datetime.combine(day, time.min, tzinfo=UTC)
    value, lanes = encode(event), []
    for partition in range(REGISTRY.partitions):
        record_id = derive_id(PRODUCER, f"{event.version}/{partition}", since, kind, 1)
        headers = event_headers(
            event_id=record_id,
            event_type=kind,
            source="/lapor/cli",
            subject=event.version,
            time=since,
            causation_id=record_id,
            correlation_id=event.version,
            sequence=1,
        )
        lanes.append(LaneChange(partition, value, headers))
    return lanes


async def publish(bootstrap: str, event: CalendarAmended | PolicyChanged) -> None:
    """Say a change to every lane; returns when the broker has acknowledged all.

    Raises:
        KafkaError: the broker went away; publishing again repeats nothing. CliError: no such topic.
    """
    topic = REGISTRY.topic()
    async with reader(bootstrap) as consumer:
        await require(consumer, [topic])
    async with writer(bootstrap) as producer:
        sent = [
            await producer.send(
                topic, lane.value, key=KEY, partition=lane.partition, headers=lane.headers
            )
            for lane in lanes_of(event)
        ]
        await asyncio.gather(*sent)


async def follow(pool: Pool, version: str, screen: Screen) -> Progress:
    """Show how the stage recomputes for a version, until it is done.

    Raises:
        CliError: the stage does not take it up within a minute.
    """
    waited = 0.0
    while True:
        now = await progress(pool, version)
        if now is not None:
            screen.total = now.total
            screen.advance(now.asked)
            if now.is_finished:
                return now
        elif waited >= TAKEN_UP_SECONDS_MAX:
            raise CliError(
                f"{version} is published, but the stage has not taken it up yet.",
                "Does the sla-monitor run? See: lapor status. Run the command again to follow it",
            )
        waited += POLL_SECONDS
        await asyncio.sleep(POLL_SECONDS)


def published_as(
    version: str, changes: tuple[Change, ...]
) -> CalendarAmended | PolicyChanged | None:
    """Return a version as it is on the stream; None if it is not."""
    return next((change.event for change in changes if change.event.version == version), None)
