"""Law 4: what a rule raised at is parked with what follows it, and a replay releases all of it."""

from dataclasses import replace
from typing import Any

import pytest

from shared.contract.topics import INSTITUTION, REPLAYS
from shared.rules.decision import Decision
from shared.runtime.stage import ShellLimits
from tests.integration.echo import Echo, decide
from tests.simulation.memory import CLEAR, Crash, MemoryRecord
from tests.simulation.single_stage import LANE, REPORT, SingleStage, Worker

OTHER = "0123456789AC"


async def parked() -> tuple[SingleStage, Worker]:
    """Return a stage whose report waits: `a0` raised, `a1` and `b0` came after it."""
    stage = SingleStage()
    worker = await stage.started()
    first = stage.accepted("a0", by="bug")
    await worker.shell.batch([first, stage.accepted("a1"), stage.asked("b0")])
    assert stage.published() == []
    assert [d["reason"] for d in stage.dead_letters()] == [b"rule_raised"]
    return stage, worker


def mended(case: Echo | None, event: Any, cause: Any, policy: object) -> Decision[Echo]:
    """Decide as the stage does after its bug was mended."""
    return decide(case, event.model_copy(update={"by": "officer"}), cause, policy)


async def test_other_reports_go_on() -> None:
    """Only the report whose rule raised waits."""
    stage, worker = await parked()

    await worker.shell.batch([stage.accepted("c0", report=OTHER)])

    assert stage.published() == ["c0"]


async def test_a_retry_decides_the_head_and_then_the_queue_in_order() -> None:
    """After the rule was mended everything is said, in the order it came."""
    stage, _ = await parked()
    worker = await replace(stage, rule=mended).started()

    await worker.shell.batch([stage.replay("retry"), stage.accepted("a2")])

    assert stage.published() == ["a0", "a1", "b0", "a2"]
    assert stage.state.kept[REPORT].parked == b""


async def test_a_retry_that_raises_again_stays_parked_and_can_be_retried() -> None:
    """The letter is written again; the next replay is another attempt."""
    stage, worker = await parked()

    await worker.shell.batch([stage.replay("retry")])
    assert (stage.published(), len(stage.dead_letters())) == ([], 2)
    assert stage.dead_letters()[0]["ce_id"] == stage.dead_letters()[1]["ce_id"]
    worker = await replace(stage, rule=mended).started()
    await worker.shell.batch([stage.replay("retry", attempt=2)])

    assert stage.published() == ["a0", "a1", "b0"]


async def test_an_edited_record_is_decided_under_the_same_id() -> None:
    """The operator mends the data instead of the rule."""
    stage, worker = await parked()
    original = stage.broker.read(INSTITUTION.name)[0]
    edited = (original.value or b"").replace(b'"bug"', b'"officer"')

    await worker.shell.batch([stage.replay("edit", edited)])

    assert stage.published() == ["a0", "a1", "b0"]


async def test_a_discarded_head_lets_the_queue_go_on() -> None:
    """Nothing is said of it; what waited is decided."""
    stage, worker = await parked()

    await worker.shell.batch([stage.replay("discard")])

    assert stage.published() == ["a1", "b0"]


@pytest.mark.parametrize("point", ["before_save", "saved", "published"])
async def test_a_replay_survives_a_crash_at_any_point(point: str) -> None:
    """The whole release is one batch: all of it or nothing."""
    stage, worker = await parked()
    replayed = stage.replay("discard")
    worker.crash_at.append(point)
    with pytest.raises(Crash):
        await worker.shell.batch([replayed])

    again = await stage.started(*worker.log.assignment)
    await again.shell.batch([replayed])

    assert stage.published() == ["a1", "b0"]


async def test_the_same_replay_twice_is_decided_once() -> None:
    """A command line that was killed and started again asks under the same id."""
    stage, worker = await parked()

    await worker.shell.batch([stage.replay("discard")])
    await worker.shell.batch([stage.replay("discard")])

    assert stage.published() == ["a1", "b0"]
    assert len(stage.broker.read(REPLAYS.name)) == 2


async def test_a_replay_of_another_stage_is_nothing_to_this_one() -> None:
    """All stages read the one stream of replays."""
    stage, worker = await parked()
    asked = stage.replay("discard")
    headers = tuple((k, b"follow-up" if k == "stage" else v) for k, v in asked.headers)

    await worker.shell.batch([asked._replace(headers=headers)])

    assert stage.published() == []


async def test_an_edited_poison_record_is_decided_although_nothing_waits_for_it() -> None:
    """What could not be read has no case; mended, it is decided like any other."""
    stage = SingleStage()
    worker = await stage.started()
    good = stage.accepted("a0")
    await worker.shell.batch([good._replace(value=b"\xff")])
    assert [d["reason"] for d in stage.dead_letters()] == [b"not_json"]

    await worker.shell.batch([stage.replay("edit", good.value)])

    assert stage.published() == ["a0"]


async def test_past_its_bounds_a_queue_takes_no_more_and_nothing_is_lost() -> None:
    """What does not fit is a dead letter of its own, to be replayed after the queue."""
    stage = SingleStage(limits=ShellLimits(parked_bytes_max=900))
    worker = await stage.started()
    records = [stage.accepted("a0", by="bug"), *(stage.accepted(f"a{i}") for i in range(1, 4))]

    await worker.shell.batch(records)

    reasons = [letter["reason"] for letter in stage.dead_letters()]
    assert reasons[0] == b"rule_raised"
    assert set(reasons[1:]) == {b"parked_full"}
    waiting = len(worker_queue(stage))
    assert waiting + len(reasons) - 1 == len(records)


def worker_queue(stage: SingleStage) -> list[Any]:
    """Return what waits for the report."""
    return CLEAR.read(stage.state.kept[REPORT].parked)


async def test_a_replay_that_is_none_is_a_dead_letter_itself() -> None:
    """An unknown action stops nothing."""
    stage, worker = await parked()
    asked = stage.replay("discard")
    headers = tuple((k, b"explode" if k == "action" else v) for k, v in asked.headers)

    await worker.shell.batch([MemoryRecord(*asked[:6], headers)])

    assert stage.dead_letters()[-1]["reason"] == b"invalid_replay"
    assert str(LANE) in stage.state.rows
