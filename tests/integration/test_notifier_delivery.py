"""The ways out, against real servers on this machine: SMTP, HTTP and HTTPS, and a folder."""

import asyncio
import itertools
import json
import ssl
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from services.notifier.name_resolver import Resolver
from services.notifier.senders import SENT, Message, Outcome, file, smtp, webhook
from services.notifier.senders.signature import receiver_secret
from services.notifier.settings import NotifierSettings
from tests.integration.notifier_servers import (
    HOST,
    Mailbox,
    Receiver,
    certificate,
    free_port,
    mail_server,
    receiver,
    server_tls,
)

MESSAGE = Message(
    "n-0123456789abcdef",
    "pelapor@contoh.example",
    "Tindak lanjut atas laporan Anda – selesai",
    "Yth. Pelapor,\n\nLampu sudah diganti. Terima kasih – “Dinas”.\n" + "x" * 2_000 + "\n",
)
NOTICE = {"channel": "api", "tracking_number": "K7QF2M9XTD3A9", "time": "2023-06-14T04:00:00+00:00"}
MASTER = "rahasia-" * 4
TRUST = ssl.create_default_context()


def settings(**values: Any) -> NotifierSettings:
    """Build settings, without what the environment says."""
    given: dict[str, Any] = {
        "smtp_host": HOST,
        "smtp_tls": "none",
        "smtp_timeout_seconds": 5.0,
        "webhook_secret": MASTER,
        "webhook_local": True,
        "webhook_timeout_seconds": 5.0,
    }
    return NotifierSettings.model_validate(given | values)


async def mail(message: Message, own: NotifierSettings) -> Outcome:
    """Send a message over SMTP once."""
    return await smtp.Mail(own, Resolver()).send(message)


async def post(message: Message, own: NotifierSettings, trust: ssl.SSLContext = TRUST) -> Outcome:
    """Post a message once."""
    return await webhook.Webhooks(own, trust, Resolver()).send(message)


# ---- a mail server


async def mailed(mailbox: Mailbox, message: Message = MESSAGE) -> Outcome:
    """Send a message to a mailbox over SMTP."""
    async with mail_server(mailbox) as port:
        return await mail(message, settings(smtp_port=port))


async def test_an_email_arrives_as_it_was_written() -> None:
    """One recipient, the subject and the text with all their characters, marked as automatic."""
    mailbox = Mailbox()
    assert await mailed(mailbox) == SENT
    (mail,) = mailbox.taken
    assert mailbox.recipients == [[MESSAGE.to]]
    assert (mail["To"], mail["Subject"]) == (MESSAGE.to, MESSAGE.subject)
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail.get_content().replace("\r\n", "\n") == MESSAGE.body


async def test_a_repeated_email_has_the_same_message_id() -> None:
    """Mail systems drop what they have seen."""
    mailbox = Mailbox()
    assert [await mailed(mailbox), await mailed(mailbox)] == [SENT, SENT]
    assert [m["Message-ID"] for m in mailbox.taken] == [f"<{MESSAGE[0]}@lapor.example>"] * 2


@pytest.mark.parametrize(
    ("mailbox", "outcome"),
    [
        (Mailbox(rcpt="450 mailbox busy"), Outcome("temporary", "smtp_450")),
        (Mailbox(rcpt="550 no such user"), Outcome("permanent", "smtp_550")),
        (Mailbox(data="451 try later"), Outcome("temporary", "smtp_451")),
        (Mailbox(data="554 refused"), Outcome("permanent", "smtp_554")),
    ],
)
async def test_4xx_is_temporary_and_5xx_permanent(mailbox: Mailbox, outcome: Outcome) -> None:
    """As RFC 5321 says; the server's words, which may name the person, are not kept."""
    assert await mailed(mailbox) == outcome


@pytest.mark.parametrize(
    "message",
    [
        MESSAGE._replace(to="a@b.example, c@d.example"),
        MESSAGE._replace(to="a@b.example\nBcc: c@d.example"),
        MESSAGE._replace(to="=?utf-8?q?a=40c.example=2C_b?=@b.example"),
        MESSAGE._replace(to="bukan alamat"),
        MESSAGE._replace(to="a@"),
        MESSAGE._replace(to=""),
        MESSAGE._replace(subject="Halo\r\nBcc: c@d.example"),
        MESSAGE._replace(body="\ud800"),
    ],
)
async def test_what_would_inject_a_header_is_never_sent(message: Message) -> None:
    """Whatever the address or subject holds, there is one recipient or no message."""
    mailbox = Mailbox()
    assert await mailed(mailbox, message) == Outcome("permanent", "unfit_for_email")
    assert mailbox.taken == []


@pytest.mark.parametrize("address", ["pélapor@contoh.example", "a@contóh.example"])
async def test_an_address_that_the_server_cannot_take_is_permanent(address: str) -> None:
    """A server without SMTPUTF8 takes ASCII only."""
    outcome = await mailed(Mailbox(), MESSAGE._replace(to=address))
    assert outcome == Outcome("permanent", "smtp_not_supported")


async def test_a_mail_server_that_is_away_is_temporary() -> None:
    """Nobody listens on the port."""
    outcome = await mail(MESSAGE, settings(smtp_port=free_port()))
    assert outcome == Outcome("temporary", "smtp_unreachable")


async def test_a_mail_server_that_says_nothing_is_temporary() -> None:
    """It takes the connection and is silent."""
    done = asyncio.Event()

    async def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await done.wait()
        writer.close()

    server = await asyncio.start_server(silent, HOST, 0)
    port = server.sockets[0].getsockname()[1]
    outcome = await mail(MESSAGE, settings(smtp_port=port, smtp_timeout_seconds=0.2))
    done.set()
    server.close()
    await server.wait_closed()
    assert outcome == Outcome("temporary", "smtp_unreachable")


@pytest.mark.parametrize(
    ("password", "outcome"),
    [("benar", SENT), ("salah", Outcome("temporary", "smtp_login_535"))],
)
async def test_a_password_travels_only_under_tls_and_a_wrong_one_is_ours_to_mend(
    password: str, outcome: Outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """STARTTLS with a certificate that the system trusts; no message fails for our mistake."""
    identity = certificate(tmp_path, HOST)
    monkeypatch.setenv("SSL_CERT_FILE", str(identity))
    mailbox = Mailbox()
    options: dict[str, Any] = {
        "tls_context": server_tls(identity),
        "require_starttls": True,
        "auth_required": True,
        "authenticator": mailbox.log_in,
    }
    async with mail_server(mailbox, **options) as port:
        values = {"smtp_user": "lapor", "smtp_password": password}
        sent = await mail(MESSAGE, settings(smtp_port=port, smtp_tls="starttls", **values))
    assert sent == outcome
    assert mailbox.logins[-1] == (b"lapor", password.encode())


async def test_a_mail_server_without_tls_is_not_talked_to_when_tls_is_set() -> None:
    """Nothing is said in the clear by mistake."""
    mailbox = Mailbox()
    async with mail_server(mailbox) as port:
        outcome = await mail(MESSAGE, settings(smtp_port=port, smtp_tls="starttls"))
    assert (outcome.outcome, mailbox.taken) == ("temporary", [])


# ---- a receiver of webhooks


async def test_a_webhook_is_posted_signed_with_its_key() -> None:
    """The body tells the message, the headers its id and who signed it."""
    with receiver() as port:
        message = MESSAGE._replace(to=f"http://{HOST}:{port}/kabar/204", notice=NOTICE)
        outcomes = [await post(message, settings()) for _ in range(2)]
    assert outcomes == [SENT, SENT]
    (first, second) = Receiver.got
    _, headers, body = first
    assert (second[2], second[1]["webhook-id"]) == (body, headers["webhook-id"])
    secret = receiver_secret(MASTER, "api", HOST)
    for _, sent, posted in (first, second):
        assert Webhook(secret).verify(posted.decode(), sent) == {
            "specversion": "1.0",
            "id": MESSAGE.notification_id,
            "source": "/lapor/notifier",
            "type": "id.go.lapor.notifier.message.v1",
            "subject": NOTICE["tracking_number"],
            "time": NOTICE["time"],
            "datacontenttype": "application/json",
            "data": {
                "channel": "api",
                "tracking_number": NOTICE["tracking_number"],
                "subject": MESSAGE.subject,
                "body": MESSAGE.body,
            },
        }
    assert headers["Content-Type"] == "application/cloudevents+json"
    assert headers["Host"] == f"{HOST}:{port}"


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, "sent"), (202, "sent"), (302, "permanent"), (400, "permanent"), (401, "permanent"),
        (404, "permanent"), (410, "permanent"), (408, "temporary"), (425, "temporary"),
        (429, "temporary"), (500, "temporary"), (503, "temporary"),
    ],
)  # fmt: skip
async def test_the_status_says_whether_to_come_again(status: int, outcome: str) -> None:
    """A redirect is not followed: it could lead inside."""
    with receiver() as port:
        message = MESSAGE._replace(to=f"http://{HOST}:{port}/{status}")
        assert (await post(message, settings())).outcome == outcome
        assert len(Receiver.got) == 1


async def test_a_receiver_that_is_away_is_temporary() -> None:
    """Nobody listens; or the name is not known."""
    gone = MESSAGE._replace(to=f"http://{HOST}:{free_port()}/200")
    assert await post(gone, settings()) == Outcome("temporary", "webhook_unreachable")
    nameless = MESSAGE._replace(to="http://tidak-ada.invalid/200")
    outcome = await post(nameless, settings())
    assert outcome == Outcome("temporary", "webhook_unresolved")


async def test_https_checks_the_name_although_it_connects_to_the_address(tmp_path: Path) -> None:
    """The certificate must be of the host in the URL, not of the address behind it."""
    ours, others = certificate(tmp_path, "localhost"), certificate(tmp_path, "lain.example")
    for identity, outcome in ((ours, "sent"), (others, "temporary")):
        trust = ssl.create_default_context(cafile=str(identity))
        with receiver(server_tls(identity)) as port:
            message = MESSAGE._replace(to=f"https://localhost:{port}/200")
            assert (await post(message, settings(), trust)).outcome == outcome


@pytest.mark.parametrize(
    "url",
    [
        "http://kanal.example/kabar", "ftp://kanal.example/kabar", "https:///kabar", "kabar", "",
        "https://user:secret@kanal.example/kabar", "https://[::1/kabar",
    ],
)  # fmt: skip
async def test_only_https_urls_are_taken(url: str) -> None:
    """An address that is none will not become one by waiting."""
    outcome = await post(MESSAGE._replace(to=url), settings(webhook_local=False))
    assert outcome == Outcome("permanent", "webhook_address")


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "[::1]", "10.0.0.1", "192.168.1.1", "169.254.169.254",
        "100.64.0.1", "0.0.0.1", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]",
        "[fd00::1]", "2130706433",
    ],
)  # fmt: skip
async def test_a_webhook_cannot_reach_the_inside(host: str) -> None:
    """However the address is written."""
    message = MESSAGE._replace(to=f"https://{host}/kabar")
    outcome = await post(message, settings(webhook_local=False))
    assert outcome == Outcome("permanent", "webhook_private_address")


# ---- the outbox


def held(box: Path) -> list[list[Message]]:
    """Return the messages of each file of an outbox."""
    files = [path.read_text("utf-8").splitlines() for path in box.iterdir()]
    return [[Message(**json.loads(line)) for line in lines] for lines in files]


async def test_the_outbox_holds_a_message_once_and_whole(tmp_path: Path) -> None:
    """A repeat replaces the file by the same; only the owner may read it; nothing else is left."""
    box = tmp_path / "keluar"
    for _ in range(2):
        assert await file.Outbox(box).send(MESSAGE) == SENT
    (path,) = box.iterdir()
    assert path.suffix == ".jsonl"
    assert path.stat().st_mode & 0o777 == 0o600
    assert held(box) == [[MESSAGE]]


async def test_messages_sent_together_share_a_file_of_the_outbox(tmp_path: Path) -> None:
    """Each is there once, those that came while the first were written in a file of their own."""
    box = file.Outbox(tmp_path)
    messages = [MESSAGE._replace(notification_id=f"n-{n}") for n in range(40)]
    first = [asyncio.create_task(box.send(message)) for message in messages[:30]]
    for _ in range(2):  # turns: all have come, one of them writes
        await asyncio.sleep(0)
    outcomes = await asyncio.gather(*first, *(box.send(message) for message in messages[30:]))
    assert set(outcomes) == {SENT}
    files = held(tmp_path)
    assert sorted(map(len, files)) == [10, 30]
    assert sorted(itertools.chain(*files)) == sorted(messages)


async def test_who_shares_a_file_that_was_never_written_is_not_told_sent(tmp_path: Path) -> None:
    """A message that cannot be written is the first's bug; the others are tried again."""
    box = file.Outbox(tmp_path)
    odd = MESSAGE._replace(to=b"no text")  # type: ignore[arg-type]
    first, second = await asyncio.gather(box.send(odd), box.send(MESSAGE), return_exceptions=True)
    assert isinstance(first, TypeError)
    assert second == file.UNWRITTEN


async def test_an_outbox_that_cannot_be_written_is_temporary(tmp_path: Path) -> None:
    """A file stands where the folder should be; once it is gone the next message is written."""
    box = file.Outbox(tmp_path / "keluar")
    (tmp_path / "keluar").write_text("")
    outcomes = await asyncio.gather(box.send(MESSAGE), box.send(MESSAGE))
    assert set(outcomes) == {Outcome("temporary", "outbox_unwritable")}
    (tmp_path / "keluar").unlink()
    assert await box.send(MESSAGE) == SENT
