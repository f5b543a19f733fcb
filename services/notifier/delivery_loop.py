"""The delivery loop: claims what is due and delivers it, each way at its own pace.

A claim starts deliveries and waits for none; each is reported when it is done. What finds no room
(`delivery_slots.py`) is put off by the loop's own `fire_at`, which costs no record, no try and no
key, so that it leaves the front for what can be delivered. Put off for a week it is given up aloud,
like anything that was due so long ago.
"""

import asyncio
import contextlib
import random
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from time import monotonic
from typing import Final

from aiokafka.errors import KafkaError

from services.notifier.attempt import (
    Reports,
    Senders,
    attempt,
    by_channel,
    due_of,
    opened,
    remember,
    report,
)
from services.notifier.case import NotificationCase, Pending
from services.notifier.delivery_slots import Bulkhead, DeliverySlots, wait_seconds
from services.notifier.rules import Key
from services.notifier.senders import Message, Outcome, permanent, put_off, temporary
from services.notifier.senders.webhook import host_of
from services.notifier.settings import NotifierSettings
from shared.contract.events import NotificationChannel
from shared.platform.clock import Clock
from shared.platform.postgres import Connection
from shared.runtime.stage import Resources
from shared.runtime.timers import claim
from shared.vault.crypto import Vault
from shared.vault.key_store import open_keys

PUT_OFF: Final = put_off("no_room")
END_SECONDS_MAX: Final = 4.0
_FIRE: Final = """
    UPDATE cases SET fire_at = x.at
    FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[]) AS x(id, at, claimed_until)
    WHERE cases.report_id = x.id AND cases.fire_at = x.claimed_until
"""


@dataclass(frozen=True, slots=True)
class Job:
    """What is due of one report over one channel, the oldest first; claimed at `now` (UTC).

    Without a key nothing can be opened. `bulkheads` are those that it passes, in order.
    """

    report_id: str
    channel: NotificationChannel
    due: tuple[Pending, ...]
    now: datetime
    key: Key | None = None
    bulkheads: tuple[Bulkhead, ...] = ()
    is_stale: bool = False
    """Due so long ago that nothing is attempted."""


class DeliveryLoop:
    """The delivery loop of one process; several may run, each claims other reports."""

    def __init__(self, senders: Senders, vault: Vault, settings: NotifierSettings) -> None:
        self._senders = senders
        self._vault = vault
        self._settings = settings
        self._bulkheads = DeliverySlots(settings)
        self._reports = Reports()
        self._tasks: set[asyncio.Task[None]] = set()
        self._bugs: list[BaseException] = []
        self._is_ending = False
        self._in_hand: set[str] = set()
        # Report -> when to fire, and until when it was claimed: of a row that changed since (what
        # was decided fires by itself) nothing is changed.
        self._fire_times: dict[str, tuple[datetime, datetime]] = {}
        # Id -> the host of its webhook: no key is opened again for what has to wait.
        self._hosts: OrderedDict[str, str] = OrderedDict()

    async def run(self, context: Resources) -> None:
        """Deliver until the process stops; goes on at once while there is more.

        Raises:
            asyncpg.PostgresError: nothing is lost; what was claimed fires again.
        """
        publishing = asyncio.create_task(self._reports.publish(context))
        try:
            while not context.stopping.is_set():
                claimed = await self.round(context) if self._reports.has_room else 0
                for bug in (*self._bugs, publishing.exception() if publishing.done() else None):
                    if bug is not None:
                        raise bug
                if claimed < self._settings.deliveries_at_once_max:
                    await asyncio.sleep(self._settings.tick_seconds)
        finally:
            publishing.cancel()
            if context.stopping.is_set():
                await self._end(context)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        """Forget a delivery that is over; a bug in it ends the loop, not that message alone."""
        self._tasks.discard(task)
        if not task.cancelled() and (bug := task.exception()):
            self._bugs.append(bug)

    async def _end(self, context: Resources) -> None:
        """Let what has begun end, within a little time, and say what became of it."""
        self._is_ending = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=END_SECONDS_MAX)
        for task in self._tasks:
            task.cancel()
        with contextlib.suppress(KafkaError, TimeoutError):
            async with asyncio.timeout(END_SECONDS_MAX):
                await self._reports.flush(context)

    async def round(self, context: Resources) -> int:
        """Claim what is due and begin to deliver it; return how many reports were claimed."""
        now, clock = context.clock.now(), context.clock
        async with context.pool.acquire() as connection:
            cases = await self._claim(connection, now, clock)
            jobs, waits = self._with_room(cases, now, clock)
            for job in await self._with_keys(connection, jobs, waits):
                task = asyncio.create_task(self._deliver(job, context))
                self._tasks.add(task)
                task.add_done_callback(self._ended)
            self._put_off(cases, waits, now, clock)
            due_timers, self._fire_times = self._fire_times, {}
            if due_timers:
                times, claims = zip(*due_timers.values(), strict=True)
                await connection.execute(_FIRE, list(due_timers), list(times), list(claims))
        context.meters.deliveries(self._bulkheads.open_circuits(monotonic()), len(due_timers))
        return len(cases)

    def _rest(self, clock: Clock) -> timedelta:
        return timedelta(seconds=self._settings.again_after_seconds * clock.scale)

    async def _claim(
        self, connection: Connection, now: datetime, clock: Clock
    ) -> list[NotificationCase]:
        most = self._settings.deliveries_at_once_max
        due = await claim(connection, now, most, self._rest(clock))
        if not due:
            return []
        rows = await connection.fetch(
            "SELECT state FROM cases WHERE report_id = ANY($1)", [each.report_id for each in due]
        )
        return [NotificationCase.model_validate_json(row["state"]) for row in rows]

    def _with_room(
        self, cases: Iterable[NotificationCase], now: datetime, clock: Clock
    ) -> tuple[list[Job], dict[str, float]]:
        """Return what may go as far as is known without a key, and report -> seconds to wait."""
        jobs: list[Job] = []
        waits: dict[str, float] = {}
        for case in cases:
            fresh: list[Pending] = []
            stale: list[Pending] = []
            for p in due_of(case, now):
                if p.notification_id not in self._in_hand and not self._reports.hold(p):
                    (stale if self._is_stale(p, now, clock) else fresh).append(p)
            if stale:
                old = Job(case.report_id, stale[0].channel, tuple(stale), now, is_stale=True)
                jobs.append(self._take(old))
            for channel, due in by_channel(fresh).items():
                job = self._with_bulkheads(Job(case.report_id, channel, due, now))
                if job.bulkheads and self._must_wait(job, waits):
                    continue
                jobs.append(self._take(job))
        return jobs, waits

    def _must_wait(self, job: Job, waits: dict[str, float]) -> bool:
        seconds = wait_seconds(job.bulkheads, monotonic())
        if seconds is not None:
            waits[job.report_id] = min(seconds, waits.get(job.report_id, seconds))
        return seconds is not None

    def _take(self, job: Job) -> Job:
        """Take in hand; who does must give back."""
        for bulkhead in job.bulkheads:
            bulkhead.in_hand += len(job.due)
        self._in_hand.update(p.notification_id for p in job.due)
        return job

    def _give_back(self, job: Job) -> None:
        for bulkhead in job.bulkheads:
            bulkhead.in_hand -= len(job.due)
        self._in_hand.difference_update(p.notification_id for p in job.due)

    async def _with_keys(
        self, connection: Connection, candidates: Sequence[Job], waits: dict[str, float]
    ) -> list[Job]:
        """Open keys, and see whether there is room where webhooks turn out to go."""
        ids = {job.report_id for job in candidates if not job.is_stale}
        try:
            keys = await open_keys(
                connection, self._vault, ids, stage="notifier", purpose="delivery"
            )
        except BaseException:
            for job in candidates:
                self._give_back(job)
            raise
        jobs = []
        for candidate in candidates:
            job = self._addressed(replace(candidate, key=keys.get(candidate.report_id)))
            if job.bulkheads != candidate.bulkheads:
                self._give_back(candidate)
                if self._must_wait(job, waits):
                    continue
                self._take(job)
            jobs.append(job)
        return jobs

    def _addressed(self, job: Job) -> Job:
        """Learn where a webhook's message goes, if that is not known."""
        first = job.due[0]
        if job.is_stale or job.channel != "webhook" or first.notification_id in self._hosts:
            return job
        message = opened(first, job.key)
        if isinstance(message, Message):
            remember(self._hosts, first.notification_id, host_of(message.to))
        return self._with_bulkheads(job)

    def _with_bulkheads(self, job: Job) -> Job:
        """Return a job with the bulkheads that it passes, as far as is known where it goes."""
        if job.channel not in self._senders:
            return job
        host = self._hosts.get(job.due[0].notification_id, "")
        return replace(job, bulkheads=self._bulkheads.of(job.channel, host))

    def _is_stale(self, pending: Pending, now: datetime, clock: Clock) -> bool:
        late = (now - pending.due_at) / clock.scale
        return late > timedelta(days=self._settings.stale_days_max)

    def _put_off(
        self,
        cases: Iterable[NotificationCase],
        waits: Mapping[str, float],
        now: datetime,
        clock: Clock,
    ) -> None:
        """Have reports fire again when there should be room, or with what is due next."""
        for case in (each for each in cases if each.report_id in waits):
            seconds = waits[case.report_id]
            if any(p.notification_id in self._in_hand for p in case.pending):
                # Should this process die with it, it fires as soon as any other.
                seconds = min(seconds, self._settings.again_after_seconds)
            at = now + timedelta(seconds=seconds * clock.scale)
            at = min([at, *(p.due_at for p in case.pending if p.due_at > now)])
            self._fire_times[case.report_id] = at, now + self._rest(clock)

    def _return(self, job: Job, clock: Clock) -> None:
        """Put off what was in hand and could not be tried: its way closed, or it waited long."""
        seconds = max((bulkhead.put_off(monotonic()) for bulkhead in job.bulkheads), default=0.0)
        at = clock.now() + timedelta(seconds=seconds * clock.scale)
        self._fire_times[job.report_id] = at, job.now + self._rest(clock)

    async def _deliver(self, job: Job, context: Resources) -> None:
        """Attempt what is due of a report over a channel, one after the other."""
        until = monotonic() + self._settings.again_after_seconds / 4
        try:
            for pending in job.due:
                outcome = (
                    permanent("stale")
                    if job.is_stale
                    else await self._through(job, pending, until, context)
                )
                if outcome.outcome == "put_off":
                    self._return(job, context.clock)
                    break
                self._reports.add(pending, report(job.report_id, pending, outcome, job.now))
                if outcome.outcome != "sent":
                    _log_failure(job, pending, outcome, context)
        finally:
            self._give_back(job)

    async def _through(
        self, job: Job, pending: Pending, until: float, context: Resources
    ) -> Outcome:
        """Make an attempt when its turn comes; put off, if that is too late or a way has closed."""
        async with AsyncExitStack() as turns:
            for bulkhead in job.bulkheads:
                await turns.enter_async_context(bulkhead.turns)
            is_late = self._is_ending or monotonic() > until
            if is_late or not all(bulkhead.enter(monotonic()) for bulkhead in job.bulkheads):
                return PUT_OFF
            began = monotonic()
            outcome = PUT_OFF
            try:
                async with asyncio.timeout(self._settings.again_after_seconds / 2):
                    outcome = await attempt(pending, job.key, self._senders)
            except TimeoutError:
                outcome = temporary("timeout")
            finally:
                for bulkhead in job.bulkheads:
                    change = bulkhead.left(outcome, began, monotonic(), random.random())  # noqa: S311
                    if change:
                        context.logger.warning(change, channel=job.channel)
            return outcome


def _log_failure(job: Job, pending: Pending, outcome: Outcome, context: Resources) -> None:
    context.logger.warning(
        "delivery_failed",
        report=job.report_id,
        notification=pending.notification_id,
        channel=pending.channel,
        outcome=outcome.outcome,
        reason=outcome.reason,
    )
