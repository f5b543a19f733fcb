"""Acts that happen at a business time, each a task of its own."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final

from shared.platform.clock import Clock

Act = Callable[[], Awaitable[None]]


class Timetable:
    """Holds what is still to happen; the first act that fails fails the demo."""

    def __init__(self, clock: Clock) -> None:
        self.clock: Final = clock
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_open = True

    @property
    def pending(self) -> int:
        """Return how many acts are still to come."""
        return len(self._tasks)

    def at(self, when: datetime, act: Act) -> None:
        """Do something when it is `when` (business time, UTC); at once if it is past."""
        if not self._is_open:
            return
        task = asyncio.create_task(self._wait_and_do(when, act))
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def close(self) -> None:
        """Forget what has not begun; return when nothing runs any more."""
        self._is_open = False
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.failed.cancel()

    def fail(self, error: BaseException) -> None:
        """Let whoever waits know that the demo cannot go on."""
        if not self.failed.done():
            self.failed.set_exception(error)

    async def race(self, what: Awaitable[None]) -> None:
        """Wait for something; raise what an act raised meanwhile."""
        task = asyncio.ensure_future(what)
        try:
            await asyncio.wait({task, self.failed}, return_when=asyncio.FIRST_COMPLETED)
            if self.failed.done():
                self.failed.result()
            await task
        finally:
            task.cancel()

    def _seconds_to(self, when: datetime) -> float:
        return max((self.clock.real(when) - datetime.now(UTC)).total_seconds(), 0)

    async def _wait_and_do(self, when: datetime, act: Act) -> None:
        await asyncio.sleep(self._seconds_to(when))
        await act()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self.fail(error)
