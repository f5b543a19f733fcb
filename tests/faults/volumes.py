"""Fills the file system of the database, or of the broker, to the last byte."""

import asyncio
import contextlib
import os
import time
from dataclasses import dataclass
from typing import Final

from tests.faults.aftermath import Aftermath, Suffered
from tests.faults.pipeline import Pipeline
from tests.faults.schedule import STAGES, Fault

BALLAST: Final = "ballast"
LOOK_SECONDS: Final = 0.1


@dataclass
class Volumes:
    """Fills a volume for a while."""

    pipeline: Pipeline
    aftermath: Aftermath

    async def fill(self, fault: Fault) -> Suffered:
        """Leave no byte free, whatever is removed meanwhile; then make room again."""
        home = self.pipeline.home
        folder = home.kafka if fault.kind == "broker full" else home.postgres
        ballast, until = folder / BALLAST, time.monotonic() + fault.seconds
        with ballast.open("wb") as file:
            while time.monotonic() < until:
                _take_the_rest(file.fileno())
                await asyncio.sleep(LOOK_SECONDS)
        ballast.unlink()
        self.aftermath.outage_over()
        return await self.aftermath.of(fault, STAGES, time.monotonic())


def _take_the_rest(file: int) -> None:
    found = os.fstatvfs(file)
    if found.f_bavail:
        with contextlib.suppress(OSError):  # somebody was faster
            os.posix_fallocate(file, os.fstat(file).st_size, found.f_bavail * found.f_frsize)
