"""What a door lets through of a sender's own headers."""

from itertools import product

import pytest

from services.agencies.door_in import identify
from shared.clock import Clock
from shared.inbound import Inbound, Reader
from shared.topics import OUTBOX
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


@each(product(["correlationid", "traceparent"], [b"x" * 129, b"a\x00b", b"\xff", b" "]))
def test_a_header_that_no_event_should_carry_is_left_out(name: str, value: bytes) -> None:
    """A megabyte would be copied into every later event of the report, and into waiting cases."""
    assert heard(name, value) == ""
