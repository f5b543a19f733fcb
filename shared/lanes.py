"""Lanes: what must keep one order, how far it was decided, and when a stage refuses to go on."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgpack

from shared.envelope import Outbound


class Partition(NamedTuple):
    """A topic's partition."""

    topic: str
    partition: int


@dataclass(slots=True)
class Lane:
    """A lane's row: positions (next offset to decide), what may be unpublished, and its token."""

    id: str
    positions: dict[Partition, int]
    token: int
    unconfirmed: bytes = b""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where a partition's log starts and ends, and the group's committed offset, if any."""

    start: int
    end: int
    committed: int | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a stage may not run, and what an operator can do."""

    partition: Partition
    what: str
    advice: str

    def __str__(self) -> str:
        return f"{self.partition.topic}/{self.partition.partition}: {self.what}. {self.advice}"


class Refused(Exception):  # noqa: N818 - the stage refused; nothing broke
    """The stage must not run before an operator has acted (exit code 78)."""

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        super().__init__("; ".join(map(str, refusals[:3])))
        self.refusals = tuple(refusals)


EX_CONFIG: Final = 78  # sysexits.h: the supervisor does not restart what refuses


def core_lane(partition: Partition) -> str:
    """Return the lane of a partition in the core: its number, with all topics of the stage."""
    return str(partition.partition)


def door_lane(partition: Partition) -> str:
    """Return the lane of a partition at a door: that partition of that topic alone."""
    return f"{partition.topic}/{partition.partition}"


def lane_case(partition: int) -> str:
    """Name the case of a core lane itself, which every change of the registry goes to."""
    return f"registry.{partition}"


def start_at(partition: Partition, position: int | None, bounds: Bounds) -> int | Refusal:
    """Return where to go on, or why not (law 2: the positions are the truth and the start)."""
    if position is None:
        return _first_start(partition, bounds)
    if position < bounds.start:
        return Refusal(
            partition,
            f"records {position} to {bounds.start - 1} were removed by retention before they were "
            "decided",
            "Restore them or accept the loss: set the lane's position to the log's start by hand",
        )
    if position > bounds.end:
        return Refusal(
            partition,
            f"position {position} lies beyond the log's end {bounds.end}: the topic was recreated",
            "Restore the topic, or give the stage a new schema and let it decide all anew",
        )
    if bounds.committed is not None and position < bounds.committed:
        return Refusal(
            partition,
            f"position {position} is behind the committed offset {bounds.committed}: the database "
            "was restored from an older backup",
            "Restore the newest state, or compare with the stage's own stream before going on",
        )
    return position


def _first_start(partition: Partition, bounds: Bounds) -> int | Refusal:
    if bounds.committed is not None:
        return Refusal(
            partition,
            f"no position although offset {bounds.committed} is committed: the database was lost",
            "Restore the database; or delete the consumer group to decide all anew",
        )
    if bounds.start > 0:
        return Refusal(
            partition,
            f"first start, but records before {bounds.start} are gone",
            "Start the stage before retention removes records, or load the past into its schema",
        )
    return 0


def dump_positions(positions: Mapping[Partition, int]) -> str:
    """Return positions as the JSON of a lane's row."""
    return json.dumps({f"{p.topic}/{p.partition}": offset for p, offset in positions.items()})


def load_positions(text: str) -> dict[Partition, int]:
    """Read positions from a lane's row."""
    found = {}
    for name, offset in json.loads(text).items():
        topic, _, number = name.rpartition("/")
        found[Partition(topic, int(number))] = int(offset)
    return found


def pack(outbounds: Sequence[Outbound]) -> bytes:
    """Return events as the bytes of a lane's row, in the order decided."""
    return msgpack.packb(outbounds) if outbounds else b""


def unpack(stored: bytes) -> list[Outbound]:
    """Read a lane's unconfirmed events."""
    if not stored:
        return []
    return [
        Outbound(topic, partition, key, value, [(name, bytes(text)) for name, text in headers])
        for topic, partition, key, value, headers in msgpack.unpackb(stored)
    ]


@dataclass(slots=True)
class Batch:
    """The records of a batch that are still to be decided, by what the lanes say."""

    fresh: list[int] = field(default_factory=list)  # indexes into the batch, in its order
    ends: dict[Partition, int] = field(default_factory=dict)  # next position per partition
    gaps: dict[Partition, int] = field(default_factory=dict)  # where a first record lies beyond


def sift(partitions: Iterable[tuple[Partition, int]], positions: Mapping[Partition, int]) -> Batch:
    """Drop what lies below the positions and find gaps; takes (partition, offset) in order.

    A record is fresh only at exactly the next position, so nothing is skipped or done twice.
    """
    batch = Batch()
    following = batch.ends
    for index, (partition, offset) in enumerate(partitions):
        expected = following.get(partition, positions[partition])
        if offset == expected:
            following[partition] = offset + 1
            batch.fresh.append(index)
        elif offset > expected:
            batch.gaps[partition] = positions[partition]
    return batch
