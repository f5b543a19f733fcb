"""Ends a process in good order once the registry on the disk names other producers than it knows.

Who supervises starts it again, with the new registry: every part of a stage reads that at start,
and a start costs two seconds. So a new channel or institution is served without anybody's restart.
"""

import asyncio
import os
import signal
from typing import TYPE_CHECKING, ClassVar, Final

from shared import registry
from shared.registry.principals import Folder, Principals

if TYPE_CHECKING:
    import structlog

    from shared.runtime.metrics import Meters

EX_TEMPFAIL: Final = 75  # sysexits.h: start it again
LOOK_SECONDS: Final = 5.0


class RegistryWatch:
    """One stage's watch over the registry's folder."""

    def __init__(
        self, known: Principals, meters: "Meters", logger: "structlog.stdlib.BoundLogger"
    ) -> None:
        self._known = known
        self._folder = Folder(registry.folder(), known)
        self._meters = meters
        self._logger = logger

    async def run(self) -> None:
        """Look every few seconds; files that cannot be used are said once, and change nothing."""
        told = ""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            found = await asyncio.to_thread(self._folder.look)
            problem = self._folder.problem
            self._meters.registry_unreadable.set(bool(problem))
            if problem and problem != told:
                self._logger.error("registry_unreadable", why=problem)
            told = problem
            if found is not None:
                self._end(found)
                return

    def _end(self, found: Principals) -> None:
        self._logger.warning(
            "registry_changed",
            channels=sorted(found.channels ^ self._known.channels),
            institutions=sorted(found.institutions ^ self._known.institutions),
        )
        ServerShutdown.code = EX_TEMPFAIL
        os.kill(os.getpid(), signal.SIGTERM)


class ServerShutdown:
    """How the process ends once the last stage in it has: the small profile has all of them."""

    stages: ClassVar[set[str]] = set()
    code: ClassVar[int | None] = None  # None: as the signal says that ended it

    @classmethod
    def of(cls, stage: str) -> None:
        """Take note that a stage has ended."""
        cls.stages.discard(stage)
        if cls.code is not None and not cls.stages:
            os._exit(cls.code)
