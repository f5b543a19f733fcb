"""The operator: mends rules and replays or discards dead letters, as `lapor` does."""

from collections.abc import Iterator
from typing import Final

from shared.contract.topics import DEAD_LETTERS
from shared.runtime.parking import Action, replay_record
from tests.simulation.cluster import Cluster, Place, named
from tests.simulation.memory import CLEAR, MemoryRecord
from tests.simulation.processes import Group
from tests.simulation.step import Step

REPLAYS_MAX: Final = 8
AT_THE_END: Final = 1_000  # as which attempt the last replays count, so that each is a new one


def raised(cluster: Cluster) -> dict[Place, list[MemoryRecord]]:
    """Return the dead letters of rules that raised, by their record, as often as they stand."""
    found: dict[Place, list[MemoryRecord]] = {}
    for place in sorted(p for p in cluster.broker.logs if p.topic == DEAD_LETTERS.name):
        for letter in cluster.broker.records(place):
            headers = dict(letter.headers)
            if headers["reason"] == b"rule_raised":
                at = headers["topic"].decode(), int(headers["partition"]), int(headers["offset"])
                found.setdefault(at, []).append(letter)
    return found


def parked(cluster: Cluster) -> Iterator[tuple[Group, str, Place]]:
    """Tell of each parked case which record it waits for."""
    for group in cluster.groups:
        for report_id, stored in sorted(group.state.kept.items()):
            if stored.parked:
                yield group, report_id, CLEAR.read(stored.parked)[0].position


def mend(cluster: Cluster, step: Step) -> None:
    """Release a rule that no longer raises."""
    if not step.how & 7:
        cluster.release.is_broken = False
        cluster.note("the rule is mended")


def ask(cluster: Cluster, step: Step) -> None:
    """Let an operator have a dead letter's record decided again, or let it go.

    One that was let go is not asked for again, nor the other way round: then nobody could say
    which of its repeats counts.
    """
    letters = raised(cluster)
    if not letters or cluster.replayed >= REPLAYS_MAX or "broker" in cluster.away:
        return
    place = sorted(letters)[step.who % len(letters)]
    is_head = place in [head for _, _, head in parked(cluster)]
    action: Action = "discard" if is_head and step.how & 3 == 3 else "retry"
    if cluster.asked.setdefault(place, action) != action:
        return
    cluster.replayed += 1
    _replay(cluster, letters[place], action, len(letters[place]))


def release(cluster: Cluster) -> bool:
    """Mend every rule and have all that is parked decided; say whether anything was parked."""
    cluster.release.is_broken = False
    letters = raised(cluster)
    waiting = list(parked(cluster))
    for group, report_id, place in waiting:
        if place not in letters:
            cluster.violations.append(
                f"parked without a dead letter: {group.link.name} {report_id}"
            )
            return False
        cluster.replayed += 1
        _replay(cluster, letters[place], "retry", AT_THE_END + cluster.replayed)
    return bool(waiting)


def _replay(cluster: Cluster, letters: list[MemoryRecord], action: Action, attempt: int) -> None:
    replay = replay_record(
        letters[-1], action, seal=CLEAR.seal, attempt=attempt, operator="operator", why="mended"
    )
    cluster.broker.append(replay)
    headers = dict(replay.headers)
    cluster.note(
        f"the operator asks {headers['stage'].decode()} to {action} "
        f"{headers['topic'].decode()}/{headers['partition'].decode()}@"
        f"{headers['offset'].decode()}: {named(replay)}"
    )
