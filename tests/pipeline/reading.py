"""What stands in the streams, as events with who caused them and when; repeats of an id once."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final, NamedTuple

from pydantic import BaseModel

from shared.contract.topics import (
    AGENCIES,
    ANSWERS,
    FOLLOW_UP,
    INBOX,
    INSTITUTION,
    INTAKE,
    NATIONAL,
    NOTIFICATIONS,
    ROUTING,
    SLA,
    Stream,
)
from tests.simulation.memory import Broker, MemoryRecord

CORE: Final = (INTAKE, AGENCIES, NATIONAL, INSTITUTION, ROUTING, FOLLOW_UP, SLA, NOTIFICATIONS)


class Fact(NamedTuple):
    """An event as it stands in a stream; `at` is the broker's time, UTC."""

    event: BaseModel
    id: str
    cause: str
    at: datetime
    record: MemoryRecord

    @property
    def name(self) -> str:
        """Return the event's class."""
        return type(self.event).__name__


def facts(broker: Broker, stream: Stream, producer: str = "") -> Iterator[Fact]:
    """Yield a stream's events in broker time, each id once."""
    types = {stream.type_of(event).encode(): event for event in stream.events}
    seen: set[bytes] = set()
    for record in broker.read(stream.topic(producer)):
        headers = dict(record.headers)
        if headers["ce_id"] in seen:
            continue
        seen.add(headers["ce_id"])
        yield Fact(
            types[headers["ce_type"]].model_validate_json(record.value or b""),
            headers["ce_id"].decode(),
            headers["causationid"].decode(),
            datetime.fromtimestamp(record.timestamp / 1000, UTC),
            record,
        )


def core(broker: Broker) -> Iterator[Fact]:
    """Yield the events of all core streams, stream by stream."""
    for stream in CORE:
        yield from facts(broker, stream)


def answers(broker: Broker, channel: str) -> Iterator[Fact]:
    """Yield a channel's answers."""
    yield from facts(broker, ANSWERS, channel)


def entries(broker: Broker, institution: str) -> Iterator[Fact]:
    """Yield an institution's inbox."""
    yield from facts(broker, INBOX, institution)
