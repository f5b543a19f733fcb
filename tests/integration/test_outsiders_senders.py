"""What one sender writes below JSON: raw batches, at both gateways, with others beside."""

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
from tests.senders.gateways import APPS, CHANNEL, Answer, Gateways, open_gateways, submission
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
    """The gateways of this file's tests; made anew after a test that has hurt them."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._held = contextlib.AsyncExitStack()
        self._gateways: Gateways | None = None
        self.is_hurt = False

    async def gateways(self) -> Gateways:
        """Return gateways that are well."""
        if self._gateways is None or self.is_hurt or self._gateways.has_ended:
            await self.close()
            self._gateways = await self._held.enter_async_context(open_gateways(self._stack))
        self.is_hurt = True  # until the test has come to its end
        return self._gateways

    async def close(self) -> None:
        """Close what is open."""
        await self._held.aclose()
        self._held = contextlib.AsyncExitStack()
        self._gateways = None


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(stack: Stack) -> AsyncIterator[House]:
    """Yield gateways that stay open over this file's tests."""
    made = House(stack)
    yield made
    await made.close()


@pytest.mark.parametrize("poison", TAKEN, ids=lambda poison: poison.name)
async def test_an_outsider_cannot_stop_or_slow_others_by_a_batch(
    house: House, poison: Poison
) -> None:
    """It is answered, what comes behind it too, others meanwhile, in bounded memory."""
    gateways = await house.gateways()
    own = poison.name.encode()
    made = {gateway: poison.make(gateways.letters[gateway][0], own) for gateway in APPS}
    answers, offsets = await _send(gateways, poison.name, made, poison.answers)
    for gateway in APPS:
        _check(poison, gateway, answers[gateway], offsets[gateway])
    house.is_hurt = False


@pytest.mark.parametrize("name", golden.PLAIN)
async def test_a_java_client_is_answered_message_by_message(house: House, name: str) -> None:
    """Whatever it compresses with, however many records it puts into a batch."""
    gateways = await house.gateways()
    batch, count = golden.batch(name), golden.count(name)
    answers, _ = await _send(gateways, name, dict.fromkeys(APPS, batch), count)
    ids = Counter(f"{name}-{number}" for number in range(count))
    assert Counter(answer.message_id for answer in answers["intake"]) == ids
    is_huge = name.startswith("huge")
    assert {answer.reason for answer in answers["intake"]} == {"invalid_fields" if is_huge else ""}
    assert {answer.reason for answer in answers["agencies.in"]} == {"unknown_type"}
    house.is_hurt = False


async def _send(
    gateways: Gateways, name: str, made: dict[str, bytes], count: int
) -> tuple[dict[str, list[Answer]], dict[str, int]]:
    """Send a batch to each gateway, and an honest message behind it.

    Returns the answers to the batch and the offset of its last record, by gateway.
    """
    gateways.forget_peaks()
    before = {gateway: len(gateways.answers[gateways.producer(gateway)]) for gateway in APPS}
    began = time.monotonic()
    after, offsets = f"after-{name}", {}
    for gateway, batch in made.items():
        letter = gateways.letters[gateway][0]
        sent = await gateways.raw.produce(letter.topic, batch)
        assert sent.error == 0, sent
        behind = await gateways.raw.produce(
            letter.topic, batches.batch([letter.fields(after.encode())])
        )
        offsets[gateway] = behind.offset - 1
    answers = {}
    for gateway in APPS:
        mine, enough = gateways.answers[gateways.producer(gateway)], before[gateway] + count + 1
        await gateways.until(
            lambda gateway=gateway: bool(gateways.of(gateway, after)),  # type: ignore[misc]
            f"{gateway} answers what came behind {name}", ANSWER_SECONDS_MAX,
        )  # fmt: skip
        await gateways.until(
            lambda mine=mine, enough=enough: len(mine) >= enough,  # type: ignore[misc]
            f"{gateway} answers {name}", ANSWER_SECONDS_MAX,
        )  # fmt: skip
        answers[gateway] = [a for a in mine[before[gateway] :] if a.message_id != after]
    await _others(gateways, began)
    return answers, offsets


async def _others(gateways: Gateways, began: float) -> None:
    """Hold the gateways to what everybody else notices: time, memory, restarts."""
    now = time.monotonic()
    await gateways.until(
        lambda: gateways.all_answered_until(now), "others are answered", ANSWER_SECONDS_MAX
    )
    assert gateways.slowest_since(began) < OTHERS_SECONDS_MAX
    peaks = {gateway: gateways.peak_bytes(gateway) for gateway in APPS}
    assert max(peaks.values()) < MEMORY_BYTES_MAX, peaks
    assert not gateways.has_ended


def _check(poison: Poison, gateway: str, answers: list[Answer], offset: int) -> None:
    assert len(answers) == poison.answers, answers
    for answer in answers:
        if poison.is_honest:
            assert answer.message_id == poison.name
            assert answer.reason not in OF_BATCHES, answer
        if poison.is_honest and gateway == "intake":
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
    """The table of what never reaches a gateway; a broker that takes more is to be noticed."""
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
