"""Every kind of batch that a gateway has to live with, by name, and what becomes of it.

Kafka 4.3.1 reads each batch at produce, record by record, and unpacks for it what is compressed,
without a bound and without keeping it. So it refuses (`REFUSED`, with its error code):

| What | Code |
|---|---|
| packed records that are not at their offsets | -1 |
| packed bytes that its codec cannot unpack, or that end too early; codecs 5 to 7 | -1 |
| snappy in Google's framing, lz4 as linked blocks or as a bare block, zlib, a window of 2 GB | -1 |
| a wrong checksum inside gzip, lz4, zstd; bytes behind snappy, behind zstd | -1 |
| a wrong checksum of the batch; a length below a batch's head; formats but 2 | 2 |
| a batch that says it has the broker's own time | 32 |
| marks of transactions by a sender (the control bit) | 87 |
| a transaction's batch without a transaction | 53 |
| counts and offsets of records that do not agree; bytes behind the last record, packed too | 87 |
| numbers of headers that are not so, packed too; formats 0 and 1; two batches in one request | 87 |

It takes (`TAKEN`) what unpacks to anything, however much; packed records whose length is not so
(not packed ones are refused); records, not packed, that say they lie at other offsets than they do;
names of headers that are no text; snappy bare, in several streams, or of another version; what
follows gzip or lz4; attributes and producer ids that mean nothing.

A snappy block that says it unpacks to 2 GB (`FATAL`, 150 bytes) is believed: out of memory, the
broker refuses it with -1. One that is told to exit then (ExitOnOutOfMemoryError) exits.
"""

import json
import struct
from collections.abc import Callable, Mapping
from functools import cache, partial
from types import MappingProxyType
from typing import Final, NamedTuple

import cramjam

from tests.senders import batches as b
from tests.senders.batches import CODECS, Fields, Wish

UNPACKED_BYTES: Final[Mapping[int, int]] = MappingProxyType(
    {b.GZIP: 400_000_000, b.SNAPPY: 20_000_000, b.LZ4: 240_000_000, b.ZSTD: 400_000_000}
)
"""What the bombs unpack to: as much as fits below a gateway's 1 MiB, at most 400 MB."""
SMALL_BOMB_BYTES: Final = 9_000_000  # just more than a gateway unpacks
VALUE_BYTES_MAX: Final = 1_040_040
TINY: Final = 500_000
PACKED: Final = {name: codec for name, codec in CODECS.items() if codec}
TOO_LARGE: Final = "batch_too_large"
OF_BATCHES: Final = frozenset({TOO_LARGE, "batch_unreadable", "record_unreadable"})
"""Why a gateway takes nothing of a batch; the answer then names its last offset."""
# Error codes of Kafka's protocol.
UNKNOWN, CORRUPT, TIMESTAMP, TRANSACTION_STATE, INVALID = -1, 2, 32, 53, 87


class Letter(NamedTuple):
    """How an honest message at a gateway looks: what a poison spoils."""

    topic: str
    kind: bytes  # `ce_type`
    value: bytes
    listed: str  # the field of its body in which half a million items stand

    def fields(self, own: bytes, *more: tuple[bytes, bytes | None]) -> Fields:
        """Return it under an id of its sender's."""
        return Fields(self.value, [(b"ce_id", own), (b"ce_type", self.kind), *more])


Make = Callable[[Letter, bytes], bytes]


class Poison(NamedTuple):
    """A batch by name: how it is made (of an honest letter and an id), and what is expected."""

    name: str
    make: Make
    refused: int = 0  # the broker's error code, 0 if it takes the batch
    answers: int = 1
    is_honest: bool = False  # it says what an honest message says, and is to be taken as one
    reason: str = ""  # of its answer, where there can be no other


# ---- how they are made


def _plain(codec: int, wish: Wish = b.NOTHING_WISHED) -> Make:
    return lambda letter, own: b.batch([letter.fields(own)], codec, wish)


def _packed(codec: int, pack: Callable[[bytes], bytes]) -> Make:
    """Compress an honest record in some other way than Java does."""
    return lambda letter, own: b.sealed(pack(b.records([letter.fields(own)])), 1, codec)


def _with(*headers: tuple[bytes, bytes | None], codec: int = b.NONE) -> Make:
    return lambda letter, own: b.batch([letter.fields(own, *headers)], codec)


def _only(fields: Fields) -> Make:
    return lambda _letter, _own: b.batch([fields])


def _bomb(codec: int) -> Make:
    return lambda _letter, _own: _bomb_batch(codec, UNPACKED_BYTES[codec])


def _small_bomb(codec: int) -> Make:
    return lambda _letter, _own: _bomb_batch(codec, SMALL_BOMB_BYTES)


@cache
def _bomb_batch(codec: int, unpacked_bytes: int) -> bytes:
    return b.sealed(b.bomb(codec, unpacked_bytes), 1, codec)


def _garbage(codec: int) -> Make:
    return lambda _letter, own: b.sealed(b"\xde\xad\xbe\xef" * 8 + own, 1, codec)


def _cut(codec: int) -> Make:
    """Leave out the last third of what is compressed."""
    return _packed(codec, lambda payload: _two_thirds(b.compress(codec, payload)))


def _two_thirds(packed: bytes) -> bytes:
    return packed[: len(packed) * 2 // 3]


def _lying(codec: int, *, by: int = 0, header_count: int | None = None) -> Make:
    """Let a record's length, or its number of headers, lie."""

    def make(letter: Letter, own: bytes) -> bytes:
        fields = letter.fields(own)
        true = len(b.record(fields, 0))
        true -= len(b.varint(true))
        told = b.record(fields, 0, length=true + by, header_count=header_count)
        return b.sealed(b.compress(codec, told), 1, codec)

    return make


def _tiny(codec: int) -> Make:
    return lambda _letter, _own: _tiny_batch(codec)


@cache
def _tiny_batch(codec: int) -> bytes:
    """Put half a million records without key, value or header into one batch."""
    return b.sealed(b.compress(codec, b.records([Fields(None)] * TINY)), TINY, codec)


def _three(codec: int, *, by: int = 0, name: bytes = b"x") -> Make:
    """Send three records of which the second is not right."""

    def make(letter: Letter, own: bytes) -> bytes:
        every = [letter.fields(own + b"-%d" % number) for number in range(3)]
        every[1] = letter.fields(own + b"-1", (name, b"x"))
        sizes = [len(b.record(fields, number)) for number, fields in enumerate(every)]
        told = [size - len(b.varint(size)) for size in sizes]
        told[1] += by
        payload = b"".join(
            b.record(fields, number, length=told[number]) for number, fields in enumerate(every)
        )
        return b.sealed(b.compress(codec, payload), len(every), codec)

    return make


def _deltas(codec: int, *deltas: int) -> Make:
    """Let records say that they lie at other offsets of their batch than in their order."""

    def make(letter: Letter, own: bytes) -> bytes:
        payload = b"".join(
            b.record(letter.fields(own + b"-%d" % number), delta)
            for number, delta in enumerate(deltas)
        )
        return b.sealed(b.compress(codec, payload), len(deltas), codec)

    return make


def _listed(letter: Letter, own: bytes) -> bytes:
    """Write plain JSON with half a million wrong items in a list."""
    body = json.dumps({**json.loads(letter.value), letter.listed: [0]}).encode()
    before, after = body.rsplit(b"[0]", 1)
    items = (VALUE_BYTES_MAX - len(body)) // 2
    value = before + b"[" + b"1," * items + b"1]" + after
    return b.batch([letter.fields(own)._replace(value=value)])


def _valued(value: bytes) -> Make:
    return lambda letter, own: b.batch([letter.fields(own)._replace(value=value)])


def _snappy_twice(payload: bytes) -> bytes:
    half = len(payload) // 2
    return b.xerial(payload[:half]) + b.xerial(payload[half:])


def _snappy_version_2(payload: bytes) -> bytes:
    packed = b.xerial(payload)
    return packed[:8] + struct.pack(">ii", 2, 1) + packed[16:]


def _lz4_checked(payload: bytes) -> bytes:
    compressor = cramjam.lz4.Compressor(content_checksum=True, block_linked=False)
    compressor.compress(payload)
    return bytes(compressor.finish())


def _halves(codec: int) -> Callable[[bytes], bytes]:
    """Compress both halves by themselves: two members, or frames, one behind the other."""
    return lambda payload: (
        b.compress(codec, payload[: len(payload) // 2])
        + b.compress(codec, payload[len(payload) // 2 :])
    )


def _flip_last(packed: bytes) -> bytes:
    return packed[:-1] + bytes([packed[-1] ^ 0xFF])


def _claimed_snappy(_letter: Letter, _own: bytes) -> bytes:
    """Say of a snappy block that it unpacks to 2 GB: who believes it makes room first."""
    block = b"\xff\xff\xff\xff\x07" + b"\0" * 64
    head = b.xerial(b"")
    return b.sealed(head + struct.pack(">i", len(block)) + block, 1, b.SNAPPY)


def _wide_zstd(_letter: Letter, _own: bytes) -> bytes:
    """Ask for a window of 2 GB in a zstd frame."""
    return b.sealed(b"\x28\xb5\x2f\xfd" + bytes([0, 21 << 3]) + b"\x01\0\0", 1, b.ZSTD)


# ---- the table


def _each(
    name: str, make: Callable[[int], Make], refused: int = 0, codecs: Mapping[str, int] = CODECS
) -> list[Poison]:
    return [Poison(f"{name}_{codec}", make(number), refused) for codec, number in codecs.items()]


def _but(*names: str) -> dict[str, int]:
    return {name: codec for name, codec in PACKED.items() if name not in names}


_TAKEN: Final = (
    *(p._replace(is_honest=True) for p in _each("honest", _plain)),
    Poison(
        "snappy_raw",
        _packed(b.SNAPPY, lambda p: bytes(cramjam.snappy.compress_raw(p))),
        is_honest=True,
    ),
    Poison("snappy_twice", _packed(b.SNAPPY, _snappy_twice)),
    Poison("snappy_version_2", _packed(b.SNAPPY, _snappy_version_2), is_honest=True),
    Poison("lz4_checked", _packed(b.LZ4, _lz4_checked), is_honest=True),
    *_each("halves", lambda codec: _packed(codec, _halves(codec)), codecs=_but("lz4")),
    *_each(
        "last_byte",
        lambda codec: _packed(codec, lambda p: _flip_last(b.compress(codec, p))),
        codecs={"snappy": b.SNAPPY},
    ),
    *_each(
        "behind",
        lambda codec: _packed(codec, lambda p: b.compress(codec, p) + b"\0" * 40),
        codecs=_but("snappy", "zstd"),
    ),
    *_each("too_long", lambda codec: _lying(codec, by=7), codecs=PACKED),
    *_each("too_short", lambda codec: _lying(codec, by=-7), codecs=PACKED),
    *_each("long_1000", lambda codec: _lying(codec, by=1000), codecs=PACKED),
    *_each("name_not_text", lambda codec: _with((b"\xff\xfe", b"x"), codec=codec)),
    *(p._replace(answers=3) for p in _each("second_name", lambda c: _three(c, name=b"\xff"))),
    *(
        p._replace(answers=2)  # the first as any, the second and what may be behind it as one
        for by in (-7, 7)
        for p in _each(f"second_by_{by}", partial(_three, by=by), codecs=PACKED)
    ),
    Poison("delta_far", _deltas(0, 0, 2**31 - 1), answers=2),
    Poison("delta_less", _deltas(0, 0, -3), answers=2),
    Poison("delta_same", _deltas(0, 0, 0), answers=2),
    Poison("delta_back", _deltas(0, 1, 0), answers=1),
    Poison("name_empty", _with((b"", b"x"))),
    Poison("name_long", _with((b"n" * 500_000, b"x"))),
    Poison("many_headers", _with(*[(b"h", b"")] * 300_000)),
    Poison("header_null", _only(Fields(b"{}", [(b"ce_id", None), (b"ce_type", None)]))),
    Poison("headers_twice", _with((b"ce_id", b"other"), (b"ce_type", b"other"))),
    Poison("all_null", _only(Fields(None))),
    Poison("unknown_producer", _plain(0, Wish(producer=(99, 0, 5))), is_honest=True),
    Poison("attributes_all", _plain(0, Wish(attributes=0x7F80)), is_honest=True),
    Poison("delete_horizon", _plain(0, Wish(attributes=0x40)), is_honest=True),
    Poison("listed", _listed),
    Poison("deep", _valued(b"[" * 500_000)),
    *(p._replace(reason=TOO_LARGE) for p in _each("bomb", _bomb, codecs=PACKED)),
    Poison("tiny_gzip", _tiny(b.GZIP), reason=TOO_LARGE),
    Poison("tiny_zstd", _tiny(b.ZSTD), reason=TOO_LARGE),
)

_REFUSED: Final = (
    Poison(
        "snappy_google", _packed(b.SNAPPY, lambda p: bytes(cramjam.snappy.compress(p))), UNKNOWN
    ),
    Poison("lz4_linked", _packed(b.LZ4, lambda p: bytes(cramjam.lz4.compress(p))), UNKNOWN),
    Poison("lz4_block", _packed(b.LZ4, lambda p: bytes(cramjam.lz4.compress_block(p))), UNKNOWN),
    Poison("zlib", _packed(b.GZIP, lambda p: bytes(cramjam.zlib.compress(p))), UNKNOWN),
    Poison("create_time", _plain(0, Wish(attributes=0x08)), TIMESTAMP),
    Poison("wide_zstd", _wide_zstd, UNKNOWN),
    *_each("halves", lambda codec: _packed(codec, _halves(codec)), INVALID, {"lz4": b.LZ4}),
    *_each(
        "last_byte",
        lambda codec: _packed(codec, lambda p: _flip_last(b.compress(codec, p))),
        UNKNOWN,
        _but("snappy"),
    ),
    *_each(
        "behind",
        lambda codec: _packed(codec, lambda p: b.compress(codec, p) + b"\0" * 40),
        UNKNOWN,
        {"snappy": b.SNAPPY, "zstd": b.ZSTD},
    ),
    *_each("too_long", lambda codec: _lying(codec, by=7), INVALID, {"none": b.NONE}),
    *_each("too_short", lambda codec: _lying(codec, by=-7), INVALID, {"none": b.NONE}),
    *_each("garbage", _garbage, UNKNOWN, PACKED),
    *_each("garbage", _garbage, UNKNOWN, {"codec_5": 5, "codec_6": 6, "codec_7": 7}),
    *_each("cut", _cut, UNKNOWN, PACKED),
    *_each(
        "inside", lambda codec: _packed(codec, lambda p: b.compress(codec, p + b"\0" * 40)), INVALID
    ),
    *_each("delta_far", lambda c: _deltas(c, 0, 17), UNKNOWN, PACKED),
    *_each("delta_back", lambda c: _deltas(c, 1, 0), UNKNOWN, PACKED),
    *_each("headers_too_many", lambda codec: _lying(codec, header_count=9), INVALID),
    *_each("headers_too_few", lambda codec: _lying(codec, header_count=1), INVALID),
    *_each("headers_negative", lambda codec: _lying(codec, header_count=-1), INVALID),
    *_each(
        "count_high", lambda codec: _plain(codec, Wish(records=9, last_offset_delta=8)), INVALID
    ),
    *_each("count_negative", lambda codec: _plain(codec, Wish(records=-1)), INVALID),
    *_each(
        "count_zero", lambda codec: _plain(codec, Wish(records=0, last_offset_delta=0)), INVALID
    ),
    *_each("last_offset", lambda codec: _plain(codec, Wish(last_offset_delta=1000)), INVALID),
    *_each("control", lambda codec: _plain(codec, Wish(attributes=b.CONTROL)), INVALID),
    *_each(
        "transaction",
        lambda codec: _plain(codec, Wish(attributes=b.TRANSACTIONAL)),
        TRANSACTION_STATE,
    ),
    Poison(
        "transaction_of_99",
        _plain(0, Wish(attributes=b.TRANSACTIONAL, producer=(99, 0, 0))),
        TRANSACTION_STATE,
    ),
    Poison("crc", _plain(0, Wish(crc=1)), CORRUPT),
    Poison("length_high", _plain(0, Wish(length=100_000)), INVALID),
    Poison("length_negative", _plain(0, Wish(length=-1)), CORRUPT),
    Poison("length_small", _plain(0, Wish(length=20)), CORRUPT),
    Poison("magic_3", _plain(0, Wish(magic=3)), CORRUPT),
    Poison("magic_negative", _plain(0, Wish(magic=-1)), CORRUPT),
    Poison("base_offset", _plain(0, Wish(base_offset=77)), INVALID),
    Poison("no_bytes", lambda _letter, _own: b"", INVALID),
    Poison("zeros", lambda _letter, _own: bytes(61), CORRUPT),
    Poison("two_batches", lambda letter, own: b.batch([letter.fields(own)]) * 2, INVALID),
    Poison("format_0", lambda letter, _own: b.old([letter.fields(b"")], 0), INVALID),
    Poison("format_1", lambda letter, _own: b.old([letter.fields(b"")], 1), INVALID),
    Poison(
        "format_1_within",
        lambda letter, own: b.sealed(b.old([letter.fields(own)], 1), 1, 0),
        INVALID,
    ),
)

TAKEN: Final = tuple(_TAKEN)
REFUSED: Final = tuple(_REFUSED)
_LARGE: Final = ("bomb", "tiny", "name_long", "many_headers", "headers_twice")
MODERATE: Final = (
    *(poison for poison in TAKEN if not poison.name.startswith(_LARGE)),
    *(p._replace(reason=TOO_LARGE) for p in _each("small_bomb", _small_bomb, codecs=PACKED)),
)
"""What may be sent again and again: small on the wire, each record under an id of its own."""
FATAL: Final = Poison("claimed_snappy", _claimed_snappy)
