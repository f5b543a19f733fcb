"""Deadlines derived again from the facts in the streams: one pass over them, lane by lane."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.cli.evidence import DECIDED, Lane, read_lane
from deploy.cli.monitored import Place, Snapshot, database, every_id, snapshot
from deploy.cli.reaching import reader, require
from services.sla_monitor.policy import Policy
from services.sla_monitor.verify import Difference, differences
from shared.outbound import partition_of
from shared.registry import Registry, load
from shared.topics import PARTITIONS, SLA
from shared.tracking import is_report_id

CASES_AT_ONCE: Final = 500
_STREAMS: Final = (*DECIDED, SLA)

Progress = Callable[[int, int], None]
"""Told how many records were read, of how many."""


def policy_of(registry: Registry, lane: Lane) -> Policy:
    """Return the policy of a lane: the registry's files, amended by what was published on it."""
    return Policy(registry.amended(lane.changes))


async def verify(place: Place, report_ids: Sequence[str], progress: Progress) -> list[Difference]:
    """List what differs of some reports, each read by itself.

    Raises:
        KafkaError: the broker went away. Trouble: the stack or its topics are not there.
    """
    wanted: dict[int, set[str]] = {}
    for report_id in report_ids:
        wanted.setdefault(partition_of(report_id.encode()), set()).add(report_id)
    return (await _verified(place, wanted, progress, keep=lambda one: one in report_ids))[1]


async def verify_all(place: Place, progress: Progress) -> tuple[int, list[Difference]]:
    """Count the reports and list what differs of any: of those kept, and of those on the streams.

    Memory holds one lane at a time: the facts of its reports and what was said of them.

    Raises:
        KafkaError: the broker went away. Trouble: the stack or its topics are not there.
    """
    stored: dict[int, set[str]] = {number: set() for number in range(PARTITIONS)}
    async with database(place.postgres) as connection:
        for report_id in await every_id(connection):
            if is_report_id(report_id):  # a lane's own case is no report
                stored[partition_of(report_id.encode())].add(report_id)
    return await _verified(place, stored, progress, keep=is_report_id)


async def _verified(
    place: Place,
    reports: dict[int, set[str]],
    progress: Progress,
    *,
    keep: Callable[[str], bool],
) -> tuple[int, list[Difference]]:
    registry, found, count = load(), list[Difference](), 0
    async with reader(place.kafka) as consumer, database(place.postgres) as connection:
        total, done = await _records(consumer, reports), 0
        for number, stored in reports.items():

            def advance(more: int) -> None:
                nonlocal done
                done += more
                progress(min(done, total), total)

            async with snapshot(connection, number) as seen:
                lane = await read_lane(
                    consumer, place, seen, number, _STREAMS, wanted=keep, advance=advance
                )
                every = sorted(lane.reports | stored)
                count += len(every)
                found += await _compared(policy_of(registry, lane), seen, lane, every)
    return count, found


async def _records(consumer: AIOKafkaConsumer, lanes: Iterable[int]) -> int:
    """Count the records that there are to read."""
    topics = [stream.topic() for stream in _STREAMS]
    await require(consumer, topics)
    partitions = [TopicPartition(topic, lane) for topic in topics for lane in lanes]
    starts = await consumer.beginning_offsets(partitions)
    ends = await consumer.end_offsets(partitions)
    return sum(ends[p] - starts[p] for p in partitions)


async def _compared(
    policy: Policy, seen: Snapshot, lane: Lane, reports: Sequence[str]
) -> list[Difference]:
    found: list[Difference] = []
    for some in (reports[n : n + CASES_AT_ONCE] for n in range(0, len(reports), CASES_AT_ONCE)):
        kept = await seen.cases(some)
        for report_id in some:
            row = kept.get(report_id)
            heard = lane.heard_by(report_id, row.sequence if row else 0)
            found += differences(report_id, row, lane.read.get(report_id, []), heard, policy)
    return found
