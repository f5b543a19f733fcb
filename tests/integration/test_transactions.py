"""Senders with Kafka transactions: what they commit is decided once, what they abort never was."""

import asyncio
import json
from collections import Counter

import pytest
from aiokafka import AIOKafkaProducer

from shared.contract.envelope import encode
from shared.contract.events import ReportAccepted, SubmitReport
from shared.contract.topics import ANSWERS, INSTITUTION, SUBMISSIONS
from shared.runtime.writer import partition_of
from tests.integration.stack import Stack
from tests.integration.test_shell import Event, causes, check, said, some
from tests.integration.workers import fresh, read, send, wait_until, worker

pytestmark = pytest.mark.integration
CHANNEL = "website"
Fields = tuple[str, int, bytes | None, bytes, list[tuple[str, bytes]]]


async def in_a_transaction(stack: Stack, records: list[Fields], *, is_kept: bool = True) -> None:
    """Send records as one transaction, which the sender may take back."""
    outside = AIOKafkaProducer(bootstrap_servers=stack.kafka, transactional_id="outside")
    await outside.start()
    try:
        await outside.begin_transaction()
        for topic, partition, key, value, headers in records:
            await outside.send_and_wait(topic, value, key, partition, headers=headers)
        await (outside.commit_transaction() if is_kept else outside.abort_transaction())
    finally:
        await outside.stop()


def of_events(sent: list[Event]) -> list[Fields]:
    """Return events as another stage's records."""
    kind = INSTITUTION.type_of(ReportAccepted).encode()
    return [
        (INSTITUTION.name, partition_of(report.encode()), report.encode(), encode(event),
         [("ce_id", event_id.encode()), ("ce_type", kind)])
        for event_id, report, event in sent
    ]  # fmt: skip


async def test_transactions_lose_and_hold_up_nothing(stack: Stack) -> None:
    """Each leaves offsets without a record, also at a log's end and before a start."""
    await fresh(stack)
    events = some(60, reports=5)
    kept, taken_back, later, last = events[:20], events[20:30], events[30:50], events[50:]
    with worker(stack) as process:
        process.wait_ready()
        await in_a_transaction(stack, of_events(kept[:10]))
        await in_a_transaction(stack, of_events(taken_back), is_kept=False)
        await in_a_transaction(stack, of_events(kept[10:]))
        check(kept, await said(stack, kept))
        await asyncio.to_thread(
            wait_until, lambda: process.metric("lapor_lag_records") == 0, "no lag at a mark"
        )
        process.process.kill()
    await send(stack, INSTITUTION, later)
    await in_a_transaction(stack, of_events(last))
    with worker(stack) as process:
        sent = [*kept, *later, *last]
        records = await said(stack, sent)
        check(sent, records)
        assert causes(records).isdisjoint(event_id for event_id, _, _ in taken_back)
        process.wait_ready()
        assert process.metric("lapor_lag_records") == 0


async def test_a_channel_may_send_in_transactions(stack: Stack) -> None:
    """Every submission that it commits has one answer, one that it aborts has none."""
    await fresh(stack)
    kind = SUBMISSIONS.type_of(SubmitReport).encode()

    def submission(name: str) -> Fields:
        report = {
            "title": name,
            "body": "Lampu jalan padam",
            "submitted_at": "2026-03-02T08:00:00Z",
        }
        headers = [("ce_id", name.encode()), ("ce_type", kind)]
        return SUBMISSIONS.topic(CHANNEL), 0, None, json.dumps(report).encode(), headers

    with worker(stack, factory="services.intake.app:build") as process:
        process.wait_ready()
        for number in range(3):
            await in_a_transaction(stack, [submission(f"kept-{number}-{n}") for n in range(5)])
            await in_a_transaction(stack, [submission(f"aborted-{number}")], is_kept=False)
        answers = await read(stack, ANSWERS.topic(CHANNEL), lambda found: len(found) >= 15)
    answered = Counter(json.loads(answer.value)["message_id"] for answer in answers)
    assert answered == Counter(f"kept-{number}-{n}" for number in range(3) for n in range(5))
