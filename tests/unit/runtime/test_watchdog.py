"""A process that lives but no longer consumes is noticed; one that only waits is left alone."""

from collections.abc import Iterable
from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError

from shared.platform.settings import Settings
from shared.runtime.health import watchdog as module
from shared.runtime.health.watchdog import Watchdog
from shared.runtime.lanes import Partition
from shared.runtime.metrics import Meters
from shared.runtime.processor import ShellState

HERE = Partition("lapor.intake.v1", 3)


class Ends:
    """A consumer that knows where logs end, or finds no broker."""

    def __init__(self) -> None:
        self.end = 0
        self.is_away = False

    async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the same end for all; of none, aiokafka knows it without asking."""
        if self.is_away and partitions:
            raise KafkaConnectionError
        return dict.fromkeys(partitions, self.end)

    async def topics(self) -> set[str]:
        """Return what there is."""
        if self.is_away:
            raise KafkaConnectionError
        return {HERE.topic}


class Stands:
    """A consumer's own place in the log, which it may have read further than was decided."""

    def __init__(self) -> None:
        self.at: dict[Partition, int] = {}
        self.fair_queue = SimpleNamespace(paused=frozenset())

    async def consumer_positions(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """Return the places known."""
        return {p: at for p, at in self.at.items() if p in set(partitions)}


class Scene:
    """A stage at a position, a log with an end, and a clock in seconds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(module, "monotonic", lambda: self.now)
        self.shell = SimpleNamespace(
            offsets={HERE: 0}, state=ShellState.RUNNING, attempt_since=None
        )
        self.ends = Ends()
        self.log = Stands()
        self.dog = Watchdog(Settings(), "routing", self.shell, self.log, Meters("routing"))  # type: ignore[arg-type]

    async def after(self, seconds: float) -> tuple[bool, bool]:
        """Let time pass in looks; return (ready, stuck)."""
        for _ in range(int(seconds / 2)):
            await self.dog._look(self.ends)
            self.now += 2
        return self.dog.is_ready, self.dog.is_stuck


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    """Build a scene."""
    return Scene(monkeypatch)


async def test_a_stage_with_nothing_to_do_is_ready_for_ever(scene: Scene) -> None:
    """Silence is not a standstill."""
    assert await scene.after(600) == (True, False)


async def test_records_that_wait_undecided_turn_it_unready_then_stuck(scene: Scene) -> None:
    """Readiness turns red at half the time, the end comes after 60 s."""
    scene.ends.end = 5
    assert await scene.after(28) == (True, False)
    assert await scene.after(6) == (False, False)
    assert await scene.after(30) == (False, True)


async def test_the_mark_of_a_transaction_at_the_end_is_no_record_that_waits(scene: Scene) -> None:
    """The consumer read past it; as long as a batch is in hand that says nothing."""
    scene.ends.end, scene.log.at = 1, {HERE: 1}
    assert await scene.after(300) == (True, False)
    scene.shell.attempt_since = scene.now
    assert await scene.after(58) == (False, False)
    assert await scene.after(6) == (False, True)


async def test_a_partition_that_is_left_alone_is_no_standstill(scene: Scene) -> None:
    """One sender's batch that cannot be read must not have everybody's stage restarted."""
    scene.log.fair_queue.paused = frozenset({HERE})
    scene.ends.end = 1

    assert await scene.after(300) == (True, False)


async def test_progress_however_slow_is_progress(scene: Scene) -> None:
    """A backlog that shrinks is no standstill."""
    scene.ends.end = 1_000
    for position in range(1, 20):
        scene.shell.offsets = {HERE: position}
        assert await scene.after(20) == (True, False)


async def test_while_database_or_broker_are_away_it_waits(scene: Scene) -> None:
    """Waiting for infrastructure is not ready, and not stuck."""
    scene.ends.end = 5
    scene.shell.state = ShellState.WAITING
    assert await scene.after(300) == (False, False)
    scene.shell.state = ShellState.RUNNING
    scene.ends.is_away = True
    assert await scene.after(300) == (False, False)


@pytest.mark.parametrize("offsets", [{HERE: 0}, {}])
async def test_an_attempt_in_an_outage_is_counted_from_its_end(
    scene: Scene, offsets: dict[Partition, int]
) -> None:
    """The producer sends again by itself for as long as the broker is away, and is left to it.

    So does a stage that takes up its lanes just then, and has no offsets yet.
    """
    scene.shell.offsets = offsets
    scene.shell.attempt_since = 0.0
    scene.ends.is_away = True
    assert await scene.after(300) == (False, False)
    scene.ends.is_away = False
    scene.shell.offsets = {HERE: 0}
    assert await scene.after(28) == (True, False)
    assert await scene.after(30) == (False, False)
    assert await scene.after(6) == (False, True)


async def test_a_stage_without_partitions_is_not_ready(scene: Scene) -> None:
    """Before its first assignment, and when others hold all."""
    scene.shell.offsets = {}
    assert await scene.after(10) == (False, False)


async def test_an_attempt_that_never_comes_back_is_a_standstill(scene: Scene) -> None:
    """Even one of a stage that waited before, and that holds no partition while it takes up."""
    scene.shell.state = ShellState.WAITING
    scene.shell.offsets = {}
    scene.shell.attempt_since = 0.0
    assert await scene.after(58) == (False, False)
    assert await scene.after(4) == (False, True)


async def test_an_assignment_that_never_comes_is_a_standstill(scene: Scene) -> None:
    """As of a coordination task that died at the start; an empty assignment is one."""
    scene.shell.offsets = {}
    scene.shell.state = ShellState.STARTING
    assert await scene.after(58) == (False, False)
    assert await scene.after(4) == (False, True)
    scene.shell.state = ShellState.RUNNING
    assert await scene.after(300) == (False, False)


async def test_no_assignment_can_come_while_the_broker_is_away(scene: Scene) -> None:
    """A stage that starts in an outage waits for its end."""
    scene.shell.offsets = {}
    scene.shell.state = ShellState.STARTING
    scene.ends.is_away = True
    assert (await scene.after(300))[1] is False


@pytest.mark.parametrize("state", [s for s in ShellState if s is not ShellState.RUNNING])
async def test_only_a_shell_that_runs_is_ready(scene: Scene, state: ShellState) -> None:
    """Whatever else holds."""
    scene.shell.state = state
    assert (await scene.after(10))[0] is False
