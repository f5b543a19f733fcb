"""Fills the file system of the database, or of the broker, to the last byte."""

import asyncio
import contextlib
import os
import time
from dataclasses import dataclass
from typing import Final

from tests.faults.pipeline import Pipeline
from tests.faults.recovery_result import FaultResult, RecoveryResult
from tests.faults.schedule import STAGES, Fault

BALLAST: Final = "ballast"
LOOK_SECONDS: Final = 0.1
FELT_SECONDS_MAX: Final = 40.0  # until a server needs room
NO_SPACE: Final = b"No space left on device"  # as both servers say it


@dataclass
class Volumes:
    """Fills a volume for a while."""

    pipeline: Pipeline
    aftermath: RecoveryResult

    async def fill(self, fault: Fault) -> FaultResult:
        """Leave no byte free until the server has said so, whatever is removed; then make room."""
        home, name = self.pipeline.home, fault.kind.partition(" ")[0]
        folder, server = (home.kafka, "kafka") if name == "broker" else (home.postgres, name)
        log, began = home.log(server), time.monotonic()
        before, is_felt = log.stat().st_size, False
        ballast = folder / BALLAST
        with ballast.open("wb") as file:
            while time.monotonic() < began + (fault.seconds if is_felt else FELT_SECONDS_MAX):
                _take_the_rest(file.fileno())
                await asyncio.sleep(LOOK_SECONDS)
                is_felt = is_felt or NO_SPACE in log.read_bytes()[before:]
        ballast.unlink()
        self.aftermath.outage_over()
        note = "" if is_felt else f"{server} did not notice"
        return await self.aftermath.of(fault, STAGES, time.monotonic(), note)


def _take_the_rest(file: int) -> None:
    found = os.fstatvfs(file)
    if found.f_bavail:
        with contextlib.suppress(OSError):  # somebody was faster
            os.posix_fallocate(file, os.fstat(file).st_size, found.f_bavail * found.f_frsize)
