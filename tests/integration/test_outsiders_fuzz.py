"""Some thousand fuzzed batches and requests at real gateways, beside timed honest senders."""

import asyncio
import time
from collections import Counter
from dataclasses import replace
from typing import Final

import pytest
from aiokafka import TopicPartition

from tests.faults.checker.reading import reader, records
from tests.faults.poison_senders import Compared
from tests.fuzz.grammar import Batch, Page, drawn
from tests.integration.stack import Stack
from tests.senders.gateways import APPS, Gateways, open_gateways

pytestmark = pytest.mark.integration
SEED: Final = 2
COUNT: Final = 2_500
IDLE_SECONDS: Final = 12.0
INPUTS_PER_SECOND: Final = 150
ANSWER_SECONDS_MAX: Final = 30.0
PAGE_SECONDS_MAX: Final = 10.0
MEMORY_BYTES_MAX: Final = 256 * 1024 * 1024


async def test_an_outsider_cannot_slow_stop_or_fill_a_gateway(stack: Stack) -> None:
    """Each record that the broker took has its answer; the others' p95 stays below twice idle."""
    async with open_gateways(stack) as gateways:
        gateways.forget_peaks()
        idle_from = time.monotonic()
        await asyncio.sleep(IDLE_SECONDS)  # as long as it takes to know what is usual
        fuzzed_from = time.monotonic()
        codes = await _fuzz(gateways)
        fuzzed_to = time.monotonic()
        wanted = await _records_of(gateways)
        for gateway, n in wanted.items():
            mine = gateways.answers[gateways.producer(gateway)]
            await gateways.until(
                lambda mine=mine, n=n: len(mine) >= n,  # type: ignore[misc]
                f"{gateway} answers all of {n} records", ANSWER_SECONDS_MAX,
            )  # fmt: skip
            assert len(mine) == n
        await gateways.until(
            lambda: gateways.all_answered_until(fuzzed_to),
            "others are answered",
            ANSWER_SECONDS_MAX,
        )
        peaks = {gateway: gateways.peak_bytes(gateway) for gateway in APPS}
        compared = Compared(
            _times(gateways, idle_from, fuzzed_from), _times(gateways, fuzzed_from, fuzzed_to)
        )
        print(f"seed {SEED}: {codes}; {wanted}; {compared}; peaks {peaks}")
        assert codes[0] > COUNT / 2
        assert not compared.problem, compared.problem
        assert max(peaks.values()) < MEMORY_BYTES_MAX
        assert not gateways.has_ended


async def _fuzz(gateways: Gateways) -> Counter[int]:
    """Send every input at its time; count what the broker said, pages as -100."""
    codes: Counter[int] = Counter()
    reports, asked = (gateways.report_id,), list[asyncio.Task[None]]()
    began = time.monotonic()
    for number in range(COUNT):
        given = drawn(SEED, number, reports)
        if isinstance(given, Page):
            asked.append(asyncio.create_task(_ask(gateways, given, number)))
            codes[-100] += 1
        else:
            codes[await _send(gateways, given)] += 1
        await asyncio.sleep(max(0.0, began + number / INPUTS_PER_SECOND - time.monotonic()))
    await asyncio.gather(*asked)
    return codes


async def _send(gateways: Gateways, given: Batch) -> int:
    """Send a batch to its gateway, all as one sender; other topics get theirs directly."""
    if "replays" not in given.topic:
        given = replace(given, topic=gateways.letters[given.gateway][0].topic)
    return (await gateways.raw.produce(given.topic, given.sent())).error


async def _ask(gateways: Gateways, page: Page, number: int) -> None:
    """Send a request to a stage's port; it answers, or hangs up, in time."""
    workers = list(gateways.workers.values())
    port = workers[number % len(workers)].port
    head = [f"{page.method} {page.path} HTTP/1.1".encode(), b"host: localhost"]
    head += [name + b": " + value for name, value in page.headers]
    async with asyncio.timeout(PAGE_SECONDS_MAX):
        answering, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(b"\r\n".join(head) + b"\r\n\r\n" + page.body)
            writer.write_eof()
            while await answering.read(65_536):
                pass
        except OSError:
            pass  # hung up on
        finally:
            writer.close()


async def _records_of(gateways: Gateways) -> dict[str, int]:
    """Count what lies in the stranger's topics, as a consumer sees it that takes everything."""
    consumer = reader(gateways.stack.kafka)
    await consumer.start()
    try:
        found = Counter[str]()
        places = {gateways.letters[gateway][0].topic: gateway for gateway in APPS}
        every = [TopicPartition(topic, 0) for topic in places]
        async for record in records(consumer, every, {}):
            found[places[record.topic]] += 1
        return dict(found)
    finally:
        await consumer.stop()


def _times(gateways: Gateways, begun: float, ended: float) -> tuple[float, ...]:
    return tuple(seconds for at, _, seconds in gateways.latencies if begun <= at < ended)
