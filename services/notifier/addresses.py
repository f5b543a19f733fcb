"""How a person is reached: which way out takes an address, and which texts are one. Pure."""

import re
from collections.abc import Container
from typing import Final, NamedTuple

from shared.contract.events import NotificationChannel, Reporter

# One address, as RFC 5321 writes them without quoting; commas, brackets, controls and RFC 2047's
# encoded words ("=?") would let a sender name a second recipient or a header.
_ADDRESS: Final = re.compile(
    r"(?!.*=\?)[^\s@,;:<>()\[\]\\\"\x00-\x20\x7f]{1,64}@[^\s@,;:<>()\[\]\\\"\x00-\x20\x7f]{1,189}"
)
_WEBHOOK: Final = re.compile(r"https?://[^\s\x00-\x20\x7f]{1,490}")


class Address(NamedTuple):
    """Where a message goes."""

    channel: NotificationChannel
    to: str


def is_address(text: str) -> bool:
    """Say whether a text is exactly one e-mail address."""
    return _ADDRESS.fullmatch(text) is not None


def of_reporter(
    reporter: Reporter, channels: Container[NotificationChannel], *, webhook_local: bool
) -> tuple[Address, ...]:
    """Return how a reporter is reached; else the outbox, for whoever hands over SMS and the like.

    The number or account is empty there where the channel knew none: the tracking number is left.
    """
    email, webhook = reporter.email or "", reporter.webhook or ""
    addresses = []
    if "email" in channels and is_address(email):
        addresses.append(Address("email", email))
    if "webhook" in channels and _is_webhook(webhook, is_local=webhook_local):
        addresses.append(Address("webhook", webhook))
    return tuple(addresses) or (Address("file", reporter.phone or reporter.sender_id or ""),)


def of_role(person: str, channels: Container[NotificationChannel]) -> Address:
    """Return how whoever a ladder names is reached: by e-mail, or by the outbox."""
    by_email = "email" in channels and is_address(person)
    return Address("email" if by_email else "file", person)


def _is_webhook(text: str, *, is_local: bool) -> bool:
    is_allowed = is_local or text.startswith("https://")
    return is_allowed and _WEBHOOK.fullmatch(text) is not None
