"""Notices a subscribed topic that no member of the group reads, and asks for a rebalance.

The cause: a static member that starts again gets its old assignment from the broker, without a
rebalance, although it subscribes to more now. If it is the group's leader it does not learn that it
leads, and does not watch for new topics either. Everything looks well: it is a member, its lag is
zero, unassigned partitions are in no metric. So this checks from outside that every partition of
the subscription is assigned.
"""

import asyncio
import contextlib
from collections.abc import Collection, Iterable, Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocol
from aiokafka.errors import KafkaError

from shared.contract.topics import READS, published_by
from shared.platform.settings import Settings
from shared.runtime.kafka.client import KafkaLog
from shared.runtime.lanes import Partition
from shared.runtime.metrics import Meters
from shared.runtime.processor import Processor

if TYPE_CHECKING:
    from shared.registry.principals import Principals

LOOK_SECONDS: Final = 5.0
LOOK_AGAIN_SECONDS: Final = 2.0  # while something is unassigned
UNASSIGNED_SECONDS_MAX: Final = 10.0  # so long a rebalance may take; then the stage is not ready
REJOIN_PAUSE_SECONDS: Final = 10.0  # between two rebalances that are asked for; doubled each time
REJOIN_PAUSE_SECONDS_MAX: Final = 300.0
METADATA_SECONDS_MAX: Final = 10.0
NAMES_MAX: Final = 20  # of topics in a line of the log


class Unassigned:
    """The partitions that nobody reads, and since when; times in seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._since: dict[Partition, float] = {}
        self._asked_at = float("-inf")
        self._pause = 0.0

    def note(self, partitions: Iterable[Partition], now: float) -> None:
        """Note the partitions that nobody reads now."""
        self._since = {p: self._since.get(p, now) for p in partitions}
        if not self._since:
            self._pause = min(self._pause, REJOIN_PAUSE_SECONDS)

    def since(self, seconds: float, now: float) -> list[Partition]:
        """Return what nobody has read for so long, or longer."""
        return sorted(p for p, at in self._since.items() if now - at >= seconds)

    def wants_rebalance(self, now: float) -> bool:
        """Return whether to ask for a rebalance: not often, since it stops the whole group."""
        if now - self._asked_at < self._pause or not self.since(LOOK_AGAIN_SECONDS / 2, now):
            return False
        self._pause = min(2 * self._pause or REJOIN_PAUSE_SECONDS, REJOIN_PAUSE_SECONDS_MAX)
        self._asked_at = now
        return True


class AssignmentCheck:
    """Compares what a stage reads and writes with what is there, and with what is assigned."""

    def __init__(
        self,
        settings: Settings,
        stage: str,
        principals: "Principals",
        *,
        shell: Processor[Any, Any],
        log: KafkaLog,
        meters: Meters,
    ) -> None:
        self._settings = settings
        self._group = f"lapor.{stage}"
        self._reads = frozenset(principals.topics(READS[stage]))
        self._topics = sorted(self._reads.union(principals.topics(published_by(stage))))
        self._shell = shell
        self._log = log
        self._meters = meters
        self._logger = structlog.get_logger().bind(stage=stage)
        self._unassigned = Unassigned()
        self._missing: frozenset[str] | None = None  # topics; None before the first look
        self._logged: list[str] = []

    @property
    def is_complete(self) -> bool:
        """Return whether all topics exist and all partitions to read are assigned."""
        late = self._unassigned.since(UNASSIGNED_SECONDS_MAX, monotonic())
        return self._missing is not None and not self._missing and not late

    async def run(self) -> None:
        """Look every few seconds until the stage stops; without a broker nothing changes."""
        while not self._shell.stopping.is_set():
            admin = AIOKafkaAdminClient(bootstrap_servers=self._settings.kafka)
            with contextlib.suppress(KafkaError, TimeoutError):
                await self._look_on(admin)
            await admin.close()
            await asyncio.sleep(LOOK_AGAIN_SECONDS)

    async def _look_on(self, admin: AIOKafkaAdminClient) -> None:
        await admin.start()
        while not self._shell.stopping.is_set():
            unassigned = await self._look(admin)
            await asyncio.sleep(LOOK_AGAIN_SECONDS if unassigned else LOOK_SECONDS)

    async def _look(self, admin: AIOKafkaAdminClient) -> bool:
        counts = {
            topic["topic"]: len(topic["partitions"])
            for topic in await admin.describe_topics(self._topics)
            if not topic["error_code"]
        }
        self._note_missing(frozenset(self._topics) - counts.keys())
        expected = {
            Partition(topic, number)
            for topic in self._reads & counts.keys()
            for number in range(counts[topic])
        }
        left, is_stable = await self._left(admin, expected)
        self._unassigned.note(left, monotonic())
        self._meters.unassigned_partitions.set(len(left))
        if left and is_stable:
            await self._ask_for_rebalance()
        elif not left and self._logged:
            self._logged = []
            self._logger.info("assignment_complete")
        return bool(left)

    async def _left(
        self, admin: AIOKafkaAdminClient, expected: set[Partition]
    ) -> tuple[set[Partition], bool]:
        """Return what nobody reads, and whether the group is at rest."""
        consumer = self._log.consumer
        own = set(consumer.assignment()) if consumer is not None else set()
        left = {p for p in expected if TopicPartition(*p) not in own}
        if not left:
            return left, True
        (response,) = await admin.describe_consumer_groups([self._group])
        (group,) = response.to_object()["groups"]
        if group["error_code"]:  # not authorized, or the group rebalances: keep what was noted
            return left & set(self._unassigned.since(0, monotonic())), False
        return left - assigned_in(group["members"]), group["state"] == "Stable"

    async def _ask_for_rebalance(self) -> None:
        """Log what nobody reads, once, and have the group rebalance."""
        late = self._unassigned.since(LOOK_AGAIN_SECONDS / 2, monotonic())
        names = sorted({p.topic for p in late})
        if names and names != self._logged:
            self._logged = names
            self._logger.error(
                "assignment_incomplete", topics=names[:NAMES_MAX], partitions=len(late)
            )
        if self._log.consumer is None:
            return
        if self._unassigned.wants_rebalance(monotonic()):
            await rejoin(self._log.consumer)

    def _note_missing(self, missing: frozenset[str]) -> None:
        self._meters.missing_topics.set(len(missing))
        if missing and missing != self._missing:
            names = sorted(missing)
            self._logger.error("topics_missing", topics=names[:NAMES_MAX], count=len(names))
        elif self._missing and not missing:
            self._logger.info("topics_complete")
        self._missing = missing


def assigned_in(members: Collection[Mapping[str, Any]]) -> set[Partition]:
    """Return what the members of a group were assigned, from a DescribeGroups response."""
    assigned: set[Partition] = set()
    for member in members:
        if packed := member["member_assignment"]:
            assignment = ConsumerProtocol.ASSIGNMENT.decode(packed)
            assigned.update(Partition(p.topic, p.partition) for p in assignment.partitions())
    return assigned


async def rejoin(consumer: AIOKafkaConsumer) -> None:
    """Have a member join its group again, with what it knows of the topics as new.

    From the leader the broker takes that as a request for a rebalance, from others it changes
    nothing; a static member that came back does not know who leads, so each does it.
    aiokafka has no public way to it (0.14, pinned; the tests of `tests/integration/test_topics.py`
    notice if another version has none).
    """
    async with asyncio.timeout(METADATA_SECONDS_MAX):
        await consumer._client.force_metadata_update()  # noqa: SLF001
    consumer._coordinator.request_rejoin()  # noqa: SLF001
