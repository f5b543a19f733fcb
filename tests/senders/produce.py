"""A raw Produce request over a socket: the broker takes what no client library would send.

Version 8 is the last without tagged fields and without topic ids; Kafka 4 takes 3 to 13, and zstd
from 7 on.
"""

import asyncio
import struct
from collections.abc import Sequence
from typing import Final, NamedTuple, Self

API_KEY: Final = 0
VERSION: Final = 8
TIMEOUT_MS: Final = 10_000
WAIT_SECONDS_MAX: Final = 30.0
NOT_YET: Final = (3, 5, 6)  # a topic that was made a moment ago has no leader yet
PAUSE_SECONDS: Final = 0.05


class Produced(NamedTuple):
    """What the broker answered: 0 and the first offset, or an error's code (aiokafka.errors)."""

    error: int
    offset: int
    message: str


class RawProducer:
    """One connection; it can send anything to any partition whose leader is this broker."""

    def __init__(self, kafka: str) -> None:
        self._address = kafka.rsplit(":", 1)
        self._number = 0
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def __aenter__(self) -> Self:
        await self._open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection."""
        if self._writer is not None:
            self._writer.close()
            self._reader = self._writer = None

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._reader is None or self._writer is None:
            host, port = self._address
            self._reader, self._writer = await asyncio.open_connection(host, int(port))
        return self._reader, self._writer

    async def produce(
        self, topic: str, batch: bytes, *, partition: int = 0, transaction: str | None = None
    ) -> Produced:
        """Send bytes as the record batch of a partition; return what the broker said.

        Raises:
            OSError, TimeoutError: the broker hung up, or said nothing; the connection is closed.
        """
        try:
            async with asyncio.timeout(WAIT_SECONDS_MAX):
                while (said := await self._ask(topic, batch, partition, transaction))[0] in NOT_YET:
                    await asyncio.sleep(PAUSE_SECONDS)
        except asyncio.IncompleteReadError as gone:
            await self.close()
            raise ConnectionResetError("the broker hung up") from gone
        except BaseException:
            await self.close()
            raise
        return said

    async def _ask(
        self, topic: str, batch: bytes, partition: int, transaction: str | None
    ) -> Produced:
        self._number += 1
        request = b"".join((
            struct.pack(">hhi", API_KEY, VERSION, self._number), _text("a-sender"),
            _text(transaction), struct.pack(">hi", -1, TIMEOUT_MS),
            struct.pack(">i", 1), _text(topic),
            struct.pack(">ii", 1, partition), struct.pack(">i", len(batch)), batch,
        ))  # fmt: skip
        reader, writer = await self._open()
        writer.write(struct.pack(">i", len(request)) + request)
        await writer.drain()
        (size,) = struct.unpack(">i", await reader.readexactly(4))
        return _produced(await reader.readexactly(size))

    async def produce_all(self, topic: str, batches: Sequence[bytes]) -> list[Produced]:
        """Send batches one after the other."""
        return [await self.produce(topic, batch) for batch in batches]


def _text(value: str | None) -> bytes:
    if value is None:
        return struct.pack(">h", -1)
    return struct.pack(">h", len(value)) + value.encode()


def _produced(answer: bytes) -> Produced:
    at = 4 + 4  # correlation id, one topic
    (name_bytes,) = struct.unpack_from(">h", answer, at)
    at += 2 + name_bytes + 4  # one partition
    _, error, offset, _, _, faults = struct.unpack_from(">ihqqqi", answer, at)
    at += struct.calcsize(">ihqqqi")
    said = []
    for _ in range(faults):
        at += 4
        text, at = _read_text(answer, at)
        said.append(text)
    text, _ = _read_text(answer, at)
    return Produced(error, offset, "; ".join(filter(None, [text, *said])))


def _read_text(answer: bytes, at: int) -> tuple[str, int]:
    (size,) = struct.unpack_from(">h", answer, at)
    at += 2
    return (answer[at : at + size].decode(), at + size) if size >= 0 else ("", at)
