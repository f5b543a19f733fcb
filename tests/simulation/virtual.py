"""An event loop for the simulation: no clock but its own, and it runs only when told to.

The shell's tasks run on it as on asyncio's; nothing waits for real, and the same calls in the same
order always give the same run.
"""

import asyncio
import contextvars
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar, cast

T = TypeVar("T")


class VirtualLoop:
    """What asyncio's futures, tasks, locks and waits need of a loop, and no more."""

    def __init__(self) -> None:
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._now = 0.0
        self._made = 0
        self.failures: list[str] = []

    def __enter__(self) -> Self:
        asyncio._set_running_loop(self._loop)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        asyncio._set_running_loop(None)

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        return cast("asyncio.AbstractEventLoop", self)

    # ---- for the simulation

    def settle(self) -> None:
        """Run until every task waits for something."""
        while self._ready:
            handle = self._ready.popleft()
            if not handle.cancelled():
                handle._run()

    def advance(self) -> bool:
        """Let time pass until the next timer, and settle; say whether there was one."""
        while self._timers:
            when, _, handle = heapq.heappop(self._timers)
            if not handle.cancelled():
                self._now = when
                handle._run()
                self.settle()
                return True
        return False

    # ---- for asyncio

    def time(self) -> float:
        """Return the loop's own seconds."""
        return self._now

    def get_debug(self) -> bool:
        """Say that this loop checks nothing more."""
        return False

    def call_soon(
        self,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        """Run a callback when the loop is settled next."""
        handle = asyncio.Handle(callback, args, self._loop, context)
        self._ready.append(handle)
        return handle

    def call_at(
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """Run a callback when time has been advanced to `when`."""
        handle = asyncio.TimerHandle(when, callback, args, self._loop, context)
        self._made += 1
        heapq.heappush(self._timers, (when, self._made, handle))
        return handle

    def call_later(
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """Run a callback when that many seconds have been let pass."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Leave it in the heap: `advance` passes over it."""

    def create_future(self) -> "asyncio.Future[Any]":
        """Make a future of this loop."""
        return asyncio.Future(loop=self._loop)

    def create_task(self, work: Coroutine[Any, Any, T], **_name: Any) -> "asyncio.Task[T]":
        """Make a task of this loop."""
        return asyncio.Task(work, loop=self._loop)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Keep what asyncio could tell nobody else."""
        self.failures.append(str(context.get("exception") or context["message"]))
