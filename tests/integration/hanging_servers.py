"""Servers that hold whoever speaks to them: silent, a byte every while, a name nobody resolves."""

import asyncio
import socket
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from faststream.asgi import AsgiFastStream

from services.notifier.app import build as notifier
from tests.integration.notifier_servers import HOST

STUCK = ".macet.example"
"""Names that end so are looked up for ever, where `build` made the process."""
STUCK_LINE = "a look-up that never ends"
"""What such a process says of each."""


@dataclass
class Holder:
    """A server that takes connections; `served` counts them, `port` is where."""

    port: int = 0
    served: int = 0
    open_now: int = 0
    open_most: int = 0
    ended: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def holder(byte: bytes = b"", every_seconds: float = 3.0) -> AsyncIterator[Holder]:
    """Run a server that answers nothing, or one byte every while, and never ends."""
    made = Holder()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.served += 1
        made.open_now += 1
        made.open_most = max(made.open_most, made.open_now)
        gone = asyncio.create_task(reader.read())
        over = asyncio.create_task(made.ended.wait())
        try:
            while not (gone.done() or over.done()):
                writer.write(byte)
                await asyncio.wait(
                    (gone, over), timeout=every_seconds, return_when="FIRST_COMPLETED"
                )
        except asyncio.CancelledError:
            pass  # the test has ended
        finally:
            made.open_now -= 1
            gone.cancel()
            over.cancel()
            writer.close()

    server = await asyncio.start_server(hold, HOST, 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        made.ended.set()
        server.close()
        await server.wait_closed()


def build() -> AsgiFastStream:
    """Compose the notifier's process where some names are never resolved."""
    real = socket.getaddrinfo

    def look_up(host: Any, *args: Any, **more: Any) -> Any:
        if str(host).endswith(STUCK):
            sys.stderr.write(f"{STUCK_LINE}\n")
            sys.stderr.flush()
            threading.Event().wait()
        return real(host, *args, **more)

    socket.getaddrinfo = look_up
    return notifier()
