"""Everybody outside the pipeline: channels, institutions, units, reporters, each by their life.

They read their own topics only, answer what they are told, and drop what comes twice under one id,
as the pages for agencies and channels ask them to.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from datetime import timedelta
from functools import partial
from itertools import count
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from shared.contract.tracking import tracking_number
from shared.platform.clock import Clock
from tests.faults.load.report_script import CHANNELS, INSTITUTIONS, UNITS, ReportScript, life
from tests.faults.load.retrying_producer import RetryingProducer

NATIONAL: Final = "00"
REPORT_CLASS: Final = "Pengaduan Tidak Berkadar Pengawasan"
ANOTHER_CLASS: Final = "Permintaan Informasi"
GIVEN_MAX: Final = 20_000  # commands remembered, to be given again if they came too early
TRIES_MAX: Final = 4
_SUBMIT: Final = "id.go.lapor.channel.submit-report.v1"


class OutsideWorld:
    """Submits lives at a rate and acts out what becomes of them."""

    def __init__(
        self,
        kafka: str,
        producer: RetryingProducer,
        seed: int,
        clock: Clock,
        named_by: Callable[[str, str], str],
    ) -> None:
        self.submitted = 0
        self.heard: Counter[str] = Counter()  # inbox entries by name
        self._kafka, self._producer, self._seed, self._clock = kafka, producer, seed, clock
        self._life = partial(life, seed, named_by=named_by)
        self._lives: dict[str, ReportScript] = {}
        self._seen: set[str] = set()
        self._rounds: Counter[str] = Counter()
        self._done: set[tuple[str, str]] = set()
        self._given: dict[str, tuple[str, str, dict[str, Any], int]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    # ---- people

    async def submit(self, rate: float, until: asyncio.Event, at_least: int = 0) -> None:
        """Hand in a life after the other, at so many a second, until told to stop."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while not until.is_set() or self.submitted < at_least:
            each = self._life(self.submitted)
            self._lives[each.report_id] = each
            self._do(self._hand_in(each))
            if self.submitted % 50 == 49:
                self._do(self._blunder(self.submitted))
            self.submitted += 1
            await asyncio.sleep(max(0.0, began + self.submitted / rate - loop.time()))

    def to_come(self) -> ReportScript:
        """Return the next life that will pass every stage and that nobody cuts short."""
        return next(
            each
            for each in map(self._life, count(self.submitted + 1))
            if each.clerk == "auto" and each.holder == "accept" and each.unit != "forgotten"
            and not each.is_withdrawn and not each.days_late
        )  # fmt: skip

    async def _hand_in(self, each: ReportScript) -> None:
        body: dict[str, Any] = {
            "title": f"Laporan {each.number}", "body": each.body, "category_id": each.category,
            "report_class": REPORT_CLASS, "reporter": {"email": each.email},
        }  # fmt: skip
        if each.clerk == "auto":
            body["institution"] = each.owner
        if each.days_late:
            at = self._clock.now() - timedelta(days=each.days_late)
            body["submitted_at"] = at.isoformat()
            body["backdating_reason"] = "typed in from paper"
        topic = f"lapor.channel.{each.channel}.submissions.v1"
        await self._producer.say(topic, each.message_id, _SUBMIT, body)
        if each.is_sent_twice:
            await asyncio.sleep(each.delay_seconds)
            await self._producer.say(topic, each.message_id, _SUBMIT, body)
        if each.is_withdrawn:
            await asyncio.sleep(each.delay_seconds * 2)
            await self._word(each, "withdraw-report")

    async def _blunder(self, number: int) -> None:
        """Send what no gateway can take: each kind in turn, at the gateways of both."""
        topic = f"lapor.channel.{CHANNELS[number // 50 % 3]}.submissions.v1"
        outbox = f"lapor.agency.{list(INSTITUTIONS)[number // 50 % 2]}.outbox.v1"
        own = f"blunder-{self._seed}-{number}"
        say, accept = self._producer.say, "id.go.lapor.agency.accept.v1"
        await say(topic, own, _SUBMIT, b"\xff{not json", is_sound=False)
        await say(topic, f"{own}-b", "id.go.lapor.channel.no-such.v1", {}, is_sound=False)
        await say(topic, "", _SUBMIT, {"title": "tanpa nomor"}, is_sound=False)
        await say(outbox, own, accept, b"{", is_sound=False)
        await say(outbox, f"{own}-b", accept, {"report_id": "0" * 12, "holding": 1, "by": "x",
                  "report_class": REPORT_CLASS}, is_sound=False)  # fmt: skip

    async def _word(self, each: ReportScript, kind: str, **fields: object) -> None:
        """Say a reporter's word about their report."""
        number = self._rounds[f"{each.report_id} {kind}"]
        self._rounds[f"{each.report_id} {kind}"] += 1
        body = {
            "tracking_number": tracking_number(each.report_id),
            "reporter": {"email": each.email}, **fields,
        }  # fmt: skip
        topic = f"lapor.channel.{each.channel}.submissions.v1"
        own = f"{kind}-{each.seed}-{each.number}-{number}"
        await self._producer.say(topic, own, f"id.go.lapor.channel.{kind}.v1", body, is_sound=False)

    # ---- institutions

    async def listen(self) -> None:
        """Read every inbox and act, until cancelled."""
        while True:
            consumer = AIOKafkaConsumer(
                bootstrap_servers=self._kafka, group_id=None, auto_offset_reset="earliest"
            )
            try:
                await consumer.start()
                inboxes = (f"lapor.agency.{code}.inbox.v1" for code in (NATIONAL, *INSTITUTIONS))
                consumer.assign([TopicPartition(topic, 0) for topic in inboxes])
                async for record in consumer:
                    headers = dict(record.headers)
                    entry_id = headers["ce_id"].decode()
                    if entry_id not in self._seen:
                        self._seen.add(entry_id)
                        self._react(record.topic.split(".")[2], entry_id, json.loads(record.value))
            except (KafkaError, OSError):
                await asyncio.sleep(0.5)
            finally:
                await consumer.stop()

    def _react(self, code: str, entry_id: str, entry: Mapping[str, Any]) -> None:
        name, each = entry["entry"], self._lives.get(entry["report_id"])
        self.heard[name] += 1
        if name == "command_refused" and entry.get("reason") == "nothing_to_decide":
            self._again(entry.get("message_id", ""))
        if each is None:
            return
        act = self._national if code == NATIONAL else self._institution
        for kind, fields in act(code, name, each, entry):
            about = {"report_id": entry["report_id"], "by": f"petugas-{code}", **fields}
            about.setdefault("holding", entry.get("holding", 0))
            self._do(self._command(each, code, f"{kind}-{entry_id}", kind, about))
        if code != NATIONAL:
            self._reporter(name, each)

    def _national(
        self, _code: str, name: str, each: ReportScript, _entry: Mapping[str, Any]
    ) -> list[tuple[str, dict[str, Any]]]:
        """Decide on what waits for an officer, and on what came back."""
        if name == "report_returned":
            return [("forward", {"to": _other(each.owner)})]
        if name != "report_received":
            return []
        match each.clerk:
            case "officer":
                return [("forward", {"to": each.owner})]
            case "block":
                return [("block", {"reason": "Memuat data pribadi orang lain."})]
            case "archive":
                return [("archive", {"reason": "unclear"})]
        return []

    def _institution(
        self, code: str, name: str, each: ReportScript, entry: Mapping[str, Any]
    ) -> list[tuple[str, dict[str, Any]]]:
        """Verify, dispatch, follow up, close; `code` may hold what another gave back."""
        accept = ("accept", {"report_class": REPORT_CLASS, "category_id": each.category})
        match name:
            case "report_to_verify":
                return [*_meddle(each), *self._verify(code, each, entry, accept)]
            case "information_completed":
                return [accept]
            case "routing_held":
                return [("dispatch", {"unit": UNITS[code]})]
            case "dispatched":
                return self._handle(code, each, entry)
            case "reporter_replied" | "reopened":
                unit = entry.get("unit") or UNITS[code]
                return [("follow-up", {"unit": unit, "text": "Sudah ditindaklanjuti kembali."})]
            case "follow_up" if each.ending in ("admin", "reopen"):
                return [("close-case", {"solved": True})]
        return []

    def _verify(
        self,
        code: str,
        each: ReportScript,
        entry: Mapping[str, Any],
        accept: tuple[str, dict[str, Any]],
    ) -> list[tuple[str, dict[str, Any]]]:
        match each.holder:
            case "ask":
                return [("ask-for-information", {"question": "Di mana letak persisnya?"})]
            case "return" if code == each.owner and not entry.get("final"):
                return [("return-report", {"reason": "Bukan kewenangan kami."})]
            case "archive":
                return [("archive", {"reason": "no_evidence"})]
            case "forgotten":
                return []
        return [accept]

    def _handle(
        self, code: str, each: ReportScript, entry: Mapping[str, Any]
    ) -> list[tuple[str, dict[str, Any]]]:
        unit = entry.get("unit") or UNITS[code]
        follow_up = ("follow-up", {"unit": unit, "text": "Petugas sudah memeriksa lokasi."})
        if each.is_reclassified and self._first(each, "reclassify"):
            again = {"report_class": ANOTHER_CLASS, "why": "Sebenarnya permintaan informasi."}
            return [("reclassify", again), follow_up]
        match each.unit:
            case "respond":
                return [("initial-response", {"unit": unit, "text": "Kami terima."}), follow_up]
            case "return" if self._first(each, "return"):
                return [("return-to-institution", {"unit": unit, "reason": "Bukan tugas kami."})]
            case "forgotten":
                return []
        return [follow_up]

    async def _command(
        self,
        each: ReportScript,
        code: str,
        own: str,
        kind: str,
        body: dict[str, Any],
        *,
        tries: int = 1,
    ) -> None:
        await asyncio.sleep(each.delay_seconds)
        sender = body.pop("from", code)
        if sender == code:
            self._given[own] = (code, kind, body, tries)
            if len(self._given) > GIVEN_MAX:
                self._given.pop(next(iter(self._given)))
        topic = f"lapor.agency.{sender}.outbox.v1"
        await self._producer.say(topic, own, f"id.go.lapor.agency.{kind}.v1", body)

    def _again(self, own: str) -> None:
        """Give a command again that came before what it is about."""
        given = self._given.pop(own, None)
        if given is None or given[3] >= TRIES_MAX:
            return
        code, kind, body, tries = given
        each = self._lives[body["report_id"]]
        self._do(self._command(each, code, f"{own}-{tries}", kind, dict(body), tries=tries + 1))

    # ---- reporters

    def _reporter(self, name: str, each: ReportScript) -> None:
        """React to what the institution has just told the reporter."""
        if name == "information_requested":
            self._soon(each, "complete-information", text="Di depan kantor desa.")
        elif name == "follow_up" and each.ending == "reporter":
            self._soon(each, "close-report", rating=5, solved=True)
        elif name == "follow_up" and each.ending == "reply" and self._first(each, "reply"):
            self._soon(each, "reply-to-follow-up", text="Belum selesai, mohon dicek lagi.")
        elif name == "closed" and each.ending == "reopen" and self._first(each, "reopen"):
            self._soon(each, "reopen-report", text="Rusak lagi.")

    def _soon(self, each: ReportScript, kind: str, **fields: object) -> None:
        async def later() -> None:
            await asyncio.sleep(each.delay_seconds)
            await self._word(each, kind, **fields)

        self._do(later())

    def _first(self, each: ReportScript, what: str) -> bool:
        key = (each.report_id, what)
        is_first = key not in self._done
        self._done.add(key)
        return is_first

    # ---- tasks

    def _do(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def quiet(self, seconds_max: float) -> bool:
        """Wait until everything begun was said; return whether it was in time."""
        until = asyncio.get_running_loop().time() + seconds_max
        while self._tasks:
            if asyncio.get_running_loop().time() > until:
                return False
            await asyncio.sleep(0.2)
        return True

    async def close(self) -> None:
        """Let everybody go home."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _other(owner: str) -> str:
    return next(code for code in INSTITUTIONS if code != owner)


def _meddle(each: ReportScript) -> list[tuple[str, dict[str, Any]]]:
    """Let an institution that does not hold the report speak about it: it is refused."""
    if not each.is_meddled_with:
        return []
    return [("accept", {"report_class": REPORT_CLASS, "from": _other(each.owner)})]
