"""Notices a process that is alive but no longer consumes, logs why, and ends it.

Two such states are known (kafka.md section 2). It looks from outside: a client of its own asks for
the logs' ends and compares them with the shell's offsets.
"""

import asyncio
import os
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from shared.contract.topics import ISOLATION
from shared.platform.settings import Settings
from shared.runtime.kafka.client import KafkaLog
from shared.runtime.metrics import Meters
from shared.runtime.processor import Processor, ShellState

if TYPE_CHECKING:
    from shared.runtime.lanes import Partition

LOOK_SECONDS: Final = 2.0
ANSWER_SHARE: Final = 6  # of the watchdog's time: a broker that takes longer to answer is away
FAILURE_EXIT: Final = 70  # sysexits.h EX_SOFTWARE: restart
_UNASSIGNED: Final = (ShellState.STARTING, ShellState.RESTORING)


class Watchdog:
    """Measures lag and progress; `is_ready` and `is_stuck` answer the health pages.

    It recognises three standstills: records wait and none is decided; one attempt, of a batch or of
    an assignment, does not return; no assignment comes.
    """

    def __init__(
        self,
        settings: Settings,
        stage: str,
        shell: Processor[Any, Any],
        log: KafkaLog,
        meters: Meters,
    ) -> None:
        self._settings = settings
        self._shell = shell
        self._log = log
        self._meters = meters
        self._logger = structlog.get_logger().bind(stage=stage)
        self._answers_since: float | None = None  # monotonic seconds; None: no broker answers
        self._progress_at = 0.0  # monotonic seconds
        self._last: dict[Partition, int] = {}
        self._behind = False

    @property
    def is_ready(self) -> bool:
        """Return whether it has partitions, reaches broker and database, and makes progress."""
        shell, half = self._shell, self._settings.watchdog_seconds / 2
        reaches = self._answers_since is not None and shell.state is ShellState.RUNNING
        return bool(shell.offsets) and reaches and not self._standstill(half)

    @property
    def is_stuck(self) -> bool:
        """Return whether the stage has stood still for the watchdog's time."""
        return bool(self._standstill(self._settings.watchdog_seconds))

    def _standstill(self, seconds: float) -> str:
        """Return why this process consumer_positions still since so long, or nothing.

        Waiting for a database or broker that is away is none: between two attempts, or within one,
        since the producer sends again by itself until a broker answers.
        """
        now, shell = monotonic(), self._shell
        if self._answers_since is None:
            return ""
        since = shell.attempt_since
        if since is not None and now - max(since, self._answers_since) > seconds:
            return "an attempt does not come back"
        if shell.state is ShellState.WAITING or now - self._progress_at <= seconds:
            return ""
        if shell.state in _UNASSIGNED:
            return "no assignment comes"
        return "records wait, none is decided" if self._behind else ""

    async def run(self) -> None:
        """Look every two seconds until the stage stops."""
        answer_ms_max = int(self._settings.watchdog_seconds * 1_000 / ANSWER_SHARE)
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._settings.kafka,
            request_timeout_ms=answer_ms_max,
            isolation_level=ISOLATION,
        )
        await consumer.start()
        try:
            while not self._shell.stopping.is_set():
                await self._look(consumer)
                if why := self._standstill(self._settings.watchdog_seconds):
                    self._logger.critical("watchdog", why=why)
                    os._exit(FAILURE_EXIT)
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            await consumer.stop()

    async def _look(self, consumer: AIOKafkaConsumer) -> None:
        shell, offsets = self._shell, dict(self._shell.offsets)
        try:
            if not offsets:  # of none, aiokafka knows the ends without asking
                await consumer.topics()
            ends = await consumer.end_offsets([TopicPartition(*p) for p in offsets])
        except (KafkaError, TimeoutError):
            self._answers_since = None  # nothing can be said
            return
        now = monotonic()
        if self._answers_since is None:
            self._answers_since = self._progress_at = now
        lags = {p: lag for p, at in offsets.items() if (lag := ends[TopicPartition(*p)] - at) > 0}
        if lags and shell.attempt_since is None:  # what it read is decided: the rest may be marks
            consumer_positions = await self._log.consumer_positions(lags)
            lags = {
                p: n
                for p, n in lags.items()
                if consumer_positions.get(p, 0) < ends[TopicPartition(*p)]
            }
        self._meters.lag_records.set(sum(lags.values()))
        self._behind = bool(lags.keys() - self._log.fair_queue.paused)
        is_idle = shell.state not in _UNASSIGNED and not self._behind
        if is_idle or shell.state is ShellState.WAITING or offsets != self._last:
            self._progress_at = now
        self._last = offsets
