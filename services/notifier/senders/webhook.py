"""Post a message to the address that a channel gave for its reporter.

The address is a stranger's word, so it may not make this process speak to the inside: only https,
only public addresses and the ports of web servers, and the connection goes to the very address that
was checked (a name that answers differently the second time gains nothing). Redirects are not
followed. Nor may it hold the process up: an attempt ends after its time, whatever the other side
does, and nothing of an answer is read but its head.
"""

import asyncio
import json
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import httpx2

from services.notifier.name_resolver import Resolver, ResolverBusyError
from services.notifier.senders import SENT, Message, Outcome, permanent, put_off, temporary
from services.notifier.senders.public_addresses import PORTS, is_public, networks
from services.notifier.senders.signature import receiver_secret, signed_headers
from services.notifier.settings import NotifierSettings

TYPE: Final = "id.go.lapor.notifier.message.v1"
# Request timeout, too early, too many requests: the receiver asks for another time.
_LATER: Final = frozenset({408, 425, 429})
_SERVER_FAULT: Final = 500
_CONNECT_SECONDS_MAX: Final = 5.0
"""Of one address, so that a second one has its turn."""


@dataclass(frozen=True, slots=True)
class Webhooks:
    """The way out over HTTP; `tls` says whom to trust."""

    settings: NotifierSettings
    tls: ssl.SSLContext
    resolve: Resolver

    async def send(self, message: Message) -> Outcome:
        """Post a message once, signed; 2xx is taken, the same id tells a repeat.

        Temporary: 408, 425, 429, 5xx, the network, an attempt that takes too long. Permanent:
        every other answer, an address that is not allowed.
        """
        url = allowed(message.to, is_local=self.settings.webhook_local)
        if url is None:
            return permanent("webhook_address")
        try:
            async with asyncio.timeout(self.settings.webhook_timeout_seconds):
                return await self._send(url, message)
        except TimeoutError:
            return temporary("webhook_timeout")

    async def _send(self, url: httpx2.URL, message: Message) -> Outcome:
        settings = self.settings
        try:
            addresses = await self.resolve(_host(url), _port(url))
        except ResolverBusyError:
            return put_off("resolver_busy")
        except OSError:
            return temporary("webhook_unresolved")
        refused = networks(settings.webhook_refused_networks)
        if not settings.webhook_local and not all(is_public(each, refused) for each in addresses):
            return permanent("webhook_private_address")
        try:
            status = await self._post(url, addresses, message)
        except httpx2.HTTPError:
            return temporary("webhook_unreachable")
        return _answered(status)

    async def _post(self, url: httpx2.URL, addresses: Sequence[str], message: Message) -> int:
        """Post to the first address that can be connected to; return the answer's status."""
        for address in addresses[:-1]:
            try:
                return await self._post_to(address, url, message)
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                continue
        return await self._post_to(addresses[-1], url, message)

    async def _post_to(self, address: str, url: httpx2.URL, message: Message) -> int:
        seconds = self.settings.webhook_timeout_seconds
        body = payload(message)
        headers = {
            "Host": url.netloc.decode("ascii"),
            "Content-Type": "application/cloudevents+json",
            "User-Agent": "lapor",
            **signed_headers(self._secrets(url, message), message[0], int(time.time()), body),
        }
        timeout = httpx2.Timeout(seconds, connect=min(seconds, _CONNECT_SECONDS_MAX))
        async with (
            httpx2.AsyncClient(verify=self.tls, timeout=timeout, trust_env=False) as client,
            # Streamed and left unread: a receiver cannot fill the memory with its answer.
            client.stream(
                "POST",
                url.copy_with(host=address),
                content=body,
                headers=headers,
                extensions={"sni_hostname": _host(url)},
            ) as response,
        ):
            return response.status_code

    def _secrets(self, url: httpx2.URL, message: Message) -> list[str]:
        channel = (message.notice or {}).get("channel", "")
        masters = self.settings.webhook_secrets
        return [receiver_secret(master, channel, _host(url)) for master in masters]


def allowed(text: str, *, is_local: bool) -> httpx2.URL | None:
    """Read a URL to which a message may be posted; None where it may not."""
    try:
        url = httpx2.URL(text)
    except httpx2.InvalidURL:
        return None
    if not url.host or url.userinfo:
        return None
    if is_local:
        return url if url.scheme in {"http", "https"} else None
    return url if url.scheme == "https" and _port(url) in PORTS else None


def host_of(text: str) -> str:
    """Return the host of a URL, lower case, ASCII; empty where there is none."""
    url = allowed(text, is_local=True)
    return _host(url) if url else ""


def payload(message: Message) -> bytes:
    """Return the CloudEvent in JSON that is posted: the same bytes at every repeat."""
    notice = dict(message.notice or {})
    at, channel = notice.pop("time", None), notice.pop("channel", None)
    event = {
        "specversion": "1.0",
        "id": message.notification_id,
        "source": "/lapor/notifier",
        "type": TYPE,
        "subject": notice.get("tracking_number"),
        "time": at,
        "datacontenttype": "application/json",
        "data": {"channel": channel, **notice, "subject": message.subject, "body": message.body},
    }
    kept = {name: value for name, value in event.items() if value is not None}
    return json.dumps(kept, ensure_ascii=False).encode("utf-8", "replace")


def _host(url: httpx2.URL) -> str:
    return url.raw_host.decode("ascii").rstrip(".").lower()


def _port(url: httpx2.URL) -> int:
    if url.port is None:
        return 443 if url.scheme == "https" else 80
    return url.port


def _answered(status: int) -> Outcome:
    if httpx2.codes.is_success(status):
        return SENT
    if status in _LATER or status >= _SERVER_FAULT:
        return temporary(f"webhook_{status}")
    return permanent(f"webhook_{status}")
