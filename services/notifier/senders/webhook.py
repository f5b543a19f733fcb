"""Post a message to the address that a channel gave for its reporter.

The address is a stranger's word, so it may not make this process speak to the inside: only https,
only public addresses, and the connection goes to the very address that was checked (a name that
answers differently the second time gains nothing). Redirects are not followed.
"""

import asyncio
import hmac
import ipaddress
import json
import socket
import ssl
from collections.abc import Sequence
from typing import Final

import httpx
import stamina

from services.notifier.senders import SENT, Message, Outcome, permanent, temporary
from services.notifier.settings import NotifierSettings

SIGNATURE: Final = "X-Lapor-Signature"
# Request timeout, locked, too early, too many requests: the receiver asks for another time.
_LATER: Final = frozenset({408, 425, 429})
_SERVER_FAULT: Final = 500
_TRANSLATED: Final = ipaddress.IPv6Network("64:ff9b::/96")  # NAT64: an IPv4 address inside


async def send(message: Message, settings: NotifierSettings, tls: ssl.SSLContext) -> Outcome:
    """Post a message once, signed; 2xx is taken, the same id tells a repeat.

    Temporary: 408, 425, 429, 5xx, the network. Permanent: every other answer, an address that is
    not allowed. `tls` says whom to trust.
    """
    try:
        url = httpx.URL(message.to)
    except httpx.InvalidURL:
        return permanent("webhook_address")
    if not url.host or url.userinfo or url.scheme not in _schemes(settings):
        return permanent("webhook_address")
    try:
        addresses = await _resolve(url)
    except OSError:
        return temporary("webhook_unresolved")
    if not settings.webhook_local and not all(is_public(each) for each in addresses):
        return permanent("webhook_private_address")
    try:
        status = await _post(url, addresses, message, settings, tls)
    except httpx.HTTPError:
        return temporary("webhook_unreachable")
    return _answered(status)


def signature(body: bytes, secret: str) -> str:
    """Return the header's value: HMAC-SHA256 of the body under the shared secret."""
    return "sha256=" + hmac.new(secret.encode(), body, "sha256").hexdigest()


def payload(message: Message) -> bytes:
    """Return the JSON that is posted: the same bytes at every repeat."""
    fields = {
        "notification_id": message.notification_id,
        "subject": message.subject,
        "body": message.body,
    }
    return json.dumps(fields, ensure_ascii=False).encode("utf-8", "replace")


def _schemes(settings: NotifierSettings) -> frozenset[str]:
    return frozenset({"http", "https"} if settings.webhook_local else {"https"})


async def _resolve(url: httpx.URL) -> list[str]:
    """Return the addresses of the host, each once, the preferred first."""
    port = url.port or (443 if url.scheme == "https" else 80)
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
    except UnicodeError as unfit:  # a label that is empty or too long
        raise OSError("no such host") from unfit
    return list(dict.fromkeys(str(info[4][0]) for info in found))


def is_public(address: str) -> bool:
    """Say whether an address is one of the internet's, also where it carries one of IPv4."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed in _TRANSLATED or parsed.sixtofour or parsed.teredo:
            return False
        parsed = parsed.ipv4_mapped or parsed
    return parsed.is_global and not parsed.is_multicast


# One short repeat where nothing was sent yet; longer waits are the rule's.
@stamina.retry(on=httpx.ConnectError, attempts=2, wait_initial=0.3, timeout=None)
async def _post(
    url: httpx.URL,
    addresses: Sequence[str],
    message: Message,
    settings: NotifierSettings,
    tls: ssl.SSLContext,
) -> int:
    """Post to the first address that can be connected to; return the answer's status."""
    for address in addresses[:-1]:
        try:
            return await _post_to(address, url, message, settings, tls)
        except httpx.ConnectError:
            continue
    return await _post_to(addresses[-1], url, message, settings, tls)


async def _post_to(
    address: str,
    url: httpx.URL,
    message: Message,
    settings: NotifierSettings,
    tls: ssl.SSLContext,
) -> int:
    body = payload(message)
    headers = {
        "Host": url.netloc.decode("ascii"),
        "Content-Type": "application/json",
        "Idempotency-Key": message.notification_id,
        SIGNATURE: signature(body, settings.webhook_secret.get_secret_value()),
    }
    async with (
        httpx.AsyncClient(
            verify=tls, timeout=settings.webhook_timeout_seconds, trust_env=False
        ) as client,
        # Streamed and left unread: a receiver cannot fill the memory with its answer.
        client.stream(
            "POST",
            url.copy_with(host=address),
            content=body,
            headers=headers,
            extensions={"sni_hostname": url.host},
        ) as response,
    ):
        return response.status_code


def _answered(status: int) -> Outcome:
    if httpx.codes.is_success(status):
        return SENT
    if status in _LATER or status >= _SERVER_FAULT:
        return temporary(f"webhook_{status}")
    return permanent(f"webhook_{status}")
