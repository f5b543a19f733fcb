"""One input from its seed: a batch as a broker would store it, or a request to a page.

A batch is what its parts say, so that a failing one can be shrunk part by part. The broker vouches
for the checksum, the format, the offsets and the count; everything else is the sender's.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from random import Random
from typing import Final

from shared.contract.topics import OUTBOX, REPLAYS, SUBMISSIONS
from tests.fuzz import bodies
from tests.senders import batches as b
from tests.senders.batches import Fields, Wish

GATEWAYS: Final = ("intake", "agencies.in")
PRODUCERS: Final = {
    "intake": [SUBMISSIONS.topic(c) for c in ("website", "counter")],
    "agencies.in": [OUTBOX.topic(c) for c in ("6308", "3204", "00")],
}
AT_MS: Final = 1_681_783_200_000  # the broker's time of every batch: 2023-04-18
APPEND_TIME: Final = 0x08
BOMB_BYTES: Final = 9_000_000
_PAGES: Final = (
    "/livez", "/readyz", "/metrics", "/asyncapi.json", "/asyncapi", "/asyncapi/try", "/", "", "//",
    "/metrics/", "/metrics/../livez", "/LIVEZ", "/livez?x=1", "/%00", "/livez\x00", "/.env",
    "/" + "a" * 9_000,
    "/livez;x", "*", "http://contoh.example/livez", "/readyz%2f..", "/é",
)  # fmt: skip
_METHODS: Final = (
    "GET", "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PATCH", "get",
    "PROPFIND", "X" * 300,
)  # fmt: skip
_REQUEST_HEADERS: Final = (
    (b"content-type", b"application/json"), (b"content-type", b"text/plain"),
    (b"accept", b"application/openmetrics-text; version=1.0.0"), (b"accept", b"*/*;q=" + b"9" * 99),
    (b"accept", b"\xff\xfe"), (b"accept-encoding", b"gzip"), (b"content-length", b"-1"),
    (b"content-length", b"99999999999"), (b"transfer-encoding", b"chunked"),
    (b"expect", b"100-continue"), (b"host", b"evil.example"), (b"origin", b"https://evil.example"),
    (b"x" * 500, b"y" * 7_000), (b"upgrade", b"websocket"), (b"range", b"bytes=0-0,1-1"),
    (b"cookie", b"a=" + b"b" * 5_000),
)  # fmt: skip
_IDS: Final = (
    b"", b" ", b"m-1", b"m-1", b"m-2", b"x" * 128, b"x" * 129, b"y" * 20_000, b"\xff", b"\x00",
    b"a\x1b[31m", "é".encode(), "\ufffd".encode(), "\u2028".encode(), "😀".encode(),
    b"\xed\xa0\x80", b"../x", b"m-1\n", b"%s",
)  # fmt: skip
_TRAVELLING: Final = (
    b"ce_time", b"ce_source", b"correlationid", b"traceparent", b"causationid", b"content-type",
    b"ce_specversion", b"sequence", b"CE_ID", b"stage", b"",
)  # fmt: skip


@dataclass(frozen=True)
class Page:
    """A request to one of a stage's HTTP pages."""

    method: str
    path: str
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""


@dataclass(frozen=True)
class Batch:
    """A batch, part by part; `inside` and `packed` are changes of bytes, made in order."""

    gateway: str
    topic: str
    fields: tuple[Fields, ...]
    codec: int = 0
    attributes: int = 0
    lengths: tuple[tuple[int, int], ...] = ()  # of a record: how much its length lies
    inside: tuple[tuple[str, int, bytes], ...] = ()  # of the payload, before it is compressed
    packed: tuple[tuple[str, int, bytes], ...] = ()  # of the payload as it is sent
    payload: bytes | None = field(default=None, repr=False)  # instead of records
    count: int | None = None

    def sent(self) -> bytes:
        """Return its bytes as its sender sends them."""
        return self._sealed(self.attributes, 0)

    def raw(self, base: int = 0) -> bytes:
        """Return its bytes as they lie in a log from an offset on."""
        return self._sealed(self.attributes | APPEND_TIME, base)

    def _sealed(self, attributes: int, base: int) -> bytes:
        count = self.count or max(1, len(self.fields))
        wish = Wish(
            attributes=attributes, base_offset=base, at_ms=AT_MS,
            last_offset_delta=count - 1, records=count,
        )  # fmt: skip
        if self.payload is not None:
            return b.sealed(self.payload, count, self.codec, wish)
        lies = dict(self.lengths)
        every = [
            b.record(fields, n, length=_size(fields, n) + lies[n] if n in lies else None)
            for n, fields in enumerate(self.fields)
        ]
        plain = _changed(b"".join(every), self.inside)
        packed = b.compress(self.codec, plain) if self.codec <= b.ZSTD else plain
        return b.sealed(_changed(packed, self.packed), count, self.codec, wish)

    def smaller(self) -> Iterator["Batch"]:
        """Yield the same batch with less of something."""
        for name in ("lengths", "inside", "packed"):
            parts = getattr(self, name)
            for n in range(len(parts)):
                yield replace(self, **{name: parts[:n] + parts[n + 1 :]})
        if self.codec:
            yield replace(self, codec=0)
        if self.attributes:
            yield replace(self, attributes=0)
        for n, fields in enumerate(self.fields):
            if len(self.fields) > 1:
                yield replace(self, fields=self.fields[:n] + self.fields[n + 1 :])
            for less in _less(fields):
                yield replace(self, fields=(*self.fields[:n], less, *self.fields[n + 1 :]))


Input = Batch | Page


def _size(fields: Fields, delta: int) -> int:
    whole = len(b.record(fields, delta))
    return whole - len(b.varint(whole))


def _changed(payload: bytes, changes: tuple[tuple[str, int, bytes], ...]) -> bytes:
    for what, at, more in changes:
        place = at % (len(payload) + 1)
        match what:
            case "cut":
                payload = payload[:place]
            case "insert":
                payload = payload[:place] + more + payload[place:]
            case "overwrite":
                payload = payload[:place] + more + payload[place + len(more) :]
            case "append":
                payload += more
    return payload


def _less(fields: Fields) -> Iterator[Fields]:
    for n in range(len(fields.headers)):
        yield fields._replace(headers=[*fields.headers[:n], *fields.headers[n + 1 :]])
    if fields.key is not None:
        yield fields._replace(key=None)
    value = fields.value
    if value:
        half = len(value) // 2
        yield fields._replace(value=value[:half])
        yield fields._replace(value=value[half:])
        yield fields._replace(value=value[:-1])
    for n, (name, text) in enumerate(fields.headers):
        if text and len(text) > 1:
            shorter = (name, text[: len(text) // 2])
            yield fields._replace(headers=[*fields.headers[:n], shorter, *fields.headers[n + 1 :]])


# ---- drawing


def drawn(seed: int, number: int, reports: tuple[str, ...] = (bodies.KNOWN_REPORT,)) -> Input:
    """Return the `number`-th input of a seed; `reports` are there, for those who speak of any."""
    draw = Random(f"{seed}:{number}")
    if draw.random() < 0.05:
        return _page(draw)
    gateway = draw.choice(GATEWAYS)
    if draw.random() < 0.01:
        return _special(draw, gateway)
    topic = REPLAYS.topic() if draw.random() < 0.04 else draw.choice(PRODUCERS[gateway])
    codec = draw.choices(range(8), (50, 10, 10, 10, 10, 1, 1, 1))[0]
    fields = tuple(_fields(draw, gateway, reports) for _ in range(draw.choice((1, 1, 1, 1, 2, 4))))
    if draw.random() < 0.05:
        fields += fields[:1]  # the same message again
    made = Batch(gateway, topic, fields, codec)
    if draw.random() < 0.75:
        return made
    return _spoilt(draw, made)


def _page(draw: Random) -> Page:
    headers = tuple(draw.choice(_REQUEST_HEADERS) for _ in range(draw.choice((0, 1, 3, 60))))
    body = draw.randbytes(draw.choice((0, 0, 10, 70_000)))
    return Page(draw.choice(_METHODS), draw.choice(_PAGES), headers, body)


def _spoilt(draw: Random, made: Batch) -> Batch:
    changes: list[tuple[str, int, bytes]] = []
    for _ in range(draw.randint(1, 3)):
        what = draw.choice(("cut", "insert", "overwrite", "append"))
        more = draw.choice(_PIECES)
        changes.append((what, draw.randrange(2_000), more or draw.randbytes(draw.randint(1, 8))))
    match draw.randrange(4):
        case 0:
            return replace(made, inside=tuple(changes))
        case 1:
            return replace(made, packed=tuple(changes))
        case 2:
            lies = ((draw.randrange(len(made.fields)), draw.choice((-7, -1, 1, 7, 1000, 2**31))),)
            return replace(made, lengths=lies)
        case _:
            return replace(made, attributes=draw.randrange(1 << 15) & 0x7F80 | 0x40)


_PIECES: Final = (
    b"", b"", b"\0", b"\xff" * 5, b"\xff" * 10, b"\x80" * 12, b"\x01", b"\x7f", b"\0" * 64,
    b"\xff\xff\xff\xff\x0f", b"\x1f\x8b\x08\0", b"\x28\xb5\x2f\xfd", b"\x82SNAPPY\0",
    b"\x04\x22\x4d\x18",
)  # fmt: skip


def _special(draw: Random, gateway: str) -> Batch:
    """Return what is large once it is unpacked, or holds many."""
    topic = draw.choice(PRODUCERS[gateway])
    turn = draw.randrange(6)
    if turn < 4:
        return Batch(gateway, topic, (), turn + 1, payload=_bomb(turn + 1))
    count = 40 if turn == 4 else 25_000
    return Batch(gateway, topic, (), b.ZSTD, payload=_tiny(count), count=count)


@cache
def _bomb(codec: int) -> bytes:
    return b.bomb(codec, BOMB_BYTES)


@cache
def _tiny(count: int) -> bytes:
    return b.compress(b.ZSTD, b.records([Fields(None)] * count))


def _fields(draw: Random, gateway: str, reports: tuple[str, ...]) -> Fields:
    kind, name = draw.choice(bodies.kinds_of(gateway))
    value: bytes | None = bodies.body(draw, name, draw.choice(reports))
    if draw.random() < 0.02:
        value = None
    return Fields(value, _headers(draw, gateway, kind), _key(draw))


def _key(draw: Random) -> bytes | None:
    return None if draw.random() < 0.7 else draw.randbytes(draw.choice((0, 5, 400)))


def _headers(draw: Random, gateway: str, kind: bytes) -> list[tuple[bytes, bytes | None]]:
    own = b"m-%d" % draw.randrange(1_000) if draw.random() < 0.7 else draw.choice(_IDS)
    made: list[tuple[bytes, bytes | None]] = [(b"ce_id", own), (b"ce_type", kind)]
    for change in draw.choices(_CHANGES, k=draw.choice((0, 0, 0, 1, 2))):
        change(draw, made, gateway)
    return made


Change = Callable[[Random, list[tuple[bytes, bytes | None]], str], None]


def _drop(draw: Random, made: list[tuple[bytes, bytes | None]], _gateway: str) -> None:
    if made:
        made.pop(draw.randrange(len(made)))


def _null(draw: Random, made: list[tuple[bytes, bytes | None]], _gateway: str) -> None:
    if made:
        at = draw.randrange(len(made))
        made[at] = made[at][0], None


def _other_kind(draw: Random, made: list[tuple[bytes, bytes | None]], gateway: str) -> None:
    other = GATEWAYS[gateway == GATEWAYS[0]]
    made.append((b"ce_type", draw.choice(bodies.kinds_of(draw.choice((gateway, other))))[0]))


def _odd_kind(draw: Random, made: list[tuple[bytes, bytes | None]], _gateway: str) -> None:
    made.append((b"ce_type", draw.choice(_IDS)))


def _travelling(draw: Random, made: list[tuple[bytes, bytes | None]], _gateway: str) -> None:
    made.append((draw.choice(_TRAVELLING), draw.choice((*_IDS, None))))


def _name(draw: Random, made: list[tuple[bytes, bytes | None]], _gateway: str) -> None:
    name = draw.choice((b"\xff\xfe", b"", b"n" * 3_000, draw.randbytes(6), b"\xed\xa0\x80"))
    made.insert(draw.randrange(len(made) + 1), (name, b"x"))


def _many(draw: Random, made: list[tuple[bytes, bytes | None]], _gateway: str) -> None:
    made.extend([(b"h", b"x")] * draw.choice((10, 500)))


def _replay(draw: Random, made: list[tuple[bytes, bytes | None]], gateway: str) -> None:
    made.extend([
        (b"stage", draw.choice((gateway.encode(), b"routing"))),
        (b"action", draw.choice((b"retry", b"discard", b"edit", b"accept", b"x"))),
        (b"topic", draw.choice(PRODUCERS[gateway]).encode()), (b"partition", b"0"),
        (b"offset", draw.choice((b"0", b"-1", b"9" * 40, b"x", b"9" * 5_000))),
        (b"time", draw.choice((b"2023-04-18T02:00:00+00:00", b"x", b"0001-01-01T00:00:00+23:59"))),
        (b"report", draw.choice((bodies.KNOWN_REPORT.encode(), b"", b"\xff"))),
    ])  # fmt: skip


_CHANGES: Final[tuple[Change, ...]] = (
    _drop, _null, _other_kind, _odd_kind, _travelling, _travelling, _name, _many, _replay,
)  # fmt: skip
