"""The nine stages, composed as their `app.py` does it, each with a shell over memory."""

import base64
from collections.abc import Coroutine
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import Any, Final, TypeVar

import structlog
from pydantic import SecretStr

from services.agencies import app as agencies
from services.follow_up import app as follow_up
from services.intake import app as intake
from services.intake.classifier import Model
from services.intake.screening import MODEL_PATH
from services.notifier import app as notifier
from services.notifier.settings import NotifierSettings
from services.routing import app as routing
from services.sla_monitor import app as sla_monitor
from services.verification import app as verification
from shared import registry
from shared.contract.topics import OUTBOX, READS, SUBMISSIONS, Stream
from shared.platform.clock import Clock
from shared.platform.settings import Settings
from shared.runtime.lanes import Partition
from shared.runtime.metrics import Meters
from shared.runtime.parking import Parking
from shared.runtime.processor import Processor
from shared.runtime.reader import Reader
from shared.runtime.stage import Stage
from shared.runtime.writer import Writer
from shared.vault.crypto import DeadLetterKey, Vault
from shared.vault.key_text import KEY_BYTES
from tests.simulation.memory import Broker, Crash, MemoryLog, MemoryState

CHANNELS: Final = ("website", "sms-1708", "counter")
KEY: Final = base64.b64encode(b"k" * KEY_BYTES).decode()
VAULT: Final = Vault.from_text(KEY)
LETTERS: Final = DeadLetterKey.from_text(KEY)
T = TypeVar("T")


@cache
def known() -> registry.Registry:
    """Return the project's own registry."""
    return registry.load()


@cache
def stages() -> tuple[Stage[Any, Any], ...]:
    """Compose all nine stages; they hold no state, so every harness has the same."""
    own = NotifierSettings(smtp_host="mail.example", webhook_secret=SecretStr("s" * 32))
    return (
        intake.stage_of(VAULT, known(), Model.load(MODEL_PATH)),
        agencies.stage_of("agencies.in", VAULT, known()),
        verification.stage_of(_settings("verification.national"), known()),
        verification.stage_of(_settings("verification.institution"), known()),
        routing.stage_of(_settings(), known()),
        follow_up.stage_of(_settings(), known()),
        sla_monitor.stage_of(known()),
        notifier.stage_of(_settings(), own, known()),
        agencies.stage_of("agencies.out", VAULT, known()),
    )


@cache
def meters(stage: str) -> Meters:
    """Return a stage's metrics; every harness counts into the same."""
    return Meters(stage)


def _settings(instance: str = "") -> Settings:
    return Settings(instance=instance, master_key=SecretStr(KEY), clock_scale=1.0)


def finish(work: Coroutine[Any, Any, T]) -> T:
    """Run to its end what never waits.

    Raises:
        RuntimeError: it waits; in memory nothing may.
    """
    try:
        work.send(None)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    work.close()
    raise RuntimeError("a stage waits, although nothing is away")


@dataclass
class Process:
    """One stage's worker: dies at the checkpoints named in `crash_at`, and starts again."""

    stage: Stage[Any, Any]
    broker: Broker
    state: MemoryState
    crash_at: list[str] = field(default_factory=list)
    crashes: int = 0

    def __post_init__(self) -> None:
        self.partitions = [
            Partition(topic, number)
            for stream in READS[self.stage.name]
            for topic in _topics(stream)
            for number in range(stream.partitions)
        ]
        self.start()

    def start(self) -> None:
        """Begin as a new process over the state that the last one left."""
        name = self.stage.name
        self.log = MemoryLog(self.broker, group=name, assignment=set(self.partitions))
        self.shell: Processor[Any, Any] = Processor(
            self.stage,
            log=self.log,
            state=self.state,
            reader=Reader(
                name, Clock(), Parking(LETTERS.seal_bytes, LETTERS.open_bytes), self.stage.identify
            ),
            writer=Writer(
                name,
                is_gateway=self.stage.is_gateway,
                seal=LETTERS.seal_bytes,
                unseal=LETTERS.open_bytes,
            ),
            meters=meters(name),
            logger=structlog.get_logger(),
            failpoint=self._checkpoint,
        )
        finish(self.shell.assigned(self.partitions))

    def lagging(self) -> list[Partition]:
        """Name the partitions with records still to be read."""
        logs, sought = self.broker.logs, self.log.sought
        return [p for p in self.partitions if p in logs and sought[p] < len(logs[p])]

    def step(self, random: Random) -> None:
        """Read a part of what there is, of some partitions, and decide it; or crash on the way."""
        lagging = self.lagging()
        chosen = random.sample(lagging, random.randint(1, len(lagging)))
        batch = []
        for partition in chosen:
            at, log = self.log.sought[partition], self.broker.logs[partition]
            count = random.randint(1, len(log) - at)
            batch += log[at : at + count]
            self.log.sought[partition] = at + count
        try:
            finish(self.shell.batch(batch))
        except Crash:
            self.crashes += 1
            self.crash_at.clear()
            self.start()

    def _checkpoint(self, point: str) -> None:
        if point in self.crash_at:
            raise Crash(point)


def _topics(stream: Stream) -> tuple[str, ...]:
    if not stream.is_family:
        return (stream.topic(),)
    principals = {SUBMISSIONS: CHANNELS, OUTBOX: tuple(known().institutions)}[stream]
    return tuple(stream.topic(producer) for producer in principals)
