"""Send a message by e-mail, over a mail server; an attempt ends after its time, whatever."""

import asyncio
import contextlib
import socket
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from typing import Final

import aiosmtplib

from services.notifier.addresses import is_address
from services.notifier.name_resolver import Resolver, ResolverBusyError, own_name
from services.notifier.senders import SENT, Message, Outcome, permanent, put_off, temporary
from services.notifier.settings import NotifierSettings

_ANSWERED_PERMANENT: Final = 500  # RFC 5321 section 4.2.1: 4yz transient, 5yz permanent
_CONNECT_SECONDS_MAX: Final = 5.0
"""Of one address, so that a second one has its turn."""
_LEAVE_SECONDS_MAX: Final = 1.0


class Mail:
    """The way out over one mail server.

    Names are looked up here: the library does so in the threads that everything else shares.
    """

    def __init__(self, settings: NotifierSettings, resolve: Resolver) -> None:
        self._settings = settings
        self._resolve = resolve

    async def send(self, message: Message) -> Outcome:
        """Hand a message to the mail server once; its Message-ID is the same at every repeat.

        5xx answers to the message are permanent; 4xx, a server that is away, slow or refuses
        everybody (ours to mend, not the recipient's) are temporary.
        """
        try:
            mail = compose(message, self._settings, datetime.now(UTC))
        except ValueError:  # also UnicodeEncodeError; a header or address that e-mail cannot carry
            return permanent("unfit_for_email")
        total = self._settings.smtp_timeout_seconds
        try:
            async with asyncio.timeout(total / 2):
                client = await self._greeted()
        except ResolverBusyError:
            return put_off("resolver_busy")
        except aiosmtplib.SMTPAuthenticationError as refused:
            return temporary(f"smtp_login_{refused.code}")
        except aiosmtplib.SMTPResponseException as refused:
            return temporary(f"smtp_connect_{refused.code}")
        except (aiosmtplib.SMTPException, OSError):
            return temporary("smtp_unreachable")
        try:
            return await self._handed_over(client, mail, message.to)
        finally:
            client.close()

    async def _greeted(self) -> aiosmtplib.SMTP:
        """Connect, encrypt and log in.

        Raises:
            SMTPException, OSError: the server is away, or refuses. ResolverBusyError.
        """
        settings = self._settings
        addresses = await self._resolve(settings.smtp_host, settings.smtp_port)
        client = aiosmtplib.SMTP(
            hostname=settings.smtp_host,
            local_hostname=await own_name(),
            sock=await _connected(addresses, settings.smtp_port),
            username=settings.smtp_user or None,
            password=settings.smtp_password.get_secret_value() or None,
            use_tls=settings.smtp_tls == "tls",
            start_tls=settings.smtp_tls == "starttls",
            timeout=settings.smtp_timeout_seconds,
        )
        await client.connect()
        return client

    async def _handed_over(self, client: aiosmtplib.SMTP, mail: EmailMessage, to: str) -> Outcome:
        # Said here, not read from the header: the envelope is what names who gets it.
        sender = parseaddr(self._settings.smtp_from)[1]
        try:
            async with asyncio.timeout(self._settings.smtp_timeout_seconds / 2):
                await client.send_message(mail, sender=sender, recipients=[to])
        except aiosmtplib.SMTPRecipientsRefused as refused:
            return _answered(refused.recipients[0].code)
        except aiosmtplib.SMTPResponseException as refused:
            return _answered(refused.code)
        except aiosmtplib.SMTPNotSupported:
            return permanent("smtp_not_supported")
        except (aiosmtplib.SMTPException, OSError):  # time-outs, too: perhaps of this message alone
            return temporary("smtp_interrupted")
        # Taken. Whatever the server does now must not make it a failure.
        with contextlib.suppress(aiosmtplib.SMTPException, OSError):
            async with asyncio.timeout(_LEAVE_SECONDS_MAX):
                await client.quit()
        return SENT


def compose(message: Message, settings: NotifierSettings, at: datetime) -> EmailMessage:
    """Build the e-mail; plain text, one recipient.

    Raises:
        ValueError: the address, subject or text cannot be written in an e-mail.
    """
    if not is_address(message.to):
        raise ValueError("not exactly one address")
    name, sender = parseaddr(settings.smtp_from)
    mail = EmailMessage(policy=SMTP)
    mail["From"] = _address(sender, name)
    mail["To"] = _address(message.to)
    mail["Subject"] = message.subject
    mail["Date"] = format_datetime(at)
    mail["Message-ID"] = f"<{message.notification_id}@{settings.message_id_domain}>"
    # RFC 3834: so that no mailbox answers with an absence note.
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.body)
    return mail


async def _connected(addresses: list[str], port: int) -> socket.socket:
    """Connect to the first address that takes it.

    Raises:
        OSError: none did.
    """
    for address in addresses[:-1]:
        with contextlib.suppress(OSError):
            return await _connected_to(address, port)
    return await _connected_to(addresses[-1], port)


async def _connected_to(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setblocking(False)  # noqa: FBT003 - the standard library's own
    try:
        async with asyncio.timeout(_CONNECT_SECONDS_MAX):
            await asyncio.get_running_loop().sock_connect(made, (address, port))
    except BaseException:
        made.close()
        raise
    return made


def _address(address: str, name: str = "") -> Address:
    # In its parts: the standard library's parser raises IndexError on some addresses.
    local, _, domain = address.rpartition("@")
    return Address(display_name=name, username=local, domain=domain)


def _answered(code: int) -> Outcome:
    kind = permanent if code >= _ANSWERED_PERMANENT else temporary
    return kind(f"smtp_{code}")
