"""A stage whose database came back older, or not at all, decides again what it is ordered to.

The histories V5 and V6, on the real shell: published events are not published twice, a record that
would give others waits for an operator, and an end in the middle changes nothing.
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
from tests.simulation.single_stage import LANE, REPORT, A, B, SingleStage


def otherwise(case: Echo | None, event: BaseModel, cause: Cause, known: object) -> Decision[Echo]:
    """Decide as another release does: it counts from a hundred."""
    return decide(case or Echo(seen=100), event, cause, known)


async def lived(*batches: Sequence[str]) -> SingleStage:
    """Let a stage live through batches; its database is then as it was after the first."""
    stage = SingleStage()
    worker = await stage.started()
    for number, names in enumerate(batches):
        records = [stage.accepted(n) if n.startswith("a") else stage.asked(n) for n in names]
        await worker.shell.batch(records)
        if number == 0:
            await worker.shell.idle(seconds=0)
            backup = copy.deepcopy((stage.state.rows, stage.state.kept))
    stage.state.rows, stage.state.kept = backup
    return stage


async def restored(stage: SingleStage) -> SingleStage:
    """Order what is left, and let a process do it."""
    stage.recovery_store = MemoryRecoveryStore(stage.state)
    stage.recovery_store.give(stage.broker, "routing", (A, B))
    await stage.worker().shell.restore()
    return stage


def raw(stage: SingleStage) -> list[MemoryRecord]:
    """Return everything that the stage said, repeats included."""
    return stage.broker.read(ROUTING.name)


async def test_what_was_said_is_not_said_again_and_the_stage_goes_on() -> None:
    """Equal decisions: no record more in its stream, and then the next number."""
    stage = await lived(["a0"], ["a1", "b0"], ["a2"])
    before = raw(stage)

    await restored(stage)

    assert raw(stage) == before
    worker = await stage.started()
    await worker.shell.batch([stage.accepted("a3")])
    assert stage.published() == ["a0", "a1", "b0", "a2", "a3"]
    assert dict(raw(stage)[-1].headers)["sequence"] == b"5"
    assert stage.recovery_store is not None
    assert stage.recovery_store.past == {}


async def test_the_marks_of_transactions_hold_up_no_deciding_again() -> None:
    """Among the records of a log, at its end, and in one without any: nothing is to decide."""
    stage = await lived(["a0"], ["a1"])
    said = raw(stage)
    stage.broker.mark(A)
    stage.accepted("a2")
    stage.broker.mark(A)
    stage.broker.mark(B)

    await restored(stage)

    assert raw(stage)[: len(said)] == said
    assert stage.published() == ["a0", "a1", "a2"]
    assert stage.recovery_store is not None
    assert await stage.recovery_store.order() is None


async def test_how_many_are_left_is_logged_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before each batch here, elsewhere every ten seconds."""
    monkeypatch.setattr(processor, "PROGRESS_LOG_SECONDS", 0.0)
    monkeypatch.setattr(comparison, "BATCH_RECORDS", 1)
    stage = await lived(["a0"], ["a1"], ["a2"])

    with capture_logs() as lines:
        await restored(stage)

    assert [x["records"] for x in lines if x["event"] == "deciding_again"] == [2, 1]


async def test_v5_records_are_decided_again_in_the_order_in_which_they_were_decided() -> None:
    """B's record came after A's and was decided before: its events tell."""
    stage = SingleStage()
    worker = await stage.started()
    a0, b0 = stage.accepted("a0"), stage.asked("b0")
    await worker.shell.batch([b0, a0])
    before = raw(stage)
    stage.state.rows.clear()
    stage.state.kept.clear()

    await restored(stage)

    assert raw(stage) == before
    assert stage.dead_letters() == []


async def test_v6_what_would_be_said_otherwise_is_parked_and_one_id_keeps_one_payload() -> None:
    """Another release decides: its word is not published; later records wait behind it."""
    stage = await lived(["a0"], ["a1"], ["a2"])
    before = raw(stage)
    stage.state.kept.clear()  # so that the other rule decides the whole report anew
    stage.rule = otherwise

    await restored(stage)

    assert raw(stage) == before
    (letter,) = stage.dead_letters()
    assert letter["reason"] == DECIDED_OTHERWISE.encode()
    assert letter["report"] == REPORT.encode()
    assert b"content differs: id.go.lapor.routing.report-dispatched.v1" in letter["detail"]
    assert len(CLEAR.read(stage.state.kept[REPORT].parked)) == 2


async def test_after_the_rule_is_mended_a_replay_decides_what_waited_and_compares_it() -> None:
    """The same release as before says what it said: nothing is published, the case goes on."""
    stage = await lived(["a0"], ["a1"], ["a2"])
    before = raw(stage)
    kept = dict(stage.state.kept)
    stage.state.kept.clear()
    stage.rule = otherwise
    await restored(stage)
    stored = stage.state.kept[REPORT]
    stage.rule = decide
    stage.state.kept[REPORT] = kept[REPORT]._replace(version=stored.version, parked=stored.parked)

    worker = stage.worker()
    await worker.shell.restore()
    await worker.shell.assigned({A, B})
    await worker.shell.batch([stage.replay("retry")])

    assert raw(stage) == before
    assert stage.state.kept[REPORT].parked == b""
    assert stage.state.kept[REPORT].sequence == 3


async def test_an_operator_may_accept_what_is_decided_now_and_what_was_said_stays_said() -> None:
    """Head and queue are decided; their events are not published under ids that were read."""
    stage = await lived(["a0"], ["a1"], ["a2"])
    before = raw(stage)
    stage.state.kept.clear()
    stage.rule = otherwise
    await restored(stage)

    worker = stage.worker()
    await worker.shell.restore()
    await worker.shell.assigned({A, B})
    await worker.shell.batch([stage.replay("accept"), stage.accepted("a3")])

    assert raw(stage)[:-1] == before
    assert stage.published() == ["a0", "a1", "a2", "a3"]
    assert dict(raw(stage)[-1].headers)["sequence"] == b"4"
    assert len({letter["ce_id"] for letter in stage.dead_letters()}) == 1


@pytest.mark.parametrize("point", ["before_save", "saved", "published"])
async def test_an_end_in_the_middle_changes_nothing(point: str) -> None:
    """It goes on from the saved offsets; nothing is compared with itself."""
    stage = await lived(["a0"], ["a1", "b0"], ["a2"])
    new = stage.accepted("a3")  # came while the stage was down
    before = raw(stage)
    stage.recovery_store = MemoryRecoveryStore(stage.state)
    stage.recovery_store.give(stage.broker, "routing", (A, B))
    first = stage.worker()
    first.crash_at.append(point)
    with pytest.raises(Crash):
        await first.shell.restore()

    await stage.worker().shell.restore()
    await stage.started()

    said = {r.headers for r in raw(stage)}
    assert said > {r.headers for r in before}
    assert len(said) == len(before) + 1
    assert stage.published() == ["a0", "a1", "b0", "a2", "a3"]
    assert stage.state.rows[str(LANE)].offsets[A] == new.offset + 1
    assert stage.dead_letters() == []


async def test_a_lost_database_decides_all_again_and_says_nothing_twice() -> None:
    """Dead letters included."""
    stage = SingleStage()
    worker = await stage.started()
    await worker.shell.batch([stage.accepted("a0"), stage.accepted("a1", by="bug")])
    await worker.shell.batch([stage.replay("discard"), stage.asked("b0")])
    before, dead = raw(stage), stage.dead_letters()
    stage.state.rows.clear()
    stage.state.kept.clear()

    await restored(stage)

    assert raw(stage) == before
    assert stage.dead_letters() == dead


async def test_what_no_record_says_again_is_parked_until_an_operator_lets_it_go() -> None:
    """Its cause was removed by retention, and the operator took that loss."""
    stage = await lived(["a0"], ["b0"], ["a1"])
    stage.broker.starts[B] = 1
    stage.state.rows[str(LANE)].offsets[B] = 1

    await restored(stage)

    (letter,) = stage.dead_letters()
    assert letter["reason"] == DECIDED_OTHERWISE.encode(), "a1 is the second now, and was the third"
    stage = await lived(["a0"], ["a1"], ["b0"])
    stage.broker.starts[B] = 1
    stage.state.rows[str(LANE)].offsets[B] = 1

    await restored(stage)

    (letter,) = stage.dead_letters()
    assert letter["reason"] == NOT_DECIDED_AGAIN.encode()
    assert letter["topic"] == ROUTING.name.encode()
    worker = await stage.started()
    await worker.shell.batch([stage.accepted("a2")])
    assert stage.published() == ["a0", "a1", "b0"]
    await worker.shell.batch([stage.replay("discard")])
    assert stage.published() == ["a0", "a1", "b0", "a2"]
    assert dict(raw(stage)[-1].headers)["sequence"] == b"4"


async def test_a_record_that_is_gone_before_it_was_decided_again_is_refused() -> None:
    """Retention went on while the stage was down."""
    stage = await lived(["a0"], ["a1"], ["a2"])
    stage.recovery_store = MemoryRecoveryStore(stage.state)
    stage.recovery_store.give(stage.broker, "routing", (A, B))
    stage.broker.starts[A] = 2

    with pytest.raises(StageRefused, match=r"removed by retention.*lapor restored routing"):
        await stage.worker().shell.restore()


async def test_a_database_restored_under_a_running_stage_is_refused_too() -> None:
    """The next batch finds the older position, and no batch is decided on it."""
    stage = SingleStage()
    worker = await stage.started()
    await worker.shell.batch([stage.accepted("a0")])
    backup = copy.deepcopy((stage.state.rows, stage.state.kept))
    await worker.shell.batch([stage.accepted("a1")])
    stage.state.rows, stage.state.kept = backup

    with pytest.raises(StageRefused, match="restored from an older backup"):
        await worker.shell.batch([stage.accepted("a2")])

    assert stage.published() == ["a0", "a1"]
    assert len(stage.broker.read(DEAD_LETTERS.name)) == 0


HERE, THERE = (Partition(p.topic, partition_of(REPORTS[0].encode())) for p in (A, B))


def folding(case: Fold | None, event: BaseModel, cause: Cause, _known: object) -> Decision[Fold]:
    """Say nothing, one or two events, other ones for every order of what was seen."""
    return at_routing(case, event, cause, Release(is_broken=False))


async def lived_at_random(dice: random.Random) -> tuple[SingleStage, dict[str, Stored]]:
    """Live through records in batches of any order; the database is then of an earlier moment."""
    stage = SingleStage(rule=folding)
    worker = await stage.started(HERE, THERE)
    left = {
        HERE: [stage.accepted(f"a{n}", report=dice.choice(REPORTS[:2])) for n in range(8)],
        THERE: [stage.asked(f"b{n}", report=dice.choice(REPORTS[:2])) for n in range(8)],
    }
    backups = [copy.deepcopy((stage.state.rows, stage.state.kept))]
    while any(left.values()):
        batch = []
        for p in dice.sample([HERE, THERE], 2):
            count = dice.randrange(4)
            batch += left[p][:count]
            del left[p][:count]
        if batch:
            await worker.shell.batch(batch)
            backups.append(copy.deepcopy((stage.state.rows, stage.state.kept)))
    then = dict(stage.state.kept)
    stage.state.rows, stage.state.kept = dice.choice(backups)
    return stage, then


@pytest.mark.parametrize("seed", range(60))
async def test_at_random_one_id_keeps_one_payload_and_each_case_is_as_it_was_or_parked(
    seed: int,
) -> None:
    """Whatever the batches were, whenever the backup was made, wherever the recovery was killed."""
    dice = random.Random(seed)
    stage, then = await lived_at_random(dice)
    before = raw(stage)
    stage.recovery_store = MemoryRecoveryStore(stage.state)
    stage.recovery_store.give(stage.broker, "routing", (HERE, THERE))
    first = stage.worker()
    first.crash_at.append(dice.choice(["before_save", "saved", "published", "never"]))
    with contextlib.suppress(Crash):
        await first.shell.restore()

    await stage.worker().shell.restore()
    await stage.started(HERE, THERE)

    payloads = {dict(r.headers)["ce_id"]: r.value for r in before}
    for record in raw(stage)[len(before) :]:
        assert payloads.get(dict(record.headers)["ce_id"]) == record.value, "only said again"
    parked = {letter["report"].decode() for letter in stage.dead_letters()}
    for report, case in then.items():
        now = stage.state.kept[report]
        assert bool(now.parked) == (report in parked)
        if not now.parked:
            assert (now.case, now.sequence) == (case.case, case.sequence)
