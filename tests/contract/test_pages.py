"""What each stage's process shows over HTTP: four pages to be read, and not one more."""

import json
from importlib import import_module
from typing import Any

import pytest
from faststream.asgi import AsgiFastStream
from faststream.asgi.handlers import HttpHandler

from deploy.local.services import SERVICES, ServiceSpec
from shared.runtime.health.pages import PATHS
from shared.vault.key_text import new_key_text

READING = ("GET", "HEAD")


@pytest.fixture(params=SERVICES, ids=lambda service: service.name)
def app(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsgiFastStream:
    """Build a stage as its process does."""
    service: ServiceSpec = request.param
    monkeypatch.setenv("LAPOR_INSTANCE", service.name)
    monkeypatch.setenv("LAPOR_MASTER_KEY", new_key_text())
    monkeypatch.setenv("LAPOR_DEAD_LETTER_KEY", new_key_text())
    module, _, name = service.factory.partition(":")
    built = getattr(import_module(module), name)()
    assert isinstance(built, AsgiFastStream)
    return built


async def asked(app: AsgiFastStream, method: str, path: str) -> tuple[int, bytes]:
    """Return status and body; a page that waits for a body would fail here."""
    said: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        raise AssertionError("nobody reads a body")

    async def send(message: dict[str, Any]) -> None:
        said.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": [], "query_string": b""}
    await app(scope, receive, send)  # type: ignore[arg-type]
    return said[0]["status"], said[-1]["body"]


async def test_a_stage_has_exactly_these_pages_and_they_are_only_read(app: AsgiFastStream) -> None:
    """The path and the methods of every route, for every stage; FastStream may add one one day."""
    routes = {path: page.methods for path, page in app.routes if isinstance(page, HttpHandler)}
    assert len(app.routes) == len(routes)
    assert routes == dict.fromkeys(PATHS, READING)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
async def test_no_page_takes_anything(app: AsgiFastStream, method: str) -> None:
    """Not even one that is not there: what a browser could be led to send changes nothing."""
    assert {(await asked(app, method, path))[0] for path in PATHS} == {405}
    for path in ("/asyncapi", "/asyncapi/try", "/", "/metrics/"):
        assert (await asked(app, method, path))[0] == 404


async def test_the_document_names_no_other_host_and_no_page(app: AsgiFastStream) -> None:
    """It can be read offline, and lists the streams only."""
    status, body = await asked(app, "GET", "/asyncapi.json")
    document = json.loads(body)
    assert status == 200
    assert not any(path.strip("/") in name for name in document["channels"] for path in PATHS)
    assert b"https://" not in body.replace(b"https://www.asyncapi.com", b"")
