"""A stage whose database came back older, or not at all, decides again what it is ordered to.

The histories V5 and V6, on the real shell: what the world has read is not said twice, what would
be said otherwise waits for an operator, and an end in the middle changes nothing.
"""

import contextlib
import copy
import random
from collections.abc import Sequence

import pytest
from pydantic import BaseModel
from structlog.testing import capture_logs

from shared.contract.topics import DEAD_LETTERS, ROUTING
from shared.rules.decision import Cause, Decision
from shared.runtime import processor
from shared.runtime.case_store import Stored
from shared.runtime.decider import DECIDED_OTHERWISE, NOT_DECIDED_AGAIN
from shared.runtime.lanes import Partition, StageRefused
from shared.runtime.recovery import comparison
from shared.runtime.writer import partition_of
from tests.integration.echo import Echo, decide
from tests.simulation.chain import REPORTS, Fold, Release, at_routing
from tests.simulation.memory import CLEAR, Crash, MemoryRecord, MemoryRecoveryStore
from tests.simulation.world import LANE, REPORT, A, B, World


def otherwise(case: Echo | None, event: BaseModel, cause: Cause, known: object) -> Decision[Echo]:
    """Decide as another release does: it counts from a hundred."""
    return decide(case or Echo(seen=100), event, cause, known)


async def lived(*batches: Sequence[str]) -> World:
    """Let a stage live through batches; its database is then as it was after the first."""
    world = World()
    worker = await world.started()
    for number, names in enumerate(batches):
        records = [world.accepted(n) if n.startswith("a") else world.asked(n) for n in names]
        await worker.shell.batch(records)
        if number == 0:
            await worker.shell.idle(seconds=0)
            backup = copy.deepcopy((world.state.rows, world.state.kept))
    world.state.rows, world.state.kept = backup
    return world


async def restored(world: World) -> World:
    """Order what is left, and let a process do it."""
    world.recovery_store = MemoryRecoveryStore(world.state)
    world.recovery_store.give(world.broker, "routing", (A, B))
    await world.worker().shell.restore()
    return world


def raw(world: World) -> list[MemoryRecord]:
    """Return everything that the stage said, repeats included."""
    return world.broker.read(ROUTING.name)


async def test_what_was_said_is_not_said_again_and_the_stage_goes_on() -> None:
    """Equal decisions: no record more in its stream, and then the next number."""
    world = await lived(["a0"], ["a1", "b0"], ["a2"])
    before = raw(world)

    await restored(world)

    assert raw(world) == before
    worker = await world.started()
    await worker.shell.batch([world.accepted("a3")])
    assert world.said() == ["a0", "a1", "b0", "a2", "a3"]
    assert dict(raw(world)[-1].headers)["sequence"] == b"5"
    assert world.recovery_store is not None
    assert world.recovery_store.past == {}


async def test_the_marks_of_transactions_hold_up_no_deciding_again() -> None:
    """Among the records of a log, at its end, and in one without any: nothing is to decide."""
    world = await lived(["a0"], ["a1"])
    said = raw(world)
    world.broker.mark(A)
    world.accepted("a2")
    world.broker.mark(A)
    world.broker.mark(B)

    await restored(world)

    assert raw(world)[: len(said)] == said
    assert world.said() == ["a0", "a1", "a2"]
    assert world.recovery_store is not None
    assert await world.recovery_store.order() is None


async def test_how_many_are_left_is_logged_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before each batch here, elsewhere every ten seconds."""
    monkeypatch.setattr(processor, "PROGRESS_LOG_SECONDS", 0.0)
    monkeypatch.setattr(comparison, "BATCH_RECORDS", 1)
    world = await lived(["a0"], ["a1"], ["a2"])

    with capture_logs() as lines:
        await restored(world)

    assert [x["records"] for x in lines if x["event"] == "deciding_again"] == [2, 1]


async def test_v5_records_are_decided_again_in_the_order_in_which_they_were_decided() -> None:
    """B's record came after A's and was decided before: its events tell."""
    world = World()
    worker = await world.started()
    a0, b0 = world.accepted("a0"), world.asked("b0")
    await worker.shell.batch([b0, a0])
    before = raw(world)
    world.state.rows.clear()
    world.state.kept.clear()

    await restored(world)

    assert raw(world) == before
    assert world.dead() == []


async def test_v6_what_would_be_said_otherwise_is_parked_and_one_id_keeps_one_payload() -> None:
    """Another release decides: its word is not published; later records wait behind it."""
    world = await lived(["a0"], ["a1"], ["a2"])
    before = raw(world)
    world.state.kept.clear()  # so that the other rule decides the whole report anew
    world.rule = otherwise

    await restored(world)

    assert raw(world) == before
    (letter,) = world.dead()
    assert letter["reason"] == DECIDED_OTHERWISE.encode()
    assert letter["report"] == REPORT.encode()
    assert b"content differs: id.go.lapor.routing.report-dispatched.v1" in letter["detail"]
    assert len(CLEAR.read(world.state.kept[REPORT].parked)) == 2


async def test_after_the_rule_is_mended_a_replay_decides_what_waited_and_compares_it() -> None:
    """The same release as before says what it said: nothing is published, the case goes on."""
    world = await lived(["a0"], ["a1"], ["a2"])
    before = raw(world)
    kept = dict(world.state.kept)
    world.state.kept.clear()
    world.rule = otherwise
    await restored(world)
    stored = world.state.kept[REPORT]
    world.rule = decide
    world.state.kept[REPORT] = kept[REPORT]._replace(version=stored.version, parked=stored.parked)

    worker = world.worker()
    await worker.shell.restore()
    await worker.shell.assigned({A, B})
    await worker.shell.batch([world.replay("retry")])

    assert raw(world) == before
    assert world.state.kept[REPORT].parked == b""
    assert world.state.kept[REPORT].sequence == 3


async def test_an_operator_may_accept_what_is_decided_now_and_what_was_said_stays_said() -> None:
    """Head and queue are decided; their events are not published under ids that were read."""
    world = await lived(["a0"], ["a1"], ["a2"])
    before = raw(world)
    world.state.kept.clear()
    world.rule = otherwise
    await restored(world)

    worker = world.worker()
    await worker.shell.restore()
    await worker.shell.assigned({A, B})
    await worker.shell.batch([world.replay("accept"), world.accepted("a3")])

    assert raw(world)[:-1] == before
    assert world.said() == ["a0", "a1", "a2", "a3"]
    assert dict(raw(world)[-1].headers)["sequence"] == b"4"
    assert len({letter["ce_id"] for letter in world.dead()}) == 1


@pytest.mark.parametrize("point", ["before_save", "saved", "published"])
async def test_an_end_in_the_middle_changes_nothing(point: str) -> None:
    """It goes on from the saved offsets; nothing is compared with itself."""
    world = await lived(["a0"], ["a1", "b0"], ["a2"])
    new = world.accepted("a3")  # came while the stage was down
    before = raw(world)
    world.recovery_store = MemoryRecoveryStore(world.state)
    world.recovery_store.give(world.broker, "routing", (A, B))
    first = world.worker()
    first.crash_at.append(point)
    with pytest.raises(Crash):
        await first.shell.restore()

    await world.worker().shell.restore()
    await world.started()

    said = {r.headers for r in raw(world)}
    assert said > {r.headers for r in before}
    assert len(said) == len(before) + 1
    assert world.said() == ["a0", "a1", "b0", "a2", "a3"]
    assert world.state.rows[str(LANE)].offsets[A] == new.offset + 1
    assert world.dead() == []


async def test_a_lost_database_decides_all_again_and_says_nothing_twice() -> None:
    """Dead letters included."""
    world = World()
    worker = await world.started()
    await worker.shell.batch([world.accepted("a0"), world.accepted("a1", by="bug")])
    await worker.shell.batch([world.replay("discard"), world.asked("b0")])
    before, dead = raw(world), world.dead()
    world.state.rows.clear()
    world.state.kept.clear()

    await restored(world)

    assert raw(world) == before
    assert world.dead() == dead


async def test_what_no_record_says_again_is_parked_until_an_operator_lets_it_go() -> None:
    """Its cause was removed by retention, and the operator took that loss."""
    world = await lived(["a0"], ["b0"], ["a1"])
    world.broker.starts[B] = 1
    world.state.rows[str(LANE)].offsets[B] = 1

    await restored(world)

    (letter,) = world.dead()
    assert letter["reason"] == DECIDED_OTHERWISE.encode(), "a1 is the second now, and was the third"
    world = await lived(["a0"], ["a1"], ["b0"])
    world.broker.starts[B] = 1
    world.state.rows[str(LANE)].offsets[B] = 1

    await restored(world)

    (letter,) = world.dead()
    assert letter["reason"] == NOT_DECIDED_AGAIN.encode()
    assert letter["topic"] == ROUTING.name.encode()
    worker = await world.started()
    await worker.shell.batch([world.accepted("a2")])
    assert world.said() == ["a0", "a1", "b0"]
    await worker.shell.batch([world.replay("discard")])
    assert world.said() == ["a0", "a1", "b0", "a2"]
    assert dict(raw(world)[-1].headers)["sequence"] == b"4"


async def test_a_record_that_is_gone_before_it_was_decided_again_is_refused() -> None:
    """Retention went on while the stage was down."""
    world = await lived(["a0"], ["a1"], ["a2"])
    world.recovery_store = MemoryRecoveryStore(world.state)
    world.recovery_store.give(world.broker, "routing", (A, B))
    world.broker.starts[A] = 2

    with pytest.raises(StageRefused, match=r"removed by retention.*lapor restored routing"):
        await world.worker().shell.restore()


async def test_a_database_restored_under_a_running_stage_is_refused_too() -> None:
    """The next batch finds the older position, and no batch is decided on it."""
    world = World()
    worker = await world.started()
    await worker.shell.batch([world.accepted("a0")])
    backup = copy.deepcopy((world.state.rows, world.state.kept))
    await worker.shell.batch([world.accepted("a1")])
    world.state.rows, world.state.kept = backup

    with pytest.raises(StageRefused, match="restored from an older backup"):
        await worker.shell.batch([world.accepted("a2")])

    assert world.said() == ["a0", "a1"]
    assert len(world.broker.read(DEAD_LETTERS.name)) == 0


HERE, THERE = (Partition(p.topic, partition_of(REPORTS[0].encode())) for p in (A, B))


def folding(case: Fold | None, event: BaseModel, cause: Cause, _known: object) -> Decision[Fold]:
    """Say nothing, one or two events, other ones for every order of what was seen."""
    return at_routing(case, event, cause, Release(is_broken=False))


async def lived_at_random(dice: random.Random) -> tuple[World, dict[str, Stored]]:
    """Live through records in batches of any order; the database is then of an earlier moment."""
    world = World(rule=folding)
    worker = await world.started(HERE, THERE)
    left = {
        HERE: [world.accepted(f"a{n}", report=dice.choice(REPORTS[:2])) for n in range(8)],
        THERE: [world.asked(f"b{n}", report=dice.choice(REPORTS[:2])) for n in range(8)],
    }
    backups = [copy.deepcopy((world.state.rows, world.state.kept))]
    while any(left.values()):
        batch = []
        for p in dice.sample([HERE, THERE], 2):
            count = dice.randrange(4)
            batch += left[p][:count]
            del left[p][:count]
        if batch:
            await worker.shell.batch(batch)
            backups.append(copy.deepcopy((world.state.rows, world.state.kept)))
    then = dict(world.state.kept)
    world.state.rows, world.state.kept = dice.choice(backups)
    return world, then


@pytest.mark.parametrize("seed", range(60))
async def test_at_random_one_id_keeps_one_payload_and_each_case_is_as_it_was_or_parked(
    seed: int,
) -> None:
    """Whatever the batches were, whenever the backup was made, wherever the recovery was killed."""
    dice = random.Random(seed)
    world, then = await lived_at_random(dice)
    before = raw(world)
    world.recovery_store = MemoryRecoveryStore(world.state)
    world.recovery_store.give(world.broker, "routing", (HERE, THERE))
    first = world.worker()
    first.crash_at.append(dice.choice(["before_save", "saved", "published", "never"]))
    with contextlib.suppress(Crash):
        await first.shell.restore()

    await world.worker().shell.restore()
    await world.started(HERE, THERE)

    payloads = {dict(r.headers)["ce_id"]: r.value for r in before}
    for record in raw(world)[len(before) :]:
        assert payloads.get(dict(record.headers)["ce_id"]) == record.value, "only said again"
    parked = {letter["report"].decode() for letter in world.dead()}
    for report, case in then.items():
        now = world.state.kept[report]
        assert bool(now.parked) == (report in parked)
        if not now.parked:
            assert (now.case, now.sequence) == (case.case, case.sequence)
