"""Services for tests of the local stack: they answer, crash or refuse as they are told.

What happens is told by files in the folder FAKE_ORDERS names, so that it can change while the
service runs: `<instance>.exit` holds the code with which the service ends.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

Message = dict[str, Any]
POLL_SECONDS = 0.02
METRICS = b'# TYPE lapor_lag_records gauge\nlapor_lag_records{topic="a"} 3\n' + (
    b'lapor_lag_records{topic="b"} 4\n'
)


class App:
    """Say that all is well, and what is in the environment."""

    def __init__(self) -> None:
        self._name = os.environ["LAPOR_INSTANCE"]
        self._order = Path(os.environ["FAKE_ORDERS"]) / f"{self._name}.exit"
        names = [name for name in os.environ if name.startswith("LAPOR_")]
        self._environment = "\n".join(f"{name}={os.environ[name]}" for name in sorted(names))
        self._tasks: list[asyncio.Task[None]] = []

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Answer one request, or the server's start and stop."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        body = {"/metrics": METRICS, "/env": self._environment.encode()}.get(scope["path"], b"")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    async def _live(
        self,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        await receive()
        self._tasks.append(asyncio.create_task(self._obey()))
        await send({"type": "lifespan.startup.complete"})
        await receive()
        print(f"{self._name} ends in good order", flush=True)
        await send({"type": "lifespan.shutdown.complete"})

    async def _obey(self) -> None:
        while not self._order.exists():
            await asyncio.sleep(POLL_SECONDS)
        code = int(self._order.read_text())
        print(f"{self._name} ends with {code} because it was told to", flush=True)
        os._exit(code)


def build() -> App:
    """Compose a fake service."""
    return App()
