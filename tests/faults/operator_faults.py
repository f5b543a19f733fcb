"""Faults that people make, and what an operator does about them: bugs, limits, rights."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from deploy.cli.clients.topic_admin import configs_of
from shared.contract.topics import Stream, writes
from shared.platform.postgres import PASSING
from tests.faults import acl_faults
from tests.faults.checker.names import schema_of
from tests.faults.load.outside_world import OutsideWorld
from tests.faults.pipeline import Pipeline
from tests.faults.recovery_result import FaultResult, RecoveryResult
from tests.faults.schedule import Fault

BYTES_MAX_LOWERED: Final = 200  # less than the headers of any event
PATIENCE_SECONDS: Final = 180.0  # until a report comes to the stage, or a command succeeds
AGAIN_SECONDS: Final = 1.0
REASONS: Final = {"raise": "rule_raised", "oversize": "event_too_large"}


@dataclass
class OperatorFaults:
    """Makes mistakes in a pipeline and mends them; `planned` is what a checker must know."""

    pipeline: Pipeline
    outside_world: OutsideWorld
    aftermath: RecoveryResult

    def __post_init__(self) -> None:
        self.planned: list[tuple[str, str, str]] = []  # stage, report, reason of the dead letter
        self._one_bug = asyncio.Lock()  # a replay takes all of a stage's letters

    # ---- a bug

    async def bug(self, fault: Fault) -> FaultResult:
        """Let a rule fail for one report; mend it after a while, and have the letter replayed."""
        async with self._one_bug:
            reason, report = REASONS[fault.kind], self.outside_world.to_come().report_id
            file = self.pipeline.plant(fault.stage, report, reason)
            bitten = file.with_name(f"{file.name}.hit")
            if not await self._until(lambda: asyncio.to_thread(bitten.exists)):
                file.unlink()
                return FaultResult(fault, is_done=False, recovery_seconds=None, note="not reached")
            self.planned.append((fault.stage, report, reason))
            await asyncio.sleep(fault.seconds)  # what follows it waits in the case
            asked: set[str] = set()
            is_dead = await self._until(lambda: self._is_dead(fault, report))
            file.unlink()
            mended_at = time.monotonic()
            if not is_dead or not await self._until(lambda: self._is_decided(fault, report, asked)):
                return FaultResult(fault, is_done=True, recovery_seconds=None, note="still parked")
            seconds = time.monotonic() - mended_at
            return FaultResult(fault, is_done=True, recovery_seconds=seconds)

    async def _is_dead(self, fault: Fault, report: str) -> bool:
        """Say whether what failed was saved: before that it would be decided anew."""
        if fault.kind == "raise":
            return await self._parked(fault.stage, report) is True
        return report in await self._replay(fault)

    async def _is_decided(self, fault: Fault, report: str, asked: set[str]) -> bool:
        """Ask for the replay of what is not asked for yet; say whether it was decided."""
        asked |= await self._replay(fault, "--yes")
        return report in asked and await self._parked(fault.stage, report) is False

    async def _replay(self, fault: Fault, *words: str) -> set[str]:
        """Have a stage's letters decided again; return their reports. Without --yes only look."""
        command = ("dead-letters", "replay", "--stage", fault.stage, "--json", "--why", "mended")
        reason = ("--reason", REASONS[fault.kind])
        done = await asyncio.to_thread(self.pipeline.command, *command, *reason, *words)
        letters = json.loads(done.stdout)["letters"] if done.returncode == 0 else ()
        return {letter["report_id"] for letter in letters}

    async def _parked(self, stage: str, report: str) -> bool | None:
        """Say whether a report waits in a stage; None while the database is away."""
        question = f"SELECT parked <> '' FROM \"{schema_of(stage)}\".cases WHERE report_id = $1"
        try:
            connection = await asyncpg.connect(self.pipeline.postgres, timeout=5)
        except PASSING:
            return None
        try:
            return bool(await connection.fetchval(question, report))
        except PASSING:
            return None
        finally:
            await connection.close()

    # ---- a limit, a right

    async def refuse(self, fault: Fault) -> FaultResult:
        """Lower what the broker takes of a stage below any event; then put it right."""
        stream, log = writes(fault.stage), self.pipeline.home.log(fault.stage)
        before = log.stat().st_size
        await self._until(
            lambda: _done(take_at_most(self.pipeline.kafka, stream, BYTES_MAX_LOWERED))
        )
        await asyncio.sleep(fault.seconds)
        if not await self._until(self._topics_applied):
            return FaultResult(fault, is_done=False, recovery_seconds=None, note="not put right")
        note = _note("MessageSizeTooLargeError" in log.read_text()[before:])
        return await self.aftermath.of(fault, (fault.stage,), time.monotonic(), note)

    async def _topics_applied(self) -> bool:
        done = await asyncio.to_thread(self.pipeline.command, "topics", "apply")
        return done.returncode == 0

    async def rights(self, fault: Fault) -> FaultResult:
        """Take a stage's right to its group away for a while."""
        group, log = f"lapor.{fault.stage}", self.pipeline.home.log(fault.stage)
        before = log.stat().st_size
        await self._until(lambda: _done(acl_faults.revoke(self.pipeline.kafka, group)))
        await asyncio.sleep(fault.seconds)
        if not await self._until(lambda: _done(acl_faults.restore(self.pipeline.kafka, group))):
            return FaultResult(fault, is_done=False, recovery_seconds=None, note="not put right")
        note = _note("GroupAuthorizationFailedError" in log.read_text()[before:])
        return await self.aftermath.of(fault, (fault.stage,), time.monotonic(), note)

    async def _until(self, is_so: Callable[[], Awaitable[bool]]) -> bool:
        """Try until it is so; return whether it was in time."""
        until = time.monotonic() + PATIENCE_SECONDS
        while not await is_so():
            if time.monotonic() > until:
                return False
            await asyncio.sleep(AGAIN_SECONDS)
        return True


async def take_at_most(kafka: str, stream: Stream, bytes_max: int) -> None:
    """Have the broker refuse what is larger in a stream; `lapor topics apply` puts it right.

    Raises:
        KafkaError: the broker did not take it, or is away.
    """
    configs = {**dict(configs_of(stream)), "max.message.bytes": str(bytes_max)}
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        resource = ConfigResource(ConfigResourceType.TOPIC, stream.topic(), configs)
        await admin.alter_configs([resource])
    finally:
        await admin.close()


async def _done(change: Awaitable[None]) -> bool:
    """Make a change; return whether the broker was there to take it."""
    try:
        await change
    except (KafkaError, OSError):
        return False
    return True


def _note(was_told: bool) -> str:  # noqa: FBT001 - what the log says
    return "" if was_told else "the stage's log does not tell of it"
