"""Stops a process gracefully once the registry on disk names other principals than it loaded.

Its supervisor starts it again with the new registry, which every part of a stage reads at start; a
start costs two seconds. So a new channel or institution needs no manual restart.
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
        self, principals: Principals, meters: "Meters", logger: "structlog.stdlib.BoundLogger"
    ) -> None:
        self._principals = principals
        self._folder = Folder(registry.folder(), principals)
        self._meters = meters
        self._logger = logger

    async def run(self) -> None:
        """Look every few seconds; files that cannot be used are logged once and change nothing."""
        logged = ""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            changed = await asyncio.to_thread(self._folder.look)
            problem = self._folder.problem
            self._meters.registry_unreadable.set(bool(problem))
            if problem and problem != logged:
                self._logger.error("registry_unreadable", why=problem)
            logged = problem
            if changed is not None:
                self._end(changed)
                return

    def _end(self, changed: Principals) -> None:
        self._logger.warning(
            "registry_changed",
            channels=sorted(changed.channels ^ self._principals.channels),
            institutions=sorted(changed.institutions ^ self._principals.institutions),
        )
        ServerShutdown.code = EX_TEMPFAIL
        os.kill(os.getpid(), signal.SIGTERM)


class ServerShutdown:
    """Ends the process once the last stage in it has stopped: the small profile has all of them."""

    stages: ClassVar[set[str]] = set()
    code: ClassVar[int | None] = None  # None: as for the signal that ended it

    @classmethod
    def of(cls, stage: str) -> None:
        """Note that a stage has stopped."""
        cls.stages.discard(stage)
        if cls.code is not None and not cls.stages:
            os._exit(cls.code)
