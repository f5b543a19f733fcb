"""Who mends rules and says what becomes of dead letters: by replays, as `lapor` writes them."""

from collections.abc import Iterator
from typing import Final

from shared.contract.topics import DEAD_LETTERS
from shared.runtime.parking import Action, replay_record
from tests.simulation.fleet import Fleet, Place, named
from tests.simulation.memory import CLEAR, MemoryRecord
from tests.simulation.processes import Group
from tests.simulation.step import Step

REPLAYS_MAX: Final = 8
AT_THE_END: Final = 1_000  # as which attempt the last replays count, so that each is a new one


def raised(fleet: Fleet) -> dict[Place, list[MemoryRecord]]:
    """Return the dead letters of rules that raised, by their record, as often as they stand."""
    found: dict[Place, list[MemoryRecord]] = {}
    for place in sorted(p for p in fleet.broker.logs if p.topic == DEAD_LETTERS.name):
        for letter in fleet.broker.records(place):
            told = dict(letter.headers)
            if told["reason"] == b"rule_raised":
                at = told["topic"].decode(), int(told["partition"]), int(told["offset"])
                found.setdefault(at, []).append(letter)
    return found


def parked(fleet: Fleet) -> Iterator[tuple[Group, str, Place]]:
    """Tell of each parked case which record it waits for."""
    for group in fleet.groups:
        for report_id, stored in sorted(group.state.kept.items()):
            if stored.parked:
                yield group, report_id, CLEAR.read(stored.parked)[0].position


def mend(fleet: Fleet, step: Step) -> None:
    """Release a rule that no longer raises."""
    if not step.how & 7:
        fleet.release.is_broken = False
        fleet.tell("the rule is mended")


def ask(fleet: Fleet, step: Step) -> None:
    """Let an operator have a dead letter's record decided again, or let it go.

    One that was let go is not asked for again, nor the other way round: then nobody could say
    which of its repeats counts.
    """
    letters = raised(fleet)
    if not letters or fleet.replayed >= REPLAYS_MAX or "broker" in fleet.away:
        return
    place = sorted(letters)[step.who % len(letters)]
    is_head = place in [head for _, _, head in parked(fleet)]
    action: Action = "discard" if is_head and step.how & 3 == 3 else "retry"
    if fleet.asked.setdefault(place, action) != action:
        return
    fleet.replayed += 1
    _replay(fleet, letters[place], action, len(letters[place]))


def release(fleet: Fleet) -> bool:
    """Mend every rule and have all that is parked decided; say whether anything was parked."""
    fleet.release.is_broken = False
    letters = raised(fleet)
    waiting = list(parked(fleet))
    for group, report_id, place in waiting:
        if place not in letters:
            fleet.violations.append(f"parked without a dead letter: {group.link.name} {report_id}")
            return False
        fleet.replayed += 1
        _replay(fleet, letters[place], "retry", AT_THE_END + fleet.replayed)
    return bool(waiting)


def _replay(fleet: Fleet, letters: list[MemoryRecord], action: Action, attempt: int) -> None:
    replay = replay_record(
        letters[-1], action, seal=CLEAR.seal, attempt=attempt, operator="operator", why="mended"
    )
    fleet.broker.append(replay)
    told = dict(replay.headers)
    fleet.tell(
        f"the operator asks {told['stage'].decode()} to {action} "
        f"{told['topic'].decode()}/{told['partition'].decode()}@{told['offset'].decode()}: "
        f"{named(replay)}"
    )
