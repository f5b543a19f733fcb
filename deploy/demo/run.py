"""The demo from start to end: a stack of its own, a year on a scaled clock, the account of it."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final, Self

from deploy.actors import export
from deploy.actors.bad_input import bad_commands
from deploy.actors.channel_client import Adapter, BadInput, bad_inputs, letter_of, submission
from deploy.actors.institution_client import Desk
from deploy.actors.kafka import OutgoingRecord, producer
from deploy.actors.officers import InstitutionOfficers, NationalAdmin
from deploy.actors.reporters import Reporters
from deploy.actors.script import BANDUNG, HSU, ReportScript, World, extras, lives, repeated, thinned
from deploy.actors.texts import frequencies
from deploy.actors.timetable import Timetable
from deploy.cli.model.registry_change import publish
from deploy.cli.model.sla_snapshot import StackAddress
from deploy.cli.model.verification import verify_all
from deploy.demo.board import Board, DemoSpan
from deploy.demo.check import problems
from deploy.demo.decrees import decrees
from deploy.demo.mail import MailServer
from deploy.demo.watch import Watch
from deploy.local import stack
from deploy.local.jars import fetch_jars, read_lock
from deploy.local.paths import Home
from deploy.local.state import Plan
from shared.contract.events import CalendarAmended
from shared.platform.clock import Clock
from shared.registry import NATIONAL, Registry, load
from shared.vault.crypto import Vault

DAY_SECONDS: Final = 86_400
AFTER_SHARE: Final = 0.15  # of the year that the clock runs on, so that deadlines come to their end
LEAD_SECONDS: Final = 16.0  # the stack is ready in about 10; the clock starts after this
LEAD_SECONDS_MAX: Final = 120.0
DRAIN_SECONDS_MAX: Final = 20.0
SEND_MARGIN: Final = timedelta(milliseconds=5)  # real time
BOARD_SECONDS: Final = 0.25
CALENDAR_KNOWN_ON: Final = (4, 1)  # of the year after: by then its decrees are known too


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What was asked for on the command line."""

    seconds: float = 90.0
    year: int = 2023
    seed: int = 1
    reports: int | None = None


@dataclass(frozen=True, slots=True)
class Cast:
    """Everything that is known before the clock starts."""

    registry: Registry
    lives: tuple[ReportScript, ...]  # of the export and beside it, by time
    letters: tuple[tuple[datetime, OutgoingRecord], ...]
    bad: tuple[BadInput, ...]  # at the channels' gateway
    bad_commands: tuple[BadInput, ...]  # at the institutions' gateway
    by_report: Mapping[str, ReportScript]
    decrees: tuple[tuple[datetime, CalendarAmended], ...]  # published in the year, by an operator

    @property
    def expected(self) -> dict[tuple[str, str], str]:
        """Return the reason that each bad input must be told."""
        every = (*self.bad, *self.bad_commands)
        return {(bad.letter.topic, bad.letter.message_id): bad.reason for bad in every}

    def on(self, vault: Vault) -> Self:
        """Return it with the report ids of the installation that it plays on."""
        named = tuple(replace(life, named_by=vault.report_id) for life in self.lives)
        return replace(
            self,
            lives=named,
            by_report={life.report_id: life for life in named},
            bad_commands=bad_commands([life for life in named if not life.is_extra]),
        )


@dataclass(frozen=True, slots=True)
class Played:
    """What a play leaves to report."""

    watch: Watch
    sent: Counter[tuple[str, str]]
    problems: list[str]
    verified: int  # reports whose deadlines were derived again from their facts
    mails: Counter[str]
    seconds: float
    until: datetime  # business time, UTC


def cast(options: DemoOptions) -> Cast:
    """Read the export, draw every life, write every text."""
    registry = load()
    rows = thinned(export.read(options.year, registry), options.reports)
    begins = datetime(options.year, 1, 1, tzinfo=UTC)
    seen = {
        category: count for category, count in frequencies().items()
        if category in registry.categories
    }  # fmt: skip
    known_at = datetime(options.year + 1, *CALENDAR_KNOWN_ON, tzinfo=UTC)
    world = World(registry.calendar(BANDUNG, known_at), span_of(begins, options).ends, seen)
    of_export = lives(rows, world, options.seed)
    every = (*of_export, *extras(of_export, world, options.seed))
    every = tuple(sorted(every, key=lambda life: (life.submitted_at, life.message_id)))
    letters = [(life.submitted_at, letter_of(life)) for life in every]
    repeats = repeated(of_export, options.seed)
    again = [
        (at + timedelta(days=2), letter) for at, letter in letters if letter.message_id in repeats
    ]
    return Cast(
        registry=registry,
        lives=every,
        letters=(*letters, *again),
        bad=bad_inputs(submission(every[0])),
        bad_commands=bad_commands(of_export),
        by_report={life.report_id: life for life in every},
        decrees=tuple(decrees(registry, options.year)),
    )


def span_of(begins: datetime, options: DemoOptions) -> DemoSpan:
    """Return the business time played: the year, and what comes after it."""
    year_ends = datetime(options.year + 1, 1, 1, tzinfo=UTC)
    return DemoSpan(begins, year_ends, year_ends + (year_ends - begins) * AFTER_SHARE)


def clock_from(real: datetime, options: DemoOptions) -> Clock:
    """Return the clock on which the year begins at a real time and takes so many seconds."""
    begins = datetime(options.year, 1, 1, tzinfo=UTC)
    year = datetime(options.year + 1, 1, 1, tzinfo=UTC) - begins
    return Clock(round(year.total_seconds() / options.seconds, 3), real, begins)


def plan_for(clock: Clock, mail_port: int, outbox: Path) -> Plan:
    """Return the whole stack's plan with the demo's clock, its timer loops and its mail server."""
    env = {
        "LAPOR_CLOCK_SCALE": str(clock.scale),
        "LAPOR_CLOCK_REAL_ORIGIN": clock.real_origin.isoformat(),
        "LAPOR_CLOCK_BUSINESS_ORIGIN": clock.business_origin.isoformat(),
        "LAPOR_TIMER_TICK_SECONDS": "0.05",
        "LAPOR_TIMER_REFIRE_SECONDS": "3",
        "LAPOR_NOTIFIER_TICK_SECONDS": "0.05",
        "LAPOR_NOTIFIER_EMAIL_AT_ONCE_MAX": "100",  # a day's mail comes in a quarter second
        "LAPOR_NOTIFIER_SMTP_HOST": "127.0.0.1",
        "LAPOR_NOTIFIER_SMTP_PORT": str(mail_port),
        "LAPOR_NOTIFIER_SMTP_TLS": "none",
        "LAPOR_NOTIFIER_OUTBOX": str(outbox),
    }
    services = tuple(
        service.model_copy(update={"env": {**service.env, **env}})
        for service in stack.DEFAULT_PLAN.services
    )
    return stack.DEFAULT_PLAN.model_copy(update={"services": services})


def start(
    home: Home, cache: Path, progress: stack.StartProgress, options: DemoOptions, mail_port: int
) -> Clock:
    """Start a fresh stack and return its clock, whose year begins in a moment.

    On a machine that took longer than the lead the stack is started again with a longer one.
    """
    fetch_jars(cache, read_lock(), progress.jars)  # before, so that no download eats the lead
    lead = LEAD_SECONDS
    while True:
        clock = clock_from(datetime.now(UTC) + timedelta(seconds=lead), options)
        plan = plan_for(clock, mail_port, home.root / "outbox")
        stack.up(home, cache, progress, plan=plan, is_fresh=True)
        if datetime.now(UTC) < clock.real_origin or lead >= LEAD_SECONDS_MAX:
            return clock
        stack.down(home)
        lead = min(lead * 2, LEAD_SECONDS_MAX)


async def play(
    cast: Cast,
    options: DemoOptions,
    place: StackAddress,
    *,
    mail: MailServer,
    show: Callable[[Board, datetime], None],
) -> Played:
    """Play the year on a running stack and return what the public streams say of it."""
    began = time.monotonic()
    stage = Play(cast, options, place, mail)
    try:
        await stage.open()
        await stage.act(show)
        await stage.timetable.close()
        found = await stage.settle(show)
        return Played(
            watch=stage.watch,
            sent=stage.sent,
            problems=found,
            verified=stage.verified,
            mails=mail.subjects,
            seconds=time.monotonic() - began,
            until=place.clock.now(),
        )
    finally:
        await stage.close()


class Play:
    """The people and institutions of one demo, and what they read and write."""

    def __init__(
        self, cast: Cast, options: DemoOptions, place: StackAddress, mail: MailServer
    ) -> None:
        clock, kafka = place.clock, place.kafka
        self.watch: Final = Watch(clock)
        self.timetable: Final = Timetable(clock)
        self.verified = 0  # reports whose deadlines follow from their facts
        self._cast = cast
        self._place = place
        self._kafka = kafka
        self._clock = clock
        self._mail = mail
        self._span = span_of(clock.business_origin, options)
        self._board = Board(self.watch, self._span, len(cast.lives))
        names = ("channels", NATIONAL, BANDUNG, HSU)
        self._producers = {name: producer(kafka, f"demo-{name}") for name in names}
        self._adapter = Adapter(self._producers["channels"], self.timetable)
        self._reporters = Reporters(cast.by_report, self._adapter, self.timetable)
        known_at = datetime(options.year + 1, *CALENDAR_KNOWN_ON, tzinfo=UTC)
        self._desks = {
            code: Desk(
                code, cast.by_report, cast.registry.calendar(code, known_at), self.timetable,
                self._producers[code],
            )
            for code in (NATIONAL, BANDUNG, HSU)
        }  # fmt: skip
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def sent(self) -> Counter[tuple[str, str]]:
        """Return how often each message was sent, by (topic, message id)."""
        return sum((desk.sent for desk in self._desks.values()), Counter(self._adapter.sent))

    async def open(self) -> None:
        """Connect everybody; return when all of them read."""
        await asyncio.gather(*(each.start() for each in self._producers.values()))
        await self._mail.open()
        channels = sorted({life.channel for life in self._cast.lives} | {"website"})
        ready = [asyncio.Event() for _ in range(2 + len(self._desks))]
        principals = {"channel": channels, "agency": list(self._desks)}
        self._start(self.watch.run(self._kafka, principals, ready[0]))
        self._start(self._adapter.listen(self._kafka, channels, ready[1]))
        for (code, desk), is_ready in zip(self._desks.items(), ready[2:], strict=True):
            self._start(desk.run(self._kafka, is_ready.set, self._officers(code).react))
        await self.timetable.race(_all_set(ready))
        self._write_timetable()

    def _officers(self, code: str) -> NationalAdmin | InstitutionOfficers:
        first_ids = {life.message_id: life.report_id for life in self._cast.lives}
        if code == NATIONAL:
            return NationalAdmin(self._desks[code], first_ids)
        any_unit = self._cast.registry.units_of(code)[0].code
        return InstitutionOfficers(self._desks[code], self._reporters, first_ids, any_unit)

    def _write_timetable(self) -> None:
        """Put all that does not wait for anybody on the timetable."""
        # The broker's time has milliseconds, each minutes here: sent on the dot, a report would
        # now and then be one "of the future", which intake refuses.
        margin = SEND_MARGIN * self._clock.scale
        self._adapter.schedule((at + margin, each) for at, each in self._cast.letters)
        self._reporters.plan()
        spread = (self._span.year_ends - self._span.begins) / 12
        for number, bad in enumerate(self._cast.bad, start=1):
            at = self._span.begins + spread * number
            self._adapter.schedule([(at, bad.letter)])
        for at, decree in self._cast.decrees:
            self.timetable.at(at, partial(publish, self._kafka, decree))
        for number, bad in enumerate(self._cast.bad_commands, start=3):
            desk = next(d for d in self._desks.values() if f".{d.code}." in bad.letter.topic)
            at = self._span.begins + spread * number
            self.timetable.at(at, lambda desk=desk, bad=bad: desk.post(bad.letter))  # type: ignore[misc]

    def _start(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            self.timetable.fail(error)

    async def act(self, show: Callable[[Board, datetime], None]) -> None:
        """Let the year pass; return when nothing is to come, at the latest when time is up."""
        while (now := self._clock.now()) < self._span.ends:
            self._look(show)
            if now > self._span.year_ends and not self.timetable.pending and not self._board.open:
                return
            await self.timetable.race(asyncio.sleep(BOARD_SECONDS))

    async def settle(self, show: Callable[[Board, datetime], None]) -> list[str]:
        """Wait until everything said is answered; return what still is not accounted for."""
        until = time.monotonic() + DRAIN_SECONDS_MAX
        while True:
            await asyncio.sleep(BOARD_SECONDS * 2)
            self._look(show)
            found = problems(self.watch.records, self.sent, self._cast.expected)
            found = found or await self._deadlines()
            if not found or time.monotonic() > until:
                return found

    async def _deadlines(self) -> list[str]:
        """Derive every report's deadlines again from its facts; return what differs."""
        self.verified, differences = await verify_all(self._place)
        return [f"report {each.report_id}: {each.text}" for each in differences]

    def _look(self, show: Callable[[Board, datetime], None]) -> None:
        self._board.update()
        show(self._board, self._clock.now())

    async def close(self) -> None:
        """Disconnect everybody."""
        await self.timetable.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._mail.close()
        await asyncio.gather(*(p.stop() for p in self._producers.values()), return_exceptions=True)


async def _all_set(events: Sequence[asyncio.Event]) -> None:
    for event in events:
        await event.wait()
