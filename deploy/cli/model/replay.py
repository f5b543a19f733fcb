"""Send dead letters back to their stages: in order, in chunks, repeatable after any end."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Final, NamedTuple

from aiokafka import AIOKafkaProducer, ConsumerRecord

from deploy.cli.clients.kafka import writer
from deploy.cli.model.dead_letters import StoredDeadLetter, records_at
from deploy.cli.terminal.progress import Screen
from shared.contract.topics import STREAM_BYTES_MAX
from shared.runtime.failpoints import failpoint
from shared.runtime.parking import Action, Seal, replay_record

CHUNK: Final = 100
"""Letters in memory, and on their way unacknowledged, at a time."""


def _unsealed(_value: bytes, *_place: object) -> bytes:
    raise TypeError("only what was edited is sealed anew")


class Word(NamedTuple):
    """What an operator says of letters; `edited` replaces the bytes of one, sealed by `seal`."""

    action: Action
    operator: str
    why: str
    edited: bytes | None = None
    seal: Seal = _unsealed


async def send(
    bootstrap: str, letters: Sequence[StoredDeadLetter], word: Word, screen: Screen
) -> None:
    """Say a word about letters; returns when the broker has acknowledged all.

    Those of one partition go in the order in which they failed first. Ended in the middle, what
    was acknowledged is in the stream, and asked again the rest is sent; a letter sent twice has
    the same id and is decided once.

    Raises:
        KafkaError: the broker went away. CliError: a letter or a topic is gone.
    """
    reached, done = failpoint("operators"), 0
    async with writer(bootstrap, bytes_max=STREAM_BYTES_MAX) as out:
        for chunk in chunks(letters):
            await _send(out, chunk, await records_at(bootstrap, chunk), word)
            done += len(chunk)
            screen.advance(done)
            reached("sent")


def chunks(letters: Sequence[StoredDeadLetter]) -> Iterator[list[StoredDeadLetter]]:
    """Return letters in the order to send, each chunk of one partition."""
    ordered = sorted(letters, key=lambda letter: letter.written[0])
    for _, together in groupby(ordered, key=lambda letter: letter.written[0][0]):
        own_letters = list(together)
        yield from (own_letters[at : at + CHUNK] for at in range(0, len(own_letters), CHUNK))


async def _send(
    out: AIOKafkaProducer,
    chunk: Sequence[StoredDeadLetter],
    records: Mapping[str, ConsumerRecord],
    word: Word,
) -> None:
    acknowledged = []
    for letter in chunk:
        replay = replay_record(
            records[letter.id],
            word.action,
            seal=word.seal,
            operator=word.operator,
            why=word.why,
            attempt=letter.attempt,
            edited=word.edited,
        )
        acknowledged.append(
            await out.send(
                replay.topic,
                replay.value,
                key=replay.key,
                partition=replay.partition,
                headers=replay.headers,
            )
        )
    await asyncio.gather(*acknowledged)
