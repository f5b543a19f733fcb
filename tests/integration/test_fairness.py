"""Whoever sends much, or what cannot be read, waits behind himself."""

import asyncio
import statistics
from collections.abc import AsyncIterator

import psutil
import pytest

from shared.contract.topics import SUBMISSIONS
from tests.integration.channels import Channel, channel_of
from tests.integration.stack import Stack
from tests.integration.workers import fresh, worker
from tests.senders import batches as b
from tests.senders.produce import RawProducer

INTAKE = "services.intake.app:build"
FLOOD, ASKED = 60_000, 30


@pytest.fixture
async def channel(stack: Stack) -> AsyncIterator[Channel]:
    """Yield the channel `website` of a broker and database as new."""
    await fresh(stack)
    async with channel_of(stack, "website") as made:
        yield made


def p95(seconds: list[float]) -> float:
    """Return the time that 95 of 100 do not pass."""
    return statistics.quantiles(seconds, n=20)[-1]


@pytest.mark.integration
async def test_an_outsider_cannot_make_others_wait_by_sending_much(
    stack: Stack, channel: Channel
) -> None:
    """d9: sixty thousand empty records of another channel, in four seconds."""
    empty = b.batch([b.Fields(None)] * 1_000)
    with worker(stack, INTAKE, {"LAPOR_INSTANCE": "intake"}) as intake:
        await asyncio.to_thread(intake.wait_ready)
        await channel.ask()
        idle = await channel.asks(ASKED)
        async with RawProducer(stack.kafka) as raw:
            said = await raw.produce_all(SUBMISSIONS.topic("api"), [empty] * (FLOOD // 1_000))
            assert {s.error for s in said} == {0}
        busy = await channel.asks(ASKED)
        memory = psutil.Process(intake.process.pid).memory_info().rss / 2**20
    ratio = p95(busy) / p95(idle)
    report = (
        f"p95 idle {p95(idle):.3f} s, busy {p95(busy):.3f} s, ratio {ratio:.2f}, {memory:.0f} MiB"
    )
    print(report)
    assert max(busy) < 5 * max(idle) + 1.0, report
    assert memory < 400
