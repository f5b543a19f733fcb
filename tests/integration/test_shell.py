"""What the shell promises, on the real broker and database, with real processes that die."""

import asyncio
import os
import signal
from collections import Counter, defaultdict
from pathlib import Path
from time import monotonic

import asyncpg
import pytest
from aiokafka import ConsumerRecord

from shared.contract.envelope import encode
from shared.contract.events import ReportAccepted, ReportClass
from shared.contract.topics import DEAD_LETTERS, INSTITUTION, ROUTING
from shared.contract.tracking import report_id
from shared.runtime.writer import partition_of
from shared.vault.crypto import DeadLetterKey
from tests.integration.stack import Stack
from tests.integration.workers import (
    KEYS,
    fresh,
    header,
    held,
    is_held_up,
    producer,
    read,
    send,
    wait_until,
    worker,
)

pytestmark = pytest.mark.integration
Event = tuple[str, str, ReportAccepted]


def accepted(number: int, of_report: int, by: str = "officer") -> Event:
    """Build the `number`-th event; it belongs to report `of_report`."""
    report = report_id(b"tests", "test", str(of_report))
    event = ReportAccepted(
        report_id=report, institution="6308", holding=1, by=by,
        report_class=ReportClass.INFORMATION,
    )  # fmt: skip
    return f"event-{number:06}", report, event


def some(count: int, reports: int, start: int = 0) -> list[Event]:
    """Build events, in turns for each of the reports."""
    return [accepted(start + n, n % reports) for n in range(count)]


def causes(records: list[ConsumerRecord]) -> set[str]:
    """Return the distinct causes of what was said."""
    return {header(r, "causationid") for r in records}


async def said(stack: Stack, sent: list[Event]) -> list[ConsumerRecord]:
    """Wait until every event had its effect; return all that was said, repeats included."""
    wanted = {event_id for event_id, _, _ in sent}
    return await read(stack, ROUTING.name, lambda found: wanted <= causes(found))


def check(sent: list[Event], records: list[ConsumerRecord]) -> None:
    """Nothing lost, nothing doubled in effect, one payload per id, each report in its order."""
    payloads: dict[str, set[bytes]] = defaultdict(set)
    order: dict[str, list[str]] = defaultdict(list)
    for record in records:
        event_id = header(record, "ce_id")
        if event_id not in payloads:
            order[header(record, "ce_subject")].append(header(record, "causationid"))
        payloads[event_id].add(record.value)
    assert {len(p) for p in payloads.values()} == {1}, "one id, one payload"
    effects = Counter(cause for causes_ in order.values() for cause in causes_)
    assert effects == Counter(event_id for event_id, _, _ in sent), "each event once in effect"
    wanted: dict[str, list[str]] = defaultdict(list)
    for event_id, report, _ in sent:
        wanted[report].append(event_id)
    assert order == wanted, "the order of each report"


async def ask(stack: Stack, question: str) -> object:
    """Return the answer to one SQL question."""
    connection = await asyncpg.connect(stack.postgres)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


@pytest.mark.parametrize("point", ["before_save", "saved", "published"])
async def test_kill_9_at_a_commit_point_loses_and_doubles_nothing(
    stack: Stack, tmp_path: Path, point: str
) -> None:
    """In mid batch, between save and publish, between publish and commit of the offsets."""
    await fresh(stack)
    sent = some(600, reports=40)
    await send(stack, INSTITUTION, sent)
    marker = tmp_path / "killed"
    with worker(stack, env={"LAPOR_TEST_KILL_AT": f"routing:{point}:{marker}"}) as first:
        wait_until(lambda: first.process.poll() is not None, "the kill")
        assert first.process.returncode == -signal.SIGKILL
        assert marker.exists()
    with worker(stack):
        check(sent, await said(stack, sent))


async def test_kill_9_at_random_moments_under_load(stack: Stack) -> None:
    """Five kills while records keep coming."""
    await fresh(stack)
    sent: list[Event] = []
    for round_ in range(5):
        with worker(stack) as process:
            process.wait_ready()
            more = some(400, reports=30, start=400 * round_)
            sent += more
            sending = asyncio.create_task(send(stack, INSTITUTION, more))
            await asyncio.to_thread(
                wait_until, lambda: process.metric("lapor_decisions_total") > 0, "work"
            )
            process.kill()
            await sending
    with worker(stack):
        check(sent, await said(stack, sent))


async def test_duplicates_under_new_offsets_have_no_second_effect(stack: Stack) -> None:
    """An upstream that published everything twice, in another order of batches."""
    await fresh(stack)
    sent = some(300, reports=20)
    await send(stack, INSTITUTION, sent)
    with worker(stack) as process:
        await said(stack, sent)
        await send(stack, INSTITUTION, sent)
        wait_until(
            lambda: (
                process.metric(
                    'lapor_decisions_total{cause="record",outcome="repeat",stage="routing"}'
                )
                == 300
            ),
            "all repeats recognised",
        )
        check(sent, await said(stack, sent))


async def test_a_poison_record_is_a_dead_letter_and_the_rest_goes_on(stack: Stack) -> None:
    """A rule that raises and bytes that are no JSON: sealed with their place, nothing stops."""
    await fresh(stack)
    sent = some(50, reports=5)
    bug = accepted(900, of_report=9, by="bug")
    await send(stack, INSTITUTION, [*sent[:25], bug, *sent[25:]])
    with worker(stack):
        check(sent, await said(stack, sent))
    (letter,) = await read(stack, DEAD_LETTERS.name, lambda found: len(found) > 0)
    assert header(letter, "reason") == "rule_raised"
    assert header(letter, "stage") == "routing"
    assert b"6308" not in letter.value, "the original bytes are sealed"
    place = header(letter, "topic"), int(header(letter, "partition")), int(header(letter, "offset"))
    opened = DeadLetterKey.from_text(KEYS["LAPOR_DEAD_LETTER_KEY"]).open_bytes(letter.value, *place)
    assert ReportAccepted.model_validate_json(opened) == bug[2]


async def test_a_header_that_is_no_text_stops_nothing(stack: Stack) -> None:
    """Anybody who may write to a topic chooses its headers: the record goes its way, as others."""
    await fresh(stack)
    odd, *sent = some(20, reports=1)
    event_id, report, event = odd
    async with producer(stack) as outside:
        await outside.send_and_wait(
            INSTITUTION.name, encode(event), key=report.encode(),
            partition=partition_of(report.encode()),
            headers=[
                ("ce_id", event_id.encode()), ("note", b"\xff\xfe"),
                ("ce_type", INSTITUTION.type_of(ReportAccepted).encode()),
            ],
        )  # fmt: skip
    await send(stack, INSTITUTION, sent)
    with worker(stack):
        check([odd, *sent], await said(stack, [odd, *sent]))


async def test_a_database_crash_under_load_loses_and_doubles_nothing(stack: Stack) -> None:
    """The stage waits, does the same batch again, and stays alive."""
    await fresh(stack)
    sent = some(2_000, reports=100)
    with worker(stack) as process:
        process.wait_ready()
        sending = asyncio.create_task(send(stack, INSTITUTION, sent))
        await asyncio.to_thread(
            wait_until, lambda: process.metric("lapor_decisions_total") > 0, "work"
        )
        await asyncio.to_thread(stack.restart_postgres, "immediate")
        await sending
        check(sent, await said(stack, sent))
        assert process.process.poll() is None
        assert process.page("/livez")[0] == 200


async def test_two_workers_share_the_work_and_a_rebalance_changes_nothing(stack: Stack) -> None:
    """One, then two, then one again, while records keep coming."""
    await fresh(stack)
    sent = some(1_500, reports=120)
    with worker(stack, env={"LAPOR_REPLICA": "0"}) as one:
        one.wait_ready()
        await send(stack, INSTITUTION, sent[:500])
        with worker(stack, env={"LAPOR_REPLICA": "1"}) as two:
            two.wait_ready()
            await send(stack, INSTITUTION, sent[500:1000])
            wait_until(lambda: two.metric("lapor_decisions_total") > 0, "the second one works")
            two.stop()
        await send(stack, INSTITUTION, sent[1000:])
        check(sent, await said(stack, sent))


async def test_a_zombie_that_wakes_changes_nothing(stack: Stack) -> None:
    """Stopped longer than its session with work in hand; another took over; then it goes on."""
    await fresh(stack)
    sent = some(3_000, reports=100)
    with worker(stack, env={"LAPOR_REPLICA": "0"}) as zombie:
        zombie.wait_ready()
        await send(stack, INSTITUTION, sent[:1500])
        wait_until(lambda: zombie.metric("lapor_decisions_total") > 0, "work")
        os.kill(zombie.process.pid, signal.SIGSTOP)
        try:
            with worker(stack, env={"LAPOR_REPLICA": "1"}) as successor:
                await send(stack, INSTITUTION, sent[1500:])
                await said(stack, sent)
                os.kill(zombie.process.pid, signal.SIGCONT)
                more = some(500, reports=100, start=3_000)
                await send(stack, INSTITUTION, more)
                check([*sent, *more], await said(stack, [*sent, *more]))
                assert successor.process.poll() is None
        finally:
            os.kill(zombie.process.pid, signal.SIGCONT)


async def test_a_broker_crash_loses_and_doubles_nothing(stack: Stack) -> None:
    """The broker dies by kill -9 with events in hand, for longer than the watchdog has patience.

    The stage waits for it, while its producer sends them again and again.
    """
    await fresh(stack)
    sent = some(1_000, reports=50)
    with worker(stack, env={"LAPOR_WATCHDOG_SECONDS": "6"}) as process:
        process.wait_ready()
        await send(stack, INSTITUTION, sent[:500])
        await said(stack, sent[:500])
        async with held(stack, "LOCK TABLE routing.cases") as holder:
            await send(stack, INSTITUTION, sent[500:750])
            await is_held_up(process, holder)
            await asyncio.to_thread(stack.kill_kafka)
        over_at = monotonic() + 8
        try:
            while monotonic() < over_at:
                assert process.page("/livez")[0] != 503, "waiting is no standstill"
                await asyncio.sleep(0.2)
        finally:
            await asyncio.to_thread(stack.start_kafka)
        await send(stack, INSTITUTION, sent[750:])
        check(sent, await said(stack, sent))
        assert process.process.poll() is None


async def test_a_stage_that_starts_while_the_broker_is_away_waits_for_it(stack: Stack) -> None:
    """It does not end, so no pause of a supervisor is added to the outage."""
    await fresh(stack)
    await asyncio.to_thread(stack.kill_kafka)
    with worker(stack) as process:
        try:
            wait_until(lambda: "waiting_for_broker" in process.log.read_text(), "it waits")
        finally:
            await asyncio.to_thread(stack.start_kafka)
        process.wait_ready()
        sent = some(10, reports=2)
        await send(stack, INSTITUTION, sent)
        check(sent, await said(stack, sent))


async def test_a_stage_that_starts_while_the_database_goes_away_waits_for_it(stack: Stack) -> None:
    """Also between its connection and its tables: held up there, it loses the server."""
    await fresh(stack)
    sent = some(10, reports=2)
    lock = "SELECT pg_advisory_xact_lock(hashtext('lapor schema'))"
    async with held(stack, lock) as holder:
        with worker(stack) as process:
            await is_held_up(process, holder)
            await asyncio.to_thread(stack.restart_postgres, "immediate")
            process.wait_ready()
            await send(stack, INSTITUTION, sent)
            check(sent, await said(stack, sent))


async def test_a_lost_database_is_refused_with_exit_code_78(stack: Stack) -> None:
    """The schema is gone although offsets are committed: it says so and what to do."""
    await fresh(stack)
    sent = some(50, reports=5)
    await send(stack, INSTITUTION, sent)
    with worker(stack) as process:
        await said(stack, sent)
        process.stop()
    await ask(stack, "DROP SCHEMA routing CASCADE")
    with worker(stack) as process:
        assert process.process.wait(30) == 78
        assert "the database was lost" in process.log.read_text()


async def test_sigterm_finishes_the_batch_in_hand_and_commits(stack: Stack) -> None:
    """After a graceful stop the positions are the ends of what was decided; no repeat follows."""
    await fresh(stack)
    sent = some(500, reports=20)
    await send(stack, INSTITUTION, sent)
    with worker(stack) as process:
        await said(stack, sent)
        process.stop()
    with worker(stack) as process:
        process.wait_ready()
        more = some(10, reports=20, start=500)
        await send(stack, INSTITUTION, more)
        records = await said(stack, [*sent, *more])
    assert len(records) == 510
    check([*sent, *more], records)


async def test_an_event_loop_that_is_known_to_hang_is_refused(stack: Stack) -> None:
    """On uvloop aiokafka hangs for ever after an outage of the broker: refuse at start."""
    await fresh(stack)
    with worker(stack, loop="tests.integration.fake_uvloop:make") as process:
        assert process.process.wait(30) == 78
        assert "use asyncio" in process.log.read_text()


async def test_health_metrics_and_asyncapi_have_their_pages(stack: Stack) -> None:
    """Alive and ready are two questions; a family of topics is one label."""
    await fresh(stack)
    with worker(stack, factory="services.intake.app:build") as process:
        process.wait_ready()
        assert process.page("/livez") == (200, "alive")
        assert process.page("/asyncapi.json")[0] == 200
        async with producer(stack) as outside:
            await outside.send_and_wait("lapor.channel.cli.submissions.v1", b"not even JSON")
        wait_until(
            lambda: process.metric(
                'lapor_decisions_total{cause="Unreadable",outcome="ChannelAnswer"'
            ) == 1,
            "the decision is counted",
        )  # fmt: skip
        metrics = process.page("/metrics")[1]
    assert "lapor.channel.*.submissions.v1" in metrics
    assert "lapor.channel.cli" not in metrics


async def test_while_the_database_is_away_a_stage_lives_but_is_not_ready(stack: Stack) -> None:
    """A supervisor must not restart it for that; a load balancer may know."""
    await fresh(stack)
    with worker(stack) as process:
        process.wait_ready()
        await asyncio.to_thread(stack.stop_postgres, "immediate")
        try:
            await send(stack, INSTITUTION, some(1, reports=1))
            wait_until(lambda: process.page("/readyz")[0] == 503, "not ready")
            assert process.page("/livez")[0] == 200
        finally:
            await asyncio.to_thread(stack.start_postgres)
        wait_until(lambda: process.page("/readyz")[0] == 200, "ready again")
