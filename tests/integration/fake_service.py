"""Services for tests of the local stack: they answer, crash or refuse as they are told.

A file `<instance>.exit` in the folder FAKE_ORDERS names ends the service while it starts, with
the code the file holds; a request for /exit/CODE ends it while it runs.
"""

import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

Message = dict[str, Any]
METRICS = """\
# TYPE lapor_lag_records gauge
lapor_lag_records{topic="a"} 3
lapor_lag_records{topic="b"} 4
"""


class App:
    """Say that all is well, and what is in the environment."""

    def __init__(self, name: str, environment: str) -> None:
        self._name = name
        self._environment = environment

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Answer one request, or the server's start and stop."""
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            sys.stderr.write(f"{self._name} ends in good order\n")
            await send({"type": "lifespan.shutdown.complete"})
            return
        path = scope["path"]
        if path.startswith("/exit/"):
            end(self._name, int(path.removeprefix("/exit/")))
        body = {"/metrics": METRICS, "/env": self._environment}.get(path, "")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body.encode()})


def end(name: str, code: int) -> None:
    """End at once, as a crash does."""
    sys.stderr.write(f"{name} ends with {code} because it was told to\n")
    sys.stderr.flush()
    os._exit(code)


def build() -> App:
    """Compose a fake service, or end if that is the order."""
    name = os.environ["LAPOR_INSTANCE"]
    order = Path(os.environ["FAKE_ORDERS"]) / f"{name}.exit"
    if order.exists():
        end(name, int(order.read_text()))
    names = sorted(key for key in os.environ if key.startswith("LAPOR_"))
    return App(name, "\n".join(f"{key}={os.environ[key]}" for key in names))
