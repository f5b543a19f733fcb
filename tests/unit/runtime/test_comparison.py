"""Published events compared with those of records decided again, and the order to decide them."""

from collections.abc import Collection, Sequence

import pytest

from shared.contract.envelope import Outbound, derive_id, event_headers, id_hash
from shared.contract.events import ReportAccepted, ReportClass
from shared.contract.topics import INBOX, INSTITUTION, ROUTING
from shared.platform.clock import Clock
from shared.rules.decision import Cause
from shared.runtime.lanes import Partition
from shared.runtime.reader import Inbound
from shared.runtime.recovery.comparison import (
    DAY_MS,
    Fetched,
    Order,
    Published,
    When,
    compare,
    in_order,
    published_events,
    sequence_of,
)
from tests.simulation.memory import MemoryRecord

REPORT, NOW_MS = "0123456789AB", 1_700_000_000_000
AT = Partition(INSTITUTION.topic(), 3)
KIND = "id.go.lapor.routing.report-dispatched.v1"
COMMITTED = Order(committed={AT: 10}, given_ms=NOW_MS)
OPEN = Order(committed={AT: 0}, given_ms=NOW_MS)


def record(offset: int = 0, at_ms: int = NOW_MS, partition: Partition = AT) -> MemoryRecord:
    """Build a record of the input."""
    return MemoryRecord(*partition, offset, at_ms, REPORT.encode(), b"{}", ())


def mark(offset: int) -> MemoryRecord:
    """Build what a transaction leaves in a log, which no consumer is handed."""
    return record(offset)._replace(value=None)


def cause_of(of: MemoryRecord) -> Cause:
    """Return the cause that a record is."""
    now = Clock().of_record(of.timestamp)
    return Cause(f"cause-{of.offset}", "type", now, of.topic, of.partition, of.offset)


def inbound(of: MemoryRecord) -> Inbound:
    """Return a record as a rule gets it."""
    event = ReportAccepted(
        report_id=REPORT,
        institution="6308",
        holding=1,
        by="x",
        report_class=ReportClass.INFORMATION,
    )
    cause = cause_of(of)
    return Inbound(of, event, cause, REPORT, id_hash(cause.id))


def event_of(
    value: bytes,
    because: Cause,
    at: Cause | None = None,
    number: int = 1,
    topic: str = ROUTING.name,
) -> Outbound:
    """Build an event caused by a record, published at another if it was deferred until that."""
    headers = event_headers(
        event_id=derive_id("routing", because.id, because.now, KIND, number),
        event_type=KIND, source="/lapor/routing", subject=REPORT, time=(at or because).now,
        causation_id=because.id, correlation_id=REPORT, sequence=number,
    )  # fmt: skip
    return Outbound(topic, 3, REPORT.encode(), value, headers)


def published(*events: Outbound) -> dict[str, Published]:
    """Return events as the recovery store has them."""
    records = [
        MemoryRecord(o.topic, o.partition, n, NOW_MS, o.key, o.value, tuple(o.headers))
        for n, o in enumerate(events)
    ]
    return {e.event_id: e for r in records for e in published_events("routing", r)}


HERE = record()
C = cause_of(HERE)
WAITED = cause_of(record(7, NOW_MS - 5_000))


@pytest.mark.parametrize(
    ("before", "now", "order", "unpublished", "differs"),
    [
        ([event_of(b"1", C)], [event_of(b"1", C)], COMMITTED, 0, ""),
        ([event_of(b"1", C)], [event_of(b"2", C)], COMMITTED, 0, f"content differs: {KIND}"),
        ([], [event_of(b"1", C)], COMMITTED, 1, f"not published before: {KIND}"),
        ([], [event_of(b"1", C)], OPEN, 1, ""),
        ([event_of(b"1", C)], [event_of(b"1", C), event_of(b"2", C, number=2)], OPEN, 1, ""),
        ([event_of(b"1", C)], [], OPEN, 0, "not published again: 018bcfe56800"),
        ([event_of(b"1", WAITED, at=C)], [], OPEN, 0, "not published again: 018bcfe55478"),
        ([event_of(b"1", WAITED)], [], COMMITTED, 0, ""),
        ([], [], COMMITTED, 0, ""),
    ],
)
def test_events_are_compared_with_those_published_for_the_same_record(
    before: list[Outbound], now: list[Outbound], order: Order, unpublished: int, differs: str
) -> None:
    """Equal, otherwise, less, more; a part of a list that was sent half is completed."""
    compared = compare(published(*before), inbound(HERE), now, order, is_released=False)

    assert len(compared.unpublished) == unpublished
    assert compared.differs.startswith(differs)
    assert bool(compared.differs) == bool(differs)


def test_what_a_replay_releases_may_be_new_though_it_was_committed() -> None:
    """It stood parked when its offset was committed."""
    now = [event_of(b"1", C)]

    assert compare({}, inbound(HERE), now, COMMITTED, is_released=True).differs == ""


def test_what_its_stream_no_longer_keeps_is_not_said_again() -> None:
    """An inbox keeps thirty days: before that nobody can say what was told, and it was."""
    old, young = (record(0, NOW_MS - days * DAY_MS) for days in (31, 29))
    inbox = INBOX.topic("6308")

    for of, unpublished in ((old, 0), (young, 1)):
        now = [event_of(b"1", cause_of(of), topic=inbox)]
        compared = compare({}, inbound(of), now, OPEN, is_released=False)
        assert len(compared.unpublished) == unpublished
    for_ever = [event_of(b"1", cause_of(old))]
    assert len(compare({}, inbound(old), for_ever, OPEN, is_released=False).unpublished) == 1


def test_the_next_number_follows_what_the_world_has_read() -> None:
    """Readers without a case drop what is not greater than the last."""
    events = published(event_of(b"1", C, number=1), event_of(b"2", C, number=2))

    assert sequence_of(1, events) == 2
    assert sequence_of(5, events) == 5


async def test_records_come_as_they_were_decided_and_in_their_partition_s_order() -> None:
    """Of three partitions, a few at a time, each to its own end; marks have no record."""
    first, second, third = (Partition(INSTITUTION.topic(), n) for n in range(3))
    logs = {
        first: [record(n, 10 * n, first) for n in range(4)],
        second: [mark(0), *(record(n, 15, second) for n in (1, 2)), mark(3)],
        third: [record(0, 99, third), record(1, 5, third)],
    }
    at = dict.fromkeys(logs, 0)

    async def fetch(partitions: Collection[Partition]) -> Fetched:
        found = [r for p in partitions for r in logs[p][at[p] : at[p] + 1]]
        at.update({p: at[p] + 1 for p in partitions})
        return Fetched([r for r in found if r.value], at)

    async def place(records: Sequence[MemoryRecord]) -> list[When]:
        return [(r.timestamp, -1) for r in records]

    spans = {first: (0, 3), second: (0, 4), third: (0, 2)}
    (batch,) = [b async for b in in_order(spans, fetch, place)]  # type: ignore[arg-type]

    assert [(r.partition, r.offset) for r in batch] == [
        (0, 0), (0, 1), (1, 1), (1, 2), (0, 2), (2, 0), (2, 1),
    ]  # fmt: skip


def test_a_dead_letter_is_told_under_its_report_and_its_record_of_its_stage_only() -> None:
    """So that it is not written again, and what stood behind it is known to have waited."""
    headers = (
        ("ce_id", b"id"), ("stage", b"routing"), ("reason", b"rule_raised"), ("topic", b"t"),
        ("partition", b"1"), ("offset", b"2"), ("report", REPORT.encode()),
    )  # fmt: skip
    letter = MemoryRecord("dead", 1, 0, NOW_MS, b"", b"", headers)

    assert {t.subject for t in published_events("routing", letter)} == {REPORT, "t/1/2"}
    assert all(t.is_dead_letter for t in published_events("routing", letter))
    assert published_events("follow-up", letter) == []
