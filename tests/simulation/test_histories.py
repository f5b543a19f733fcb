"""The histories V1 to V13 that broke a first wording of the protocol, on the real shell.

Each test is named by what must be true; `docs/guarantees.md` names the clause of the shell that
makes it so.
"""

import asyncio
from datetime import UTC, datetime

import pytest

from shared.contract.envelope import derive_id, id_hash, outside_id
from shared.contract.topics import ROUTING
from shared.runtime.case_store import Stored
from shared.runtime.lanes import Partition, StageRefused, unpack
from shared.runtime.processor import ShellState, Stopping
from shared.runtime.stage import ShellLimits
from tests.simulation.memory import Crash
from tests.simulation.single_stage import LANE, REPORT, A, B, SingleStage


async def test_v1_what_was_saved_before_a_crash_is_published_before_anything_later() -> None:
    """A crash between save and publish, then only the other topic goes on: order is kept."""
    stage = SingleStage()
    a0, b0 = stage.accepted("a0"), stage.asked("b0")
    first = await stage.started()
    first.crash_at.append("saved")
    with pytest.raises(Crash):
        await first.shell.batch([a0, b0])
    b1 = stage.asked("b1")

    second = stage.worker()
    second.log.assignment = {B}
    await second.shell.assigned({B})
    await second.shell.batch([b1])

    assert stage.published() == ["a0", "b0", "b1"]


async def test_v1_a_crash_is_repaired_on_assignment_without_waiting_for_a_record() -> None:
    """Nothing more comes, and what was saved is published all the same."""
    stage = SingleStage()
    a0 = stage.accepted("a0")
    first = await stage.started()
    first.crash_at.append("saved")
    with pytest.raises(Crash):
        await first.shell.batch([a0])
    assert stage.published() == []

    second = await stage.started()

    assert stage.published() == ["a0"]
    assert second.log.sought == {A: 1, B: 0}


async def test_v2_a_batch_that_begins_beyond_the_position_is_not_decided() -> None:
    """A zombie that dropped a batch and takes the next one loses nothing: it goes back."""
    stage = SingleStage()
    a0, a1 = stage.accepted("a0"), stage.accepted("a1")
    zombie = await stage.started()
    zombie.log.sought.clear()

    await zombie.shell.batch([a1])

    assert stage.published() == []
    assert zombie.log.sought == {A: 0}
    await zombie.shell.batch([a0, a1])
    assert stage.published() == ["a0", "a1"]


async def test_v3_after_a_failed_request_the_whole_list_is_sent_again_from_its_first() -> None:
    """The first was accepted, the second failed: seen are the first, then both, in order."""
    stage = SingleStage(limits=ShellLimits(backoff_seconds_max=0.01))
    a0, a1 = stage.accepted("a0"), stage.accepted("a1")
    worker = await stage.started()
    worker.log.fail_after = 1

    await worker.shell.batch([a0, a1])

    raw = [dict(r.headers)["causationid"] for r in stage.broker.read(ROUTING.name)]
    assert raw == [b"a0", b"a0", b"a1"]
    assert stage.published() == ["a0", "a1"]


async def test_v4_a_batch_is_not_saved_over_events_that_may_be_unpublished() -> None:
    """Save, publish fails, crash; then the next batch of the lane: both are seen, in order."""
    stage = SingleStage()
    a0, a1 = stage.accepted("a0"), stage.accepted("a1")
    first = await stage.started()
    first.crash_at.append("saved")
    with pytest.raises(Crash):
        await first.shell.batch([a0])

    # The same process goes on (as after a failed publish), not knowing that it published.
    first.crash_at.clear()
    await first.shell.batch([a1])

    assert stage.published() == ["a0", "a1"]


async def test_v5_a_restored_database_is_refused() -> None:
    """The position is behind the committed offset: nothing is decided a second time silently."""
    stage = SingleStage()
    worker = await stage.started()
    await worker.shell.batch([stage.accepted("a0")])
    backup = await stage.state.lanes([str(LANE)], [0])
    await worker.shell.batch([stage.accepted("a1")])
    stage.state.rows.update(backup)

    with pytest.raises(StageRefused, match="restored from an older backup"):
        await stage.started()


async def test_v6_the_same_records_decided_again_give_the_same_bytes() -> None:
    """Another process, another time, another batching: one id has one payload."""
    seen = []
    for batches in ([0, 1], [0], [1]), ([0], [1]):
        stage = SingleStage()
        records = [stage.accepted("a0"), stage.accepted("a1")]
        worker = await stage.started()
        for batch in batches:
            await worker.shell.batch([records[i] for i in batch])
        seen.append([(r.value, r.headers) for r in stage.broker.read(ROUTING.name)])

    assert seen[0] == seen[1]
    assert len(seen[0]) == 2


async def test_v9_a_record_whose_rule_raised_is_not_among_the_decided() -> None:
    """The same id under a new offset is not swallowed: it waits, and a replay decides it."""
    stage = SingleStage()
    worker = await stage.started()
    await worker.shell.batch([stage.accepted("a0", by="bug")])
    assert [d["reason"] for d in stage.dead_letters()] == [b"rule_raised"]

    await worker.shell.batch([stage.accepted("a0")])
    assert stage.published() == []
    await worker.shell.batch([stage.replay("discard")])

    assert stage.published() == ["a0"]


async def test_v9_a_dead_letter_survives_a_crash_after_the_save() -> None:
    """Dead letters are stored with the batch, like events."""
    stage = SingleStage()
    record = stage.accepted("a0", by="bug")
    first = await stage.started()
    first.crash_at.append("saved")
    with pytest.raises(Crash):
        await first.shell.batch([record])
    assert stage.dead_letters() == []

    await stage.started()

    assert [d["reason"] for d in stage.dead_letters()] == [b"rule_raised"]


async def test_v10_a_lane_is_saved_only_over_the_row_that_was_read() -> None:
    """Two workers hold one topic each of a lane: neither overwrites the other's events."""
    stage = SingleStage()
    a0, b0 = stage.accepted("a0"), stage.asked("b0")
    one, other = await stage.started(A), await stage.started(B)
    one.crash_at.append("saved")
    with pytest.raises(Crash):
        await one.shell.batch([a0])

    await other.shell.batch([b0])

    assert stage.published() == ["a0", "b0"]
    assert stage.state.rows[str(LANE)].offsets == {A: 1, B: 1}


def test_v11_two_stages_give_the_same_cause_two_ids() -> None:
    """The emitting stage is part of the id."""
    now = datetime(2026, 3, 13, tzinfo=UTC)
    kind = "id.go.lapor.verification.report-withdrawn.v1"
    assert derive_id("verification.national", "c", now, kind, 1) != derive_id(
        "verification.institution", "c", now, kind, 1
    )


def test_v12_one_sender_cannot_use_up_the_id_of_another() -> None:
    """Ids from outside are bound to their topic and to their content."""
    here, there = "lapor.agency.6308.outbox.v1", "lapor.agency.3204.outbox.v1"
    assert outside_id(here, "1", b"x") != outside_id(there, "1", b"x")
    assert outside_id(here, "1", b"x") != outside_id(here, "1", b"y")
    assert outside_id(here, "1", b"x") == outside_id(here, "1", b"x")


async def test_v13_an_event_too_large_is_a_dead_letter_and_the_lane_goes_on() -> None:
    """It is found before the save, with its cause; what follows is decided."""
    stage = SingleStage()
    worker = await stage.started()

    await worker.shell.batch([stage.accepted("a0", by="large"), stage.accepted("a1")])

    assert [d["reason"] for d in stage.dead_letters()] == [b"event_too_large"]
    assert stage.published() == ["a1"]


async def test_a_repeat_under_a_new_offset_changes_nothing() -> None:
    """An upstream that published again after a crash: its ids are known."""
    stage = SingleStage()
    worker = await stage.started()
    await worker.shell.batch([stage.accepted("a0"), stage.accepted("a0")])
    await worker.shell.batch([stage.accepted("a0")])

    assert len(stage.broker.read(ROUTING.name)) == 1
    assert stage.state.kept[REPORT].decided == id_hash("a0")


async def test_a_zombie_changes_nothing_and_its_successor_is_first() -> None:
    """Two processes decide the same batch: one saves, the other finds it done."""
    stage = SingleStage()
    a0 = stage.accepted("a0")
    one, other = await stage.started(), await stage.started()

    await one.shell.batch([a0])
    await other.shell.batch([a0])

    assert len(stage.broker.read(ROUTING.name)) == 2, "published again, for lack of knowledge"
    assert stage.published() == ["a0"]
    assert stage.state.kept[REPORT].version == 1


async def test_the_outbox_is_emptied_only_under_its_fencing_token() -> None:
    """The lane's own process empties them when idle; another's events are never touched."""
    stage = SingleStage()
    worker = await stage.started()
    await worker.shell.batch([stage.accepted("a0")])
    assert len(unpack(stage.state.rows[str(LANE)].outbox)) == 1

    other = await stage.started()
    await other.shell.batch([stage.asked("b0")])
    await worker.shell.idle(seconds=0)
    assert len(unpack(stage.state.rows[str(LANE)].outbox)) == 1

    await other.shell.idle(seconds=0)
    assert stage.state.rows[str(LANE)].outbox == b""


@pytest.mark.parametrize(
    ("arrange", "says"),
    [
        (lambda w: w.broker.starts.update({A: 1}), "removed by retention"),
        (lambda w: w.broker.logs.update({A: []}), "the topic was recreated"),
        (lambda w: w.state.rows.clear(), "the database was lost"),
    ],
)
async def test_a_stage_refuses_what_would_lose_or_repeat(arrange, says) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001
    """Three of the four refusals (the fourth is V5); each says what to do."""
    stage = SingleStage()
    worker = await stage.started()
    await worker.shell.batch([stage.accepted("a0")])
    stage.accepted("a1")
    stage.accepted("a2")
    arrange(stage)
    if says == "removed by retention":
        stage.broker.starts[A] = 2

    with pytest.raises(StageRefused, match=says):
        await stage.started()


async def test_a_first_start_on_a_log_that_lost_its_beginning_is_refused() -> None:
    """No row, nothing committed, but records are gone: not a first start."""
    stage = SingleStage()
    stage.accepted("a0")
    stage.broker.starts[A] = 1

    with pytest.raises(StageRefused, match="first start, but records before 1 are gone"):
        await stage.started()


async def test_a_gap_made_by_retention_while_running_is_refused() -> None:
    """The consumer was reset to the new start: undecided records are gone, and that is said."""
    stage = SingleStage()
    worker = await stage.started()
    stage.accepted("a0")
    a1 = stage.accepted("a1")
    stage.broker.starts[A] = 1

    with pytest.raises(StageRefused, match="removed by retention"):
        await worker.shell.batch([a1])


async def test_past_its_limit_of_dead_letters_a_stage_stops_and_saves_nothing() -> None:
    """A bad release does not drain the topic into the dead letters."""
    stage = SingleStage(limits=ShellLimits(dead_letter_count_max=5, dead_letter_share_max=0.1))
    worker = await stage.started()
    bad = [stage.accepted(f"a{i}", by="bug", report=f"0123456789A{i}") for i in range(6)]

    with pytest.raises(StageRefused, match="6 of the last 6 records could not be decided"):
        await worker.shell.batch(bad)

    assert stage.dead_letters() == []
    assert all(row.offsets == {} for row in stage.state.rows.values())


async def test_while_the_broker_is_away_nothing_is_skipped_and_a_stop_ends_the_wait() -> None:
    """Infrastructure is waited for; the process still stops at once when asked."""
    stage = SingleStage(limits=ShellLimits(backoff_seconds_max=30))
    worker = await stage.started()
    worker.log.fail_after = 0
    record = stage.accepted("a0")
    task = asyncio.create_task(worker.shell.batch([record]))
    async with asyncio.timeout(5):
        while worker.shell.state is not ShellState.WAITING:
            await asyncio.sleep(0)
    worker.shell.stop()

    with pytest.raises(Stopping):
        await task
    assert stage.broker.committed["routing"] == {}

    await stage.started()
    assert stage.published() == ["a0"]


async def test_a_case_saved_by_another_writer_makes_the_batch_go_again() -> None:
    """The version is checked: the batch is decided anew from what is there."""
    stage = SingleStage()
    worker = await stage.started()
    loads = stage.state.cases

    async def raced(ids: list[str]) -> dict[str, Stored]:
        found = await loads(ids)
        if not stage.state.kept:
            stage.state.kept[REPORT] = Stored(1, 7, id_hash("other"), None)
        return found

    stage.state.cases = raced  # type: ignore[method-assign, assignment]
    await worker.shell.batch([stage.accepted("a0")])

    stored = stage.state.kept[REPORT]
    assert (stored.version, stored.sequence) == (2, 8)
    assert stored.decided == id_hash("other") + id_hash("a0")


async def test_offsets_are_committed_last_and_only_for_what_is_still_assigned() -> None:
    """What another worker took over meanwhile is not committed."""
    stage = SingleStage()
    worker = await stage.started()
    a0, b0 = stage.accepted("a0"), stage.asked("b0")
    worker.log.assignment = {B}

    await worker.shell.batch([a0, b0])

    assert stage.broker.committed["routing"] == {Partition(*B): 1}


async def test_what_retention_removes_after_another_decided_it_refuses_nobody() -> None:
    """A zombie wakes beyond its old position: it looks again before it says what was lost."""
    stage = SingleStage()
    a0, a1, a2 = (stage.accepted(f"a{i}") for i in range(3))
    zombie, other = await stage.started(), await stage.started()
    await zombie.shell.batch([a0])
    await other.shell.batch([a0, a1])
    stage.broker.starts[A] = 2

    await zombie.shell.batch([a2])

    assert zombie.log.sought[A] == 2
    await zombie.shell.batch([a2])
    assert stage.published() == ["a0", "a1", "a2"]


async def test_a_case_that_decided_too_much_decides_nothing_more() -> None:
    """What it remembers has a bound; the record is kept, and the stage goes on with others."""
    stage = SingleStage(limits=ShellLimits(decided_bytes_max=16, dead_letter_count_max=1))
    worker = await stage.started()

    await worker.shell.batch([stage.accepted(f"a{i}") for i in range(3)])
    await worker.shell.batch([stage.accepted("a1"), stage.accepted("b0", report="0123456789AH")])

    assert [d["reason"] for d in stage.dead_letters()] == [b"case_full"]
    assert stage.published() == ["a0", "a1", "b0"]
