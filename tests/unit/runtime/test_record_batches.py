"""What a consumer is given of a record batch, whoever wrote it and however."""

import contextlib
import itertools
import resource
from collections.abc import Iterable

import pytest
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED
from hypothesis import given
from hypothesis import strategies as st

from shared.runtime.kafka.record_batches import (
    UNPACKED_BYTES_MAX,
    BrokenPartition,
    GuardedRecords,
    RawBatches,
    Span,
    UnreadBatch,
    first_offset,
)
from tests.senders import batches as b
from tests.senders.poisons import FATAL, REFUSED, TAKEN, Letter, Poison

HERE = TopicPartition("lapor.channel.api.submissions.v1", 0)
LETTER = Letter(HERE.topic, b"kind", b'{"title": "Lampu"}', "attachments")
MORE_MEMORY_MAX = 64 * 1024 * 1024  # of one batch, its records, and what Python keeps of both
NEXT = b.batch([b.Fields(b"next")], wish=b.Wish(base_offset=1_000_000))


def read(*batches: bytes, at: int = 0, aborted: Iterable[tuple[int, int]] = ()) -> GuardedRecords:
    """Return what a fetch at an offset gives."""
    return GuardedRecords(
        HERE,
        RawBatches(b"".join(batches)),
        list(aborted),
        at,
        None,
        None,
        check_crcs=True,
        isolation_level=READ_COMMITTED,
    )


def at_offset(raw: bytes, base: int) -> bytes:
    """Return a batch as the broker stores it: its offsets are the log's."""
    return base.to_bytes(8, "big") + raw[8:]


@pytest.mark.parametrize(
    "poison", [p for p in (*TAKEN, FATAL) if not p.name.startswith(("bomb", "tiny"))]
)
def test_whatever_a_broker_takes_is_read_and_what_follows_too(poison: Poison) -> None:
    """Each offset comes once, in order, in bounded memory; nothing is raised."""
    raw = poison.make(LETTER, b"1")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    found = [(first_offset(r), r.offset, type(r)) for r in read(raw, NEXT)]

    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert found.pop() == (1_000_000, 1_000_000, ConsumerRecord)
    assert [start for start, _, _ in found] == [0, *(end + 1 for _, end, _ in found[:-1])]
    assert (after - before) * 1024 <= MORE_MEMORY_MAX
    if poison.is_honest:
        assert found == [(0, 0, ConsumerRecord)]


@pytest.mark.parametrize("poison", [p for p in REFUSED if p.name not in ("no_bytes", "zeros")])
def test_what_only_a_broken_disk_could_give_stops_at_most_its_partition(poison: Poison) -> None:
    """A broker refuses these; should one lie in a log all the same, it is passed over or named."""
    found: list[ConsumerRecord] = []
    with contextlib.suppress(BrokenPartition):
        found += read(poison.make(LETTER, b"1"), NEXT)

    assert all(isinstance(record, ConsumerRecord) for record in found)


@pytest.mark.parametrize(("codec", "reason"), [
        (b.GZIP, "batch_too_large"), (b.SNAPPY, "batch_too_large"),
        (b.LZ4, "batch_too_large"), (b.ZSTD, "batch_too_large"),
    ])  # fmt: skip
def test_a_bomb_is_one_answer(codec: int, reason: str) -> None:
    """It is unpacked up to the bound and no further."""
    (found, _) = read(b.sealed(b.bomb(codec, 20_000_000), 1, codec), NEXT)

    assert isinstance(found, UnreadBatch)
    assert found.reason == reason


@pytest.mark.parametrize(
    ("codec", "size"), [(codec, size) for codec in b.CODECS.values() for size in (-1, 0, 1)]
)
def test_the_bound_is_exact(codec: int, size: int) -> None:
    """What unpacks to the bound is read."""
    value = UNPACKED_BYTES_MAX - len(b.records([b.Fields(b"")])) - 10
    payload = b.records([b.Fields(bytes(value))])
    payload = b.records([b.Fields(bytes(value + UNPACKED_BYTES_MAX - len(payload) + size))])
    raw = b.sealed(b.compress(codec, payload), 1, codec)

    (found, _) = read(raw, NEXT)

    is_read = codec == b.NONE or len(payload) <= UNPACKED_BYTES_MAX
    assert isinstance(found, UnreadBatch) is not is_read


def test_many_records_in_little_space_are_one_answer() -> None:
    """Twelve kilobytes of nothing must not be worth a million answers."""
    payload = b.compress(b.ZSTD, b.records([b.Fields(None)] * 20_001))
    (found, _) = read(b.sealed(payload, 20_001, b.ZSTD), NEXT)

    assert isinstance(found, UnreadBatch)
    assert (found.reason, found.first, found.offset) == ("batch_too_large", 0, 20_000)


@pytest.mark.parametrize("codec", b.CODECS.values())
def test_a_header_name_that_is_no_text_costs_that_name(codec: int) -> None:
    """The record beside it in the batch is as it was."""
    spoilt = b.Fields(b"1", [(b"\xff\xfe", b"x"), (b"ce_id", b"a")])
    first, second, _ = read(b.batch([spoilt, b.Fields(b"2", [(b"ce_id", b"b")])], codec), NEXT)

    assert (first.value, dict(first.headers)["ce_id"]) == (b"1", b"a")
    assert (second.value, second.headers) == (b"2", (("ce_id", b"b"),))


def test_the_rest_of_a_batch_that_is_none_is_one_answer() -> None:
    """What could be read before it is given."""
    good = b.record(b.Fields(b"1"), 0)
    payload = good + b"\x7f" * 5
    first, rest, _ = read(b.sealed(payload, 4, b.NONE), NEXT)

    assert first.value == b"1"
    assert isinstance(rest, UnreadBatch)
    assert (rest.first, rest.offset, rest.reason) == (1, 3, "record_unreadable")


def test_a_batch_that_is_not_what_was_written_stops_its_partition_by_name() -> None:
    """What came before it is given first; the next fetch begins with it."""
    good, bad = b.batch([b.Fields(b"1")]), bytearray(at_offset(b.batch([b.Fields(b"2")]), 1))
    bad[-1] ^= 0xFF
    found = read(good, bytes(bad))

    assert [r.value for r in found] == [b"1"]
    assert found.next_fetch_offset == 1
    with pytest.raises(BrokenPartition) as broken:
        list(read(bytes(bad), at=1))
    assert (broken.value.first, broken.value.end) == (1, 2)


def test_what_a_sender_took_back_is_passed_over_without_a_gap(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A stage need not ask the log what lies there."""
    monkeypatch.setattr(GuardedRecords, "spans", True)
    mine = b.Wish(attributes=b.TRANSACTIONAL, producer=(7, 0, 0))
    taken_back = b.batch([b.Fields(b"no"), b.Fields(b"no")], wish=mine)
    mark = b.batch(
        [b.Fields(b"", key=b"\0\0\0\0")],
        wish=mine._replace(attributes=b.TRANSACTIONAL | b.CONTROL),
    )
    kept = b.batch([b.Fields(b"yes")], wish=mine)

    found = list(read(taken_back, at_offset(mark, 2), at_offset(kept, 3), aborted=[(7, 0)]))

    assert [(type(r), first_offset(r), r.offset) for r in found] == [
        (Span, 0, 1), (Span, 2, 2), (ConsumerRecord, 3, 3)
    ]  # fmt: skip


def test_snappy_that_claims_to_be_large_is_not_believed() -> None:
    """Room is made for what is there, never for what somebody says."""
    block = b"\xff\xff\xff\xff\x07" + bytes(64)
    (found, _) = read(b.sealed(block, 1, b.SNAPPY), NEXT)

    assert isinstance(found, UnreadBatch)


@given(st.data())
def test_any_bytes_in_any_codec_raise_nothing(data: st.DataObject) -> None:
    """Whatever is in the payload, each offset is given once."""
    codec = data.draw(st.sampled_from(range(8)))
    payload = data.draw(st.binary(max_size=200))
    if data.draw(st.booleans()) and codec in b.CODECS.values():
        payload = b.compress(codec, payload)
    count = data.draw(st.integers(-2, 5))

    found = list(read(b.sealed(payload, count, codec, b.Wish(last_offset_delta=4)), NEXT))

    spans = [(first_offset(r), r.offset) for r in found]
    assert spans[-1] == (1_000_000, 1_000_000)
    assert all(end < start for (_, end), (start, _) in itertools.pairwise(spans))


def test_records_are_what_aiokafka_reads() -> None:
    """For an honest sender nothing changes."""
    fields = [
        b.Fields(b"v%d" % n, [(b"ce_id", b"%d" % n), (b"none", None)], b"k") for n in range(9)
    ]
    for codec in b.CODECS.values():
        found = list(read(b.batch(fields, codec)))
        assert [r.value for r in found] == [f.value for f in fields]
        assert [r.offset for r in found] == list(range(9))
        assert found[3].headers == (("ce_id", b"3"), ("none", None))
