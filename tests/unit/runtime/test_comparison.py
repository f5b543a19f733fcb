"""What was said before and what is said now: compared; and in what order to decide it again."""

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
    Told,
    When,
    compare,
    in_order,
    sequence_of,
    told_by,
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


def says(
    value: bytes,
    because: Cause,
    at: Cause | None = None,
    number: int = 1,
    topic: str = ROUTING.name,
) -> Outbound:
    """Build what is said at a record because of one, that one unless another had waited."""
    headers = event_headers(
        event_id=derive_id("routing", because.id, because.now, KIND, number),
        event_type=KIND, source="/lapor/routing", subject=REPORT, time=(at or because).now,
        causation_id=because.id, correlation_id=REPORT, sequence=number,
    )  # fmt: skip
    return Outbound(topic, 3, REPORT.encode(), value, headers)


def told(*said: Outbound) -> dict[str, Told]:
    """Return what was said as it is remembered."""
    records = [
        MemoryRecord(o.topic, o.partition, n, NOW_MS, o.key, o.value, tuple(o.headers))
        for n, o in enumerate(said)
    ]
    return {t.event_id: t for r in records for t in told_by("routing", r)}


HERE = record()
C = cause_of(HERE)
WAITED = cause_of(record(7, NOW_MS - 5_000))


@pytest.mark.parametrize(
    ("before", "now", "order", "unsaid", "differs"),
    [
        ([says(b"1", C)], [says(b"1", C)], COMMITTED, 0, ""),
        ([says(b"1", C)], [says(b"2", C)], COMMITTED, 0, f"says otherwise: {KIND}"),
        ([], [says(b"1", C)], COMMITTED, 1, f"did not say before: {KIND}"),
        ([], [says(b"1", C)], OPEN, 1, ""),
        ([says(b"1", C)], [says(b"1", C), says(b"2", C, number=2)], OPEN, 1, ""),
        ([says(b"1", C)], [], OPEN, 0, "says no more: 018bcfe56800"),
        ([says(b"1", WAITED, at=C)], [], OPEN, 0, "says no more: 018bcfe55478"),
        ([says(b"1", WAITED)], [], COMMITTED, 0, ""),
        ([], [], COMMITTED, 0, ""),
    ],
)
def test_what_is_said_now_is_compared_with_what_was_said_at_the_same_record(
    before: list[Outbound], now: list[Outbound], order: Order, unsaid: int, differs: str
) -> None:
    """Equal, otherwise, less, more; a part of a list that was sent half is completed."""
    found = compare(told(*before), inbound(HERE), now, order, is_released=False)

    assert len(found.unsaid) == unsaid
    assert found.differs.startswith(differs)
    assert bool(found.differs) == bool(differs)


def test_what_a_replay_releases_may_be_new_though_it_was_committed() -> None:
    """It stood parked when its offset was committed."""
    now = [says(b"1", C)]

    assert compare({}, inbound(HERE), now, COMMITTED, is_released=True).differs == ""


def test_what_its_stream_no_longer_keeps_is_not_said_again() -> None:
    """An inbox keeps thirty days: before that nobody can say what was told, and it was."""
    old, young = (record(0, NOW_MS - days * DAY_MS) for days in (31, 29))
    inbox = INBOX.topic("6308")

    for of, unsaid in ((old, 0), (young, 1)):
        now = [says(b"1", cause_of(of), topic=inbox)]
        found = compare({}, inbound(of), now, OPEN, is_released=False)
        assert len(found.unsaid) == unsaid
    for_ever = [says(b"1", cause_of(old))]
    assert len(compare({}, inbound(old), for_ever, OPEN, is_released=False).unsaid) == 1


def test_the_next_number_follows_what_the_world_has_read() -> None:
    """Readers without a case drop what is not greater than the last."""
    said = told(says(b"1", C, number=1), says(b"2", C, number=2))

    assert sequence_of(1, said) == 2
    assert sequence_of(5, said) == 5


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

    assert {t.subject for t in told_by("routing", letter)} == {REPORT, "t/1/2"}
    assert all(t.is_letter for t in told_by("routing", letter))
    assert told_by("follow-up", letter) == []
