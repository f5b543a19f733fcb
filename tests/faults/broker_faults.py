"""Takes away brokers of a cluster: the one that leads, the one that coordinates, or all."""

import asyncio
import signal
import time
from collections import Counter
from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient

from deploy.cli.clients.topic_admin import apply
from deploy.local.kafka import node_name
from shared.contract.topics import writes
from tests.faults.pipeline import Pipeline
from tests.faults.recovery_result import FaultResult, RecoveryResult
from tests.faults.schedule import STAGES, Fault

REPLICAS = 3


async def provision(kafka: str) -> None:
    """Make the topics with a replica on each of three brokers."""
    await apply(kafka, REPLICAS)


@dataclass
class BrokerFaults:
    """Kills one broker of several; the others are to go on without it."""

    pipeline: Pipeline
    aftermath: RecoveryResult

    async def lose(self, fault: Fault) -> FaultResult:
        """Kill the one that leads a stage's stream, or coordinates its group; it comes back later.

        The time counts from the kill: two of three are enough to go on.
        """
        find = self._leader if fault.kind == "leader" else self._coordinator
        name = node_name(await find(fault.stage))
        self.pipeline.pause_supervisor()
        try:
            is_killed = self.pipeline.signal(name, signal.SIGKILL)
            since = time.monotonic()
            await asyncio.sleep(fault.seconds)
        finally:
            self.pipeline.resume_supervisor()
        if not is_killed:
            return FaultResult(
                fault, is_done=False, recovery_seconds=None, note=f"{name} did not run"
            )
        return await self.aftermath.of(fault, STAGES, since)

    async def _leader(self, stage: str) -> int:
        """Return the node that leads most partitions of what a stage says."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.pipeline.kafka)
        await admin.start()
        try:
            (topic,) = await admin.describe_topics([writes(stage).topic()])
        finally:
            await admin.close()
        leaders: Counter[int] = Counter(p["leader"] for p in topic["partitions"])
        return leaders.most_common(1)[0][0]

    async def _coordinator(self, stage: str) -> int:
        """Return the node that coordinates a stage's group."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.pipeline.kafka)
        await admin.start()
        try:
            node: int = await admin.find_coordinator(f"lapor.{stage}")
        finally:
            await admin.close()
        return node
