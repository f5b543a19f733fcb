"""The notifier's own process, on the real broker and database, with a real mail server."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from shared.contract import events as e
from shared.contract.topics import INTAKE, NOTIFICATIONS, SLA
from shared.contract.tracking import report_id, tracking_number
from shared.runtime.writer import partition_of
from shared.vault.crypto import Vault
from shared.vault.key_store import ensure_keys
from tests.integration.notifier_servers import HOST, Mailbox, mail_server
from tests.integration.stack import Stack
from tests.integration.workers import KEYS, Worker, fresh, header, read, send, worker

pytestmark = pytest.mark.integration
FACTORY = "services.notifier.app:build"
VAULT = Vault.from_text(KEYS["LAPOR_MASTER_KEY"])
MAILED, REFUSED, CALLED = (
    report_id(b"tests", "test", name) for name in ("mailed", "refused", "called")
)
_AT = datetime(2023, 6, 14, 4, tzinfo=UTC)
FORWARDED = e.DeadlineSet(
    report_id=MAILED, clock="institution_verification", owner="institution", institution="6308",
    started_at=_AT, deadline=_AT + timedelta(days=3), calendar_version="v", policy_version="v",
    limit=3, limit_unit="working_days", started_by="forwarded",
)  # fmt: skip


def environment(outbox: Path, port: int, **more: str) -> dict[str, str]:
    """Return the settings: no hour is quiet, so that nothing waits for the morning."""
    return {
        "LAPOR_NOTIFIER_QUIET_START_LOCAL": "00:00",
        "LAPOR_NOTIFIER_QUIET_END_LOCAL": "00:00",
        "LAPOR_NOTIFIER_SMTP_HOST": HOST,
        "LAPOR_NOTIFIER_SMTP_PORT": str(port),
        "LAPOR_NOTIFIER_SMTP_TLS": "none",
        "LAPOR_NOTIFIER_OUTBOX": str(outbox),
        "LAPOR_NOTIFIER_TICK_SECONDS": "0.1",
        **more,
    }


async def receive(stack: Stack, reporters: dict[str, e.Reporter]) -> None:
    """Say what intake says of reports, each sealed with a key of its own."""
    connection = await asyncpg.connect(stack.postgres)
    try:
        keys = await ensure_keys(connection, VAULT, reporters)
    finally:
        await connection.close()
    received = [
        (
            f"received-{report}",
            report,
            e.ReportReceived(
                report_id=report,
                tracking_number=tracking_number(report),
                channel="web",
                message_id=report,
                submitted_at=datetime(2023, 6, 14, 4, 0, tzinfo=UTC),
                identity=keys[report].seal("identity", reporter.model_dump_json()),
                content=keys[report].seal("content", json.dumps({"title": "t", "body": "b"})),
            ),
        )
        for report, reporter in reporters.items()
    ]
    await send(stack, INTAKE, received)


async def said(stack: Stack, ended: int) -> list[e.Notification]:
    """Wait until so many notifications have ended; return all that was said of them."""
    classes = {NOTIFICATIONS.type_of(c): c for c in NOTIFICATIONS.events}
    ends = {NOTIFICATIONS.type_of(c) for c in (e.NotificationSent, e.NotificationFailed)}
    records = await read(
        stack,
        NOTIFICATIONS.name,
        lambda found: sum(header(r, "ce_type") in ends for r in found) >= ended,
    )
    once = {header(r, "ce_id"): r for r in records}.values()
    assert all(r.partition == partition_of(r.key) for r in once)
    parsed = [classes[header(r, "ce_type")].model_validate_json(r.value) for r in once]
    return [p for p in parsed if isinstance(p, e.Notification)]


def outbox(folder: Path) -> list[str]:
    """Return to whom the messages in the outbox go."""
    lines = [line for path in folder.iterdir() for line in path.read_text("utf-8").splitlines()]
    return [json.loads(line)["to"] for line in lines]


async def promised(stack: Stack) -> list[tuple[str, ...]]:
    """Ask the database who was told a date, by the query that docs/time.md gives."""
    text = (Path(__file__).parents[2] / "docs" / "time.md").read_text("utf-8")
    promises = text.partition("## Promises\n")[2]
    query = promises.partition("```sql\n")[2].partition("```")[0]
    connection = await asyncpg.connect(stack.postgres)
    try:
        return [tuple(row) for row in await connection.fetch(query)]
    finally:
        await connection.close()


async def until(condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
    """Wait for a condition while this process's mail server goes on."""
    try:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"never: {what}") from None


async def ready(process: Worker) -> None:
    """Wait until a worker consumes, while this process's mail server goes on."""
    await asyncio.to_thread(process.wait_ready)


async def test_people_are_told_and_every_message_has_one_end(stack: Stack, tmp_path: Path) -> None:
    """By e-mail, by the outbox, or not at all with the reason; facts may come before the report."""
    await fresh(stack)
    mailbox = Mailbox(refused="tidak-ada@contoh.example")
    async with mail_server(mailbox) as port:
        with worker(stack, FACTORY, environment(tmp_path, port)) as process:
            await ready(process)
            await send(stack, SLA, [("forwarded", MAILED, FORWARDED)])
            reporters = {
                MAILED: e.Reporter(email="pelapor@contoh.example"),
                REFUSED: e.Reporter(email=mailbox.refused),
                CALLED: e.Reporter(phone="62815772xxxx", language="en"),
            }
            await receive(stack, reporters)
            notifications = await said(stack, ended=4)
    ends = {
        (n.report_id, n.template, type(n).__name__)
        for n in notifications
        if not isinstance(n, e.NotificationRequested)
    }
    assert ends == {
        (MAILED, "received", "NotificationSent"),
        (MAILED, "forwarded", "NotificationSent"),
        (REFUSED, "received", "NotificationFailed"),
        (CALLED, "received", "NotificationSent"),
    }
    (failed,) = (n for n in notifications if isinstance(n, e.NotificationFailed))
    assert (failed.reason, failed.permanent) == ("smtp_550", True)
    (promise,) = (n for n in notifications if isinstance(n, e.NotificationRequested) and n.deadline)
    assert await promised(stack) == [
        (MAILED, "reporter", "institution_verification", "2023-06-17T04:00:00Z",
         promise.notification_id),
    ]  # fmt: skip
    assert {m["Subject"] for m in mailbox.taken} == {
        "Laporan Anda telah kami terima",
        "Laporan Anda diteruskan ke Pemerintah Kabupaten Hulu Sungai Utara",
    }
    assert outbox(tmp_path) == ["62815772xxxx"]
    assert not any("contoh.example" in n.model_dump_json() for n in notifications)


async def test_kill_9_between_sending_and_saying_so_repeats_under_the_same_id(
    stack: Stack, tmp_path: Path
) -> None:
    """The mail server sees the same Message-ID again; the stream says once that it was sent."""
    await fresh(stack)
    mailbox = Mailbox(hold=asyncio.Event())
    async with mail_server(mailbox) as port:
        env = environment(tmp_path, port, LAPOR_NOTIFIER_AGAIN_AFTER_SECONDS="2")
        with worker(stack, FACTORY, env) as process:
            await ready(process)
            await receive(stack, {MAILED: e.Reporter(email="pelapor@contoh.example")})
            await until(lambda: len(mailbox.taken) == 1, "the mail server took the message")
            await asyncio.to_thread(process.kill)
        assert mailbox.hold is not None
        mailbox.hold.set()
        with worker(stack, FACTORY, env) as process:
            await ready(process)
            notifications = await said(stack, ended=1)
    first, second = (m["Message-ID"] for m in mailbox.taken)
    assert first == second
    assert [type(n) for n in notifications] == [e.NotificationRequested, e.NotificationSent]
