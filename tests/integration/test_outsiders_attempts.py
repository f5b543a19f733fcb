"""What a server that an outsider names, or a mail server, cannot do to one attempt."""

import asyncio
import subprocess
import sys
import time

import pytest

from services.notifier.senders import SENT, Outcome
from tests.integration.hanging_servers import holder
from tests.integration.notifier_servers import HOST, Mailbox, free_port, mail_server
from tests.integration.test_notifier_delivery import MESSAGE, mail, post, settings


@pytest.mark.parametrize("byte", [b"", b"H"], ids=["silent", "a byte every while"])
async def test_an_outsider_cannot_hold_an_attempt_for_longer_than_its_time(byte: bytes) -> None:
    """Not by silence, nor by a byte now and then, of a header that never ends."""
    async with holder(byte, every_seconds=0.1) as held:
        message = MESSAGE._replace(to=f"http://{HOST}:{held.port}/x")
        began = time.monotonic()
        outcome = await post(message, settings(webhook_timeout_seconds=0.5))
        seconds = time.monotonic() - began
    assert (outcome, seconds < 2) == (Outcome("temporary", "webhook_timeout"), True)


@pytest.mark.parametrize("byte", [b"", b"2"], ids=["silent", "a byte every while"])
async def test_a_mail_server_cannot_hold_an_attempt_for_longer_than_its_time(byte: bytes) -> None:
    """It greets for ever."""
    async with holder(byte, every_seconds=0.1) as held:
        began = time.monotonic()
        outcome = await mail(MESSAGE, settings(smtp_port=held.port, smtp_timeout_seconds=1.0))
        seconds = time.monotonic() - began
    assert (outcome, seconds < 2) == (Outcome("temporary", "smtp_unreachable"), True)


async def test_a_mail_server_that_hangs_over_one_message_is_not_called_away() -> None:
    """Somebody's address or text may have done it: the others' mail goes on."""
    mailbox = Mailbox(hold=asyncio.Event())
    async with mail_server(mailbox) as port:
        outcome = await mail(MESSAGE, settings(smtp_port=port, smtp_timeout_seconds=0.5))
        assert mailbox.hold is not None
        mailbox.hold.set()
    assert outcome == Outcome("temporary", "smtp_interrupted")
    assert not outcome.is_away


async def test_a_message_that_was_taken_is_sent_whatever_the_server_does_then() -> None:
    """It does not answer the farewell: no reason to send the message again."""

    class Clinging(Mailbox):
        async def handle_QUIT(self, *_of: object) -> str:  # noqa: N802 - aiosmtpd's name
            await asyncio.Event().wait()
            return "221 bye"

    mailbox = Clinging()
    async with mail_server(mailbox) as port:
        outcome = await mail(MESSAGE, settings(smtp_port=port, smtp_timeout_seconds=2.0))
    assert (outcome, len(mailbox.taken)) == (SENT, 1)


SENDING = """
import asyncio, ssl, sys
from services.notifier.name_resolver import Resolver
from services.notifier.senders import Message, smtp, webhook
from services.notifier.settings import NotifierSettings
from shared.platform.logging import setup
setup("notifier")
port = int(sys.argv[1])
own = NotifierSettings(smtp_host="127.0.0.1", smtp_port=port, smtp_tls="none",
                       webhook_secret="rahasia-" * 4, webhook_local=True)
mail = Message("n-1", "korban@contoh.example", "Perihal", "Isi laporan")
post = mail._replace(to=f"http://127.0.0.1:{port}/token-rahasia")
web = webhook.Webhooks(own, ssl.create_default_context(), Resolver())
for sent in (smtp.Mail(own, Resolver()).send(mail), web.send(post)):
    print(asyncio.run(sent).reason)
"""


def test_a_refused_connection_writes_nobodys_words_to_the_log() -> None:
    """As a stage's process sets up its log: no address, no token, no subject, no text."""
    ran = subprocess.run(
        [sys.executable, "-c", SENDING, str(free_port())],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert ran.stdout.split() == ["smtp_unreachable", "webhook_unreachable"]
    words = ("korban", "token-rahasia", "Perihal", "Isi laporan", "127.0.0.1")
    assert [word for word in words if word in ran.stderr] == []
