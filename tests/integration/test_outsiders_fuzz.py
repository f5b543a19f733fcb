"""Some thousand fuzzed batches and requests at real doors, beside honest senders who are timed."""

import asyncio
import time
from collections import Counter
from dataclasses import replace
from typing import Final

import pytest
from aiokafka import TopicPartition

from tests.faults.checker.reading import reader, records
from tests.faults.strangers import Compared
from tests.fuzz.grammar import Batch, Page, drawn
from tests.integration.stack import Stack
from tests.senders.doors import APPS, Doors, open_doors

pytestmark = pytest.mark.integration
SEED: Final = 2
COUNT: Final = 2_500
IDLE_SECONDS: Final = 12.0
INPUTS_PER_SECOND: Final = 150
ANSWER_SECONDS_MAX: Final = 30.0
PAGE_SECONDS_MAX: Final = 10.0
MEMORY_BYTES_MAX: Final = 256 * 1024 * 1024


async def test_an_outsider_cannot_slow_stop_or_fill_a_door(stack: Stack) -> None:
    """Each record that the broker took has its answer; the others' p95 stays below twice idle."""
    async with open_doors(stack) as doors:
        doors.forget_peaks()
        idle_from = time.monotonic()
        await asyncio.sleep(IDLE_SECONDS)  # as long as it takes to know what is usual
        fuzzed_from = time.monotonic()
        codes = await _fuzz(doors)
        fuzzed_to = time.monotonic()
        wanted = await _records_of(doors)
        for door, n in wanted.items():
            mine = doors.answers[doors.speaker(door)]
            await doors.until(
                lambda mine=mine, n=n: len(mine) >= n,  # type: ignore[misc]
                f"{door} answers all of {n} records", ANSWER_SECONDS_MAX,
            )  # fmt: skip
            assert len(mine) == n
        await doors.until(
            lambda: doors.all_answered_until(fuzzed_to), "others are answered", ANSWER_SECONDS_MAX
        )
        peaks = {door: doors.peak_bytes(door) for door in APPS}
        compared = Compared(
            _times(doors, idle_from, fuzzed_from), _times(doors, fuzzed_from, fuzzed_to)
        )
        print(f"seed {SEED}: {codes}; {wanted}; {compared}; peaks {peaks}")
        assert codes[0] > COUNT / 2
        assert not compared.problem, compared.problem
        assert max(peaks.values()) < MEMORY_BYTES_MAX
        assert not doors.has_ended


async def _fuzz(doors: Doors) -> Counter[int]:
    """Send every input at its time; count what the broker said, pages as -100."""
    codes: Counter[int] = Counter()
    reports, asked = (doors.report_id,), list[asyncio.Task[None]]()
    began = time.monotonic()
    for number in range(COUNT):
        given = drawn(SEED, number, reports)
        if isinstance(given, Page):
            asked.append(asyncio.create_task(_ask(doors, given, number)))
            codes[-100] += 1
        else:
            codes[await _send(doors, given)] += 1
        await asyncio.sleep(max(0.0, began + number / INPUTS_PER_SECOND - time.monotonic()))
    await asyncio.gather(*asked)
    return codes


async def _send(doors: Doors, given: Batch) -> int:
    """Send a batch to its door, all as one sender; what is no door's goes where it is meant to."""
    if "replays" not in given.topic:
        given = replace(given, topic=doors.letters[given.door][0].topic)
    return (await doors.raw.produce(given.topic, given.sent())).error


async def _ask(doors: Doors, page: Page, number: int) -> None:
    """Send a request to a stage's port; it answers, or hangs up, in time."""
    workers = list(doors.workers.values())
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


async def _records_of(doors: Doors) -> dict[str, int]:
    """Count what lies in the stranger's topics, as a consumer sees it that takes everything."""
    consumer = reader(doors.stack.kafka)
    await consumer.start()
    try:
        found = Counter[str]()
        places = {doors.letters[door][0].topic: door for door in APPS}
        every = [TopicPartition(topic, 0) for topic in places]
        async for record in records(consumer, every, {}):
            found[places[record.topic]] += 1
        return dict(found)
    finally:
        await consumer.stop()


def _times(doors: Doors, begun: float, ended: float) -> tuple[float, ...]:
    return tuple(seconds for at, _, seconds in doors.latencies if begun <= at < ended)
