"""The command line as a stranger uses it, on every stage, a real Kafka and a real PostgreSQL."""

import asyncio
import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from shared.contract.topics import DEAD_LETTERS
from shared.contract.tracking import parse_tracking_number
from tests.integration.all_stages import LAPOR, Pipeline, whole_pipeline
from tests.integration.bad_lines import BAD_LINES, MB, UNADDRESSED, jsonl
from tests.integration.stack import Stack
from tests.integration.workers import wait_until

pytestmark = pytest.mark.integration

COMPLAINT = "Pengaduan Tidak Berkadar Pengawasan"


@pytest.fixture(scope="module")
def pipeline(stack: Stack) -> Iterator[Pipeline]:
    """Yield the whole pipeline, once for this module; no test of it may stop or fill it."""
    with whole_pipeline(stack) as running:
        yield running
        assert running.process.poll() is None, running.log.read_text()[-3000:]
        assert asyncio.run(_records(stack, DEAD_LETTERS.topic())) == 0


async def _records(stack: Stack, topic: str) -> int:
    consumer = AIOKafkaConsumer(bootstrap_servers=stack.kafka)
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, n) for n in range(DEAD_LETTERS.partitions)]
        return sum((await consumer.end_offsets(partitions)).values())
    finally:
        await consumer.stop()


def a_report(pipeline: Pipeline, message_id: str, **fields: Any) -> str:
    """Hand in a report that says nothing of whom it is for; return its id."""
    line = jsonl({"id": message_id, **UNADDRESSED, **fields})
    said = pipeline.lapor("submit", "-", "--json", stdin=line)
    assert said.code == 0, said.err + said.out
    return str(said.lines[0]["report_id"])


# ---- submit


def test_a_file_is_handed_in_and_a_second_time_makes_no_second_report(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    """Ids are the line's own, or of what it says; the same numbers come back."""
    file = tmp_path / "reports.jsonl"
    file.write_bytes(jsonl({"id": "web-1", **UNADDRESSED}, {**UNADDRESSED, "title": "Lain"}))

    first = pipeline.lapor("submit", str(file), "--json")
    again = pipeline.lapor("submit", str(file), "--json")
    shown = pipeline.lapor("submit", str(file))

    assert (first.code, again.code, shown.code) == (0, 0, 0)
    assert [line["outcome"] for line in first.lines] == ["received", "received"]
    assert [line["outcome"] for line in again.lines] == ["repeated", "repeated"]
    for one, two in zip(first.lines, again.lines, strict=True):
        same = ("message_id", "report_id", "tracking_number", "secret")
        assert [one[name] for name in same] == [two[name] for name in same]
        assert parse_tracking_number(one["tracking_number"]) == one["report_id"]
        assert one["tracking_number"] in shown.out
        assert one["secret"] in shown.out
    assert "2 lines: 2 repeated." in shown.err


def test_bad_lines_are_answered_by_name_and_the_good_one_is_taken(pipeline: Pipeline) -> None:
    """Each with its line, a reason and what to do; the last line is a good report."""
    file = jsonl(*(line for line, _, _ in BAD_LINES.values()), {"id": "good-1", **UNADDRESSED})

    said = pipeline.lapor("submit", "-", "--json", stdin=file)

    assert said.code == 1
    by_line = {line["line"]: line for line in said.lines}
    assert len(by_line) == len(said.lines) == len(BAD_LINES) + 1
    found = {
        name: (by_line[n]["outcome"], by_line[n].get("reason"))
        for n, name in enumerate(BAD_LINES, 1)
    }
    assert found == {name: (outcome, reason) for name, (_, outcome, reason) in BAD_LINES.items()}
    assert by_line[len(BAD_LINES) + 1]["outcome"] == "received"
    shown = pipeline.lapor("submit", "-", stdin=file)
    assert shown.code == 1
    assert "\0" not in shown.out
    assert "\x1b" not in shown.out


def test_a_reporters_message_is_proved_by_the_secret(pipeline: Pipeline) -> None:
    """A stranger's is refused, the reporter's accepted, and twice is once."""
    said = pipeline.lapor("submit", "-", "--json", stdin=jsonl({"id": "web-2", **UNADDRESSED}))
    number, secret = said.lines[0]["tracking_number"], said.lines[0]["secret"]
    message = {"type": "WithdrawReport", "tracking_number": number}

    told = pipeline.lapor(
        "submit", "-", "--json",
        stdin=jsonl(message, {**message, "secret": secret}, {**message, "secret": secret}),
    )  # fmt: skip

    outcomes = [(line["outcome"], line.get("reason")) for line in told.lines]
    assert outcomes == [("refused", "not_proved"), ("accepted", None), ("repeated", None)]
    assert told.code == 1
    wait_for_status(pipeline, number, "Diarsipkan oleh Pelapor")


def wait_for_status(pipeline: Pipeline, number: str, status: str) -> dict[str, Any]:
    """Wait until a report stands there; return its document."""
    found: list[dict[str, Any]] = []

    def stands() -> bool:
        shown = pipeline.look("case", "show", number, "--json")
        found.append(json.loads(shown.out) if shown.code == 0 else {})
        return str(found[-1].get("status", "")).startswith(status)

    wait_until(stands, f"{number} is {status}")
    return found[-1]


# ---- case show


def test_a_case_nobody_knows_is_told(pipeline: Pipeline) -> None:
    """Exit 1 and nothing on standard output; a mistyped number is told before anything is read."""
    unknown = pipeline.lapor("case", "show", "K7QF2M9XTD3B")
    mistyped = pipeline.lapor("case", "show", "K7QF-2M9X-TD3A-0")
    assert (unknown.code, unknown.out) == (1, "")
    assert "No stream has anything of K7QF-2M9X-TD3B-" in unknown.err
    assert (mistyped.code, mistyped.out) == (1, "")
    assert "mistyped" in mistyped.err


# ---- agency


def test_a_report_goes_all_the_way_by_the_command_line(pipeline: Pipeline) -> None:
    """Forward, accept, dispatch, answer, close; the timeline tells all of it with its causes."""
    report = a_report(pipeline, "way-1")

    def give(code: str, command: str, holding: int, *fields: str) -> dict[str, Any]:
        said = pipeline.look(
            "agency", "send", code, command, "--report", report, "--holding", str(holding),
            *fields, "--json",
        )  # fmt: skip
        assert said.code == 0, said.out + said.err
        return dict(said.lines[0]["entry"])

    assert give("00", "forward", 0, "--to", "6308")["entry"] == "forwarded"
    assert give("6308", "accept", 1, "--report-class", COMPLAINT)["entry"] == "accepted"
    if not wait_for_unit(pipeline, report):
        assert give("6308", "dispatch", 1, "--unit", "6308-001")["entry"] == "dispatched"
    unit = wait_for_status(pipeline, report, "Terdisposisi ke ")["unit"]
    answer = ("--unit", unit, "--text", "Sudah diperbaiki.")
    assert give("6308", "follow-up", 1, *answer)["entry"] == "follow_up"
    assert give("6308", "close-case", 1, "--solved")["entry"] == "closed"

    document = wait_for_status(pipeline, report, "Ditutup oleh Admin")
    kinds = [event["event"] for event in document["events"]]
    for kind in ("ReportReceived", "ReportForwarded", "ReportAccepted", "ReportDispatched",
                 "FollowUpGiven", "ReportClosed", "DeadlineSet", "DeadlineMet"):  # fmt: skip
        assert kind in kinds
    by_number = {event["number"]: event for event in document["events"]}
    closed = next(event for event in document["events"] if event["event"] == "ReportClosed")
    assert by_number[closed["because_of"]]["event"] == "CloseCase"
    assert "Sudah diperbaiki" not in json.dumps(document)
    shown = pipeline.lapor("case", "show", document["tracking_number"].lower(), "--verbose")
    assert shown.code == 0
    assert "Ditutup oleh Admin" in shown.out.splitlines()[0]
    assert "lapor.follow-up.v1/" in shown.out
    assert "24:00 WITA" in shown.out


def wait_for_unit(pipeline: Pipeline, report: str) -> bool:
    """Wait until routing named a unit, or said that the admin has to."""
    events: list[str] = []

    def decided() -> bool:
        shown = json.loads(pipeline.look("case", "show", report, "--json").out)
        events[:] = [event["event"] for event in shown["events"]]
        return "ReportDispatched" in events or "RoutingHeld" in events

    wait_until(decided, "routing decided")
    return "ReportDispatched" in events


def test_the_inbox_is_read_from_its_start_and_up_to_a_count(pipeline: Pipeline) -> None:
    """For people and for programs; nothing of it is remembered by the broker."""
    report = a_report(pipeline, "inbox-1")
    told = pipeline.lapor("agency", "listen", "00", "--from-start", "--count", "1", "--json")
    assert told.code == 0
    assert (len(told.lines), told.lines[0]["entry"]) == (1, "report_received")

    def is_there() -> bool:
        shown = pipeline.look("agency", "listen", "00", "--from-start", "--no-follow")
        assert shown.code == 0
        return f"lapor agency send 00 Forward --report {report} --holding 0 --to …" in shown.out

    wait_until(is_there, "the report is in the inbox of 00")


def test_bad_commands_are_answered_by_name_and_the_good_one_takes_effect(
    pipeline: Pipeline,
) -> None:
    """Each with a reason on the sender's own inbox; the same decision twice counts once."""
    report = a_report(pipeline, "bad-1")
    about = {"report_id": report, "holding": 0, "by": "petugas-1"}
    good = {"type": "Forward", **about, "to": "6308", "id": "good"}
    bad: dict[str, tuple[dict[str, Any] | bytes, str, str]] = {
        "wrong JSON": (b"{", "not_sent", "not_json"),
        "no type": (about, "not_sent", "no_type"),
        "10 MB": ({**good, "id": "big", "note": "a" * 10 * MB}, "not_sent", "too_large"),
        "unknown type": ({**about, "type": "Praise"}, "rejected", "unknown_type"),
        "negative": ({**good, "id": "n", "holding": -1}, "rejected", "invalid_fields"),
        "NUL": ({**good, "id": "nul", "note": "a\0b"}, "rejected", "control_characters"),
        "escape": ({**good, "id": "e", "by": "a\x1b[2J"}, "rejected", "control_characters"),
        "too long": ({**good, "id": "l", "note": "a" * 10_001}, "rejected", "text_too_long"),
        "id with NUL": ({**good, "id": "a\0b"}, "rejected", "message_id_invalid"),
        "unknown institution": (
            {**good, "id": "u", "to": "9999"}, "rejected", "unknown_institution",
        ),
        "unknown report": (
            {**good, "id": "r", "report_id": "K7QF2M9XTD3A"}, "rejected", "unknown_report",
        ),
        "not its to give": (
            {"type": "CloseCase", **about, "solved": True}, "rejected", "not_yours_to_give",
        ),
        "good": (good, "effect", ""),
        "the same again": (good, "rejected", "repeated"),
    }  # fmt: skip

    file = jsonl(*(line for line, _, _ in bad.values()))
    said = pipeline.lapor("agency", "send", "00", "--file", "-", "--json", stdin=file)

    assert said.code == 1
    by_line = {line["line"]: line for line in said.lines}
    found = {
        name: (by_line[n]["outcome"], by_line[n].get("reason", "")) for n, name in enumerate(bad, 1)
    }
    assert found == {name: (outcome, reason) for name, (_, outcome, reason) in bad.items()}


def test_an_agency_cannot_decide_on_anothers_report(pipeline: Pipeline) -> None:
    """Said to it alone, with exit 1; an earlier holding is told from another's."""
    report = a_report(pipeline, "other-1")
    accept = ("accept", "--report", report, "--holding", "1", "--report-class", COMPLAINT)
    forward = ("forward", "--report", report, "--holding", "0", "--to", "6308")
    assert pipeline.look("agency", "send", "00", *forward).code == 0
    refused = pipeline.look("agency", "send", "3204", *accept)
    assert refused.code == 1
    assert (
        "refused: not_the_holder: Your institution does not hold this report, or there is none"
        in refused.out
    )
    taken = pipeline.look("agency", "send", "6308", *accept)
    assert taken.code == 0
    assert "took effect: accepted" in taken.out


def test_a_command_that_waits_for_its_report_is_told_as_unanswered(pipeline: Pipeline) -> None:
    """It may wait for a day; the command line does not."""
    report = a_report(pipeline, "early-1")
    early = ("accept", "--report", report, "--holding", "1", "--report-class", COMPLAINT)
    said = pipeline.lapor("agency", "send", "6308", *early, "--timeout", "2")
    assert said.code == 1
    assert "no answer" in said.out
    assert "waits for it up to a day" in said.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("agency", "send", "6308", "acept", "--report", "K7QF2M9XTD3A", "--holding", "1"),
         "There is no command 'acept'"),
        (("agency", "send", "6308", "accept"), "needs --report and --holding"),
        (("agency", "send", "6308", "accept", "--report", "K7QF2M9XTD3A", "--holding", "1"),
         "needs --report-class"),
        (("agency", "send", "6308"), "Which command?"),
        (("agency", "listen", "9999"), "There is no institution '9999'"),
        (("submit", __file__, "--channel", "fax"), "There is no channel 'fax'"),
    ],
)  # fmt: skip
def test_what_is_wrong_on_the_command_line_is_told_with_what_is_right(
    pipeline: Pipeline, arguments: tuple[str, ...], told: str
) -> None:
    """Nothing is sent; exit 1, and the next try is in the message."""
    said = pipeline.look(*arguments)
    assert (said.code, said.out) == (1, "")
    assert told in said.err.replace("\n", " ")
    assert "→" in said.err


# ---- manners


def test_no_command_leaves_a_group_behind(pipeline: Pipeline) -> None:
    """The broker knows the same groups before and after each kind of reading."""

    async def groups() -> set[str]:
        admin = AIOKafkaAdminClient(bootstrap_servers=pipeline.stack.kafka)
        await admin.start()
        try:
            return {group[0] for group in await admin.list_consumer_groups()}
        finally:
            await admin.close()

    before = asyncio.run(groups())
    report = a_report(pipeline, "group-1")
    pipeline.look("case", "show", report)
    pipeline.look("agency", "listen", "6308", "--from-start", "--no-follow")
    pipeline.look("agency", "send", "00", "forward", "--report", report, "--holding", "0",
                  "--to", "3204")  # fmt: skip
    assert asyncio.run(groups()) == before


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(("agency", "listen", "6308"), 0), (("submit", "-"), 130)],
)
def test_ctrl_c_ends_a_command_without_a_traceback(
    pipeline: Pipeline, arguments: tuple[str, ...], code: int
) -> None:
    """Also while it waits for a line that nobody types."""
    process = subprocess.Popen(
        [LAPOR, *arguments], env={**pipeline.env, "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        if arguments[0] == "submit":
            process.stdin.write(jsonl({"id": "ctrl-c", **UNADDRESSED}) + b"\n")
            process.stdin.flush()
            assert b"ctrl-c" not in process.stdout.readline()
        else:
            assert process.stderr is not None
            assert b"Ctrl-C" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        _out, err = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == code
    assert b"Traceback" not in err
