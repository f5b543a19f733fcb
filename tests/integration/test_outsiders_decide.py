"""What an outsider does to a report, a stage or a limit, on a real broker: nothing to others."""

import asyncio
import json
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
from aiokafka import ConsumerRecord

from shared.contract import events as e
from shared.contract import tracking
from shared.contract.envelope import encode
from shared.contract.topics import (
    AGENCIES,
    DEAD_LETTERS,
    INBOX,
    INSTITUTION,
    OUTBOX,
    REPLAYS,
    ROUTING,
    SUBMISSIONS,
    Stream,
)
from shared.runtime.writer import partition_of
from shared.vault.crypto import Vault
from tests.integration import workers
from tests.integration.all_stages import whole_pipeline
from tests.integration.stack import Stack
from tests.integration.test_shell import accepted
from tests.integration.workers import KEYS, fresh, header, read, send, worker

pytestmark = pytest.mark.integration
HOLDER, STRANGER, NATIONAL, CHANNEL = "6308", "3204", "00", "website"
MOST = 60
REPORT = Vault.from_text(KEYS["LAPOR_MASTER_KEY"]).report_id(CHANNEL, "m-1")
CLASS = e.ReportClass.UNSUPERVISED
STREET_LIGHT = e.SubmitReport(
    title="Lampu jalan padam",
    body="Lampu penerangan jalan umum di Amuntai padam sejak dua minggu dan warga takut lewat.",
    institution=HOLDER,
    category_id="1398",
)


async def say(stack: Stack, stream: Stream, producer: str, said: dict[str, Any]) -> None:
    """Write messages to a producer's own topic, in order, by their ids."""
    async with workers.producer(stack) as made:
        waiting = []
        for name, event in said.items():
            kind = stream.type_of(type(event)).encode()
            headers = [("ce_id", name.encode()), ("ce_type", kind)]
            waiting.append(await made.send(stream.topic(producer), encode(event), headers=headers))
        await asyncio.gather(*waiting)


def entries(records: list[ConsumerRecord]) -> list[dict[str, Any]]:
    """Return an inbox, each entry once."""
    return list({header(r, "ce_id"): json.loads(r.value or b"{}") for r in records}.values())


async def told(stack: Stack, code: str, message_id: str) -> str:
    """Wait for the answer to a command."""
    topic = INBOX.topic(code)
    found = await read(
        stack, topic, lambda r: any(x.get("message_id") == message_id for x in entries(r))
    )
    (entry,) = [x for x in entries(found) if x.get("message_id") == message_id]
    return f"{entry['entry']}:{entry['reason']}"


def is_told(entry: str) -> Any:
    """Return a condition on an inbox: the entry is there."""
    return lambda records: any(x["entry"] == entry for x in entries(records))


def test_an_outsider_cannot_freeze_somebody_elses_report(stack: Stack) -> None:
    """d6 and d14: past any bound it alone is refused; holder, 00 and reporter go on to the end."""
    with whole_pipeline(stack, {"LAPOR_CASE_MESSAGES_MAX": str(MOST)}):
        asyncio.run(flooded(stack))


async def flooded(stack: Stack) -> None:
    """Let a stranger and a guesser flood a report, then its holder and 00 go on with it."""
    await say(stack, SUBMISSIONS, CHANNEL, {"m-1": STREET_LIGHT})
    await read(stack, INBOX.topic(HOLDER), is_told("report_to_verify"))
    accept = e.Accept(report_id=REPORT, holding=1, by="x", report_class=CLASS)
    early = e.FollowUp(report_id=REPORT, holding=1, by="x", unit="3204-001", text="Sudah.")
    flood = {f"early-{n}": early for n in range(25)} | {f"f-{n}": accept for n in range(60)}
    await say(stack, OUTBOX, STRANGER, flood)
    wrong = {
        f"w-{n}": e.WithdrawReport(
            tracking_number=tracking.tracking_number(REPORT), secret="0000000000"
        )
        for n in range(2 * MOST)
    }
    await say(stack, SUBMISSIONS, "counter", wrong)
    assert await told(stack, STRANGER, "f-59") == "command_rejected:too_many_messages"

    mine = early.model_copy(update={"unit": "6308-004"})
    await say(stack, OUTBOX, HOLDER, {"follow-up": mine, "accept": accept})
    await read(stack, INBOX.topic(HOLDER), is_told("follow_up"))
    block = e.Block(report_id=REPORT, holding=0, by="x", reason="Tidak pantas.")
    await say(stack, OUTBOX, NATIONAL, {"block": block})
    await read(stack, INBOX.topic(NATIONAL), is_told("blocked"))

    answers = Counter(
        (x["entry"], x["reason"])
        for x in entries(await read(stack, INBOX.topic(STRANGER), lambda r: len(r) >= 70))
    )
    assert answers["command_rejected", "too_many_messages"] == len(flood) - MOST
    assert set(answers) == {
        ("command_rejected", "too_many_messages"), ("command_refused", "not_the_holder"),
    }  # fmt: skip


def test_an_outsider_cannot_leave_rejections_behind(stack: Stack) -> None:
    """A command that cannot be read is answered in its sender's inbox and said nowhere else."""
    with whole_pipeline(stack):
        asyncio.run(rejected(stack))


async def rejected(stack: Stack) -> None:
    """Send what cannot be read, and look where it is told."""
    async with workers.producer(stack) as made:
        for n in range(20):
            await made.send_and_wait(OUTBOX.topic(HOLDER), b"{", headers=[("ce_id", b"%d" % n)])
    await say(
        stack,
        OUTBOX,
        HOLDER,
        {"last": e.Block(report_id=REPORT, holding=0, by="x", reason="x")},
    )
    assert await told(stack, HOLDER, "last") == "command_rejected:not_yours_to_give"
    assert await read(stack, AGENCIES.topic(), lambda _found: True) == []


async def test_an_outsider_cannot_stop_a_stage_by_replays(stack: Stack) -> None:
    """H6: sixty that do not open in each partition, each refused aloud, none counted."""
    await fresh(stack)
    when = datetime.now(UTC).isoformat().encode()
    with worker(stack) as process:
        process.wait_ready()
        async with workers.producer(stack) as made:
            for n in range(60 * REPLAYS.partitions):
                said = {
                    "ce_id": b"g%d" % n, "stage": b"routing", "action": b"retry", "time": when,
                    "topic": INSTITUTION.topic().encode(), "partition": b"0", "offset": b"%d" % n,
                }  # fmt: skip
                await made.send(REPLAYS.topic(), b"garbage", headers=list(said.items()),
                                partition=n % REPLAYS.partitions)  # fmt: skip
        sent = accepted(1, of_report=1)
        await read(stack, DEAD_LETTERS.topic(), lambda r: len(r) >= 60 * REPLAYS.partitions)
        await send(stack, INSTITUTION, [sent])
        found = await read(stack, ROUTING.topic(), lambda r: len(r) > 0)
        assert [header(r, "causationid") for r in found] == [sent[0]]
        assert process.process.poll() is None
        assert process.metric('lapor_dead_letters_total{reason="seal_broken"') >= 60


async def test_an_outsider_cannot_stop_a_stage_by_one_report(stack: Stack) -> None:
    """M12: two hundred records of one report that no rule can decide; the next is decided."""
    await fresh(stack)
    bad = [accepted(n, of_report=7, by="large") for n in range(200)]
    good = next(
        sent
        for n in range(8, 500)
        if (sent := accepted(1_000, of_report=n))[1] != bad[0][1]
        and partition_of(sent[1].encode()) == partition_of(bad[0][1].encode())
    )
    await send(stack, INSTITUTION, [*bad, good])
    with worker(stack) as process:
        found = await read(stack, ROUTING.topic(), lambda r: len(r) > 0)
        assert [header(r, "causationid") for r in found] == [good[0]]
        assert process.process.poll() is None
        assert "sender_held" in process.log.read_text()
