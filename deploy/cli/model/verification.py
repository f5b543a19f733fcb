"""Deadlines derived again from the facts in the streams: one pass over them, lane by lane."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.cli.clients.kafka import reader, require
from deploy.cli.clients.postgres import stage_pool
from deploy.cli.clients.topic_reader import bounds_of
from deploy.cli.model.lane_log import DECIDED, LaneRecords, read_lane
from deploy.cli.model.sla_snapshot import STAGE, StackAddress
from services.sla_monitor.audit.snapshot import Snapshot, every_id, snapshot
from services.sla_monitor.audit.verify import CaseRow, Mismatch, StreamEvent, differences
from services.sla_monitor.policy import Policy
from shared.contract.topics import PARTITIONS, SLA, Stream, lane_case
from shared.contract.tracking import is_report_id
from shared.registry import Change, Registry, load
from shared.runtime.writer import partition_of

CASES_AT_ONCE: Final = 500
FETCH_WAIT_MS: Final = 5  # a fetch that waits at one lane's end would hold up the next lane
_STREAMS: Final = (*DECIDED, SLA)

Progress = Callable[[int, int], None]
"""Told how many records were read, of how many."""


def policies_of(registry: Registry, changes: Sequence[Change]) -> tuple[Policy, ...]:
    """Return the registry's files as the policy, and what each change of them made of it."""
    seen = tuple(changes)
    return tuple(Policy(registry.amended(seen[:n])) for n in range(len(seen) + 1))


def _quiet(_done: int, _total: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Looked:
    """One report as it is kept, what was said of it, and what differs from its facts."""

    kept: CaseRow | None
    heard: tuple[StreamEvent, ...]
    policy: Policy
    differences: tuple[Mismatch, ...] = ()


async def look(place: StackAddress, report_id: str, progress: Progress, *, verify: bool) -> Looked:
    """Return what is known of a report; only where it is to be verified its facts are read, too.

    Raises:
        KafkaError: the broker went away. CliError: the stack or its topics are not there.
    """
    number, streams = partition_of(report_id.encode()), _STREAMS if verify else (SLA,)
    async with reader(place.kafka, wait_ms=FETCH_WAIT_MS) as consumer:
        count = Count(await _records(consumer, streams, [number]), progress)
        async with stage_pool(place.postgres, STAGE) as pool, snapshot(pool, number) as seen:
            lane = await read_lane(
                consumer, place, seen, number, streams, is_read=report_id.__eq__, advance=count
            )
            kept = (await seen.cases([report_id])).get(report_id)
    policies = policies_of(load(), seen.changes)
    heard = lane.heard_by(report_id, kept.sequence if kept else 0)
    different = _registry(seen, lane, number) if verify else []
    if verify:
        different += differences(report_id, kept, lane.read.get(report_id, []), heard, policies)
    return Looked(kept, tuple(heard), policies[-1], tuple(different))


async def verify_all(
    place: StackAddress, progress: Progress = _quiet, *, only: Collection[str] | None = None
) -> tuple[int, list[Mismatch]]:
    """Count the reports and list what differs of any: of those kept, and of those on the streams.

    Memory holds one lane at a time: the facts of its reports and what was said of them.

    Raises:
        KafkaError: the broker went away. CliError: the stack or its topics are not there.
    """
    async with stage_pool(place.postgres, STAGE) as pool:
        ids = await every_id(pool) if only is None else only
    stored: dict[int, set[str]] = {} if only else {number: set() for number in range(PARTITIONS)}
    for report_id in filter(is_report_id, ids):  # a lane's own case is no report
        stored.setdefault(partition_of(report_id.encode()), set()).add(report_id)
    is_read = is_report_id if only is None else set(only).__contains__
    registry, different, reports = load(), list[Mismatch](), 0
    async with (
        reader(place.kafka, wait_ms=FETCH_WAIT_MS) as consumer,
        stage_pool(place.postgres, STAGE) as pool,
    ):
        count = Count(await _records(consumer, _STREAMS, stored), progress)
        for number, kept in stored.items():
            async with snapshot(pool, number) as seen:
                lane = await read_lane(
                    consumer, place, seen, number, _STREAMS, is_read=is_read, advance=count
                )
                every = sorted(lane.reports | kept)
                reports += len(every)
                different += _registry(seen, lane, number)
                different += await _compared(registry, seen, lane, every)
    return reports, different


def _registry(seen: Snapshot, lane: LaneRecords, number: int) -> list[Mismatch]:
    """Compare what a lane says it saw of the registry's stream with that stream."""
    if seen.changes == lane.changes:
        return []
    stored, derived = (
        ", ".join(change.event.version for change in changes) or "nothing"
        for changes in (seen.changes, lane.changes)
    )
    return [
        Mismatch(report_id=lane_case(number), what="registry", about="changes seen",
                   stored=stored, derived=derived)
    ]  # fmt: skip


class Count:
    """Counts the records read of a total that may grow meanwhile, and tells."""

    def __init__(self, total: int, progress: Progress) -> None:
        self._total = total
        self._done = 0
        self._progress = progress

    def __call__(self, more: int) -> None:
        """Tell that more were read."""
        self._done += more
        self._progress(min(self._done, self._total), self._total)


async def _records(
    consumer: AIOKafkaConsumer, streams: Iterable[Stream], lanes: Iterable[int]
) -> int:
    """Count the records that there are to read."""
    topics = [stream.topic() for stream in streams]
    await require(consumer, topics)
    partitions = [TopicPartition(topic, lane) for topic in topics for lane in lanes]
    return sum(end - start for start, end in (await bounds_of(consumer, partitions)).values())


async def _compared(
    registry: Registry, seen: Snapshot, lane: LaneRecords, reports: Sequence[str]
) -> list[Mismatch]:
    different: list[Mismatch] = []
    policies = policies_of(registry, seen.changes)
    for report_ids in (
        reports[n : n + CASES_AT_ONCE] for n in range(0, len(reports), CASES_AT_ONCE)
    ):
        kept = await seen.cases(report_ids)
        for report_id in report_ids:
            row = kept.get(report_id)
            heard = lane.heard_by(report_id, row.sequence if row else 0)
            read = lane.read.get(report_id, [])
            different += differences(report_id, row, read, heard, policies)
    return different
