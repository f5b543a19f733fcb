"""A database that came back older or not at all, a recreated topic, records removed undecided.

Each is refused; `lapor restored` says what is behind and orders it, and the stage then decides it
again and compares it with its own stream, on the real broker and database.
"""

import asyncio
import json
import random
import signal
from pathlib import Path
from string import ascii_lowercase

import pytest

from shared.contract.events import SubmitReport
from shared.contract.topics import ANSWERS, INSTITUTION, INTAKE
from tests.integration.restore_scenarios import (
    decided,
    ends_of,
    execute,
    goes_on,
    in_sequence,
    lived,
    ordered,
    recreate,
    refused,
    remove,
    restored,
    submit,
)
from tests.integration.stack import Stack
from tests.integration.test_dead_letters import lapor as dead_letters
from tests.integration.test_dead_letters import listed
from tests.integration.test_shell import ask, causes, said, some
from tests.integration.workers import fresh, read, send, wait_until, worker

pytestmark = pytest.mark.integration


async def test_after_an_older_backup_nothing_is_said_twice_and_the_stage_goes_on(
    stack: Stack,
) -> None:
    """Refused; shown; ordered; decided again, compared, and not one record more."""
    sent = await lived(stack)
    refused(stack, "the database was restored from an older backup")

    look = restored(stack, "routing")
    assert look.code == 0
    assert "the database was restored from an older backup" in look.out
    assert "200 records to decide again" in look.out
    assert "lapor restored routing --yes" in look.err
    refused(stack, "the database was restored from an older backup")
    assert ordered(stack)["counts"] == {"again": 200, "new": 0, "lost": 0}
    records = await goes_on(stack, sent)

    assert len(records) == 440
    in_sequence(records)
    assert listed(stack) == []
    assert await ask(stack, "SELECT count(*) FROM routing.published_before") == 0
    again = restored(stack, "routing")
    assert "its positions fit its logs" in again.out


async def test_kill_9_while_it_decides_again_changes_nothing(stack: Stack, tmp_path: Path) -> None:
    """It goes on from the saved positions, and what it said meanwhile is no difference.

    Between the commit and the publishing; the other points are killed in the simulation.
    """
    sent = await lived(stack, count=2_400)
    late = some(100, 40, start=5_000)
    await send(stack, INSTITUTION, late)  # came while the stage was down
    ordered(stack)
    marker = tmp_path / "killed"
    with worker(stack, env={"LAPOR_TEST_KILL_AT": f"routing:saved:{marker}"}) as process:
        wait_until(lambda: process.process.poll() is not None, "the kill")
        assert process.process.returncode == -signal.SIGKILL
    look = restored(stack, "routing")
    assert "not finished: start routing" in look.err

    records = await goes_on(stack, [*sent, *late])

    assert listed(stack) == []
    assert len(records) - 2_540 <= len(late)


async def test_a_lost_database_decides_all_again_and_says_nothing_twice(stack: Stack) -> None:
    """The schema is gone; a dead letter that waited waits again, and is not written again."""
    sent = await decided(stack, 300, 30)
    await execute(stack, "DROP SCHEMA routing CASCADE")
    refused(stack, "the database was lost")

    assert ordered(stack)["counts"] == {"again": 300, "new": 0, "lost": 0}
    records = await goes_on(stack, sent)

    assert len(records) == 340
    in_sequence(records)


async def test_what_is_decided_otherwise_is_parked_until_the_same_release_decides_it(
    stack: Stack,
) -> None:
    """Not published, listed with its reason; compared again by a replay, or accepted as it is."""
    sent = await lived(stack, count=40, reports=4)
    ordered(stack)
    before = await said(stack, sent)

    with worker(stack, env={"LAPOR_TEST_RULE": "another"}) as process:
        process.wait_ready()
        wait_until(lambda: process.metric("lapor_parked_cases") == 4, "each report is parked")
        process.stop()
    letters = listed(stack, "--stage", "routing", "--reason", "decided_otherwise")
    assert len(letters) == 4
    shown = await asyncio.to_thread(dead_letters, stack, "show", letters[0]["short_id"])
    assert "content differs: id.go.lapor.routing.report-dispatched.v1" in shown.out
    assert sorted(r.value for r in await said(stack, sent)) == sorted(r.value for r in before)

    accepted, *others = letters
    for letter, how in ((accepted, ["--accept"]), *((other, []) for other in others)):
        replayed = dead_letters(stack, "replay", letter["id"], *how, "--yes")
        assert replayed.code == 0, replayed.err
    records = await goes_on(stack, sent, reports=4)

    assert len(records) == 44
    in_sequence(records)


async def test_a_recreated_topic_is_gone_on_with_only_when_the_loss_is_accepted(
    stack: Stack,
) -> None:
    """Its offsets begin again; nobody can say what the old one still held."""
    sent = await decided(stack, 120, 40)
    await recreate(stack, INSTITUTION.topic())
    refused(stack, "the topic was recreated")

    no = restored(stack, "routing", "--yes")
    assert no.code == 1
    assert "--accept-loss" in no.err
    assert "nobody can say" in no.err
    refused(stack, "the topic was recreated")
    assert {p["why"] for p in ordered(stack, "--accept-loss")["partitions"]} == {"recreated"}

    assert len(await goes_on(stack, sent)) == 160


async def test_records_removed_undecided_are_passed_over_only_when_the_loss_is_accepted(
    stack: Stack,
) -> None:
    """The stage was down for longer than the log keeps; it is said how many are lost."""
    sent = await decided(stack, 120, 40)
    lost, kept = some(80, 40, start=1_000), some(40, 40, start=2_000)
    await send(stack, INSTITUTION, lost)
    ends = await ends_of(stack, INSTITUTION.topic())
    await send(stack, INSTITUTION, kept)
    await remove(stack, INSTITUTION.topic(), ends)
    refused(stack, "were removed by retention before they were decided")

    no = restored(stack, "routing", "--yes")
    assert no.code == 1
    assert "80 records are lost for good" in no.err
    assert ordered(stack, "--accept-loss")["counts"] == {"again": 0, "new": 40, "lost": 80}

    records = await goes_on(stack, [*sent, *kept])

    assert len(records) == 200
    assert not causes(records) & {event_id for event_id, _, _ in lost}


async def test_what_was_said_because_of_lost_records_parks_its_cases(stack: Stack) -> None:
    """The database is lost, and some of what it had decided is no longer in the log."""
    sent = await decided(stack, 40, 40)
    gone = await ends_of(stack, INSTITUTION.topic())
    await remove(stack, INSTITUTION.topic(), gone)
    await execute(stack, "DROP SCHEMA routing CASCADE")
    refused(stack, "the database was lost")

    assert ordered(stack, "--accept-loss")["counts"] == {"again": 0, "new": 0, "lost": 40}
    more = some(40, 40, start=9_000)
    with worker(stack) as process:
        process.wait_ready()
        await send(stack, INSTITUTION, more)
        wait_until(lambda: process.metric("lapor_parked_cases") == 40, "all are parked")
        assert len(listed(stack, "--reason", "not_decided_again")) == 40
        replayed = dead_letters(stack, "replay", "--reason", "not_decided_again", "--yes")
        assert replayed.code == 0, replayed.err
        records = await said(stack, [*sent, *more])
    assert len(records) == 80
    in_sequence(records)


async def test_the_order_is_given_only_while_the_stage_is_stopped(stack: Stack) -> None:
    """What a running process still sends would be missed in the comparison."""
    await fresh(stack)
    sent = some(40, 4)
    await send(stack, INSTITUTION, sent)
    with worker(stack) as process:
        await said(stack, sent)
        await execute(stack, "TRUNCATE routing.lanes")
        no = restored(stack, "routing", "--yes")
        process.kill()
    assert no.code == 1
    assert "routing runs: 1 of its processes" in no.err
    assert await ask(stack, "SELECT count(*) FROM routing.recovery_order") == 0

    # A process that was killed is waited for until its group no longer counts it.
    assert ordered(stack)["counts"]["again"] == len(sent)
    assert "There is no stage" in restored(stack, "nobody").err


async def test_a_gateway_says_nothing_twice_either(stack: Stack) -> None:
    """Intake: two channels, sealed texts, answers in streams of their own; the keys are kept.

    No two texts are alike: which came first at two channels nobody could tell.
    """
    await fresh(stack)
    letters = [random.Random(n).choices(ascii_lowercase, k=96) for n in range(30)]
    bodies = [" ".join("".join(x[at : at + 8]) for at in range(0, 96, 8)) for x in letters]
    reports = [
        (f"m-{n}", SubmitReport(title=f"Laporan {body[:8]}", body=body))
        for n, body in enumerate(bodies)
    ]
    for number, channel in enumerate(("cli", "website")):
        await submit(stack, channel, reports[number::2])
    with worker(stack, factory="services.intake.app:build") as process:
        before = await read(stack, INTAKE.topic(), lambda found: len(found) >= 30)
        answers = await read(stack, ANSWERS.topic("cli"), lambda found: len(found) >= 15)
        process.stop()
    await execute(stack, "TRUNCATE intake.lanes, intake.cases")

    done = restored(stack, "intake", "--yes", "--json")
    assert json.loads(done.out)["counts"] == {"again": 30, "new": 0, "lost": 0}
    with worker(stack, factory="services.intake.app:build") as process:
        process.wait_ready()
        await submit(stack, "cli", [("m-new", reports[0][1])])
        after = await read(stack, INTAKE.topic(), lambda found: len(found) > 30)
        process.stop()

    assert len(after) == 31
    assert {r.value for r in before} < {r.value for r in after}
    assert len(await read(stack, ANSWERS.topic("cli"), lambda found: len(found) >= 16)) == (
        len(answers) + 1
    )
    assert [(x["reason"], x["detail"]) for x in listed(stack)] == []
