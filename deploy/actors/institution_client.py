"""An institution's system as an outside author would write it: inbox in, outbox out."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from aiokafka import AIOKafkaProducer

from deploy.actors.kafka import OutgoingRecord, assign, header, letter, reader, send
from deploy.actors.script import ReportScript, act_at
from deploy.actors.timetable import Timetable
from shared.contract.events import Command, InboxEntry
from shared.contract.topics import INBOX, OUTBOX
from shared.worktime.working_days import Calendar


class Told(NamedTuple):
    """An inbox entry as an officer reads it: what, about which life, its id, since when (UTC)."""

    entry: InboxEntry
    life: ReportScript
    entry_id: str
    at: datetime


class Desk:
    """Where one institution's officers read and write."""

    def __init__(
        self,
        code: str,
        lives: Mapping[str, ReportScript],
        calendar: Calendar,
        timetable: Timetable,
        producer: AIOKafkaProducer,
    ) -> None:
        self.code: Final = code
        self.sent: Counter[tuple[str, str]] = Counter()
        self._lives = lives
        self._calendar = calendar
        self._timetable = timetable
        self._producer = producer

    async def run(
        self, bootstrap: str, ready: Callable[[], None], react: Callable[[Told], None]
    ) -> None:
        """Hand every inbox entry about a known life to an officer, until cancelled."""
        consumer = reader(bootstrap, f"demo-agency-{self.code}")
        await consumer.start()
        try:
            assign(consumer, {INBOX.topic(self.code): 1})
            ready()
            async for record in consumer:
                entry = InboxEntry.model_validate_json(record.value)
                life = self._lives.get(entry.report_id)
                if life is not None:
                    at = datetime.fromisoformat(header(record, "ce_time"))
                    react(Told(entry, life, header(record, "ce_id"), at))
        finally:
            await consumer.stop()

    def later(
        self, told: Told, days: int, act: Callable[[], Awaitable[None]], *, read_days: float = 0
    ) -> None:
        """Act so many working days after an entry's fact, and not sooner after reading it."""
        at = act_at(self._calendar, told.at, days, told.life.pace.hour)
        read_until = self.now() + timedelta(days=read_days)
        self._timetable.at(max(at, read_until), act)

    def now(self) -> datetime:
        """Return the business time (UTC)."""
        return self._timetable.clock.now()

    def answer(self, told: Told, days: int, command: Command) -> None:
        """Send a command about an entry so many working days after its fact."""
        self.later(told, days, lambda: self.write(command, told.entry_id))

    async def write(self, command: Command, causation_id: str = "") -> None:
        """Send a command now."""
        message_id = f"surat-{self.code}-{self.sent.total() + 1:05d}"
        await self.post(letter(OUTBOX, self.code, message_id, command, causation_id))

    async def post(self, what: OutgoingRecord) -> None:
        """Send a record and count it as owed one answer."""
        self.sent[what.topic, what.message_id] += 1
        await send(self._producer, what)
