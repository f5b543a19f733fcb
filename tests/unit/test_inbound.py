"""What a door lets through of a sender's own headers."""

import tracemalloc
from itertools import product

import pytest

from services.agencies.door_in import identify
from shared.clock import Clock
from shared.decision import Unreadable
from shared.inbound import Inbound, Reader
from shared.topics import OUTBOX, RECORD_BYTES_MAX, SUBMISSIONS
from tests.simulation.memory import CLEAR, MemoryRecord
from tests.tables import each


def heard(name: str, value: bytes) -> str:
    """Return what a door takes over of one header, as the cause says it."""
    headers = (
        ("ce_id", b"1"),
        ("ce_type", b"id.go.lapor.agency.block.v1"),
        (name, value),
    )
    record = MemoryRecord(OUTBOX.topic("00"), 0, 0, 0, None, b"{}", headers)
    (inbound,) = Reader("agencies.in", Clock(), CLEAR, identify).read([record])
    assert isinstance(inbound, Inbound)
    return {
        "correlationid": inbound.cause.correlation_id,
        "traceparent": inbound.cause.traceparent,
    }[name]


@pytest.mark.parametrize("name", ["correlationid", "traceparent"])
def test_a_sender_hears_its_own_header_again(name: str) -> None:
    """So it can tell which of its commands an inbox entry comes from."""
    assert heard(name, b"officer-7/command-12") == "officer-7/command-12"


def opened(value: bytes, *headers: tuple[str, bytes]) -> Unreadable:
    """Return why a submission is not read."""
    kind = ("ce_type", b"id.go.lapor.channel.submit-report.v1")
    record = MemoryRecord(
        SUBMISSIONS.topic("api"), 0, 0, 0, None, value, (("ce_id", b"1"), kind, *headers)
    )
    identified = lambda _event, cause: cause.id  # noqa: E731
    (inbound,) = Reader("intake", Clock(), CLEAR, identified).read([record])
    assert isinstance(inbound, Inbound)
    assert isinstance(inbound.event, Unreadable)
    return inbound.event


@each([(RECORD_BYTES_MAX, 0), (0, RECORD_BYTES_MAX), (600_000, 600_000)])
def test_a_record_larger_than_a_door_takes_is_not_opened(value: int, header: int) -> None:
    """The broker's bound is of what is compressed."""
    assert opened(b" " * value, ("more", bytes(header))).reason == "too_large"


@each([(b"1",), (b"{}",), (b"[]",), (b'"%s"' % (b"x" * 301),)])
def test_half_a_million_wrong_items_cost_no_more_than_one(item: bytes) -> None:
    """Each fault that is told of costs a kilobyte: the first of a list is enough."""
    many = b",".join([item] * (1_000_000 // (len(item) + 1)))
    tracemalloc.start()
    fault = opened(b'{"title": "a", "body": "b", "attachments": [%s]}' % many)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert fault.reason == "invalid_fields"
    assert (fault.detail or "").startswith("attachments.0: ")
    assert most < 16 * len(many)


@each(product(["correlationid", "traceparent"], [b"x" * 129, b"a\x00b", b"\xff", b" "]))
def test_a_header_that_no_event_should_carry_is_left_out(name: str, value: bytes) -> None:
    """A megabyte would be copied into every later event of the report, and into waiting cases."""
    assert heard(name, value) == ""
