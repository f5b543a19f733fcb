"""One attempt to deliver a message, its outcome, and the report of it to the notifier's own rule.

Decides nothing: what an outcome means (sent, again later, given up) is the rule's. An attempt whose
report is lost by a crash is made again; its `notification_id` lets the receiver see the repeat.
"""

import asyncio
import json
import ssl
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, TypeVar

from aiokafka.errors import KafkaError

from services.notifier.case import NotificationCase, Pending
from services.notifier.name_resolver import Resolver
from services.notifier.rules import Key, field_of
from services.notifier.senders import Message, Outcome, Send, file, permanent, smtp, temporary
from services.notifier.senders import webhook as web
from services.notifier.settings import NotifierSettings
from shared.contract import topics
from shared.contract.envelope import Outbound, derive_id, encode, event_headers
from shared.contract.events import DeliveryReported, NotificationChannel
from shared.runtime.stage import Resources
from shared.runtime.writer import partition_of

_STREAM: Final = topics.internal_stream_of("notifier")
_TYPE: Final = _STREAM.type_of(DeliveryReported)
MAIL_THREADS_MAX: Final = 4
REMEMBERED_MAX: Final = 20_000
UNPUBLISHED_MAX: Final = 1_000
"""So many deliveries may wait for the broker; then nothing more is claimed."""
LINGER_SECONDS: Final = 0.02
"""What ends within so short a time is published together."""
V = TypeVar("V")
Senders = Mapping[NotificationChannel, Send]


def senders_for(settings: NotifierSettings) -> Senders:
    """Return the sender of each channel that is set up."""
    every: Senders = {
        # A name that hangs for a webhook takes no thread from the mail server's.
        "email": smtp.Mail(settings, Resolver(MAIL_THREADS_MAX)).send,
        "webhook": web.Webhooks(settings, ssl.create_default_context(), Resolver()).send,
        "file": file.Outbox(settings.outbox).send,
    }
    return {name: send for name, send in every.items() if name in settings.channels}


class Reports:
    """What became of attempts, on its way to the rule; memory is bounded by whoever adds."""

    def __init__(self, away_seconds: float = 1.0) -> None:
        self._away_seconds = away_seconds
        self._unpublished: list[Outbound] = []
        self._has_unpublished = asyncio.Event()
        self._tries: OrderedDict[str, int] = OrderedDict()

    @property
    def has_room(self) -> bool:
        """Say whether the broker takes them as fast as they come."""
        return len(self._unpublished) < UNPUBLISHED_MAX

    def add(self, pending: Pending, outbound: Outbound) -> None:
        """Take one, to be published with those that come at the same time."""
        remember(self._tries, pending.notification_id, pending.attempts)
        self._unpublished.append(outbound)
        self._has_unpublished.set()

    def hold(self, pending: Pending) -> bool:
        """Say whether this very try was reported: until the rule decided it, there is no other."""
        return self._tries.get(pending.notification_id) == pending.attempts

    async def publish(self, context: Resources) -> None:
        """Publish until cancelled. While the broker is away they wait: nothing is sent twice."""
        while True:
            await self._has_unpublished.wait()
            await asyncio.sleep(LINGER_SECONDS)
            try:
                await self.flush(context)
            except KafkaError as away:
                context.logger.warning("loop_waits", error=type(away).__name__)
                await asyncio.sleep(self._away_seconds)

    async def flush(self, context: Resources) -> None:
        """Publish what there is; what is not acknowledged is published again, under its id.

        Raises:
            KafkaError: not all of it was.
        """
        now = list(self._unpublished)
        if now:
            await context.log.publish(now)
        del self._unpublished[: len(now)]
        if not self._unpublished:
            self._has_unpublished.clear()


def by_channel(due: Iterable[Pending]) -> dict[NotificationChannel, tuple[Pending, ...]]:
    """Group messages by the way that they go, in their order."""
    groups: dict[NotificationChannel, tuple[Pending, ...]] = {}
    for pending in due:
        groups[pending.channel] = (*groups.get(pending.channel, ()), pending)
    return groups


def due_of(case: NotificationCase, now: datetime) -> tuple[Pending, ...]:
    """Return the pending messages that are due, the oldest first."""
    return tuple(sorted((p for p in case.pending if p.due_at <= now), key=lambda p: p.due_at))


def remember(cache: "OrderedDict[str, V]", name: str, value: V) -> None:
    """Keep a value, and past the bound forget the one kept longest."""
    cache[name] = value
    cache.move_to_end(name)
    if len(cache) > REMEMBERED_MAX:
        cache.popitem(last=False)


def opened(pending: Pending, key: Key | None) -> Message | Outcome:
    """Open a message; why it cannot be is an outcome."""
    if key is None:
        return permanent("no_key")
    try:
        fields = json.loads(key.open(field_of(pending.notification_id), pending.message))
        return Message(pending.notification_id, **fields)
    except (ValueError, TypeError):
        return permanent("message_unreadable")


async def attempt(pending: Pending, key: Key | None, senders: Senders) -> Outcome:
    """Open a message and send it over its channel once; a failure is an outcome, never a raise."""
    send = senders.get(pending.channel)
    message = opened(pending, key)
    if not isinstance(message, Message):
        return message
    if send is None:
        return temporary("channel_not_set_up")
    try:
        return await send(message)
    except Exception as bug:  # noqa: BLE001 - a sender's bug holds up this message, not the others
        return temporary(f"sender_{type(bug).__name__}")


def report(report_id: str, pending: Pending, outcome: Outcome, notified_at: datetime) -> Outbound:
    """Return the record that reports an attempt to the rule.

    Its id includes the time of firing: each attempt counts, and none silences a later one.

    Raises:
        ValueError: nothing was attempted.
    """
    if outcome.outcome == "put_off":
        raise ValueError("put off: there is no attempt to report")
    event = DeliveryReported(
        report_id=report_id,
        notification_id=pending.notification_id,
        outcome=outcome.outcome,
        reason=outcome.reason,
    )
    cause = f"{pending.notification_id}#{notified_at.isoformat()}"
    key = report_id.encode()
    headers = event_headers(
        event_id=derive_id("notifier.delivery", cause, notified_at, _TYPE, 1),
        event_type=_TYPE,
        source="/lapor/notifier/delivery",
        subject=report_id,
        time=notified_at,
        causation_id=pending.about,
        correlation_id=report_id,
        sequence=0,
    )
    return Outbound(_STREAM.topic(), partition_of(key), key, encode(event), headers)
