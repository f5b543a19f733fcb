"""A mail server for the demo: takes every message of the notifier, as a provider's would."""

import asyncio
import socket
from collections import Counter
from email.header import decode_header, make_header
from email.parser import BytesHeaderParser
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope


class MailServer:
    """Listens on a free port of the loopback from the start, takes mail once it is opened."""

    def __init__(self) -> None:
        self.subjects: Counter[str] = Counter()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """Where the notifier finds it."""
        return int(self._socket.getsockname()[1])

    async def open(self) -> None:
        """Take mail and count it by subject."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: SMTP(self, loop=loop), sock=self._socket)

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Take one message (called by aiosmtpd)."""
        content = envelope.content or b""
        self.subjects[subject(content.encode() if isinstance(content, str) else content)] += 1
        return "250 OK"

    def close(self) -> None:
        """Take no more."""
        if self._server is not None:
            self._server.close()
        self._socket.close()


def subject(content: bytes) -> str:
    """Return what a message is about, without what follows a colon or names an institution."""
    raw = BytesHeaderParser().parsebytes(content)["Subject"] or ""
    text = " ".join(str(make_header(decode_header(raw))).split())
    for end in (":", " diteruskan ke ", " ditangani ", " diterima oleh "):
        head, separator, _ = text.partition(end)
        text = head + separator.rstrip(": ") if separator else text
    return text
