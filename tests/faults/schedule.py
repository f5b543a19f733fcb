"""Which fault happens when: a function of the seed, so that a failure can be played again."""

import random
from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

STAGES: Final = (
    "intake", "verification.national", "verification.institution", "routing", "follow-up",
    "sla-monitor", "notifier", "agencies.in", "agencies.out",
)  # fmt: skip
POINTS: Final = ("before_save", "saved", "published")
ROUND_SECONDS: Final = 100.0
ROUND_SECONDS_LONG: Final = 400.0  # room for three long outages, and to recover between them
OUTAGE_SECONDS: Final = 5.0
OUTAGE_SECONDS_LONG: Final = 60.0
FREEZE_SECONDS: Final = 12.0  # longer than a session of the consumer group (10 s)
START_SECONDS: Final = 4.0  # before the first fault, so that all stages have work

Kind = Literal["point", "kill", "freeze", "broker", "postgres", "both", "scale", "twin"]


class Fault(NamedTuple):
    """One fault: when (seconds after the load began), to whom, for how long."""

    at_seconds: float
    kind: Kind
    stage: str = ""
    point: str = ""
    seconds: float = 0.0
    workers: int = 0  # how many join beside the one there is

    def __str__(self) -> str:
        """Say it in a line."""
        words = [self.kind, self.stage, self.point]
        words += [f"{self.seconds:.0f} s"] if self.seconds else []
        words += [f"+{self.workers}"] if self.workers else []
        return f"{self.at_seconds:6.1f} s  " + " ".join(filter(None, words))


def schedule(seed: int, seconds: float, *, is_short: bool) -> list[Fault]:
    """Return the faults of a run, by time: rounds of every kind, each round drawn anew."""
    draw = random.Random(f"faults:{seed}")
    found: list[Fault] = []
    began = 0.0
    number = 0
    while True:
        outage = OUTAGE_SECONDS if is_short or number % 2 == 0 else OUTAGE_SECONDS_LONG
        length = ROUND_SECONDS if outage == OUTAGE_SECONDS else ROUND_SECONDS_LONG
        if found and began + length > seconds:
            return sorted(found)
        found += _round(draw, began, length, outage, workers=1 if is_short else 2)
        began += length
        number += 1


def _round(
    draw: random.Random, began: float, length: float, outage: float, *, workers: int
) -> Iterator[Fault]:
    """Draw a round: every commit point of every stage, and each other kind at its share of it."""
    room = length - START_SECONDS - 6.0
    places = [(stage, point) for stage in STAGES for point in POINTS]
    draw.shuffle(places)
    joined, twin = draw.sample(STAGES[1:7], 2)

    def share(of: float) -> float:
        return round(began + length * of + draw.uniform(0, 2), 1)

    def free(at: float, stage: str) -> float:
        """Return a time at which no other fault of one stage alone befalls it."""
        spell = {joined: (0.0, 32.0), twin: (38.0, 58.0)}.get(stage, (0.0, 0.0))
        since, until = (began + seconds for seconds in spell)
        is_free = not since <= at < until
        return round(at if is_free else until + draw.uniform(0, 5), 1)

    for number, (stage, point) in enumerate(places):
        at = began + START_SECONDS + room * number / len(places) + draw.uniform(0, 1)
        yield Fault(free(at, stage), "point", stage, point)
    yield Fault(round(began + 5.0, 1), "scale", joined, seconds=24.0, workers=workers)
    yield Fault(round(began + 11.0, 1), "freeze", joined, seconds=FREEZE_SECONDS)
    yield Fault(round(began + 42.0, 1), "twin", twin, seconds=10.0)
    yield Fault(share(0.32), "broker", seconds=outage)
    yield Fault(share(0.54), "postgres", seconds=outage)
    yield Fault(share(0.76), "both", seconds=outage)
    for stage in draw.sample(STAGES, 6):
        yield Fault(free(share(draw.uniform(0.1, 0.9)), stage), "kill", stage)
