"""Make the cluster's topics what the table of streams says: idempotent, and able to show drift."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import for_code

from shared.contract.topics import FOREVER, STREAMS, Stream
from shared.registry.principals import principals

READY_SECONDS_MAX: Final = 30.0
TOPICS_PER_REQUEST: Final = 200
DAY_MS: Final = 86_400_000
PREFIX: Final = "lapor."
STRAY: Final = "unknown"


@dataclass(frozen=True, slots=True)
class PlannedTopic:
    """A topic as it should be."""

    name: str
    partitions: int
    configs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference between the cluster and the table."""

    topic: str
    what: str
    now: str
    expected: str

    @property
    def can_be_mended(self) -> bool:
        """Say whether `apply` mends it: it takes away no partition, and no topic."""
        return not self.is_stray and (
            self.what != "partitions" or int(self.now or 0) < int(self.expected)
        )

    @property
    def is_stray(self) -> bool:
        """Say whether the topic belongs to no stream, channel or institution."""
        return self.what == STRAY


def planned_topics() -> list[PlannedTopic]:
    """Return every topic of the table, one per channel and institution of the registry."""
    registered = principals()
    return [
        PlannedTopic(name, stream.partitions, configs_of(stream))
        for stream in STREAMS
        for name in registered.topics([stream])
    ]


def configs_of(stream: Stream) -> tuple[tuple[str, str], ...]:
    """Return the topic's settings; broker time on every record (law 1).

    A broker deletes whole segments, and none that it still writes to: with its usual seven days of
    a segment, seven days kept would be up to fourteen. So where a stream is not kept for ever a
    segment is a day at most, and a record is gone a day after its time at the latest.
    """
    days = stream.retention_days
    return (
        ("cleanup.policy", "delete"),
        ("max.message.bytes", str(stream.bytes_max)),
        ("message.timestamp.type", "LogAppendTime"),
        ("retention.ms", str(days if days == FOREVER else days * DAY_MS)),
        *(() if days == FOREVER else (("segment.ms", str(DAY_MS)),)),
    )


async def diff(bootstrap: str) -> list[Drift]:
    """Return where the cluster differs from the table; empty when it is as it should be."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        table = planned_topics()
        return [*await _diff(admin, table), *await _strays(admin, table)]
    finally:
        await admin.close()


async def _strays(admin: AIOKafkaAdminClient, table: Sequence[PlannedTopic]) -> list[Drift]:
    """Return the topics that look like ours and belong to nothing in the table or the registry."""
    ours = {topic.name for topic in table}
    names = sorted(t for t in await admin.list_topics() if t.startswith(PREFIX) and t not in ours)
    return [Drift(name, STRAY, "there", "read by nobody") for name in names]


async def apply(bootstrap: str, replication: int = 1) -> list[Drift]:
    """Mend every drift that can be mended; return what was found.

    Raises:
        KafkaError: the broker refused. TimeoutError: new topics got no leader in 30 s.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        table = planned_topics()
        drifts = await _diff(admin, table)
        missing = {d.topic for d in drifts if d.what == "topic"}
        await _create(admin, [t for t in table if t.name in missing], replication)
        await _mend(admin, table, [d for d in drifts if d.what != "topic"])
        async with asyncio.timeout(READY_SECONDS_MAX):
            while not await _led(admin, missing):
                await asyncio.sleep(0.05)
        return drifts
    finally:
        await admin.close()


async def _diff(admin: AIOKafkaAdminClient, table: Sequence[PlannedTopic]) -> list[Drift]:
    there = set(await admin.list_topics())
    present = [t for t in table if t.name in there]
    drifts = [Drift(t.name, "topic", "", "created") for t in table if t.name not in there]
    if present:
        described = await admin.describe_topics([t.name for t in present])
        counts = {d["topic"]: len(d["partitions"]) for d in described}
        configs = await _configs(admin, present)
        for topic in present:
            drifts.extend(_compare(topic, counts[topic.name], configs[topic.name]))
    return drifts


def _compare(topic: PlannedTopic, partitions: int, configs: Mapping[str, str]) -> Iterator[Drift]:
    if partitions != topic.partitions:
        yield Drift(topic.name, "partitions", str(partitions), str(topic.partitions))
    for name, value in topic.configs:
        if configs.get(name) != value:
            yield Drift(topic.name, name, configs.get(name, ""), value)


async def _configs(
    admin: AIOKafkaAdminClient, table: Sequence[PlannedTopic]
) -> dict[str, dict[str, str]]:
    resources = [ConfigResource(ConfigResourceType.TOPIC, t.name) for t in table]
    found: dict[str, dict[str, str]] = {}
    for response in await admin.describe_configs(resources):
        for _code, _message, _kind, name, entries in response.resources:
            found[name] = {entry[0]: entry[1] for entry in entries}
    return found


async def _create(
    admin: AIOKafkaAdminClient, table: Sequence[PlannedTopic], replication: int
) -> None:
    for at in range(0, len(table), TOPICS_PER_REQUEST):
        new = [
            NewTopic(t.name, t.partitions, replication, topic_configs=dict(t.configs))
            for t in table[at : at + TOPICS_PER_REQUEST]
        ]
        response = await admin.create_topics(new)
        for name, code, *_ in response.topic_errors:
            if code not in (0, 36):  # 36: somebody made it meanwhile
                raise for_code(code)(name)


async def _mend(
    admin: AIOKafkaAdminClient, table: Sequence[PlannedTopic], drifts: Sequence[Drift]
) -> None:
    by_name = {t.name: t for t in table}
    for name in sorted({d.topic for d in drifts if d.can_be_mended}):
        topic = by_name[name]
        own_drifts = [d for d in drifts if d.topic == name and d.can_be_mended]
        if any(d.what == "partitions" for d in own_drifts):
            await admin.create_partitions({name: NewPartitions(topic.partitions)})
        if any(d.what != "partitions" for d in own_drifts):
            resource = ConfigResource(ConfigResourceType.TOPIC, name, dict(topic.configs))
            await admin.alter_configs([resource])


async def _led(admin: AIOKafkaAdminClient, names: set[str]) -> bool:
    if not names:
        return True
    described = await admin.describe_topics(sorted(names))
    return all(
        d["error_code"] == 0 and all(p["leader"] >= 0 for p in d["partitions"]) for d in described
    )
