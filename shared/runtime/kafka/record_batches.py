"""Reads what a broker returns, record batch by record batch, within bounds.

aiokafka unpacks a batch before anybody sees a record of it, without a bound, and raises where it
cannot: one batch of one sender then stops, starves or kills a consumer of many senders
(aiokafka issues 843 and 501). Here each batch is looked at first: what unpacks within the bounds is
read as aiokafka reads it, the rest becomes an `UnreadBatch` in its place, so that its sender gets
an answer and the consumer's position moves on. `install` puts this under every consumer of the
process; it replaces two private names of aiokafka 0.14, held by
`tests/contract/test_architecture.py`.
"""

import contextlib
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Self

import cramjam
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException, KafkaError
from aiokafka.record.control_record import ABORT_MARKER, ControlRecord
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.util import calc_crc32c, decode_varint

UNPACKED_BYTES_MAX: Final = 8 * 1024 * 1024
"""Of one compressed batch: eight times what a topic takes packed (a guess far above any client's
`batch.size`). A partition holds one unpacked batch at a time."""
PACKED_RECORDS_MAX: Final = 20_000
"""Of one compressed batch. 10 KB can hold a million empty records, each of which needs an answer;
batches that are not compressed need no bound: the broker takes at most 1 MiB."""
_MAGIC: Final = 2  # Kafka 4 knows no older format
_HEAD: Final = struct.Struct(">qiibIhiqqqhii")  # of a record batch, KIP-98
_LENGTH_AT, _BEFORE_LENGTH_COUNTS = 8, 12
_CRC_FROM: Final = 21  # attributes and all behind them
_CODEC, _APPEND_TIME, _TRANSACTIONAL, _CONTROL = 0x07, 0x08, 0x10, 0x20
_GZIP, _SNAPPY, _LZ4, _ZSTD = 1, 2, 3, 4
_XERIAL: Final = b"\x82SNAPPY\0"  # Java's framing of snappy: 16 bytes, then blocks
_XERIAL_BYTES: Final = 16


class BrokenPartition(KafkaError):  # type: ignore[misc]  # noqa: N818 - the partition is
    """A partition's next batch cannot even be passed over; its consumer has to leave it alone."""

    def __init__(self, partition: TopicPartition, first: int, end: int, why: str) -> None:
        super().__init__(partition, first, end, why)
        self.partition, self.first, self.end, self.why = partition, first, end, why


@dataclass
class Span(ConsumerRecord):  # type: ignore[misc]
    """Offsets `first` to `offset` without a record: transaction markers or aborted records.

    Only consumers of a stage are given these (`install(spans=True)`).
    """

    first: int = 0


@dataclass
class UnreadBatch(Span):
    """Records `first` to `offset` in one batch that could not be unpacked; `value` is the batch.

    `reason` is `batch_unreadable`, `batch_too_large` or `record_unreadable`.
    """

    reason: str = "batch_unreadable"


def first_offset(record: object) -> int:
    """Return the first offset that a record stands for: its own, unless it stands for several."""
    return record.first if isinstance(record, Span) else record.offset  # type: ignore[attr-defined]


class Unpackable(Exception):  # noqa: N818 - says what the batch is
    """A batch that is not read, with the reason for its sender."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Head(NamedTuple):
    """The head of a record batch, as it lies in the log."""

    base: int
    length: int
    epoch: int
    magic: int
    crc: int
    attributes: int
    last_delta: int
    first_timestamp: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    records: int

    @classmethod
    def of(cls, raw: bytes) -> Self:
        """Read the head of a batch."""
        return cls._make(_HEAD.unpack_from(raw))

    @property
    def last(self) -> int:
        """Return the offset of the batch's last record."""
        return self.base + self.last_delta

    @property
    def is_as_produced(self) -> bool:
        """Return whether each offset has its record, in order: compaction takes some away."""
        return self.records == self.last_delta + 1

    @property
    def codec(self) -> int:
        """Return how the batch is compressed; 0 is not at all."""
        return self.attributes & _CODEC


class RawBatches:
    """The batches of one answer to a fetch; stands in for aiokafka's `MemoryRecords`."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        self._at = 0

    def size_in_bytes(self) -> int:
        """Return the size of the answer, with a last batch that is not whole."""
        return len(self._data)

    def _end(self) -> int:
        left = len(self._data) - self._at
        if left < _HEAD.size:
            return 0
        (length,) = struct.unpack_from(">i", self._data, self._at + _LENGTH_AT)
        whole = max(_BEFORE_LENGTH_COUNTS + length, _HEAD.size)
        return self._at + whole if whole <= left else 0

    def has_next(self) -> bool:
        """Return whether another whole batch is there."""
        return self._end() > 0

    def next_batch(self) -> bytes:
        """Return the next whole batch."""
        end = self._end()
        raw = self._data[self._at : end].tobytes()
        self._at = end
        return raw


class GuardedRecords(fetcher.PartitionRecords):  # type: ignore[misc]
    """The records of one partition in one answer; stands in for aiokafka's `PartitionRecords`."""

    spans = False
    next_fetch_offset: int
    _records: RawBatches

    def _unpack_records(self) -> Iterator[ConsumerRecord]:
        begun = False
        while self._records.has_next():
            raw = self._records.next_batch()
            head = Head.of(raw)
            try:
                for record in self._read(raw, head):
                    if record.offset >= self.next_fetch_offset:
                        self.next_fetch_offset = record.offset + 1
                        begun = True
                        yield record
            except Exception as wrong:  # whatever it is, it is this partition's alone
                if begun:
                    return  # the next answer begins with it: nothing in hand is lost by the raise
                why = f"{type(wrong).__name__}: offsets {head.base} to {head.last}"
                raise BrokenPartition(self._tp, head.base, head.last + 1, why) from wrong
            self.next_fetch_offset = max(self.next_fetch_offset, head.last + 1)

    def _read(self, raw: bytes, head: Head) -> Iterator[ConsumerRecord]:
        """Yield what a batch gives.

        Raises:
            CorruptRecordException: it is not what its sender wrote.
        """
        if head.magic == _MAGIC and calc_crc32c(raw[_CRC_FROM:]) != head.crc:
            raise CorruptRecordException("checksum")
        if head.attributes & (_CONTROL | _TRANSACTIONAL) and self._is_passed_over(raw, head):
            if self.spans:
                yield Span(**self._of_batch(head))
            return
        try:
            plain = unpacked(raw, head)
        except Unpackable as batch:
            yield UnreadBatch(**self._of_batch(head, raw), reason=batch.reason)
            return
        # ValueError: also a header's name that is no UTF-8
        with contextlib.suppress(CorruptRecordException, ValueError):
            for following, record in enumerate(DefaultRecordBatch(plain), start=head.base):
                if record.offset != following and head.is_as_produced:
                    break
                yield self._consumer_record(self._tp, record)
            else:
                return
        yield from self._one_by_one(plain, head)  # what was yielded has a lower offset

    def _is_passed_over(self, raw: bytes, head: Head) -> bool:
        """Return whether a batch is a transaction marker, or was aborted by its producer."""
        is_control = bool(head.attributes & _CONTROL)
        if self._isolation_level == fetcher.READ_COMMITTED:
            self._consume_aborted_up_to(head.base)
            if is_control:
                (mark,) = DefaultRecordBatch(raw)
                if ControlRecord.parse(mark.key) == ABORT_MARKER:
                    self._aborted_producers.discard(head.producer_id)
            is_aborted = head.producer_id in self._aborted_producers
            return is_control or (bool(head.attributes & _TRANSACTIONAL) and is_aborted)
        return is_control

    def _of_batch(self, head: Head, raw: bytes | None = None) -> dict[str, Any]:
        kind = int(bool(head.attributes & _APPEND_TIME))
        return {
            "topic": self._tp.topic, "partition": self._tp.partition, "offset": head.last,
            "timestamp": head.max_timestamp, "timestamp_type": kind, "key": None, "value": raw,
            "checksum": None, "serialized_key_size": -1, "serialized_value_size": -1,
            "headers": (), "first": head.base,
        }  # fmt: skip

    def _one_by_one(self, plain: bytes, head: Head) -> Iterator[ConsumerRecord]:
        """Read each record for itself, names of headers as far as they are text."""
        at, following = _HEAD.size, head.base
        read = self._of_batch(head)
        del read["first"]
        while at < len(plain) and following <= head.last:
            try:
                length, start = decode_varint(plain, at)
                at = start + length
                if length < 0 or at > len(plain):
                    break
                offset, fields = _record(plain[start:at], head)
            except (ValueError, IndexError, Unpackable):
                break
            if offset != following and head.is_as_produced:
                break  # a sender's word: the broker looks at it only where a batch is compressed
            if following <= offset <= head.last:
                following = offset + 1
                yield ConsumerRecord(**read | fields)
        if following <= head.last:
            rest = self._of_batch(head, plain) | {"first": following}
            yield UnreadBatch(**rest, reason="record_unreadable")


def _record(body: bytes, head: Head) -> tuple[int, dict[str, Any]]:
    """Return a record's offset and what differs from its batch.

    Raises:
        ValueError, IndexError, Unpackable: it is not a record.
    """
    delta, at = decode_varint(body, 1)  # behind the attributes
    is_append_time = head.attributes & _APPEND_TIME
    timestamp = head.max_timestamp if is_append_time else head.first_timestamp + delta
    offset_delta, at = decode_varint(body, at)
    key, at = _nullable(body, at)
    value, at = _nullable(body, at)
    count, at = decode_varint(body, at)
    headers = []
    for _ in range(count):
        name, at = _nullable(body, at)
        text, at = _nullable(body, at)
        headers.append(((name or b"").decode("utf-8", "replace"), text))
    if at != len(body):
        raise Unpackable("record_unreadable")
    sizes = {"serialized_key_size": len(key or b""), "serialized_value_size": len(value or b"")}
    offset = head.base + offset_delta
    fields = {"offset": offset, "timestamp": timestamp, "key": key, "value": value}
    return offset, {**fields, **sizes, "headers": tuple(headers)}


def _nullable(body: bytes, at: int) -> tuple[bytes | None, int]:
    length, at = decode_varint(body, at)
    if length < 0:
        return None, at
    if at + length > len(body):
        raise Unpackable("record_unreadable")
    return body[at : at + length], at + length


# ---- unpacking


def unpacked(raw: bytes, head: Head) -> bytes:
    """Return a batch with its records not compressed.

    Raises:
        Unpackable: it cannot be unpacked, or only beyond the bounds.
    """
    if head.magic != _MAGIC or head.records < 0 or head.last_delta < 0:
        raise Unpackable("batch_unreadable")
    if head.codec == 0:
        return raw
    if head.records > PACKED_RECORDS_MAX:
        raise Unpackable("batch_too_large")
    unpack = _UNPACK.get(head.codec)
    if unpack is None:
        raise Unpackable("batch_unreadable")
    try:
        records = unpack(raw[_HEAD.size :])
    except (cramjam.DecompressionError, zlib.error, ValueError, IndexError, struct.error) as wrong:
        raise Unpackable("batch_unreadable") from wrong
    plain = head._replace(
        attributes=head.attributes & ~_CODEC,
        length=_HEAD.size - _BEFORE_LENGTH_COUNTS + len(records),
    )
    return _HEAD.pack(*plain) + records


def _gunzip(packed: bytes) -> bytes:
    plain, left = b"", packed
    while left:  # one stream may follow another
        stream = zlib.decompressobj(wbits=31)
        plain += stream.decompress(left, UNPACKED_BYTES_MAX + 1 - len(plain))
        if len(plain) > UNPACKED_BYTES_MAX:
            raise Unpackable("batch_too_large")
        if not stream.eof:
            raise Unpackable("batch_unreadable")
        left = stream.unused_data
    return plain


def _unsnap(packed: bytes) -> bytes:
    if not packed.startswith(_XERIAL):
        return _unsnap_block(packed, UNPACKED_BYTES_MAX)
    blocks, at = [], 0
    room = UNPACKED_BYTES_MAX
    while at < len(packed):
        if packed.startswith(_XERIAL, at):
            at += _XERIAL_BYTES  # one stream may follow another
            continue
        (size,) = struct.unpack_from(">i", packed, at)
        at += 4
        if size < 0 or at + size > len(packed):
            raise Unpackable("batch_unreadable")
        blocks.append(_unsnap_block(packed[at : at + size], room))
        at += size
        room -= len(blocks[-1])
    return b"".join(blocks)


def _unsnap_block(block: bytes, room: int) -> bytes:
    if cramjam.snappy.decompress_raw_len(block) > room:
        raise Unpackable("batch_too_large")
    return bytes(cramjam.snappy.decompress_raw(block))


def _unpack_into(decompress_into: Callable[[bytes, bytearray], int]) -> Callable[[bytes], bytes]:
    def unpack(packed: bytes) -> bytes:
        room = bytearray(UNPACKED_BYTES_MAX)
        try:
            return bytes(memoryview(room)[: decompress_into(packed, room)])
        except cramjam.DecompressionError as wrong:
            is_full = "failed to write whole buffer" in str(wrong)
            raise Unpackable("batch_too_large" if is_full else "batch_unreadable") from wrong

    return unpack


_UNPACK: Final[Mapping[int, Callable[[bytes], bytes]]] = MappingProxyType({
    _GZIP: _gunzip,
    _SNAPPY: _unsnap,
    _LZ4: _unpack_into(cramjam.lz4.decompress_into),
    _ZSTD: _unpack_into(cramjam.zstd.decompress_into),
})  # fmt: skip


def install(*, spans: bool = False) -> None:
    """Have every consumer of this process read through the guard.

    With `spans` they are also given what lies between records (see `Span`).
    """
    GuardedRecords.spans = GuardedRecords.spans or spans
    fetcher.MemoryRecords = RawBatches
    fetcher.PartitionRecords = GuardedRecords
