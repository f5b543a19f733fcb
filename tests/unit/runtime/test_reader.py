"""What a gateway lets through of a sender's own headers."""

import tracemalloc
from itertools import product

import pytest

from shared.contract.topics import OUTBOX, RECORD_BYTES_MAX, SUBMISSIONS, Stream
from shared.platform.clock import Clock
from shared.rules.decision import Cause, Unreadable
from shared.runtime.parking import Parking, correlation_for
from shared.runtime.reader import Inbound, Reader
from shared.vault.crypto import DeadLetterKey
from tests.simulation.memory import CLEAR, MemoryRecord

KEY = DeadLetterKey(b"d" * 32)
TRAVELLING = ("correlationid", "traceparent", "tracestate", "causationid", "ce_subject")


def heard(stream: Stream, producer: str, name: str, value: bytes) -> Cause:
    """Return what a gateway takes over of one header, as the cause says it."""
    headers = (("ce_id", b"1"), ("ce_type", b"id.go.lapor.agency.block.v1"), (name, value))
    record = MemoryRecord(stream.topic(producer), 0, 0, 0, None, b"{}", headers)
    stage = "agencies.in" if stream is OUTBOX else "intake"
    (inbound,) = Reader(
        stage, Clock(), Parking(KEY.seal_bytes, KEY.open_bytes), lambda _event, _cause: ""
    ).read([record])
    assert isinstance(inbound, Inbound)
    return inbound.cause


def test_an_institution_hears_its_own_correlation_id_again_and_nobody_else_does() -> None:
    """So it can tell which of its commands an inbox entry comes from."""
    cause = heard(OUTBOX, "6308", "correlationid", b"officer-7/command-12")
    assert "officer" not in cause.correlation_id
    seen = {
        code: correlation_for(code, cause.correlation_id, KEY.open_bytes)
        for code in ("6308", "63", "00", "")
    }
    assert seen == {"6308": "officer-7/command-12", "63": "", "00": "", "": ""}
    other = cause.correlation_id.replace("6308", "00")
    assert correlation_for("00", other, KEY.open_bytes) == ""


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


@pytest.mark.parametrize(
    ("value", "header"), [(RECORD_BYTES_MAX, 0), (0, RECORD_BYTES_MAX), (600_000, 600_000)]
)
def test_a_record_larger_than_a_gateway_takes_is_not_opened(value: int, header: int) -> None:
    """The broker's bound is of what is compressed."""
    assert opened(b" " * value, ("more", bytes(header))).reason == "too_large"


@pytest.mark.parametrize("item", [b"1", b"{}", b"[]", b'"%s"' % (b"x" * 301)])
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


@pytest.mark.parametrize(
    ("gateway", "name"), [*product([(OUTBOX, "6308"), (SUBMISSIONS, "website")], TRAVELLING)]
)
def test_an_outsider_cannot_write_a_header_of_later_events(
    gateway: tuple[Stream, str], name: str
) -> None:
    """A session or a trace names who wants to be unknown, to whoever reads an event or an inbox."""
    cause = heard(*gateway, name, b"session-of-akun-17@10.1.2.3")
    if (gateway[0], name) == (OUTBOX, "correlationid"):
        return
    said = (cause.correlation_id, cause.traceparent, cause.causation_id)
    assert said == ("", "", "")


@pytest.mark.parametrize("value", [b"x" * 129, b"a\x00b", b"\xff", b" "])
def test_a_header_that_no_event_should_carry_is_left_out(value: bytes) -> None:
    """A megabyte would be copied into every later event of the report, and into waiting cases."""
    assert heard(OUTBOX, "00", "correlationid", value).correlation_id == ""
