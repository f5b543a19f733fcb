"""People and institutions around the nine stages in memory, in the words of those who use them.

Nothing here decides: it puts records where people and institutions put theirs, lets the stages
run, and moves the one clock, which is the broker's.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from typing import Any, Final, NamedTuple, TypeVar

from pydantic import BaseModel

from services.notifier import attempt
from services.notifier.senders import SENT, Message, Outcome
from shared.contract import events as e
from shared.contract import tracking
from shared.contract.envelope import Outbound, encode, event_headers
from shared.contract.topics import AGENCIES, DEAD_LETTERS, OUTBOX, SUBMISSIONS, Stream
from shared.runtime.timers import Due, has_timers, timer
from tests.pipeline import reading
from tests.pipeline.lookups import Lookups
from tests.pipeline.processes import VAULT, Process, finish, stages
from tests.pipeline.reading import Fact
from tests.simulation.memory import Broker, MemoryState

E = TypeVar("E", bound=BaseModel)
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
WAYS: Final[tuple[e.NotificationChannel, ...]] = ("email", "webhook", "file")
MILLISECOND: Final = timedelta(milliseconds=1)
TUESDAY: Final = datetime(2023, 4, 18, 2, tzinfo=UTC)  # 10:00 in HSU, before the long holiday
REPORTER: Final = e.Reporter(name="Siti Rahmah", email="siti@warga.example")
STREET_LIGHT: Final = {
    "title": "Lampu jalan padam",
    "body": "Lampu penerangan jalan umum di Amuntai padam sejak dua minggu dan warga takut lewat "
    "pada malam hari.",
    "institution": "6308",
    "category_id": "1398",
}
"""Complete and clear: forwarded to HSU by itself, and dispatched to its transport unit."""


class Status(NamedTuple):
    """What each deciding stage thinks of a report; empty where it knows nothing."""

    national: str
    institution: str
    routing: str
    follow_up: str


@dataclass(frozen=True)
class Agency:
    """An institution that reads its inbox and writes to its outbox."""

    harness: "Harness"
    code: str

    def send(
        self, command: type[e.Command], report_id: str, *, message_id: str = "", **fields: Any
    ) -> str:
        """Send a command about a report; holding and unit as the inbox says, unless named."""
        known = [x for x in self.harness.inbox(self.code) if x.report_id == report_id]
        plain: dict[str, Any] = {
            "report_id": report_id,
            "by": "petugas-1",
            "holding": max((x.holding for x in known if x.entry != "command_refused"), default=0),
        }
        if issubclass(command, e.UnitCommand):
            units = [x.unit for x in known if x.entry == "dispatched"]
            plain["unit"] = units[-1] if units else f"{self.code}-001"
        event = command(**(plain | fields))
        return self.harness.put(
            OUTBOX, self.code, event, message_id or self.harness.new_id(self.code)
        )

    def answers_to(self, message_id: str) -> list[str]:
        """Return the inbox entries that answer a command: `name`, or `name:reason` for a no."""
        said = self.harness.facts(AGENCIES)
        mine = {
            f.id
            for f in said
            if isinstance(f.event, e.Command)
            and (f.event.institution, f.event.message_id) == (self.code, message_id)
        }
        effects = {f.id for f in reading.core(self.harness.broker) if f.cause in mine}
        return [
            f"{x.entry}:{x.reason}" if x.message_id == message_id else x.entry
            for fact in reading.entries(self.harness.broker, self.code)
            if isinstance(x := fact.event, e.InboxEntry)
            and (x.message_id == message_id or fact.cause in effects)
        ]


class Harness:
    """All stages over one broker; the order in which they read follows from the seed."""

    def __init__(self, seed: int = 0, start: datetime = TUESDAY) -> None:
        self.random = Random(seed)
        self.broker = Broker(now_ms=_milliseconds(start))
        self.lookups = Lookups(VAULT)
        self.processes = {
            stage.name: Process(stage, self.broker, self._state(stage.store)) for stage in stages()
        }
        self.lookups.intake = self.processes["intake"].state
        self.letters: list[Message] = []
        self.outcomes: list[Outcome] = []  # of the next deliveries; then all are sent
        self.headers: Mapping[str, bytes] = {}  # what senders add to their records
        self.key = b""
        self._numbers = count(1)

    def _state(self, store: Any) -> MemoryState:
        return MemoryState(store=store, connection=self.lookups)

    # ---- time

    @property
    def now(self) -> datetime:
        """Return the time of the harness, UTC."""
        return EPOCH + timedelta(milliseconds=self.broker.now_ms)

    def run(self) -> None:
        """Let the stages read until nothing is left, in any order, a part at a time."""
        while ready := [p for p in self.processes.values() if p.lagging()]:
            self.random.choice(ready).step(self.random)

    def catch_up(self, *stages: str) -> None:
        """Let some stages read all there is, one after the other, while the others sleep."""
        for stage in stages:
            process = self.processes[stage]
            while process.lagging():
                process.step(self.random)

    def advance(self, to: datetime) -> None:
        """Let time pass from timer to timer; the stages run after each.

        Raises:
            AssertionError: a stage decided its timer and did not put it off.
        """
        self.run()
        while (due := self._timers(to)) and (first := min(at for _, _, at in due)):
            self.broker.now_ms = max(self.broker.now_ms, _milliseconds(first))
            ladder_step = [timer for timer in due if timer[2] <= self.now]
            for stage, report_id, at in ladder_step:
                self._fire(stage, report_id, at)
            self.run()
            again = set(ladder_step) & set(self._timers(to))
            assert not again, f"fires for ever: {again}"
        self.broker.now_ms = max(self.broker.now_ms, _milliseconds(to))

    def wait(self, **delta: float) -> None:
        """Let days, hours or minutes pass."""
        self.advance(self.now + timedelta(**delta))

    def _timers(self, until: datetime) -> list[tuple[str, str, datetime]]:
        return [
            (name, report_id, at)
            for name, process in self.processes.items()
            for report_id, stored in process.state.kept.items()
            if stored.case is not None
            and (at := process.stage.store.timer_at(stored.case)) is not None
            and at <= until
        ]

    def _fire(self, stage: str, report_id: str, at: datetime) -> None:
        if has_timers(stage):
            self.broker.append(timer(stage, Due(report_id, at), self.now))
            return
        case = self.case(stage, report_id)
        wrapped = self.lookups.keys.get(report_id)
        key = VAULT.unwrap(wrapped, report_id) if wrapped else None
        for pending in attempt.due_of(case, self.now):
            sending = attempt.attempt(pending, key, dict.fromkeys(WAYS, self._send))
            self.broker.append(attempt.report(report_id, pending, finish(sending), self.now))

    async def _send(self, message: Message) -> Outcome:
        outcome = self.outcomes.pop(0) if self.outcomes else SENT
        if outcome == SENT:
            self.letters.append(message)
        return outcome

    # ---- who writes

    def new_id(self, sender: str) -> str:
        """Return a message id that nobody used yet."""
        return f"{sender}-{next(self._numbers)}"

    def put(self, stream: Stream, producer: str, event: BaseModel, message_id: str) -> str:
        """Put a message on the topic of a channel or institution."""
        self.put_raw(stream, producer, encode(event), message_id, stream.type_of(type(event)))
        return message_id

    def put_raw(
        self, stream: Stream, producer: str, value: bytes | None, message_id: str, event_type: str
    ) -> None:
        """Put any bytes there."""
        headers = event_headers(
            event_id=message_id, event_type=event_type, source=f"/{producer}", subject="",
            time=self.now, causation_id="", correlation_id="", sequence=0,
        )  # fmt: skip
        kept = [(name, value) for name, value in headers if name not in self.headers]
        self.broker.append(
            Outbound(
                stream.topic(producer), 0, self.key, value or b"", [*kept, *self.headers.items()]
            )
        )

    def submit(self, *, channel: str = "website", message_id: str = "", **fields: Any) -> str:
        """Hand in a report, the street light's unless told otherwise; return its report id."""
        event = e.SubmitReport(**({**STREET_LIGHT, "reporter": REPORTER} | fields))
        sent = self.put(SUBMISSIONS, channel, event, message_id or self.new_id(channel))
        return VAULT.report_id(channel, sent)

    def write(
        self, message: type[e.ReporterMessage], report_id: str, *, channel: str = "website",
        message_id: str = "", **fields: Any,
    ) -> str:  # fmt: skip
        """Send a reporter's word about a report, proved by its secret unless told otherwise."""
        plain: dict[str, Any] = {"tracking_number": tracking.tracking_number(report_id)}
        if "reporter" not in fields and report_id in self.lookups.keys:
            key = VAULT.unwrap(self.lookups.keys[report_id], report_id)
            plain["secret"] = key.reporter_secret()
        event = message(**(plain | fields))
        return self.put(SUBMISSIONS, channel, event, message_id or self.new_id(channel))

    def agency(self, code: str) -> Agency:
        """Return an institution."""
        return Agency(self, code)

    # ---- what is to be seen

    def facts(self, stream: Stream) -> list[Fact]:
        """Return a stream's events."""
        return list(reading.facts(self.broker, stream))

    def events(self, report_id: str, *streams: Stream) -> list[Any]:
        """Return a report's events in core streams (all unless named), in broker time."""
        found = [f for s in streams or reading.CORE for f in self.facts(s)]
        mine = (f for f in found if getattr(f.event, "report_id", "") == report_id)
        return [f.event for f in sorted(mine, key=lambda f: f.at)]

    def said(self, report_id: str, *streams: Stream) -> list[str]:
        """Return the names of a report's events."""
        return [type(event).__name__ for event in self.events(report_id, *streams)]

    def of(self, kind: type[E], report_id: str) -> list[E]:
        """Return a report's events of one class."""
        return [event for event in self.events(report_id) if isinstance(event, kind)]

    def inbox(self, code: str) -> list[e.InboxEntry]:
        """Return an institution's inbox."""
        found = (f.event for f in reading.entries(self.broker, code))
        return [entry for entry in found if isinstance(entry, e.InboxEntry)]

    def answers(self, channel: str = "website") -> list[e.ChannelAnswer]:
        """Return a channel's answers."""
        found = (f.event for f in reading.answers(self.broker, channel))
        return [answer for answer in found if isinstance(answer, e.ChannelAnswer)]

    def case(self, stage: str, report_id: str) -> Any:
        """Return a stage's case of a report."""
        stored = self.processes[stage].state.kept.get(report_id)
        return stored.case if stored else None

    def status(self, report_id: str) -> Status:
        """Return what the deciding stages think of a report."""
        names = ("verification.national", "verification.institution", "routing", "follow-up")
        cases = [self.case(name, report_id) for name in names]
        return Status(*("" if case is None else case.status.value for case in cases))

    def owed(self, report_id: str) -> dict[str, datetime]:
        """Return the clocks that run or rest, with their deadlines, UTC."""
        case = self.case("sla-monitor", report_id)
        if case is None or case.is_over:
            return {}
        return {
            said.clock: said.deadline for said in case.announcements.values() if said.met_at is None
        }

    def dead(self) -> list[dict[str, bytes]]:
        """Return the headers of the dead letters."""
        return [dict(record.headers) for record in self.broker.read(DEAD_LETTERS.topic())]

    def repeat(self, records: Iterable[Any]) -> None:
        """Append records again as they are, under new offsets."""
        for r in records:
            place = Outbound(r.topic, r.partition, r.key, r.value, list(r.headers))
            self.broker.append(place)


def at(text: str, zone_hours: int = 8) -> datetime:
    """Return the instant of a local time, `2023-04-28 24:00`; WITA (UTC+8) unless told."""
    day, _, clock = text.partition(" ")
    hours, _, minutes = clock.partition(":")
    midnight = datetime.fromisoformat(f"{day}T00:00:00+00:00")
    return midnight + timedelta(hours=int(hours) - zone_hours, minutes=int(minutes))


def _milliseconds(when: datetime) -> int:
    return -((EPOCH - when) // MILLISECOND)
