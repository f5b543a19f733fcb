"""A destination that refuses at any time, with crashes between: its events come, in their order."""

import random

import pytest

from shared.contract.envelope import Outbound
from shared.contract.topics import ROUTING
from shared.runtime.case_store import Conflict
from shared.runtime.lanes import Lane
from tests.simulation.memory import Crash
from tests.simulation.single_stage import LANE, A, SingleStage

STEPS = 40


async def test_what_is_refused_waits_and_comes_before_what_is_later() -> None:
    """The lane goes on meanwhile; taken again, the oldest come first."""
    stage = SingleStage()
    worker = await stage.started()
    stage.broker.refusing.add(ROUTING.name)
    await worker.shell.batch([stage.accepted("a0")])
    await worker.shell.batch([stage.accepted("a1")])
    assert stage.published() == []
    stage.broker.refusing.clear()

    await worker.shell.batch([stage.accepted("a2")])
    assert stage.published() == []
    await worker.shell.redeliver()

    assert stage.published() == ["a0", "a1", "a2"]
    assert stage.state.refused == {}


async def test_a_stage_that_starts_anew_knows_what_is_held() -> None:
    """It does not let a later event overtake it."""
    stage = SingleStage()
    worker = await stage.started()
    stage.broker.refusing.add(ROUTING.name)
    await worker.shell.batch([stage.accepted("a0")])
    stage.broker.refusing.clear()

    second = await stage.started()
    await second.shell.batch([stage.accepted("a1")])
    assert stage.published() == []
    await second.shell.redeliver()

    assert stage.published() == ["a0", "a1"]


async def test_whoever_lost_the_lane_holds_nothing_of_it() -> None:
    """What it was about to hold is its successor's to publish."""
    stage = SingleStage()
    zombie = await stage.started()
    zombie.crash_at.append("saved")
    with pytest.raises(Crash):
        await zombie.shell.batch([stage.accepted("a0")])
    lanes = await zombie.shell._load([str(LANE)])
    second = await stage.started()
    await second.shell.batch([stage.accepted("a1")])

    with pytest.raises(Conflict):
        await stage.state.hold(
            Lane(str(LANE), {}, lanes[str(LANE)].fencing_token), 1, [Outbound("t", 0, b"", b"", [])]
        )


@pytest.mark.parametrize("seed", range(60))
async def test_at_random_nothing_is_lost_and_the_order_stays(seed: int) -> None:
    """Refusals, crashes at each point, restarts and redeliveries in any order."""
    dice, stage = random.Random(seed), SingleStage()
    worker, sent, log = await stage.started(), list[str](), list[object]()
    for _ in range(STEPS):
        try:
            match dice.randrange(8):
                case 0:
                    stage.broker.refusing ^= {ROUTING.name}
                case 1:
                    worker.crash_at.append(dice.choice(["before_save", "saved", "published"]))
                case 2:
                    await worker.shell.redeliver()
                case 3:
                    worker = await stage.started()
                case _:
                    sent.append(f"a{len(sent)}")
                    log.append(stage.accepted(sent[-1]))
                    position = worker.shell.offsets[A]
                    await worker.shell.batch(log[position:])  # type: ignore[arg-type]
        except Crash:
            worker = await stage.started()
    stage.broker.refusing.clear()
    worker = await stage.started()
    await worker.shell.redeliver()
    await worker.shell.batch(log[worker.shell.offsets[A] :])  # type: ignore[arg-type]

    assert stage.published() == sent
    assert stage.state.refused == {}
