"""What an outsider who reaches a stage's HTTP port cannot do to it."""

import asyncio
import contextlib
import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.contract.topics import INBOX, INSTITUTION, INTAKE, PARTITIONS
from shared.runtime.health.pages import CONNECTION_SECONDS_MAX, CONNECTIONS_MAX
from tests.integration.stack import Stack
from tests.integration.test_shell import check, said, some
from tests.integration.workers import Worker, fresh, send, wait_until, worker

pytestmark = pytest.mark.integration

BODY_BYTES = 50_000_000
PAGES = ("/livez", "/readyz", "/metrics", "/asyncapi.json")


def posted(process: Worker, path: str, body: object, **headers: str) -> int:
    """Post JSON as a web page might; return the status, 0 where the connection was closed."""
    url = f"http://127.0.0.1:{process.port}{path}"
    asked = urllib.request.Request(url, json.dumps(body).encode(), headers, method="POST")
    try:
        with urllib.request.urlopen(asked, timeout=10) as page:
            return int(page.status)
    except urllib.error.HTTPError as answer:
        return answer.code
    except OSError:
        return 0


async def attacked(stack: Stack) -> int:
    """Return how many records the topics attacked ever had."""
    consumer = AIOKafkaConsumer(bootstrap_servers=stack.kafka)
    await consumer.start()
    try:
        inbox = INBOX.topic("00")
        places = [TopicPartition(inbox, 0)]
        places += [TopicPartition(INTAKE.name, p) for p in range(PARTITIONS)]
        return sum((await consumer.end_offsets(places)).values())
    finally:
        await consumer.stop()


async def test_an_outsider_cannot_publish_through_a_stage(stack: Stack) -> None:
    """Neither to the real broker, nor "dry": that stopped the consumer behind a ready page."""
    await fresh(stack)
    sent = some(60, reports=6)
    with worker(stack) as process:
        process.wait_ready()
        await send(stack, INSTITUTION, sent[:30])
        await said(stack, sent[:30])
        for topic in (INBOX.topic("00"), INTAKE.name):
            for is_real in (True, False):
                options = {"sendToRealBroker": is_real}
                body = {
                    "channelName": f"{topic}:Message",
                    "message": {"operation_id": "x", "operation_type": "x", "message": {"x": 1}},
                    "options": options,
                }
                for path in ("/asyncapi/try", "/asyncapi", *PAGES):
                    status = await asyncio.to_thread(
                        posted, process, path, body, Origin="https://evil.example"
                    )
                    assert status in (404, 405), path
        await send(stack, INSTITUTION, sent[30:])
        check(sent, await said(stack, sent))
        assert process.page("/readyz")[0] == 200
    assert await attacked(stack) == 0


@contextlib.contextmanager
def silent(process: Worker, count: int, words: bytes) -> Iterator[list[socket.socket]]:
    """Open connections that begin a request and never end it."""
    with contextlib.ExitStack() as held:
        opened = []
        for _ in range(count):
            one = held.enter_context(socket.create_connection(("127.0.0.1", process.port), 10))
            one.sendall(words)
            opened.append(one)
        yield opened


def is_closed(one: socket.socket) -> bool:
    """Say whether the other side has closed."""
    one.settimeout(0.01)
    try:
        return one.recv(1_000) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


@pytest.mark.parametrize(
    "words", [b"", b"GET /livez HTTP/1.1\r\nX: ", b"POST /readyz HTTP/1.1\r\n"]
)
async def test_an_outsider_cannot_hold_a_stages_pages_with_slow_connections(
    stack: Stack, words: bytes
) -> None:
    """Five times as many as are allowed at once: the page answers, the process stays small."""
    await fresh(stack)
    with worker(stack) as process:
        process.wait_ready()
        own = psutil.Process(process.process.pid)
        before = own.num_fds()
        with silent(process, 5 * CONNECTIONS_MAX, words) as opened:
            assert process.page("/readyz")[0] == 200
            assert own.num_fds() <= before + CONNECTIONS_MAX + 5
            await asyncio.to_thread(
                wait_until,
                lambda: all(is_closed(one) for one in opened),
                "every connection is ended",
                CONNECTION_SECONDS_MAX + 10,
            )
        assert process.page("/livez") == (200, "alive")


async def test_an_outsider_cannot_fill_a_stage_with_a_large_body(stack: Stack) -> None:
    """50 MB to a page, eight times: it is not read, memory stays, the stage goes on."""
    await fresh(stack)
    sent = some(40, reports=4)
    with worker(stack) as process:
        process.wait_ready()
        own = psutil.Process(process.process.pid)
        before = own.memory_info().rss
        for path in ("/readyz", "/metrics", "/nothing", "/livez"):
            for chunked in (False, True):
                length = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: 50000000"
                await asyncio.to_thread(poured, process, path, length)
        assert own.memory_info().rss - before < BODY_BYTES / 5
        await send(stack, INSTITUTION, sent)
        check(sent, await said(stack, sent))
        assert process.page("/readyz")[0] == 200


def poured(process: Worker, path: str, length: bytes) -> None:
    """Send a body of 50 MB as long as anybody takes it."""
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\n".encode() + length + b"\r\n\r\n"
    part = b"x" * 1_000_000
    if b"chunked" in length:
        part = b"%x\r\n" % len(part) + part + b"\r\n"
    with (
        socket.create_connection(("127.0.0.1", process.port), 30) as one,
        contextlib.suppress(OSError),
    ):
        one.sendall(head)
        for _ in range(BODY_BYTES // 1_000_000):
            one.sendall(part)
