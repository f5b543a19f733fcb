"""A fault run can be played again by its seed, and leaves out no commit point."""

from collections import Counter

import pytest

from tests.faults.load.report_script import life
from tests.faults.schedule import POINTS, ROUND_SECONDS, STAGES, Place, schedule


@pytest.mark.parametrize("seed", range(20))
def test_the_short_form_kills_every_stage_once_at_every_commit_point(seed: int) -> None:
    """Nine stages, three points each, whatever the seed."""
    planned = schedule(seed, ROUND_SECONDS, is_short=True)
    points = Counter((f.stage, f.point) for f in planned if f.kind == "point")
    assert points == Counter((stage, point) for stage in STAGES for point in POINTS)
    assert {f.kind for f in planned} == {
        "point", "kill", "freeze", "broker", "postgres", "both", "scale", "twin", "raise",
        "oversize", "refuse", "rights",
    }  # fmt: skip
    assert all(0 < f.at_seconds < ROUND_SECONDS for f in planned)


@pytest.mark.parametrize(("place", "more"), [(Place(brokers=3), {"leader", "coordinator"}),
       (Place(has_volumes=True), {"broker full", "postgres full"})])  # fmt: skip
def test_a_cluster_and_volumes_have_faults_of_their_own(place: Place, more: set[str]) -> None:
    """Every commit point is left."""
    alone = schedule(3, ROUND_SECONDS, is_short=True)
    there = schedule(3, ROUND_SECONDS, is_short=True, place=place)
    assert {f.kind for f in there} - {f.kind for f in alone} == more
    assert [f for f in there if f.kind == "point"] == [f for f in alone if f.kind == "point"]


def test_the_same_seed_gives_the_same_faults_and_the_same_lives() -> None:
    """Another one gives others."""
    assert schedule(5, 900, is_short=False) == schedule(5, 900, is_short=False)
    assert schedule(5, 900, is_short=False) != schedule(6, 900, is_short=False)
    assert life(5, 17) == life(5, 17)
    assert life(5, 17).report_id != life(6, 17).report_id


def test_the_long_form_has_long_outages_and_more_workers() -> None:
    """Of 60 seconds, and two that join a stage."""
    planned = schedule(1, 1_200, is_short=False)
    assert {f.seconds for f in planned if f.kind == "broker"} == {5.0, 60.0}
    assert {f.workers for f in planned if f.kind == "scale"} == {2}
    away = sorted(f for f in planned if f.kind in ("broker", "postgres", "both"))
    ends = [f.at_seconds + f.seconds for f in away]
    assert all(f.at_seconds > end + 10 for f, end in zip(away[1:], ends, strict=False))


@pytest.mark.parametrize("seed", range(20))
def test_nothing_else_befalls_a_stage_whose_group_is_in_hand(seed: int) -> None:
    """Else a crash would be taken for what the join did, or the lost right."""
    planned = schedule(seed, ROUND_SECONDS, is_short=True)
    for spell in (f for f in planned if f.kind in ("scale", "twin", "rights")):
        others = [f for f in planned if f.stage == spell.stage and f.kind in ("point", "kill")]
        assert not [
            f for f in others
            if spell.at_seconds <= f.at_seconds < spell.at_seconds + spell.seconds + 2
        ]  # fmt: skip
