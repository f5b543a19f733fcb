"""One history: a list of numbers, each one step of a scheduler that may do anything it likes.

The same list gives the same history. Each number is one step on its own, so a list shrinks by
leaving numbers out and by making them smaller.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from tests.simulation import faults, operator, outside
from tests.simulation.checker import check
from tests.simulation.cluster import Cluster
from tests.simulation.processes import Parts, Process
from tests.simulation.step import Step, parted

STEPS_MAX: Final = 140
_WEIGHTS: Final[tuple[tuple[Callable[[Cluster, Step], None], int], ...]] = (
    (faults.work, 21),
    (outside.mark, 1),
    (outside.send, 9),
    (faults.crash, 5),
    (faults.fail, 4),
    (faults.pause, 3),
    (faults.rebalance, 3),
    (faults.second_task, 3),
    (faults.send_some, 2),
    (outside.repeat, 2),
    (faults.drop, 2),
    (faults.skip, 1),
    (faults.stop, 1),
    (faults.outage, 1),
    (faults.retain, 1),
    (faults.jump, 1),
    (operator.mend, 1),
    (operator.ask, 2),
    (faults.arrive_late, 1),
)
_TABLE: Final = tuple(act for act, weight in _WEIGHTS for _ in range(weight))  # 64, see `parted`
_FAULTS: Final = tuple(act for act, _ in _WEIGHTS[3:])


def steps_of(seed: int) -> list[int]:
    """Return the history of a seed."""
    draw = random.Random(seed)
    return [draw.getrandbits(30) for _ in range(draw.randrange(20, STEPS_MAX))]


@dataclass(frozen=True)
class Setting:
    """What a history's first number says.

    Which kinds of fault may happen in it, on which stage most of its steps fall (so that several
    rare things meet there), and whether new processes run to the end or those that live.
    """

    number: int

    @property
    def is_new_at_the_end(self) -> bool:
        """Say whether all processes are started again before the end."""
        return bool(self.number & 1)

    def chosen(self, cluster: Cluster, who: int) -> Process:
        """Return the process that a step is about."""
        focus = self.number >> 1 & 7
        if not focus or not who & 3:
            return cluster.actors[who % len(cluster.actors)]
        mine = [p for p in cluster.actors if p.group is cluster.groups[focus % len(cluster.groups)]]
        return mine[(who >> 2) % len(mine)]

    def act(self, kind: int) -> Callable[[Cluster, Step], None]:
        """Return what a step does; a kind of fault that is not allowed becomes work."""
        act = _TABLE[kind]
        if act in _FAULTS and not self.number >> 4 + _FAULTS.index(act) & 1:
            return faults.work
        return act


def run(steps: Sequence[int], parts: Parts | None = None) -> list[str]:
    """Run a history on a cluster of its own and return what is wrong after it."""
    return play(Cluster(parts or Parts()), steps)


def story(steps: Sequence[int], parts: Parts | None = None) -> str:
    """Run a history again and return, in words, its steps, what happened, and what is wrong."""
    cluster = Cluster(parts or Parts(), keeps_story=True)
    wrong = play(cluster, steps)
    return "\n".join([*cluster.story, "---", *wrong])


def play(cluster: Cluster, steps: Sequence[int]) -> list[str]:
    """Run the steps, end all faults, run on to rest, and return what is wrong."""
    setting = Setting(steps[0] if steps else 0)
    with cluster.loop:
        cluster.start_all()
        for number in steps[1:]:
            kind, who, how, more = parted(number)
            act, chosen = setting.act(kind), setting.chosen(cluster, who)
            cluster.note(f"STEP {act.__name__} of {chosen}")
            act(cluster, Step(kind, who, how, more, chosen))
            cluster.away = {what: left - 1 for what, left in cluster.away.items() if left > 1}
        cluster.end_faults(is_new=setting.is_new_at_the_end)
        cluster.run_on()
        while not cluster.violations and operator.release(cluster):
            cluster.run_on()
        cluster.rest()
        wrong = cluster.violations or check(cluster)
        for process in cluster.actors:
            process.crash()
    return wrong + cluster.loop.failures
