"""All services in one process, for small machines: `python -m deploy.local.single_process SEATS`.

One event loop, one uvicorn server and port for each; if one of them ends, all of them end.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Iterator

import uvicorn
from uvicorn.importer import import_from_string

from deploy.local.processes import LOOPBACK
from deploy.local.services import GRACEFUL_SECONDS, ServiceSlot
from shared.runtime.health.pages import BriefProtocol


class Server(uvicorn.Server):
    """A server that leaves the signals to the process it shares."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Change no signal handler."""
        yield


def server(slot: ServiceSlot) -> Server:
    """Build a service; it reads its settings from the environment now and not again."""
    os.environ.update(slot.env)
    try:
        app = import_from_string(slot.service.factory)()
    finally:
        for name in slot.env:
            os.environ.pop(name)
    return Server(
        uvicorn.Config(
            app,
            host=LOOPBACK,
            port=slot.port,
            loop="asyncio",
            http=BriefProtocol,
            lifespan="on",
            access_log=False,
            timeout_graceful_shutdown=GRACEFUL_SECONDS,
        )
    )


async def serve(slots: list[ServiceSlot]) -> None:
    """Serve all of them until a signal, or until one of them ends."""
    servers = [server(slot) for slot in slots]

    def end() -> None:
        for one in servers:
            one.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    tasks = [asyncio.create_task(one.serve()) for one in servers]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    end()
    await asyncio.gather(*tasks)


if __name__ == "__main__":
    asyncio.run(serve([ServiceSlot.model_validate(row) for row in json.loads(sys.argv[1])]))
