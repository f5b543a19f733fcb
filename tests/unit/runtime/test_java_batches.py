"""What a Java client wrote, as a consumer behind the guard is given it."""

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED

from shared.runtime.kafka.record_batches import GuardedRecords, RawBatches, UnreadBatch
from tests.senders import golden

HERE = TopicPartition("lapor.channel.api.submissions.v1", 0)


def read(raw: bytes, aborted: tuple[tuple[int, int], ...] = ()) -> GuardedRecords:
    """Return what a fetch of one batch gives."""
    return GuardedRecords(
        HERE, RawBatches(raw), list(aborted), 0, None, None, check_crcs=True,
        isolation_level=READ_COMMITTED,
    )  # fmt: skip


@pytest.mark.parametrize("name", golden.NAMES)
def test_every_record_of_a_java_client_comes_with_its_headers(name: str) -> None:
    """In order, whatever it is compressed with, in a transaction or not."""
    found = list(read(golden.batch(name)))

    assert [record.offset for record in found] == list(range(golden.count(name)))
    for number, record in enumerate(found):
        assert not isinstance(record, UnreadBatch)
        headers = dict(record.headers)
        assert headers["ce_id"] == f"{name}-{number}".encode()
        assert (headers["nama-é"], headers["kosong"]) == (None, b"")
        assert record.key == (None if number % 2 == 0 else f"pelapor-{number}".encode())
        assert record.value.startswith(b'{"title":"Lampu %d","body":"Lampu jalan' % number)


@pytest.mark.parametrize("name", golden.TRANSACTIONS)
def test_what_a_java_client_took_back_does_not_come(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker says which producers aborted from which offset on."""
    monkeypatch.setattr(GuardedRecords, "spans", False)
    raw = golden.batch(name)
    producer_id = int.from_bytes(raw[43:51], "big")

    assert list(read(raw, ((producer_id, 0),))) == []
