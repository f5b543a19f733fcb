"""What outsiders tried to learn, forge or date back, on every stage, a real broker and database."""

import asyncio
import json
import unicodedata
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from shared.contract import topics
from shared.contract.topics import Stream
from shared.contract.tracking import report_id, tracking_number
from shared.runtime.writer import partition_of
from tests.integration.all_stages import Pipeline, whole_pipeline
from tests.integration.stack import Stack
from tests.integration.workers import producer, wait_until

pytestmark = pytest.mark.integration
HSU = "6308"
SUBMIT = b"id.go.lapor.channel.submit-report.v1"
PHONE, SESSION, TRACE = "6281255501234", "session-of-akun-17@10.1.2.3", "c0ffeec0ffeec0ff"
FORGED = "2025-03-03 12:00:00  accepted"
TITLE = f"Pungli\u202e uji kir\u2066\u200e\u061c\u2028\U000e0041\n{FORGED}"
ANOTHER = "Lampu jalan di pasar padam sejak Senin, warga Hulu Sungai Utara takut pulang malam."
PWNED = "\x1b]0;PWNED\x07"
REPORT: dict[str, Any] = {
    "title": TITLE,
    "body": "Petugas Pemkab Hulu Sungai Utara minta uang, pungutan liar saat uji kir di Amuntai.",
    "institution": HSU, "category_id": "1398", "anonymous": True, "confidential": True,
    "report_class": "Pengaduan Tidak Berkadar Pengawasan",
    "reporter": {"name": "Maryam Dullah", "phone": f"+{PHONE}", "sender_id": "akun-maryam"},
}  # fmt: skip
GATEWAYS = (topics.SUBMISSIONS, topics.ANSWERS, topics.OUTBOX, topics.INBOX)
CORE = [s for s in topics.STREAMS if s not in GATEWAYS]
_OTHER = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@pytest.fixture(scope="module")
def pipeline(stack: Stack) -> Iterator[Pipeline]:
    """Yield the whole pipeline, once for this module."""
    with whole_pipeline(stack) as running:
        yield running
        assert running.process.poll() is None, running.log.read_text()[-3000:]


def put(
    pipeline: Pipeline, topic: str, value: bytes, *headers: tuple[str, bytes], key: bytes = b""
) -> None:
    """Write a record as anybody with a client may, of no rights but to that topic."""

    async def now() -> None:
        async with producer(pipeline.stack) as made:
            partitions = len(await made.partitions_for(topic))
            place = partition_of(key, partitions) if key else 0
            await made.send_and_wait(topic, value, key=key, partition=place, headers=list(headers))

    asyncio.run(now())


def records(pipeline: Pipeline, streams: Sequence[Stream], producer: str = "") -> list[Any]:
    """Read some streams to their ends."""
    places = [
        TopicPartition(stream.topic(producer) if stream.is_family else stream.topic(), n)
        for stream in streams
        for n in range(stream.partitions)
    ]

    async def now() -> list[ConsumerRecord]:
        consumer = AIOKafkaConsumer(bootstrap_servers=pipeline.stack.kafka)
        await consumer.start()
        try:
            ends = await consumer.end_offsets(places)
            consumer.assign(places)
            await consumer.seek_to_beginning()
            found: list[ConsumerRecord] = []
            while any([await consumer.position(place) < ends[place] for place in places]):
                for batch in (await consumer.getmany(timeout_ms=500)).values():
                    found += batch
            return found
        finally:
            await consumer.stop()

    return asyncio.run(now())


def hand_in(pipeline: Pipeline, own: str, channel: str = "website", **fields: Any) -> str:
    """Hand a report in with all that a sender may add to it; return its id."""
    put(
        pipeline, topics.SUBMISSIONS.topic(channel), json.dumps(REPORT | fields).encode(),
        ("ce_id", own.encode()), ("ce_type", SUBMIT), ("correlationid", SESSION.encode()),
        ("traceparent", f"00-{TRACE}{TRACE}-{TRACE}-01".encode()), ("tracestate", b"vendor=17"),
        key=f"kunci-{PHONE}".encode(),
    )  # fmt: skip
    found: list[dict[str, Any]] = []

    def is_answered() -> bool:
        answers = records(pipeline, [topics.ANSWERS], channel)
        found[:] = [said for r in answers if (said := json.loads(r.value))["message_id"] == own]
        return bool(found)

    wait_until(is_answered, f"{own} is answered")
    assert found[0]["outcome"] == "received", found
    return str(found[0]["report_id"])


def wait_for(pipeline: Pipeline, report: str, event: str) -> dict[str, Any]:
    """Wait until a report has an event; return its timeline."""
    shown: list[dict[str, Any]] = []

    def is_there() -> bool:
        told = pipeline.look("case", "show", report, "--json")
        shown[:] = [json.loads(told.out)] if told.code == 0 else []
        return bool(shown) and event in {each["event"] for each in shown[0]["events"]}

    wait_until(is_there, f"{report} has {event}")
    return shown[0]


def wait_for_inbox(pipeline: Pipeline, report: str) -> list[ConsumerRecord]:
    """Wait until the institution is told of a report; return its inbox."""
    inbox: list[ConsumerRecord] = []

    def is_told() -> bool:
        inbox[:] = records(pipeline, [topics.INBOX], HSU)
        return any(record.key == report.encode() for record in inbox)

    wait_until(is_told, f"{report} is in the inbox")
    return inbox


def test_an_outsider_cannot_read_who_is_anonymous_in_any_stream_inbox_or_log(
    pipeline: Pipeline,
) -> None:
    """Ids, keys and headers of gateways, sessions and traces; what screening found in the text."""
    report = hand_in(pipeline, f"WA-{PHONE}-3EB0F1")
    inbox = wait_for_inbox(pipeline, report)
    headers = [dict(record.headers) for record in inbox if record.key == report.encode()]
    assert {each["correlationid"] for each in headers} == {report.encode()}
    assert headers
    private = (PHONE, SESSION, TRACE, "vendor=17", "kunci-", "Maryam", "akun-")
    of_text = ("pungli", "pungutan", "uang", "kir di")
    behind = records(pipeline, CORE)
    for record, words in [(r, private) for r in inbox] + [(r, private + of_text) for r in behind]:
        parts = [record.key or b"", record.value or b""]
        parts += [part for name, value in record.headers for part in (name.encode(), value or b"")]
        whole = b" ".join(parts).lower()
        assert not [word for word in words if word.lower().encode() in whole], record
    log = pipeline.log.read_text().lower()
    assert not [word for word in (*private, *of_text) if word.lower() in log]


def test_an_outsider_cannot_foretell_a_report_by_its_ticket(pipeline: Pipeline) -> None:
    """The hash that anybody can compute is not the id."""
    report = hand_in(pipeline, "ticket-2041")
    assert report != report_id(b"", "website", "ticket-2041")
    assert hand_in(pipeline, "ticket-2042") != report


def test_an_outsider_cannot_write_the_past(pipeline: Pipeline) -> None:
    """One report dated back a year neither breaches nor escalates; the counter's week counts."""
    now = datetime.now(UTC)
    back = {
        "old-1": ("website", now - timedelta(days=360)),
        "old-2": ("counter", now - timedelta(days=6, hours=23)),
    }
    unclear = dict.fromkeys(("institution", "category_id"))  # it waits for an officer
    old, mine = (
        hand_in(
            pipeline, own, channel, submitted_at=at.isoformat(), **unclear,
            backdating_reason="Formulir kertas", title="Tolong", body="Sudah lama begini.",
        )
        for own, (channel, at) in back.items()
    )  # fmt: skip
    due = data(wait_for(pipeline, mine, "DeadlineSet"), "DeadlineSet")["deadline"]
    if datetime.fromisoformat(due) < now:  # not over long holidays; then timers fire for both
        wait_for(pipeline, mine, "DeadlineBreached")
    told = wait_for(pipeline, old, "DeadlineSet")
    assert "DeadlineBreached" not in {each["event"] for each in told["events"]}
    counted, claimed = data(told, "ReportReceived"), back["old-1"][1]
    assert datetime.fromisoformat(counted["claimed_submitted_at"]) == claimed
    assert datetime.fromisoformat(counted["submitted_at"]) > now - timedelta(minutes=1)
    believed = data(wait_for(pipeline, mine, "ReportReceived"), "ReportReceived")
    assert datetime.fromisoformat(believed["submitted_at"]) == back["old-2"][1]
    assert "claimed_submitted_at" not in believed
    assert believed["sealed"] == ["backdating_reason", "identity", "content"]


def data(told: dict[str, Any], event: str) -> dict[str, Any]:
    """Return what the first such event of a timeline says."""
    return dict(next(each["data"] for each in told["events"] if each["event"] == event))


def test_an_outsider_cannot_speak_to_a_terminal_by_any_command(pipeline: Pipeline) -> None:
    """Escapes in types, ids and headers, turned directions and forged lines in titles."""
    own = "ticket-\u202e9\u2066"
    report = hand_in(pipeline, own, body=ANOTHER)
    wait_for_inbox(pipeline, report)
    key, hostile = report.encode(), PWNED.encode()
    put(
        pipeline, topics.ROUTING.topic(), b"{}", ("ce_id", hostile), ("ce_type", hostile),
        ("ce_subject", key), ("causationid", hostile), ("correlationid", hostile), key=key,
    )  # fmt: skip
    forged = {"entry": f"accepted{PWNED}", "report_id": report, "institution": HSU, "text": PWNED}
    put(
        pipeline, topics.INBOX.topic(HSU), json.dumps(forged).encode(), ("ce_id", hostile),
        ("ce_time", b"2025-03-03T12:00:00+00:00"), key=key,
    )  # fmt: skip
    put(
        pipeline, topics.DEAD_LETTERS.topic(), hostile, ("ce_id", b"letter-1"),
        ("ce_type", hostile), ("stage", b"routing"), ("reason", hostile), ("detail", hostile),
        ("report", key), ("topic", b"x"), ("partition", b"0"), ("offset", b"1"),
        ("time", b"2025-03-03T12:00:00+00:00"), ("original.ce_id", hostile + b"\nforged"), key=key,
    )  # fmt: skip
    line = json.dumps({"id": f"x{PWNED}", **REPORT, "category_id": PWNED}).encode()
    inbox = ("agency", "listen", HSU, "--from-start", "--no-follow")
    ran = {
        "case": pipeline.look("case", "show", report, "-v"),
        "case json": pipeline.look("case", "show", report, "--json"),
        "inbox": pipeline.lapor(*inbox),
        "inbox json": pipeline.lapor(*inbox, "--json"),
        "letters": pipeline.look("dead-letters", "list"),
        "letters json": pipeline.look("dead-letters", "list", "--json"),
        "letter": pipeline.look("dead-letters", "show", "letter-1"),
        "letter json": pipeline.look("dead-letters", "show", "letter-1", "--json"),
        "explain": pipeline.look("deadline", "explain", report),
        "explain json": pipeline.look("deadline", "explain", report, "--json"),
        "submit": pipeline.lapor("submit", "-", stdin=line),
        "submit json": pipeline.lapor("submit", "-", "--json", stdin=line),
        "topics": pipeline.look("topics", "diff"),
    }  # fmt: skip
    for name, said in ran.items():
        wrong = {c for c in said.out + said.err if unicodedata.category(c) in _OTHER} - {"\n"}
        assert wrong == set(), (name, said.out)
        assert not [at for at in said.out.splitlines() if at.startswith(FORGED)]
    assert "PWNED" in ran["case"].out
    assert "PWNED" in ran["letter"].out
    assert tracking_number(report) in ran["case"].out
