"""Look names up without letting one that never answers hold up anything else.

`getaddrinfo` cannot be ended from outside, and asyncio runs it in the threads that everything else
shares. Here each look-up has a thread of its own, so many at most; who asks stops waiting when it
likes, and a name that is being looked up is not looked up twice.
"""

import asyncio
import socket
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, TypeVar

THREADS_MAX: Final = 32
REMEMBERED_MAX: Final = 1_000
_OWN_NAME_SECONDS_MAX: Final = 2.0
T = TypeVar("T")


class ResolverBusyError(Exception):
    """All threads wait for answers that do not come."""


class Resolver:
    """Look-ups of one kind; `busy` counts the threads that still wait.

    While all of them do, a name that was cached before is what it was then.
    """

    def __init__(self, threads_max: int = THREADS_MAX) -> None:
        self._threads_max = threads_max
        self._running: dict[tuple[str, int], asyncio.Future[list[str]]] = {}
        self._cached: OrderedDict[tuple[str, int], list[str]] = OrderedDict()

    @property
    def busy(self) -> int:
        """Return how many look-ups have not ended."""
        return len(self._running)

    async def __call__(self, host: str, port: int) -> list[str]:
        """Return the addresses of a host, each once, the preferred first.

        Raises:
            OSError: there is none, or nobody can say. ResolverBusyError: come again later.
        """
        asked = (host, port)
        running = self._running.get(asked)
        if running is None:
            if len(self._running) >= self._threads_max:
                return self._remembered(asked)
            running = self._running[asked] = _in_a_thread(lambda: _look_up(host, port))
            running.add_done_callback(lambda _: self._running.pop(asked, None))
        addresses = await asyncio.shield(running)
        self._cached[asked] = addresses
        self._cached.move_to_end(asked)
        if len(self._cached) > REMEMBERED_MAX:
            self._cached.popitem(last=False)
        return addresses

    def _remembered(self, asked: tuple[str, int]) -> list[str]:
        cached = self._cached.get(asked)
        if cached is None:
            raise ResolverBusyError
        return cached


class _OwnName:
    """This machine's full name, asked for once: a resolver may have to say it."""

    def __init__(self) -> None:
        self._cached = ""
        self._asked = False

    async def __call__(self) -> str:
        """Return it, or the short one while nobody can say."""
        if not self._asked:
            self._asked = True
            asked = _in_a_thread(socket.getfqdn)
            asked.add_done_callback(self._learn)
            await asyncio.wait([asked], timeout=_OWN_NAME_SECONDS_MAX)
        return self._cached or socket.gethostname()

    def _learn(self, asked: "asyncio.Future[str]") -> None:
        self._cached = "" if asked.cancelled() or asked.exception() else asked.result()


own_name: Final = _OwnName()


def _look_up(host: str, port: int) -> list[str]:
    try:
        infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as unfit:  # a label that is empty or too long
        raise OSError("no such host") from unfit
    return list(dict.fromkeys(str(info[4][0]) for info in infos))


def _in_a_thread(work: Callable[[], T]) -> "asyncio.Future[T]":
    """Run a function in a thread of its own, which no end of the process waits for."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: Exception | None) -> None:
        if error is not None:
            future.set_exception(error)
            future.exception()  # nobody may be waiting any more
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except Exception as raised:  # noqa: BLE001 - told to whoever asked
            error = raised
        try:
            loop.call_soon_threadsafe(settle, result, error)
        except RuntimeError:
            return  # the process is ending

    threading.Thread(target=run, name="look-up", daemon=True).start()
    return future
