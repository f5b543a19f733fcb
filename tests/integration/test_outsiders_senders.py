"""What one sender writes below anybody's JSON: raw batches, at both doors, with others beside."""

import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Final

import pytest
import pytest_asyncio

from tests.integration.stack import Stack
from tests.integration.workers import fresh
from tests.senders import batches, golden
from tests.senders.doors import APPS, CHANNEL, Answer, Doors, open_doors, submission
from tests.senders.poisons import (
    FATAL,
    OF_BATCHES,
    REFUSED,
    TAKEN,
    TRANSACTION_STATE,
    UNKNOWN,
    Poison,
)
from tests.senders.produce import RawProducer

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]
ANSWER_SECONDS_MAX: Final = 10.0
OTHERS_SECONDS_MAX: Final = 2.0  # an honest message at the worst moment, on a busy machine
MEMORY_BYTES_MAX: Final = 256 * 1024 * 1024  # what a container gives each stage


class House:
    """The doors of this file's tests; made anew after a test that has hurt them."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._held = contextlib.AsyncExitStack()
        self._doors: Doors | None = None
        self.is_hurt = False

    async def doors(self) -> Doors:
        """Return doors that are well."""
        if self._doors is None or self.is_hurt or self._doors.has_ended:
            await self.close()
            self._doors = await self._held.enter_async_context(open_doors(self._stack))
        self.is_hurt = True  # until the test has come to its end
        return self._doors

    async def close(self) -> None:
        """Close what is open."""
        await self._held.aclose()
        self._held = contextlib.AsyncExitStack()
        self._doors = None


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(stack: Stack) -> AsyncIterator[House]:
    """Yield doors that stay open over this file's tests."""
    made = House(stack)
    yield made
    await made.close()


@pytest.mark.parametrize("poison", TAKEN, ids=lambda poison: poison.name)
async def test_an_outsider_cannot_stop_or_slow_others_by_a_batch(
    house: House, poison: Poison
) -> None:
    """It is answered, what comes behind it too, others meanwhile, in bounded memory."""
    doors = await house.doors()
    own = poison.name.encode()
    made = {door: poison.make(doors.letters[door][0], own) for door in APPS}
    answers, offsets = await _send(doors, poison.name, made, poison.answers)
    for door in APPS:
        _check(poison, door, answers[door], offsets[door])
    house.is_hurt = False


@pytest.mark.parametrize("name", golden.PLAIN)
async def test_a_java_client_is_answered_message_by_message(house: House, name: str) -> None:
    """Whatever it compresses with, however many records it puts into a batch."""
    doors = await house.doors()
    batch, count = golden.batch(name), golden.count(name)
    answers, _ = await _send(doors, name, dict.fromkeys(APPS, batch), count)
    ids = Counter(f"{name}-{number}" for number in range(count))
    assert Counter(answer.message_id for answer in answers["intake"]) == ids
    is_huge = name.startswith("huge")
    assert {answer.reason for answer in answers["intake"]} == {"invalid_fields" if is_huge else ""}
    assert {answer.reason for answer in answers["agencies.in"]} == {"unknown_type"}
    house.is_hurt = False


async def _send(
    doors: Doors, name: str, made: dict[str, bytes], count: int
) -> tuple[dict[str, list[Answer]], dict[str, int]]:
    """Send a batch to each door, and an honest message behind it.

    Returns the answers to the batch and the offset of its last record, by door.
    """
    doors.forget_peaks()
    before = {door: len(doors.answers[doors.speaker(door)]) for door in APPS}
    began = time.monotonic()
    after, offsets = f"after-{name}", {}
    for door, batch in made.items():
        letter = doors.letters[door][0]
        sent = await doors.raw.produce(letter.topic, batch)
        assert sent.error == 0, sent
        behind = await doors.raw.produce(
            letter.topic, batches.batch([letter.fields(after.encode())])
        )
        offsets[door] = behind.offset - 1
    answers = {}
    for door in APPS:
        mine, enough = doors.answers[doors.speaker(door)], before[door] + count + 1
        await doors.until(
            lambda door=door: bool(doors.of(door, after)),  # type: ignore[misc]
            f"{door} answers what came behind {name}", ANSWER_SECONDS_MAX,
        )  # fmt: skip
        await doors.until(
            lambda mine=mine, enough=enough: len(mine) >= enough,  # type: ignore[misc]
            f"{door} answers {name}", ANSWER_SECONDS_MAX,
        )  # fmt: skip
        answers[door] = [a for a in mine[before[door] :] if a.message_id != after]
    await _others(doors, began)
    return answers, offsets


async def _others(doors: Doors, began: float) -> None:
    """Hold the doors to what everybody else notices: time, memory, restarts."""
    now = time.monotonic()
    await doors.until(
        lambda: doors.all_answered_until(now), "others are answered", ANSWER_SECONDS_MAX
    )
    assert doors.slowest_since(began) < OTHERS_SECONDS_MAX
    peaks = {door: doors.peak_bytes(door) for door in APPS}
    assert max(peaks.values()) < MEMORY_BYTES_MAX, peaks
    assert not doors.has_ended


def _check(poison: Poison, door: str, answers: list[Answer], offset: int) -> None:
    assert len(answers) == poison.answers, answers
    for answer in answers:
        if poison.is_honest:
            assert answer.message_id == poison.name
            assert answer.reason not in OF_BATCHES, answer
        if poison.is_honest and door == "intake":
            assert answer.body["outcome"] == "received"
        if poison.reason:
            assert answer.reason == poison.reason
        if answer.reason in OF_BATCHES:
            assert str(offset) in f"{answer.body.get('offset')} {answer.body.get('text')}"


async def test_an_outsider_cannot_end_the_broker(stack: Stack) -> None:
    """A block of snappy that claims 2 GB fails alone, however often; what comes next is taken."""
    await fresh(stack)
    letter = submission(CHANNEL)
    async with RawProducer(stack.kafka) as raw:
        for _ in range(20):
            said = await raw.produce(letter.topic, FATAL.make(letter, b"x"))
            assert said.error == UNKNOWN
        honest = await raw.produce(letter.topic, batches.batch([letter.fields(b"y")]))
    assert honest.error == 0


async def test_what_kafka_itself_refuses(stack: Stack) -> None:
    """The table of what never reaches a door; a broker that takes more is to be noticed."""
    await fresh(stack)
    letter = submission(CHANNEL)
    async with RawProducer(stack.kafka) as raw:
        said = {
            poison.name: (await raw.produce(letter.topic, poison.make(letter, b"x"))).error
            for poison in REFUSED
        }
        said |= {
            name: (await raw.produce(letter.topic, golden.batch(name))).error
            for name in golden.TRANSACTIONS
        }
    expected = {poison.name: poison.refused for poison in REFUSED}
    assert said == expected | dict.fromkeys(golden.TRANSACTIONS, TRANSACTION_STATE)
