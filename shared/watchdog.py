"""Notices a process that lives but no longer consumes, says why, and ends it.

Two such states are known (kafka.md sections 5.1 and 7.4). It looks from outside: a client of its
own asks for the logs' ends, and compares them with the shell's positions.
"""

import asyncio
import os
from time import monotonic
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from shared.metrics import Meters
from shared.settings import Settings
from shared.shell import Shell

LOOK_SECONDS: Final = 2.0
FAILURE_EXIT: Final = 70  # sysexits.h EX_SOFTWARE: restart


class Watchdog:
    """Measures lag and progress; `is_ready` and `is_stuck` answer the health pages."""

    def __init__(
        self, settings: Settings, stage: str, shell: Shell[Any, Any], meters: Meters
    ) -> None:
        self._settings = settings
        self._shell = shell
        self._meters = meters
        self._logger = structlog.get_logger().bind(stage=stage)
        self._progress_at = monotonic()
        self._last: dict[object, int] = {}
        self._behind = False

    @property
    def is_ready(self) -> bool:
        """Say whether the stage holds partitions, reaches its parts, and makes progress."""
        half = self._settings.watchdog_seconds / 2
        return bool(self._shell.positions) and not self._shell.is_waiting and not self._late(half)

    @property
    def is_stuck(self) -> bool:
        """Say whether records wait and none was decided for the watchdog's time."""
        return not self._shell.is_waiting and self._late(self._settings.watchdog_seconds)

    def _late(self, seconds: float) -> bool:
        return self._behind and monotonic() - self._progress_at > seconds

    async def run(self) -> None:
        """Look every two seconds until the stage stops."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self._settings.kafka)
        await consumer.start()
        try:
            while not self._shell.stopping.is_set():
                await asyncio.sleep(LOOK_SECONDS)
                await self._look(consumer)
                if self.is_stuck:
                    self._logger.critical("watchdog", why="records wait, none is decided")
                    os._exit(FAILURE_EXIT)
        finally:
            await consumer.stop()

    async def _look(self, consumer: AIOKafkaConsumer) -> None:
        positions = dict(self._shell.positions)
        try:
            ends = await consumer.end_offsets([TopicPartition(*p) for p in positions])
        except (KafkaError, TimeoutError):
            self._progress_at = monotonic()  # the broker is away: nothing can be said
            return
        lag = sum(max(0, ends[TopicPartition(*p)] - at) for p, at in positions.items())
        self._meters.lag_records.set(lag)
        moved = positions != self._last
        self._behind = lag > 0
        if moved or not self._behind or self._shell.is_waiting:
            self._progress_at = monotonic()
        self._last = dict(positions)
