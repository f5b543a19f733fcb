"""A batch that no code gets past: its partition rests by name, the others go on, and a way on."""

import asyncio
import os
import struct

import pytest

from shared.contract.topics import DEAD_LETTERS, SUBMISSIONS
from shared.vault.key_text import DEAD_LETTER_KEY_VARIABLE
from tests.integration.all_stages import Ran, ran
from tests.integration.channels import channel_of
from tests.integration.stack import Stack
from tests.integration.workers import KEYS, fresh, header, read, wait_until, worker

LEFT_ALONE = 'lapor_paused_partitions{stage="intake"}'


def spoil(stack: Stack, topic: str, number: int) -> None:
    """Change a byte of the log's batch of that number, as a failing disk does."""
    stack.stop_kafka()
    segment = stack._kafka.data / f"{topic}-0" / f"{0:020}.log"
    raw, at = bytearray(segment.read_bytes()), 0
    for _ in range(number):
        at += 12 + struct.unpack_from(">i", raw, at + 8)[0]
    raw[at + 12 + struct.unpack_from(">i", raw, at + 8)[0] - 1] ^= 0xFF
    segment.write_bytes(raw)
    stack.start_kafka()


def skip(stack: Stack, place: str, *more: str) -> Ran:
    """Run `lapor lanes skip`."""
    env = {
        **os.environ, "LAPOR_KAFKA": stack.kafka, "LAPOR_POSTGRES": stack.postgres,
        DEAD_LETTER_KEY_VARIABLE: KEYS[DEAD_LETTER_KEY_VARIABLE],
    }  # fmt: skip
    return ran("lanes", "skip", place, "--why", "a disk", "--operator", "ops-1", *more, env=env)


@pytest.mark.integration
async def test_a_batch_the_disk_spoilt_stops_its_partition_alone_until_it_is_skipped(
    stack: Stack,
) -> None:
    """Nothing of another channel waits; what follows is answered once an operator says so."""
    await fresh(stack)
    topic = SUBMISSIONS.topic("api")
    async with channel_of(stack, "api") as lame:
        sent = [await lame.send() for _ in range(3)]
    await asyncio.to_thread(spoil, stack, topic, 1)
    async with channel_of(stack, "website") as other, channel_of(stack, "api") as lame:
        with worker(stack, "services.intake.app:build", {"LAPOR_INSTANCE": "intake"}) as intake:
            assert (await lame.answer(sent[0]))["outcome"] == "received"
            await asyncio.to_thread(
                wait_until, lambda: intake.metric(LEFT_ALONE) == 1, "it is told"
            )
            assert max(await other.asks(5)) < 5
            assert f"lapor lanes skip {topic}/0/1 " in intake.log.read_text()

            refused = await asyncio.to_thread(skip, stack, f"{topic}/0/2", "--yes")
            assert (refused.code, "goes on at offset 1 there" in refused.err) == (1, True)
            looked = await asyncio.to_thread(skip, stack, f"{topic}/0/1")
            assert (looked.code, "would pass over" in looked.out) == (0, True)
            done = await asyncio.to_thread(skip, stack, f"{topic}/0/1", "--yes")
            assert done.code == 0, done.err
            assert (await lame.answer(sent[2]))["outcome"] == "received"
            await asyncio.to_thread(
                wait_until, lambda: intake.metric(LEFT_ALONE) == 0, "it is over"
            )
            assert intake.page("/readyz")[0] == 200
    (letter,) = await read(stack, DEAD_LETTERS.topic(), lambda found: len(found) == 1)
    assert [header(letter, name) for name in ("reason", "topic", "offset")] == [
        "skipped",
        topic,
        "1",
    ]
    assert header(letter, "detail") == "offsets 1 to 1; ops-1: a disk"
