"""What became of a fault: done or not, and how long its stages needed to go on."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.faults.recovery import Progress
from tests.faults.schedule import Fault


@dataclass(frozen=True, slots=True)
class FaultResult:
    """What became of a fault: done or not, and the seconds until all of its stages went on.

    Seconds count from the moment at which going on was possible again: a broker's outage itself is
    not in them.
    """

    fault: Fault
    is_done: bool
    recovery_seconds: float | None
    note: str = ""
    silent: tuple[str, ...] = ()  # the stages that never went on


class RecoveryResult:
    """Measures; an outage that came in between does not count."""

    def __init__(self, progress: Progress, now: Callable[[], float] = time.monotonic) -> None:
        self._progress, self._now = progress, now
        self._outage_ended = 0.0  # monotonic seconds

    def outage_over(self) -> None:
        """Note that broker and database can be reached again from now on."""
        self._outage_ended = self._now()

    async def of(
        self, fault: Fault, stages: tuple[str, ...], since: float, note: str = ""
    ) -> FaultResult:
        """Wait until each of the stages said something after `since` (monotonic seconds)."""
        seconds = await self._progress.recovered(stages, since)
        if seconds is not None and since < self._outage_ended <= since + seconds:
            seconds -= self._outage_ended - since  # an outage came in between
        if seconds is not None:
            return FaultResult(fault, is_done=True, recovery_seconds=seconds, note=note)
        silent = self._progress.silent(stages, since)
        note = f"{note} never went on: {', '.join(silent)}".strip()
        return FaultResult(fault, is_done=True, recovery_seconds=None, note=note, silent=silent)
