"""What one sender writes below anybody's JSON: raw batches, at both doors, with others beside."""

import contextlib
import time
from collections.abc import AsyncIterator
from typing import Final

import pytest
import pytest_asyncio

from tests.integration.stack import Stack
from tests.integration.workers import fresh
from tests.senders import batches
from tests.senders.doors import APPS, CHANNEL, Doors, open_doors, submission
from tests.senders.poisons import OF_BATCHES, REFUSED, TAKEN, Poison
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
    made = {name: poison.make(doors.letters[name][0], poison.name.encode()) for name in APPS}
    doors.forget_peaks()
    before = {name: len(doors.answers[doors.speaker(name)]) for name in APPS}
    began = time.monotonic()
    offsets = {}
    for name, batch in made.items():
        letter, own = doors.letters[name][0], f"after-{poison.name}".encode()
        sent = await doors.raw.produce(letter.topic, batch)
        assert sent.error == 0, sent
        behind = await doors.raw.produce(letter.topic, batches.batch([letter.fields(own)]))
        offsets[name] = behind.offset - 1
    for name in APPS:
        await doors.until(
            lambda name=name: bool(doors.of(name, f"after-{poison.name}")),  # type: ignore[misc]
            f"{name} answers what came behind {poison.name}",
            ANSWER_SECONDS_MAX,
        )
        enough = before[name] + 1 + poison.answers
        mine = doors.answers[doors.speaker(name)]
        await doors.until(lambda: len(mine) >= enough, f"{name} answers", ANSWER_SECONDS_MAX)  # noqa: B023
        answers = [a for a in mine[before[name] :] if a.message_id != f"after-{poison.name}"]
        _check(poison, name, answers, offsets[name])
        assert doors.peak_bytes(name) < MEMORY_BYTES_MAX, f"{name}: {doors.peak_bytes(name):,}"
    await doors.until(
        lambda: doors.all_answered_until(time.monotonic() - OTHERS_SECONDS_MAX),
        "others are answered",
        ANSWER_SECONDS_MAX,
    )
    assert doors.slowest_since(began) < OTHERS_SECONDS_MAX
    assert not doors.has_ended
    house.is_hurt = False


def _check(poison: Poison, door: str, answers: list, offset: int) -> None:  # type: ignore[type-arg]
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
            assert str(offset) in f"{answer.body.get('offset')} {answer.body.get('detail')}"


async def test_what_kafka_itself_refuses(stack: Stack) -> None:
    """The table of what never reaches a door; a broker that takes more is to be noticed."""
    await fresh(stack)
    letter = submission(CHANNEL)
    async with RawProducer(stack.kafka) as raw:
        said = {
            poison.name: (await raw.produce(letter.topic, poison.make(letter, b"x"))).error
            for poison in REFUSED
        }
    assert said == {poison.name: poison.refused for poison in REFUSED}
