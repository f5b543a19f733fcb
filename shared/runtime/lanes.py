"""Lanes: what must keep one order, how far it is decided, and when a stage refuses to run."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

import msgpack

from shared.contract.envelope import Outbound


class Partition(NamedTuple):
    """A topic's partition."""

    topic: str
    partition: int


@dataclass(slots=True)
class Lane:
    """A lane's row: the next offset to decide of each partition, the outbox, the fencing token.

    `held` are the unavailable destinations of which the lane holds events.
    """

    id: str
    offsets: dict[Partition, int]
    fencing_token: int
    outbox: bytes = b""
    held: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where a partition's log starts and ends, and the group's committed offset, if any."""

    start: int
    end: int
    committed: int | None = None


Kind = Literal["removed", "recreated", "restored", "lost", "limit"]
"""Why a stage refuses: records gone, topic or database replaced, too many dead letters."""
_ADVICE: Final[Mapping[Kind, str]] = MappingProxyType({
    "removed": "See how many are lost, and go on without them",
    "recreated": "Restore the topic; or see what is there, and go on with that",
    "restored": "Restore a newer backup; or see what is left, and have it decided again",
    "lost": "Restore the newest backup; see what is left, and have it decided again",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a stage may not run, and what an operator can do."""

    partition: Partition
    kind: Kind
    what: str
    advice: str

    def __str__(self) -> str:
        return f"{self.partition.topic}/{self.partition.partition}: {self.what}. {self.advice}"


class StageRefused(Exception):  # noqa: N818 - the stage refused; nothing broke
    """The stage must not run before an operator has acted (exit code 78)."""

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        super().__init__("; ".join(map(str, refusals[:3])))
        self.refusals = tuple(refusals)


EX_CONFIG: Final = 78  # sysexits.h: the supervisor does not restart what refuses


def core_lane(partition: Partition) -> str:
    """Return the lane of a partition in the core: its number, with all topics of the stage."""
    return str(partition.partition)


def gateway_lane(partition: Partition) -> str:
    """Return the lane of a partition at a gateway: that partition of that topic alone."""
    return f"{partition.topic}/{partition.partition}"


def start_at(
    stage: str, partition: Partition, position: int | None, bounds: Bounds
) -> int | Refusal:
    """Return where to go on, or why not (law 2: the offsets are the truth and the start)."""
    problem = _problem(position, bounds)
    if problem is None:
        return position or 0
    kind, what = problem
    return Refusal(partition, kind, what, f"{_ADVICE[kind]}: lapor restored {stage}")


def _problem(position: int | None, bounds: Bounds) -> tuple[Kind, str] | None:
    start, end, committed = bounds.start, bounds.end, bounds.committed
    if position is None and committed is not None:
        return (
            "lost",
            f"no position although offset {committed} is committed: the database was lost",
        )
    if position is None and start > 0:
        return "removed", f"first start, but records before {start} are gone"
    if position is None:
        return None
    if position < start:
        records = f"records {position} to {start - 1}"
        return "removed", f"{records} were removed by retention before they were decided"
    if position > end:
        what = f"position {position} lies beyond the log's end {end}"
        return "recreated", f"{what}: the topic was recreated"
    if committed is not None and position < committed:
        what = f"position {position} is behind the committed offset {committed}"
        return "restored", f"{what}: the database was restored from an older backup"
    return None


def dump_offsets(offsets: Mapping[Partition, int]) -> str:
    """Return offsets as the JSON of a lane's row."""
    return json.dumps({f"{p.topic}/{p.partition}": offset for p, offset in offsets.items()})


def load_offsets(text: str) -> dict[Partition, int]:
    """Read offsets from a lane's row."""
    offsets = {}
    for name, offset in json.loads(text).items():
        topic, _, number = name.rpartition("/")
        offsets[Partition(topic, int(number))] = int(offset)
    return offsets


def pack(outbounds: Sequence[Outbound]) -> bytes:
    """Return events as the bytes of a lane's row, in the order decided."""
    return msgpack.packb(outbounds) if outbounds else b""


def unpack(stored: bytes) -> list[Outbound]:
    """Read a lane's outbox."""
    if not stored:
        return []
    return [
        Outbound(topic, partition, key, value, [(name, bytes(text)) for name, text in headers])
        for topic, partition, key, value, headers in msgpack.unpackb(stored)
    ]


@dataclass(slots=True)
class Batch:
    """The records of a batch that are still to be decided, by the offsets of the lanes.

    `skipped` are spans (first offset, end) before a record beyond the next offset: the batch is
    decided only if they hold no other record.
    """

    fresh: list[int] = field(default_factory=list)  # indexes into the batch, in its order
    ends: dict[Partition, int] = field(default_factory=dict)  # next offset per partition
    skipped: dict[Partition, tuple[int, int]] = field(default_factory=dict)


def fresh_records(
    records: Iterable[tuple[Partition, int, int]], offsets: Mapping[Partition, int]
) -> Batch:
    """Drop records below the offsets, find skipped spans.

    Takes (partition, first offset, offset)s: most records stand for one offset, some for several
    (`shared/runtime/kafka/record_batches.py`). A record is fresh only at the next offset, so none
    is skipped or decided twice.
    """
    batch = Batch()
    following = batch.ends
    for index, (partition, begins, offset) in enumerate(records):
        expected = following.get(partition, offsets[partition])
        if offset < expected:
            continue
        if begins > expected:
            first, _ = batch.skipped.get(partition, (expected, begins))
            batch.skipped[partition] = first, begins
        following[partition] = offset + 1
        batch.fresh.append(index)
    return batch
