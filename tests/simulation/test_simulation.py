"""The real shell through seeded faults; `python -m tests.simulation.run` runs as many as wanted."""

from collections.abc import Callable
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contract.topics import AGENCIES, INSTITUTION, ROUTING
from shared.runtime.case_store import Stored
from shared.runtime.lanes import Partition
from tests.simulation.chain import PARTITIONS
from tests.simulation.checker import check
from tests.simulation.cluster import Cluster
from tests.simulation.history import play, run, steps_of, story
from tests.simulation.mutations import CAUGHT
from tests.simulation.shrink import shrink
from tests.simulation.step import STEP_MAX

KEPT: Final = {
    69: "one dead letter, its save tried again: it counted against the limit at each try",
    229: "a zombie beyond its old position, retention up to the new one: it refused to run",
}
"""Seeds that failed once, and why; `mutations.py` has each fault of the shell again."""
CALM: Final = 4
"""A seed whose history has all three stages say something about the first report."""


@pytest.mark.parametrize("seed", KEPT)
def test_what_failed_once_fails_no_more(seed: int) -> None:
    """Histories kept from failures."""
    assert run(steps_of(seed)) == [], story(steps_of(seed))


@pytest.mark.parametrize("first", range(1, 76, 25))
def test_nothing_is_lost_doubled_or_swapped_in_seeded_histories(first: int) -> None:
    """Crashes, rebalances, zombies, outages, repeats: at rest all is as if nothing had happened."""
    for seed in range(first, first + 25):
        assert run(steps_of(seed)) == [], f"seed {seed}\n{story(steps_of(seed))}"


@given(st.lists(st.integers(0, STEP_MAX), min_size=1, max_size=120))
def test_nor_in_any_history_at_all(steps: list[int]) -> None:
    """As above, the histories drawn and shrunk by hypothesis."""
    assert run(steps) == [], story(steps)


def test_the_same_seed_is_the_same_history() -> None:
    """A failure comes again by its seed alone."""
    clusters = [Cluster(keeps_story=True), Cluster(keeps_story=True)]
    for cluster in clusters:
        play(cluster, steps_of(42))

    assert clusters[0].story == clusters[1].story
    assert clusters[0].broker.logs == clusters[1].broker.logs


def test_a_failing_history_shrinks_to_the_few_steps_that_matter() -> None:
    """What is left can be read: each step in it is needed."""
    mutation = next(m for m in CAUGHT if m.name == "assignment publishes nothing")
    with mutation.applied() as parts:
        shortest = shrink(steps_of(35), lambda steps: bool(run(steps, parts)))
        shown = Cluster(parts, keeps_story=True)
        wrong = play(shown, shortest)

    assert len(shortest) <= 6
    assert any("never published" in fault for fault in wrong)
    assert not any("publish" in line for line in shown.story), "saved, and nobody went on"


# ---- the checker: each kind of damage, planted, is found


def _lose(cluster: Cluster) -> None:
    cluster.broker.logs[_longest(cluster, ROUTING.name)].pop(0)


def _swap(cluster: Cluster) -> None:
    log = cluster.broker.logs[_longest(cluster, ROUTING.name)]
    log.reverse()


def _change(cluster: Cluster) -> None:
    log = cluster.broker.logs[_longest(cluster, ROUTING.name)]
    log.append(log[0]._replace(value=b"{}"))


def _make_up(cluster: Cluster) -> None:
    log = cluster.broker.logs[_longest(cluster, ROUTING.name)]
    headers = tuple((n, b"other" if n == "ce_id" else v) for n, v in log[0].headers)
    log.append(log[0]._replace(headers=headers))


def _skip(cluster: Cluster) -> None:
    place = _longest(cluster, INSTITUTION.name)
    cluster.groups[2].state.rows[str(place.partition)].offsets[place] -= 1


def _commit_too_far(cluster: Cluster) -> None:
    cluster.broker.committed["routing"][_longest(cluster, INSTITUTION.name)] = 10_000


def _decide_twice(cluster: Cluster) -> None:
    _with_case(cluster, lambda stored: stored._replace(decided=stored.decided * 2))


def _forget_one(cluster: Cluster) -> None:
    _with_case(cluster, lambda stored: stored._replace(decided=stored.decided[8:]))


def _decide_unheard(cluster: Cluster) -> None:
    _with_case(cluster, lambda stored: stored._replace(decided=stored.decided + b"unheard!"))


def _old_case(cluster: Cluster) -> None:
    _with_case(cluster, lambda stored: stored._replace(case=None))


def _with_case(cluster: Cluster, damage: Callable[[Stored], Stored]) -> None:
    kept = cluster.groups[2].state.kept
    report = next(r for r, stored in kept.items() if len(stored.decided) > 8)
    kept[report] = damage(kept[report])


def _longest(cluster: Cluster, topic: str) -> Partition:
    return max((Partition(topic, n) for n in PARTITIONS), key=lambda p: len(cluster.broker.logs[p]))


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (_lose, "decided, but never published"),
        (_swap, "published out of order"),
        (_change, "one id, two payloads"),
        (_make_up, "published, but not decided"),
        (_skip, "position"),
        (_commit_too_far, "committed beyond the position"),
        (_decide_twice, "decided twice"),
        (_forget_one, "never decided"),
        (_decide_unheard, "nobody said it"),
        (_old_case, "not the fold"),
    ],
)
def test_the_checker_finds(damage: Callable[[Cluster], None], says: str) -> None:
    """A sound end, one thing spoilt: the checker names it."""
    cluster = Cluster()
    assert play(cluster, steps_of(CALM)) == []
    assert cluster.broker.logs[_longest(cluster, AGENCIES.name)]

    damage(cluster)

    assert any(says in fault for fault in check(cluster))
