"""What an outsider's address cannot do to others' messages: the notifier's own process.

Each test lets the outsider's messages be on their way, then measures how long three other people
wait for theirs: by e-mail, by webhook at another host, and by the outbox.
"""

import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

from shared.contract import events as e
from tests.integration.hanging_servers import STUCK, STUCK_LINE, Holder, holder
from tests.integration.notifier_servers import (
    HOST,
    Mailbox,
    Receiver,
    free_port,
    mail_server,
    receiver,
)
from tests.integration.stack import Stack
from tests.integration.test_notifier_process import (
    FACTORY,
    VAULT,
    environment,
    outbox,
    ready,
    receive,
    until,
)
from tests.integration.workers import Worker, fresh, worker

pytestmark = pytest.mark.integration
OTHERS_SECONDS_MAX = 10.0
"""So long others wait at most, the pipeline's own second on a busy machine included."""
PERSONAL = ("korban", "pelapor", "token-rahasia", "Laporan Anda", HOST)
"""What no line of a log may hold, of the outsider's messages or of others'."""


@dataclass
class Others:
    """Three people, and what has come for them."""

    mailbox: Mailbox
    folder: Path
    web_port: int

    def people(self, ways: str, when: str = "") -> dict[str, e.Reporter]:
        """Return the reports of those that use some ways."""
        every = {
            "mail": e.Reporter(email="pelapor@contoh.example"),
            "web": e.Reporter(webhook=f"http://localhost:{self.web_port}/pelapor/200"),
            "file": e.Reporter(phone="08151111xxxx"),
        }
        return {VAULT.report_id("others", way + when): every[way] for way in ways.split()}

    def have(self, ways: str) -> bool:
        """Say whether each of them was told."""
        told = {
            "mail": any(m["To"] == "pelapor@contoh.example" for m in self.mailbox.taken),
            "web": any(path == "/pelapor/200" for path, _, _ in Receiver.got),
            "file": self.folder.exists() and "08151111xxxx" in outbox(self.folder),
        }
        return all(told[way] for way in ways.split())


@contextmanager
def notifier(
    stack: Stack, folder: Path, smtp_port: int, factory: str = FACTORY, **more: str
) -> Iterator[Worker]:
    """Run the notifier; webhooks may lead to this machine."""
    local = {
        "LAPOR_NOTIFIER_WEBHOOK_SECRET": "rahasia-" * 4,
        "LAPOR_NOTIFIER_WEBHOOK_LOCAL": "true",
    }
    with worker(stack, factory, environment(folder, smtp_port, **local, **more)) as process:
        yield process


@asynccontextmanager
async def others(folder: Path) -> AsyncIterator[tuple[Others, int]]:
    """Run the servers of three other people; yield what they get and the mail server's port."""
    mailbox = Mailbox()
    async with mail_server(mailbox) as smtp_port:
        with receiver() as web_port:
            yield Others(mailbox, folder, web_port), smtp_port


async def told_soon(stack: Stack, those: Others, ways: str, when: str = "") -> float:
    """Have the others report, wait until each was told, and return the seconds that it took."""
    began = time.monotonic()
    await receive(stack, those.people(ways, when))
    await until(lambda: those.have(ways), f"told by {ways}")
    return time.monotonic() - began


async def attack(stack: Stack, reporters: list[e.Reporter], is_held: Callable[[], bool]) -> None:
    """Have an outsider report, and wait until the notifier is held."""
    await receive(
        stack, {VAULT.report_id("outsider", str(n)): each for n, each in enumerate(reporters)}
    )
    await until(is_held, "the notifier speaks to the outsider's server")


def hooks(held: Holder, count: int) -> list[e.Reporter]:
    """Return reporters whose webhook is a holder's."""
    address = f"http://{HOST}:{held.port}/token-rahasia"
    return [e.Reporter(webhook=f"{address}/{n}", email="korban@") for n in range(count)]


def assert_nobody_is_named(process: Worker) -> None:
    """Read the log of the process."""
    text = process.log.read_text("utf-8")
    assert [word for word in PERSONAL if word in text] == []


@pytest.mark.parametrize("byte", [b"", b"H"], ids=["silent", "a byte every 3 s"])
async def test_an_outsider_cannot_silence_others_by_a_slow_webhook(
    stack: Stack, tmp_path: Path, byte: bytes
) -> None:
    """Two at once wait for it, its other messages for them, and nobody else for any of it."""
    await fresh(stack)
    async with holder(byte) as held, others(tmp_path) as (those, smtp_port):
        with notifier(stack, tmp_path, smtp_port) as process:
            await ready(process)
            await attack(stack, hooks(held, 40), lambda: held.served > 0)
            seconds = await told_soon(stack, those, "mail web file")
            assert seconds < OTHERS_SECONDS_MAX
            assert held.open_most <= 2
            assert_nobody_is_named(process)


@pytest.mark.parametrize("server", ["dead", "silent", "a byte every 3 s"])
async def test_a_mail_server_that_is_slow_or_dead_holds_up_mail_alone(
    stack: Stack, tmp_path: Path, server: str
) -> None:
    """Webhooks and the outbox go on."""
    await fresh(stack)
    mails = [e.Reporter(email=f"korban{n}@contoh.example") for n in range(40)]
    async with holder(b"" if server == "silent" else b"2") as held, others(tmp_path) as (those, _):
        port = free_port() if server == "dead" else held.port
        with notifier(stack, tmp_path, port) as process:
            await ready(process)
            is_held = lambda: held.served > 0 or server == "dead"  # noqa: E731
            await attack(stack, mails, is_held)
            if server == "dead":
                line = 'lapor_notifier_circuit_open{channel="email",stage="notifier"}'
                await until(lambda: process.metric(line) == 1, "the way of mail is closed")
            seconds = await told_soon(stack, those, "web file")
            assert seconds < OTHERS_SECONDS_MAX
            assert_nobody_is_named(process)


async def test_an_outsider_cannot_silence_others_by_names_that_nobody_resolves(
    stack: Stack, tmp_path: Path
) -> None:
    """Each look-up hangs for ever; they cost the webhooks of hosts not yet known, and no more."""
    await fresh(stack)
    names = [
        e.Reporter(webhook=f"http://h{n}{STUCK}/token-rahasia", email="korban@") for n in range(80)
    ]
    async with others(tmp_path) as (those, smtp_port):
        with notifier(
            stack, tmp_path, smtp_port, factory="tests.integration.hanging_servers:build"
        ) as process:
            await ready(process)
            await told_soon(stack, those, "web", "before")
            Receiver.got.clear()
            await attack(stack, names, lambda: STUCK_LINE in process.log.read_text())
            seconds = await told_soon(stack, those, "mail web file")
            assert seconds < OTHERS_SECONDS_MAX
            assert_nobody_is_named(process)
            ending = time.monotonic()
            process.stop()
            assert time.monotonic() - ending < OTHERS_SECONDS_MAX


async def test_a_thousand_messages_for_a_dead_host_hold_up_nobody_and_use_up_no_tries(
    stack: Stack, tmp_path: Path
) -> None:
    """It is found dead by five of them; the others wait for it, and no key is opened meanwhile."""
    await fresh(stack)
    dead = f"http://{HOST}:{free_port()}/token-rahasia"
    line = 'lapor_notifier_circuit_open{channel="webhook",stage="notifier"}'
    async with others(tmp_path) as (those, smtp_port):
        with notifier(stack, tmp_path, smtp_port) as process:
            await ready(process)
            reporters = [e.Reporter(webhook=dead, email="korban@") for _ in range(1_000)]
            await attack(stack, reporters, lambda: process.metric(line) == 1)
            seconds = await told_soon(stack, those, "mail web file")
            log = process.log.read_text("utf-8")
            assert log.count("circuit_opened") == 1
            assert log.count("delivery_failed") <= 10
            assert_nobody_is_named(process)
            assert seconds < OTHERS_SECONDS_MAX
    connection = await asyncpg.connect(stack.postgres)
    try:
        row = await connection.fetchrow(
            "SELECT count(*) FILTER (WHERE convert_from(state, 'UTF8')::jsonb"
            " @? '$.pending[*] ? (@.attempts > 0)'),"
            " count(*) FILTER (WHERE pending > 0 AND fire_at > now() + interval '5 s')"
            " FROM notifier.cases"
        )
    finally:
        await connection.close()
    assert row is not None
    tried, behind = row
    assert tried <= 10
    assert behind >= 900  # not at the front, where every claim would meet them


async def test_a_host_that_comes_back_is_told_what_waited_for_it(
    stack: Stack, tmp_path: Path
) -> None:
    """By itself, once the rest is over: one message shows that it is well, the others follow."""
    await fresh(stack)
    port = free_port()
    line = 'lapor_notifier_circuit_open{channel="webhook",stage="notifier"}'
    reporters = [
        e.Reporter(webhook=f"http://{HOST}:{port}/{n}/200", email="korban@") for n in range(30)
    ]
    with notifier(stack, tmp_path, free_port()) as process:
        await ready(process)
        await attack(stack, reporters, lambda: process.metric(line) == 1)
        with receiver(port=port):
            # All but the few that were tried: those have a minute to wait.
            await until(lambda: len({path for path, _, _ in Receiver.got}) >= 20, "told", 50)
            assert len(Receiver.got) == len({path for path, _, _ in Receiver.got})
        assert process.log.read_text("utf-8").count("circuit_closed") == 1
