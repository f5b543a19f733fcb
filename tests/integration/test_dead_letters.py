"""Dead letters as an operation: `lapor dead-letters` on a real broker, database and stage."""

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.contract.envelope import encode
from shared.contract.events import ReportAccepted
from shared.contract.topics import DEAD_LETTERS, INSTITUTION, REPLAYS, ROUTING
from shared.contract.tracking import report_id
from tests.integration.all_stages import Ran, ran
from tests.integration.stack import Stack
from tests.integration.test_shell import Event, accepted, some
from tests.integration.workers import (
    KEYS,
    Worker,
    fresh,
    header,
    read,
    send,
    wait_until,
    worker,
)

pytestmark = pytest.mark.integration
MENDED = {"LAPOR_TEST_MENDED": "1"}
UNLIMITED = {"LAPOR_DEAD_LETTER_COUNT_MAX": "100000"}
BUG, OTHER = report_id(b"tests", "test", "9"), report_id(b"tests", "test", "1")


def lapor(
    stack: Stack, *arguments: str, stdin: bytes = b"", env: dict[str, str] | None = None
) -> Ran:
    """Run a command as an operator who has the key."""
    return ran("dead-letters", *arguments, stdin=stdin, env=environment(stack) | (env or {}))


def environment(stack: Stack) -> dict[str, str]:
    """Return an operator's environment."""
    return {**os.environ, **KEYS, "LAPOR_KAFKA": stack.kafka, "USER": "siti", "COLUMNS": "200"}


def listed(stack: Stack, *arguments: str) -> list[dict[str, Any]]:
    """Return the dead letters as `list` has them."""
    found = lapor(stack, "list", "--json", *arguments)
    assert found.code == 0, found.err
    return list(json.loads(found.out)["letters"])


def states(stack: Stack) -> list[str]:
    """Return the letters' states, in the order in which they failed first."""
    return [letter["state"] for letter in listed(stack)]


async def decided(stack: Stack, sent: list[Event]) -> dict[str, list[str]]:
    """Wait until each was decided; return the causes of what was said, in order, per report."""
    wanted = {event_id for event_id, _, _ in sent}
    records = await read(
        stack, ROUTING.name, lambda found: wanted <= {header(r, "causationid") for r in found}
    )
    order: dict[str, dict[str, None]] = {}
    for record in records:
        order.setdefault(header(record, "ce_subject"), {})[header(record, "causationid")] = None
    return {report: list(causes) for report, causes in order.items()}


def ids(sent: list[Event], report: str) -> list[str]:
    """Return a report's events' ids in the order sent."""
    return [event_id for event_id, of, _ in sent if of == report]


def parked_cases(process: Worker) -> float:
    """Return how many cases the stage says are parked."""
    return process.metric("lapor_parked_cases")


async def replays(stack: Stack) -> int:
    """Return how many records operators have sent."""
    consumer = AIOKafkaConsumer(bootstrap_servers=stack.kafka)
    await consumer.start()
    try:
        partitions = [TopicPartition(REPLAYS.topic(), n) for n in range(REPLAYS.partitions)]
        return sum((await consumer.end_offsets(partitions)).values())
    finally:
        await consumer.stop()


async def parked(stack: Stack) -> list[Event]:
    """Leave a report behind that waits: its first event raised, two came after; others went on."""
    await fresh(stack)
    bug = accepted(900, of_report=9, by="bug")
    behind = [accepted(901, of_report=9), accepted(902, of_report=9)]
    others = some(40, reports=4)
    await send(stack, INSTITUTION, [*others[:20], bug, *others[20:30], *behind, *others[30:]])
    with worker(stack) as process:
        found = await decided(stack, others)
        assert BUG not in found, "what came after the letter waits"
        assert found[OTHER] == ids(others, OTHER), "other reports go on"
        wait_until(lambda: parked_cases(process) == 1, "the parked case is counted")
        process.stop()
    return [bug, *behind]


async def test_a_letter_is_listed_and_shown_with_its_bytes(stack: Stack) -> None:
    """By stage, reason and age; the bytes only to who has the key; no value of the exception."""
    waiting = await parked(stack)

    (letter,) = listed(stack, "--stage", "routing", "--reason", "rule_raised", "--since", "1h")
    shown = lapor(stack, "show", letter["short_id"])
    page = json.loads(lapor(stack, "show", letter["short_id"], "--json").out)
    sealed = lapor(stack, "show", letter["id"][:-2], env={"LAPOR_DEAD_LETTER_KEY": ""})
    raw = lapor(stack, "show", letter["short_id"], "--raw")

    assert letter["state"] == "waiting"
    assert (letter["report_id"], letter["detail"]) == (BUG, "ZeroDivisionError")
    assert letter["topic"] == INSTITUTION.name
    assert encode(waiting[0][2]).decode() in shown.out
    assert "7b 22" in shown.out
    assert ReportAccepted.model_validate_json(raw.out) == waiting[0][2]
    assert bytes.fromhex(page["bytes_hex"]) == encode(waiting[0][2])
    assert page["headers"]["ce_id"] == "event-000900"
    assert sealed.code == 0
    assert encode(waiting[0][2]).decode() not in sealed.out
    assert "LAPOR_DEAD_LETTER_KEY" in sealed.err
    assert listed(stack, "--reason", "not_json") == []
    assert "1 waiting" in lapor(stack, "list").out


async def test_a_retry_after_the_rule_was_mended_decides_all_in_order(stack: Stack) -> None:
    """A dry run sends nothing; before the mending it fails again; after it the queue follows."""
    waiting = await parked(stack)
    (letter,) = listed(stack)

    dry = lapor(stack, "replay", letter["short_id"])
    assert (dry.code, await replays(stack)) == (0, 0)
    assert "--yes" in dry.err
    assert lapor(stack, "replay", letter["short_id"], "--yes").code == 0
    assert states(stack) == ["replayed"]
    with worker(stack) as process:
        wait_until(lambda: states(stack) == ["failed again"], "the rule raises again")
        process.stop()
    again = lapor(stack, "replay", "--all", "--why", "release 1.2", "--yes")
    assert "1 sent" in again.err
    assert "Nothing to do" in lapor(stack, "replay", "--all", "--yes").out
    with worker(stack, env=MENDED) as process:
        found = await decided(stack, waiting)
        wait_until(lambda: parked_cases(process) == 0, "released")

    assert found[BUG] == ids(waiting, BUG)
    (letter,) = listed(stack)
    assert letter["state"] == "replayed"
    assert [(r["attempt"], r["action"], r["operator"]) for r in letter["replays"]] == [
        (1, "retry", "siti"),
        (2, "retry", "siti"),
    ]
    assert letter["replays"][1]["why"] == "release 1.2"


async def test_an_edit_shows_its_diff_and_keeps_the_original(stack: Stack, tmp_path: Path) -> None:
    """The stage decides what the operator wrote; what could not be read is not sent."""
    waiting = await parked(stack)
    (letter,) = listed(stack)
    original = lapor(stack, "show", letter["short_id"], "--raw").out
    file = tmp_path / "letter.json"
    file.write_text(original.replace('"bug"', '"officer"'))

    dry = lapor(stack, "edit", letter["short_id"], str(file))
    same = lapor(stack, "edit", letter["short_id"], "-", stdin=original.encode(), env={})
    bad = lapor(stack, "edit", letter["short_id"], "-", "--yes", stdin=b'{"report_id": 1}')
    assert (dry.code, same.code, bad.code) == (0, 1, 1)
    assert '-  "by": "bug",' in dry.out
    assert '+  "by": "officer",' in dry.out
    assert "could not read this either: invalid_fields" in bad.err
    assert await replays(stack) == 0
    assert lapor(stack, "edit", letter["short_id"], str(file), "--yes").code == 0
    with worker(stack):
        found = await decided(stack, waiting)

    assert found[BUG] == ids(waiting, BUG)
    assert states(stack) == ["replayed"]
    assert lapor(stack, "show", letter["short_id"], "--raw").out == original


async def test_a_discarded_letter_lets_what_waited_go_on(stack: Stack) -> None:
    """Its reason stays in the record, and nobody can do it without one."""
    waiting = await parked(stack)
    (letter,) = listed(stack)

    assert lapor(stack, "discard", letter["short_id"], "--why", " ").code == 1
    gone = lapor(stack, "discard", letter["short_id"], "--why", "a test of ours", "--yes")
    assert gone.code == 0, gone.err
    with worker(stack):
        found = await decided(stack, waiting[1:])

    assert found[BUG] == ids(waiting[1:], BUG)
    (letter,) = listed(stack, "--state", "discarded")
    assert letter["replays"][0]["why"] == "a test of ours"
    assert "Nothing to do" in lapor(stack, "replay", letter["short_id"], "--yes").out


@pytest.mark.parametrize("point", ["before_save", "saved", "published"])
async def test_a_stage_killed_in_the_middle_of_a_replay_decides_it_once(
    stack: Stack, tmp_path: Path, point: str
) -> None:
    """The whole release is one batch: all of it or nothing."""
    waiting = await parked(stack)
    assert lapor(stack, "replay", "--all", "--yes").code == 0
    kill = {"LAPOR_TEST_KILL_AT": f"routing:{point}:{tmp_path / 'killed'}"}

    with worker(stack, env=MENDED | kill) as first:
        wait_until(lambda: first.process.poll() is not None, "the kill")
        assert first.process.returncode == -signal.SIGKILL
    with worker(stack, env=MENDED):
        found = await decided(stack, waiting)

    assert found[BUG] == ids(waiting, BUG)


async def test_a_replay_killed_between_two_sends_goes_on_when_asked_again(
    stack: Stack, tmp_path: Path
) -> None:
    """Only what is not in the stream yet is sent; each report's letter is decided once."""
    await fresh(stack)
    sent = [accepted(n, of_report=n, by="bug") for n in range(250)]
    await send(stack, INSTITUTION, sent)
    with worker(stack, env=UNLIMITED) as process:
        await read(stack, DEAD_LETTERS.name, lambda found: len(found) >= len(sent))
        process.stop()
    kill = {"LAPOR_TEST_KILL_AT": f"operators:sent:{tmp_path / 'killed'}"}

    killed = lapor(stack, "replay", "--all", "--yes", env=kill)
    assert killed.code == -signal.SIGKILL
    before = await replays(stack)
    assert 0 < before < len(sent)
    again = lapor(stack, "replay", "--all", "--yes")

    assert again.code == 0, again.err
    assert f"{len(sent) - before} sent" in again.err
    assert await replays(stack) == len(sent)
    with worker(stack, env=MENDED):
        found = await decided(stack, sent)
    assert found == {report: [event_id] for event_id, report, _ in sent}


async def test_past_its_limit_a_stage_stops_and_goes_on_when_mended(stack: Stack) -> None:
    """A bad release: exit code 78, nothing of the batch saved; the next release decides it."""
    await fresh(stack)
    sent = [accepted(n, of_report=n % 60, by="bug") for n in range(120)]
    await send(stack, INSTITUTION, sent)

    for _ in range(2):
        with worker(stack) as process:
            assert process.process.wait(30) == 78
            assert "could not be decided" in process.log.read_text()
    with worker(stack, env=MENDED):
        found = await decided(stack, sent)

    assert {report: ids(sent, report) for _, report, _ in sent} == found
    assert all(state == "waiting" for state in states(stack))


async def test_poison_bytes_are_edited_and_decided(stack: Stack) -> None:
    """What could not be read waits for nobody; mended, it is decided under its own id."""
    await fresh(stack)
    event_id, report, event = accepted(1, of_report=9)
    poison = event.model_copy(update={"report_class": None})  # without what every event has
    await send(stack, INSTITUTION, [(event_id, report, poison)])
    with worker(stack) as process:
        await read(stack, DEAD_LETTERS.name, lambda found: len(found) > 0)
        process.stop()
    (letter,) = listed(stack)
    assert (letter["reason"], letter["report_id"]) == ("invalid_fields", None)

    assert lapor(stack, "edit", letter["short_id"], "-", "--yes", stdin=encode(event)).code == 0
    with worker(stack):
        found = await decided(stack, [(event_id, report, event)])

    assert found[report] == [event_id]
    assert states(stack) == ["replayed"]


async def test_what_cannot_be_done_says_what_to_do(stack: Stack) -> None:
    """An unknown letter, no choice, no operator, another key: exit code 1 and the next step."""
    await parked(stack)
    (letter,) = listed(stack)
    short = letter["short_id"]
    other_key = {"LAPOR_DEAD_LETTER_KEY": KEYS["LAPOR_MASTER_KEY"]}

    tried = await asyncio.to_thread(
        lambda: [
            lapor(stack, "show", "zzzz"),
            lapor(stack, "replay"),
            lapor(stack, "replay", "--all", env={"USER": ""}),
            lapor(stack, "show", short, "--raw", env=other_key),
            lapor(stack, "list", "--stage", "nobody"),
            lapor(stack, "list", "--since", "yesterday"),
        ]
    )

    assert [found.code for found in tried] == [1] * len(tried)
    for found, hint in zip(
        tried,
        ("lapor dead-letters list", "--all", "--operator", "routing had", "There are", "Write"),
        strict=True,
    ):
        assert hint in found.err
