"""Does one fault to the pipeline, and measures how long its stages needed afterwards."""

import asyncio
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Final

from tests.faults.broker_faults import BrokerFaults
from tests.faults.operator_faults import OperatorFaults
from tests.faults.pipeline import Pipeline
from tests.faults.recovery_result import FaultResult, RecoveryResult
from tests.faults.schedule import STAGES, Fault, Kind
from tests.faults.volumes import Volumes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

REACHED_SECONDS_MAX: Final = 120.0  # until a stage comes to a commit point, an outage included
LIVE_SECONDS_MAX: Final = 90.0  # until a process that is being started is there
GRACE_SECONDS: Final = 20  # a worker asked to end has so long


class Injector:
    """Inflicts faults; several at once."""

    def __init__(
        self, pipeline: Pipeline, aftermath: RecoveryResult, operator_faults: OperatorFaults
    ) -> None:
        self._pipeline, self._aftermath = pipeline, aftermath
        volumes, nodes = Volumes(pipeline, aftermath), BrokerFaults(pipeline, aftermath)
        self._kinds: Mapping[Kind, Callable[[Fault], Awaitable[FaultResult]]] = {
            "point": self._point,
            "kill": self._kill,
            "freeze": self._freeze,
            "broker": self._outage,
            "postgres": self._outage,
            "both": self._outage,
            "scale": self._scale,
            "twin": self._twin,
            "raise": operator_faults.bug,
            "oversize": operator_faults.bug,
            "refuse": operator_faults.refuse,
            "rights": operator_faults.rights,
            "broker full": volumes.fill,
            "postgres full": volumes.fill,
            "leader": nodes.lose,
            "coordinator": nodes.lose,
        }

    async def inflict(self, fault: Fault) -> FaultResult:
        """Do it, wait until its stages work again."""
        return await self._kinds[fault.kind](fault)

    async def _point(self, fault: Fault) -> FaultResult:
        file = self._pipeline.arm(fault.stage, fault.point)
        until = time.monotonic() + REACHED_SECONDS_MAX
        while file.exists():
            if time.monotonic() > until:
                file.unlink(missing_ok=True)
                return FaultResult(fault, is_done=False, recovery_seconds=None, note="not reached")
            await asyncio.sleep(0.02)
        return await self._aftermath.of(fault, (fault.stage,), time.monotonic())

    async def _signal(self, name: str, number: int) -> bool:
        """Send a signal to a process once it lives."""
        until = time.monotonic() + LIVE_SECONDS_MAX
        while time.monotonic() < until:
            if self._pipeline.signal(name, number):
                return True
            await asyncio.sleep(0.1)
        return False

    async def _kill(self, fault: Fault) -> FaultResult:
        done = await self._signal(fault.stage, signal.SIGKILL)
        if not done:
            return FaultResult(fault, is_done=False, recovery_seconds=None, note="did not live")
        return await self._aftermath.of(fault, (fault.stage,), time.monotonic())

    async def _freeze(self, fault: Fault) -> FaultResult:
        """Stop a process for longer than its session, with work in hand; then let it go on."""
        process_id = self._pipeline.child(fault.stage).process_id
        process = process_id.process() if process_id else None
        if process is None:
            return FaultResult(fault, is_done=False, recovery_seconds=None, note="did not live")
        process.suspend()
        await asyncio.sleep(fault.seconds)
        is_there = process.is_running()
        if is_there:
            process.resume()
        note = "" if is_there else "ended meanwhile"
        return await self._aftermath.of(fault, (fault.stage,), time.monotonic(), note)

    async def _outage(self, fault: Fault) -> FaultResult:
        """Kill the broker, crash the database, or both; nobody starts them for a while."""
        self._pipeline.pause_supervisor()
        try:
            if fault.kind != "postgres":
                for name in self._pipeline.brokers:
                    await self._signal(name, signal.SIGKILL)
            if fault.kind != "broker":
                await self._signal("postgres", signal.SIGQUIT)  # "immediate": a crash
            await asyncio.sleep(fault.seconds)
        finally:
            self._pipeline.resume_supervisor()
            self._aftermath.outage_over()
        return await self._aftermath.of(fault, STAGES, time.monotonic())

    async def _scale(self, fault: Fault) -> FaultResult:
        """Let others join a stage, and leave: the first in good order, the next by a crash."""
        workers = [
            self._pipeline.worker(fault.stage, replica=str(number + 1))
            for number in range(fault.workers)
        ]
        await asyncio.sleep(fault.seconds)
        notes = []
        for number, worker in enumerate(workers):
            if number == 0:
                notes.append(await _end(worker))
            else:
                worker.kill()
        return await self._aftermath.of(
            fault, (fault.stage,), time.monotonic(), "; ".join(filter(None, notes))
        )

    async def _twin(self, fault: Fault) -> FaultResult:
        """Start a second process under the first one's name, as an operator might by mistake."""
        twin = self._pipeline.worker(fault.stage, replica="0")
        await asyncio.sleep(fault.seconds)
        note = await _end(twin)
        return await self._aftermath.of(fault, (fault.stage,), time.monotonic(), note)


async def _end(worker: "subprocess.Popen[bytes]") -> str:
    """Ask a process to end; return what was unusual about it."""
    if worker.poll() is not None:
        return f"had ended with {worker.returncode}"
    worker.terminate()
    try:
        await asyncio.to_thread(worker.wait, GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        worker.kill()
        return "did not end when asked to"
    # uvicorn, done in good order, ends by the signal that it was asked with.
    usual = (0, -signal.SIGTERM)
    return "" if worker.returncode in usual else f"ended with {worker.returncode}"
