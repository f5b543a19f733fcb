"""Kafka record batches, byte by byte, with any wish: format 2 (KIP-98), and the two before it.

A field that nobody wishes for is what a well-behaved client writes, checksum included: what a
broker or a consumer trips over is then the one thing that was wished for.
"""

import gzip
import io
import struct
import time
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

import cramjam
from aiokafka.record.util import calc_crc32c

NONE, GZIP, SNAPPY, LZ4, ZSTD = range(5)
CODECS: Final[Mapping[str, int]] = MappingProxyType(
    {"none": NONE, "gzip": GZIP, "snappy": SNAPPY, "lz4": LZ4, "zstd": ZSTD}
)
"""Codec name -> the lowest three bits of a batch's attributes."""
TRANSACTIONAL: Final = 0x10
CONTROL: Final = 0x20
XERIAL_BLOCK_BYTES: Final = 32 * 1024  # of the library that Java clients use
CHUNK_BYTES: Final = 1 << 20
_XERIAL: Final = b"\x82SNAPPY\x00" + struct.pack(">ii", 1, 1)
_HEAD: Final = struct.Struct(">qiibI")  # base offset, length, leader epoch, magic, crc
_BODY: Final = struct.Struct(">hiqqqhii")
_OLD: Final = {0: struct.Struct(">bb"), 1: struct.Struct(">bbq")}
Headers = Sequence[tuple[bytes, bytes | None]]


class Fields(NamedTuple):
    """One record as its sender means it; header names are bytes, since nobody checks them."""

    value: bytes | None
    headers: Headers = ()
    key: bytes | None = None


class Wish(NamedTuple):
    """What a batch claims of itself that is not so; None is what is so."""

    records: int | None = None
    last_offset_delta: int | None = None
    length: int | None = None
    crc: int | None = None
    magic: int = 2
    attributes: int = 0  # beside the codec's bits
    base_offset: int = 0
    producer: tuple[int, int, int] = (-1, -1, -1)  # id, epoch, sequence
    at_ms: int | None = None  # None is now


NOTHING_WISHED: Final = Wish()


def varint(number: int) -> bytes:
    """Return a number in zig-zag varint coding."""
    left = (number << 1) ^ (number >> 63)
    out = bytearray()
    while left > 0x7F:
        out.append(left & 0x7F | 0x80)
        left >>= 7
    out.append(left)
    return bytes(out)


def _sized(value: bytes | None) -> bytes:
    return varint(-1) if value is None else varint(len(value)) + value


def record(
    fields: Fields, delta: int, *, length: int | None = None, header_count: int | None = None
) -> bytes:
    """Return a record; `length` and `header_count` may lie."""
    headers = b"".join(_sized(name) + _sized(value) for name, value in fields.headers)
    count = len(fields.headers) if header_count is None else header_count
    body = b"".join((
        b"\0", varint(0), varint(delta), _sized(fields.key), _sized(fields.value),
        varint(count), headers,
    ))  # fmt: skip
    return varint(len(body) if length is None else length) + body


def records(every: Iterable[Fields]) -> bytes:
    """Return records one behind the other, as a batch holds them before it is compressed."""
    return b"".join(record(fields, delta) for delta, fields in enumerate(every))


def batch(every: Sequence[Fields], codec: int = NONE, wish: Wish = NOTHING_WISHED) -> bytes:
    """Return a batch of these records."""
    return sealed(compress(codec, records(every)), len(every), codec, wish)


def sealed(payload: bytes, count: int, codec: int, wish: Wish = NOTHING_WISHED) -> bytes:
    """Return a batch around a payload that is compressed already, or is no payload at all."""
    now_ms = int(time.time() * 1000) if wish.at_ms is None else wish.at_ms
    body = _BODY.pack(
        codec | wish.attributes,
        count - 1 if wish.last_offset_delta is None else wish.last_offset_delta,
        now_ms, now_ms, *wish.producer,
        count if wish.records is None else wish.records,
    ) + payload  # fmt: skip
    length = len(body) + 9 if wish.length is None else wish.length
    crc = calc_crc32c(body) if wish.crc is None else wish.crc
    return _HEAD.pack(wish.base_offset, length, -1, wish.magic, crc) + body


def old(every: Sequence[Fields], magic: int) -> bytes:
    """Return a message set of format 0 or 1 (clients before 2017); they know no headers."""
    out = b""
    for offset, fields in enumerate(every):
        head = (magic, 0) if magic == 0 else (magic, 0, int(time.time() * 1000))
        body = _OLD[magic].pack(*head) + _old_sized(fields.key) + _old_sized(fields.value)
        message = struct.pack(">I", zlib.crc32(body)) + body
        out += struct.pack(">qi", offset, len(message)) + message
    return out


def _old_sized(value: bytes | None) -> bytes:
    return struct.pack(">i", -1) if value is None else struct.pack(">i", len(value)) + value


# ---- codecs


def compress(codec: int, payload: bytes) -> bytes:
    """Return a payload as a Java client compresses it."""
    return _COMPRESS[codec](payload)


def xerial(payload: bytes) -> bytes:
    """Return blocks of raw snappy behind the header of Java's snappy library."""
    out = [_XERIAL]
    for at in range(0, len(payload), XERIAL_BLOCK_BYTES):
        block = bytes(cramjam.snappy.compress_raw(payload[at : at + XERIAL_BLOCK_BYTES]))
        out += [struct.pack(">i", len(block)), block]
    return b"".join(out)


def _lz4(payload: bytes) -> bytes:
    compressor = _lz4_compressor()
    compressor.compress(payload)
    return bytes(compressor.finish())


def _lz4_compressor() -> cramjam.lz4.Compressor:
    """Return a compressor of frames whose blocks stand alone: Kafka takes no others."""
    return cramjam.lz4.Compressor(level=9, content_checksum=False, block_linked=False)


_COMPRESS: Final[Mapping[int, Callable[[bytes], bytes]]] = MappingProxyType(
    {
        NONE: lambda payload: payload,
        GZIP: lambda payload: gzip.compress(payload, mtime=0),
        SNAPPY: xerial,
        LZ4: _lz4,
        ZSTD: lambda payload: bytes(cramjam.zstd.compress(payload)),
    }
)


def bomb(codec: int, value_bytes: int) -> bytes:
    """Return the compressed payload of one record whose value is so many zeros.

    Written piece by piece, so that whoever builds it needs no memory for what it unpacks to.
    """
    tail = varint(0)  # no headers
    before = b"".join((b"\0", varint(0), varint(0), varint(-1), varint(value_bytes)))
    head = varint(len(before) + value_bytes + len(tail)) + before
    chunks = _pieces(head, value_bytes, tail)
    match codec:
        case 1:
            out = io.BytesIO()
            with gzip.GzipFile(fileobj=out, mode="wb", mtime=0) as packing:
                for chunk in chunks:
                    packing.write(chunk)
            return out.getvalue()
        case 2:
            return _snappy_bomb(chunks)
        case 3 | 4:
            compressor = _lz4_compressor() if codec == LZ4 else cramjam.zstd.Compressor()
            for chunk in chunks:
                compressor.compress(chunk)
            return bytes(compressor.finish())
    raise ValueError(f"no bomb of codec {codec}")


def _pieces(head: bytes, zeros: int, tail: bytes) -> Iterable[bytes]:
    yield head
    full = bytes(CHUNK_BYTES)
    for _ in range(zeros // CHUNK_BYTES):
        yield full
    yield bytes(zeros % CHUNK_BYTES)
    yield tail


def _snappy_bomb(chunks: Iterable[bytes]) -> bytes:
    out = [_XERIAL]
    for chunk in chunks:
        block = bytes(cramjam.snappy.compress_raw(chunk))
        out += [struct.pack(">i", len(block)), block]
    return b"".join(out)
