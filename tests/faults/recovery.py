"""How long a stage says nothing after a fault: seen from the ends of the logs it writes."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from shared.contract.topics import INBOX, PARTITIONS, writes
from tests.faults.load.report_script import INSTITUTIONS
from tests.faults.schedule import STAGES

LOOK_SECONDS: Final = 0.1
NEVER_SECONDS: Final = 180.0  # more than the longest outage and what a busy machine adds


def _places(stage: str) -> list[TopicPartition]:
    if stage == "agencies.out":
        return [TopicPartition(INBOX.topic(code), 0) for code in ("00", *INSTITUTIONS)]
    return [TopicPartition(writes(stage).topic(), number) for number in range(PARTITIONS)]


class Progress:
    """Looks at the logs' ends ten times a second."""

    def __init__(self, kafka: str) -> None:
        self._kafka = kafka
        self._places: Mapping[str, list[TopicPartition]] = {s: _places(s) for s in STAGES}
        self._ends: dict[str, int] = dict.fromkeys(STAGES, 0)
        self._moved_at: dict[str, float] = dict.fromkeys(STAGES, 0.0)

    async def run(self) -> None:
        """Look until cancelled; a broker that is away is looked for again."""
        while True:
            consumer = AIOKafkaConsumer(bootstrap_servers=self._kafka, request_timeout_ms=2_000)
            try:
                await consumer.start()
                while True:
                    await self._look(consumer)
                    await asyncio.sleep(LOOK_SECONDS)
            except (KafkaError, OSError, TimeoutError):
                await asyncio.sleep(LOOK_SECONDS)
            finally:
                await consumer.stop()

    async def _look(self, consumer: AIOKafkaConsumer) -> None:
        every = [place for places in self._places.values() for place in places]
        ends = await asyncio.wait_for(consumer.end_offsets(every), 3)
        now = time.monotonic()
        for stage, places in self._places.items():
            total = sum(ends[place] for place in places)
            if total > self._ends[stage]:
                self._ends[stage] = total
                self._moved_at[stage] = now

    async def recovered(self, stages: Iterable[str], since: float) -> float | None:
        """Wait until each stage said something after `since` (monotonic); return the longest wait.

        None if one said nothing for `NEVER_SECONDS`.
        """
        wanted = list(stages)
        while time.monotonic() < since + NEVER_SECONDS:
            if not self.silent(wanted, since):
                return max(self._moved_at[stage] for stage in wanted) - since
            await asyncio.sleep(LOOK_SECONDS)
        return None

    def silent(self, stages: Iterable[str], since: float) -> tuple[str, ...]:
        """Return the stages that said nothing after `since`; what was said before is seen after."""
        return tuple(s for s in stages if self._moved_at[s] <= since + 2 * LOOK_SECONDS)
