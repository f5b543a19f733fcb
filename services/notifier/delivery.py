"""Deliver what is due, beside the consumer, and report each attempt to the notifier's own rule.

Decides nothing: what an outcome means (sent, again later, given up) is the rule's. An attempt whose
report is lost by a crash is made again; its `notification_id` lets the receiver see the repeat.
"""

import asyncio
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from time import monotonic
from typing import Final

import structlog

from services.notifier.case import Notifying, Pending
from services.notifier.rules import Key, field_of
from services.notifier.senders import Message, Outcome, Send, file, permanent, smtp, temporary
from services.notifier.senders import webhook as web
from services.notifier.settings import NotifierSettings
from shared import topics
from shared.alarms import claim
from shared.clock import Clock
from shared.envelope import Outbound, derive_id, encode, event_headers
from shared.events import DeliveryReported, NotificationChannel
from shared.outbound import partition_of
from shared.postgres import Connection
from shared.stage import Context
from shared.vault import Vault
from shared.vault_store import open_keys

_STREAM: Final = topics.alarms_of("notifier")
_TYPE: Final = _STREAM.type_of(DeliveryReported)
Senders = Mapping[NotificationChannel, Send]


@dataclass(frozen=True, slots=True)
class Job:
    """What is due of one report, the oldest first; without a key nothing can be opened."""

    report_id: str
    due: tuple[Pending, ...]
    key: Key | None


def senders_for(settings: NotifierSettings) -> Senders:
    """Return the sender of each channel that is set up."""
    tls = ssl.create_default_context()
    every: Senders = {
        "email": partial(smtp.send, settings=settings),
        "webhook": partial(web.send, settings=settings, tls=tls),
        "file": file.Outbox(settings.outbox).send,
    }
    return {name: send for name, send in every.items() if name in settings.channels}


class Courier:
    """The delivery loop of one process; several may run, each claims other reports."""

    def __init__(self, senders: Senders, vault: Vault, settings: NotifierSettings) -> None:
        self._senders = senders
        self._vault = vault
        self._settings = settings

    async def run(self, context: Context) -> None:
        """Deliver until the process stops; goes on at once while there is more."""
        while not context.stopping.is_set():
            if await self.round(context) < self._settings.deliveries_at_once_max:
                await asyncio.sleep(self._settings.tick_seconds)

    async def round(self, context: Context) -> int:
        """Claim, deliver and report once; return how many reports were claimed.

        Raises:
            KafkaError, asyncpg.PostgresError: nothing is lost; what was claimed rings again.
        """
        now = context.clock.now()
        async with context.pool.acquire() as connection:
            jobs = await self._claim(connection, now, context.clock)
        reported = await asyncio.gather(
            *(self._deliver(job, now, context.clock, context.logger) for job in jobs)
        )
        outbounds = [outbound for each in reported for outbound in each]
        if outbounds:
            await context.log.publish(outbounds)
        return len(jobs)

    async def _claim(self, connection: Connection, now: datetime, clock: Clock) -> list[Job]:
        again_after = timedelta(seconds=self._settings.again_after_seconds * clock.scale)
        due = await claim(connection, now, self._settings.deliveries_at_once_max, again_after)
        if not due:
            return []
        ids = [each.report_id for each in due]
        rows = await connection.fetch(
            "SELECT report_id, state FROM cases WHERE report_id = ANY($1)", ids
        )
        keys = await open_keys(connection, self._vault, ids, stage="notifier", purpose="delivery")
        return [
            Job(
                row["report_id"],
                due_of(Notifying.model_validate_json(row["state"]), now),
                keys.get(row["report_id"]),
            )
            for row in rows
        ]

    async def _deliver(
        self, job: Job, now: datetime, clock: Clock, logger: structlog.stdlib.BoundLogger
    ) -> list[Outbound]:
        """Attempt what is due of a report, one after the other, within a quarter of the pause."""
        until = monotonic() + self._settings.again_after_seconds / 4
        reported: list[Outbound] = []
        for pending in job.due:
            if reported and monotonic() > until:
                break
            late = (now - pending.due_at) / clock.scale
            if late > timedelta(days=self._settings.stale_days_max):
                outcome = permanent("stale")
            else:
                outcome = await attempt(pending, job.key, self._senders)
            reported.append(report(job.report_id, pending, outcome, now))
            if outcome.outcome != "sent":
                logger.warning(
                    "delivery_failed",
                    report=job.report_id,
                    notification=pending.notification_id,
                    channel=pending.channel,
                    outcome=outcome.outcome,
                    reason=outcome.reason,
                )
        return reported


def due_of(case: Notifying, now: datetime) -> tuple[Pending, ...]:
    """Return the pending messages that are due, the oldest first."""
    return tuple(sorted((p for p in case.pending if p.due_at <= now), key=lambda p: p.due_at))


async def attempt(pending: Pending, key: Key | None, senders: Senders) -> Outcome:
    """Open a message and send it over its channel once; a failure is an outcome, never a raise."""
    send = senders.get(pending.channel)
    if key is None:
        return permanent("no_key")
    if send is None:
        return temporary("channel_not_set_up")
    try:
        opened = json.loads(key.open(field_of(pending.notification_id), pending.message))
        message = Message(pending.notification_id, **opened)
    except (ValueError, TypeError):
        return permanent("message_unreadable")
    try:
        return await send(message)
    except Exception as bug:  # noqa: BLE001 - a sender's bug holds up this message, not the others
        return temporary(f"sender_{type(bug).__name__}")


def report(report_id: str, pending: Pending, outcome: Outcome, rung_at: datetime) -> Outbound:
    """Return the record that tells the rule of an attempt.

    Its id includes the time of ringing: each attempt counts, and none silences a later one.
    """
    event = DeliveryReported(
        report_id=report_id,
        notification_id=pending.notification_id,
        outcome=outcome.outcome,
        reason=outcome.reason,
    )
    cause = f"{pending.notification_id}#{rung_at.isoformat()}"
    key = report_id.encode()
    headers = event_headers(
        event_id=derive_id("notifier.delivery", cause, rung_at, _TYPE, 1),
        event_type=_TYPE,
        source="/lapor/notifier/delivery",
        subject=report_id,
        time=rung_at,
        causation_id=pending.about,
        correlation_id=report_id,
        sequence=0,
    )
    return Outbound(_STREAM.topic(), partition_of(key), key, encode(event), headers)
