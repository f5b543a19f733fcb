"""A stage's pages: what its process shows over HTTP, to be read and nothing else.

Whoever reaches the port may read them and can do nothing more: there is no page that takes a body,
and no connection that lasts.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from faststream.asgi import AsgiFastStream, AsgiResponse, get
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    from faststream.asgi.types import ASGIApp

PATHS: Final = ("/livez", "/readyz", "/metrics", "/asyncapi.json")
CONNECTION_SECONDS_MAX: Final = 10.0
CONNECTIONS_MAX: Final = 64
"""Of one process. One more ends the oldest: who holds sockets open keeps nobody else out."""
_HEADERS: Final = {"connection": "close"}

Page = tuple[str, "ASGIApp"]


def health_pages(is_alive: Callable[[], bool], is_ready: Callable[[], bool]) -> Sequence[Page]:
    """Return `/livez` and `/readyz`: 200 or 503, and a word."""

    @get(include_in_schema=False)
    async def livez(_scope: object) -> AsgiResponse:
        alive = is_alive()
        return AsgiResponse(b"alive" if alive else b"stuck", 200 if alive else 503, _HEADERS)

    @get(include_in_schema=False)
    async def readyz(_scope: object) -> AsgiResponse:
        ready = is_ready()
        return AsgiResponse(b"ready" if ready else b"not ready", 200 if ready else 503, _HEADERS)

    return [("/livez", livez), ("/readyz", readyz)]


def metrics_page(registry: CollectorRegistry) -> Page:
    """Return `/metrics`; prometheus_client's own page waits for a body, whatever the method."""

    @get(include_in_schema=False)
    async def metrics(scope: dict[str, Any]) -> AsgiResponse:
        accepts = ",".join(v.decode("latin-1") for k, v in scope["headers"] if k == b"accept")
        encode, content_type = choose_encoder(accepts)
        return AsgiResponse(encode(registry), 200, {**_HEADERS, "content-type": content_type})

    return ("/metrics", metrics)


def add_document(app: AsgiFastStream) -> None:
    """Add `/asyncapi.json`, made once.

    FastStream's own pages are left out: `/asyncapi` runs scripts of other hosts in the reader's
    browser, `/asyncapi/try` lets whoever reaches it publish to any topic, as this stage.
    """
    made: list[bytes] = []

    @get(include_in_schema=False)
    async def document(_scope: object) -> AsgiResponse:
        if not made:
            made.append(json.dumps(app.schema.to_specification().to_jsonable()).encode())
        return AsgiResponse(made[0], 200, {**_HEADERS, "content-type": "application/json"})

    app.mount("/asyncapi.json", document)


class BriefProtocol(H11Protocol):
    """Ends a connection after ten seconds, whatever it does: `uvicorn --http` takes this class.

    uvicorn has no limit of its own for a client that sends its request slowly, or never; a
    thousand of those would leave the process no file descriptor to reach Kafka with.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection; beyond the number allowed the oldest makes room."""
        super().connection_made(transport)
        self.made_at = self.loop.time()
        self._ending = self.loop.call_later(CONNECTION_SECONDS_MAX, transport.abort)
        if len(self.connections) > CONNECTIONS_MAX:
            oldest = min(cast("set[BriefProtocol]", self.connections), key=lambda c: c.made_at)
            self.connections.discard(oldest)  # it is told of its end later, and counts no more now
            oldest.transport.abort()

    def on_response_complete(self) -> None:
        """Close after each answer: what else comes, such as a body of megabytes, is not read."""
        super().on_response_complete()
        self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._ending.cancel()
        super().connection_lost(exc)
