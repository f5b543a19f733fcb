"""A mail server for the demo: takes every message of the notifier, as a provider's would."""

import asyncio
import email
import re
import socket
from collections import Counter
from collections.abc import Callable
from email import policy
from typing import Any, Final, NamedTuple

from aiosmtpd.smtp import SMTP, Envelope

_TRACKING: Final = re.compile(r"\b(?:[0-9A-Z]{4}-){3}[0-9A-Z*~$=]")


class Mail(NamedTuple):
    """What a person sees of a message: the subject, and the report it is about."""

    to: str
    subject: str
    tracking_number: str


class MailServer:
    """Listens on a free port of the loopback from the start, reads mail once it is opened."""

    def __init__(self) -> None:
        self.subjects: Counter[str] = Counter()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._server: asyncio.Server | None = None
        self._deliver: Callable[[Mail], None] = lambda _mail: None

    @property
    def port(self) -> int:
        """Where the notifier finds it."""
        return int(self._socket.getsockname()[1])

    async def open(self, deliver: Callable[[Mail], None]) -> None:
        """Take mail and hand each message on."""
        self._deliver = deliver
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: SMTP(self, loop=loop), sock=self._socket)

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Take one message (called by aiosmtpd)."""
        mail = read(envelope.content or b"", envelope.rcpt_tos[0])
        self.subjects[mail.subject.split(":")[0]] += 1
        self._deliver(mail)
        return "250 OK"

    def close(self) -> None:
        """Take no more."""
        if self._server is not None:
            self._server.close()
        self._socket.close()


def read(content: bytes | str, to: str) -> Mail:
    """Read a message as its recipient does."""
    raw = content.encode() if isinstance(content, str) else content
    message = email.message_from_bytes(raw, policy=policy.default)
    body = message.get_body(("plain",))
    found = _TRACKING.search(body.get_content() if body else "")
    return Mail(to, str(message["Subject"] or ""), found.group() if found else "")
