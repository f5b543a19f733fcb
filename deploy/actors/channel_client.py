"""A channel adapter as any outside author would write one: submissions out, answers in.

It replays the lives' reports when the business clock reaches their time, sends a few twice as
after a lost answer, and a few that cannot be taken. It knows the public topics and nothing else.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from aiokafka import AIOKafkaProducer

from deploy.actors.kafka import OutgoingRecord, assign, headers_of, letter, reader, send
from deploy.actors.script import ReportScript
from deploy.actors.texts import compose
from deploy.actors.timetable import Timetable
from shared.contract.events import ChannelAnswer, Reporter, ReporterMessage, SubmitReport
from shared.contract.topics import ANSWERS, SUBMISSIONS

_SUBMIT: Final = SUBMISSIONS.type_of(SubmitReport)
_SMS_CHARACTERS: Final = 130


class BadInput(NamedTuple):
    """Something no gateway can take, and the reason it has to be answered with."""

    letter: OutgoingRecord
    reason: str


def submission(life: ReportScript) -> SubmitReport:
    """Write what the reporter of a life hands in: our own text, a fictitious author."""
    is_sms = life.channel == "sms-1708"
    text = compose(
        life.category_id,
        life.text_seed,
        report_class=life.report_class.value,
        length=_SMS_CHARACTERS if is_sms else None,
        region=life.owner,
    )
    return SubmitReport(
        title=text.title,
        body=text.body,
        reporter=Reporter(
            name=f"Pelapor {life.author}", email=f"{life.author}@warga.example", language="id"
        ),
        report_class=life.report_class if life.claims_class else None,
        category_id=life.category_id,
        institution=life.addressed,
        place_code=life.place_code,
        anonymous=life.anonymous,
        confidential=life.confidential,
        submitted_at=life.submitted_at,
    )


def letter_of(life: ReportScript) -> OutgoingRecord:
    """Write a life's submission as its channel sends it."""
    return letter(SUBMISSIONS, life.channel, life.message_id, submission(life))


def bad_inputs(like: SubmitReport) -> tuple[BadInput, ...]:
    """Return one of each kind of input that cannot be taken, by name (issue: bad input)."""
    sound = json.loads(like.model_dump_json(exclude_none=True))

    def made(name: str, reason: str, **fields: object) -> BadInput:
        return _bad(name, json.dumps({**sound, **fields}).encode(), reason)

    return (
        _bad("tidak-terbaca", b"\xff\xfe\x00laporan", "not_json"),
        made("tanpa-isi", "invalid_fields", body=""),
        made("judul-panjang", "invalid_fields", title="x" * 171),
        made("instansi-tak-ada", "unknown_institution", institution="9999"),
        made("kategori-tak-ada", "unknown_category", category_id="999999"),
        made("karakter-kendali", "control_characters", body="jalan\x00 rusak sekali di sini"),
        made("tanggal-2099", "incident_in_the_future", incident_on="2099-01-01"),
        made("waktu-tanpa-zona", "invalid_fields", submitted_at="2023-05-01T00:00:00"),
        _bad("jenis-tak-dikenal", b"{}", "unknown_type", "id.go.lapor.channel.no-such.v1"),
    )  # fmt: skip


def _bad(name: str, value: bytes, reason: str, event_type: str = _SUBMIT) -> BadInput:
    message_id = f"rusak-{name}"
    headers = headers_of(event_type, message_id, "/demo/website")
    return BadInput(
        OutgoingRecord(SUBMISSIONS.topic("website"), message_id, value, headers), reason
    )


class Adapter:
    """Speaks for every channel of the demo; remembers each answer by its message's id."""

    def __init__(self, producer: AIOKafkaProducer, timetable: Timetable) -> None:
        self.answers: dict[str, ChannelAnswer] = {}
        self.sent: Counter[tuple[str, str]] = Counter()
        self._producer = producer
        self._timetable = timetable

    def schedule(self, letters: Iterable[tuple[datetime, OutgoingRecord]]) -> None:
        """Send each letter at its business time."""
        for at, each in letters:
            self._timetable.at(at, lambda each=each: self.post(each))  # type: ignore[misc]

    async def post(self, what: OutgoingRecord) -> None:
        """Send a record and count it as owed one answer."""
        self.sent[what.topic, what.message_id] += 1
        await send(self._producer, what)

    async def say(self, life: ReportScript, message_id: str, message: ReporterMessage) -> None:
        """Send a reporter's word about an existing report."""
        await self.post(letter(SUBMISSIONS, life.channel, message_id, message))

    async def listen(self, bootstrap: str, channels: Sequence[str], ready: asyncio.Event) -> None:
        """Read the answers of these channels until cancelled."""
        consumer = reader(bootstrap, "demo-channels")
        await consumer.start()
        try:
            assign(consumer, dict.fromkeys((ANSWERS.topic(name) for name in channels), 1))
            ready.set()
            async for record in consumer:
                answer = ChannelAnswer.model_validate_json(record.value)
                self.answers.setdefault(answer.message_id, answer)
        finally:
            await consumer.stop()


def about(life: ReportScript, answers: dict[str, ChannelAnswer]) -> dict[str, str | None] | None:
    """Return what proves that a message is its report's author's; None before the answer came."""
    answer = answers.get(life.message_id)
    if answer is None or answer.tracking_number is None:
        return None
    return {"tracking_number": answer.tracking_number, "secret": answer.secret}
