"""Which fault happens when: a function of the seed, so that a failure can be played again."""

import random
from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

STAGES: Final = (
    "intake", "verification.national", "verification.institution", "routing", "follow-up",
    "sla-monitor", "notifier", "agencies.in", "agencies.out",
)  # fmt: skip
CORE: Final = STAGES[1:7]  # all but the gateways
POINTS: Final = ("before_save", "saved", "published")
KILLS: Final = 7  # of a round, at random: with those at commit points, 34
ROUND_SECONDS: Final = 130.0
ROUND_SECONDS_LONG: Final = 400.0  # room for three long outages, and to recover between them
OUTAGE_SECONDS: Final = 5.0
OUTAGE_SECONDS_LONG: Final = 60.0
FREEZE_SECONDS: Final = 12.0  # longer than a session of the consumer group (10 s)
START_SECONDS: Final = 4.0  # before the first fault, so that all stages have work

TWIN_AT_SECONDS: Final = 58.0  # of a round
PARKED_SECONDS: Final = 5.0  # before a bug is mended
FULL_SECONDS: Final = 6.0
REVOKED_SECONDS: Final = 12.0  # longer than a session
REVOKED_SHARE: Final = 0.36  # of a round
NODE_SECONDS: Final = 12.0  # without one broker of three

Kind = Literal[
    "point", "kill", "freeze", "broker", "postgres", "both", "scale", "twin", "raise", "oversize",
    "refuse", "rights", "broker full", "postgres full", "leader", "coordinator",
]  # fmt: skip
OUTAGES: Final = ("broker", "postgres", "both", "broker full", "postgres full")  # of all stages


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


class Place(NamedTuple):
    """Where a run takes place: what there is to be hurt, beside one broker and one database."""

    brokers: int = 1
    has_volumes: bool = False  # database and broker have a file system each


ALONE: Final = Place()


def schedule(seed: int, seconds: float, *, is_short: bool, place: Place = ALONE) -> list[Fault]:
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
        found += _Round(draw, began, length).faults(outage, 1 if is_short else 2, place)
        began += length
        number += 1


class _Round:
    """Every commit point of every stage, and each other kind at its share of the time."""

    def __init__(self, draw: random.Random, began: float, length: float) -> None:
        self._draw, self._began, self._length = draw, began, length
        self._places = [(stage, point) for stage in STAGES for point in POINTS]
        draw.shuffle(self._places)
        alone = draw.sample(CORE, 4)
        self._joined, self._twin, self._refused, self._revoked = alone

    def faults(self, outage: float, workers: int, place: Place) -> Iterator[Fault]:
        """Yield them."""
        yield from self._kills()
        yield Fault(self._at(5.0), "scale", self._joined, seconds=24.0, workers=workers)
        yield Fault(self._at(11.0), "freeze", self._joined, seconds=FREEZE_SECONDS)
        yield Fault(self._share(0.32), "broker", seconds=outage)
        yield Fault(self._at(TWIN_AT_SECONDS), "twin", self._twin, seconds=10.0)
        yield Fault(self._share(0.68), "postgres", seconds=outage)
        yield Fault(self._share(0.88), "both", seconds=outage)
        yield from self._mistakes()
        if place.brokers == 1:
            seconds = REVOKED_SECONDS
            yield Fault(self._share(REVOKED_SHARE), "rights", self._revoked, seconds=seconds)
        if place.has_volumes:
            yield Fault(self._share(0.57), "broker full", seconds=FULL_SECONDS)
            yield Fault(self._share(0.77), "postgres full", seconds=FULL_SECONDS)
        if place.brokers > 1:
            leads, coordinates = self._draw.sample(CORE, 2)
            yield Fault(self._share(0.57), "leader", leads, seconds=NODE_SECONDS)
            yield Fault(self._share(0.77), "coordinator", coordinates, seconds=NODE_SECONDS)

    def _kills(self) -> Iterator[Fault]:
        room = self._length - START_SECONDS - 6.0
        for number, (stage, point) in enumerate(self._places):
            at = START_SECONDS + room * number / len(self._places) + self._draw.uniform(0, 1)
            yield Fault(self._free(at, stage), "point", stage, point)
        for stage in self._draw.sample(STAGES, KILLS):
            at = self._length * self._draw.uniform(0.1, 0.9)
            yield Fault(self._free(at, stage), "kill", stage)

    def _mistakes(self) -> Iterator[Fault]:
        for share in (0.06, 0.44):
            stage = self._draw.choice(CORE)
            yield Fault(self._share(share), "raise", stage, seconds=PARKED_SECONDS)
        yield Fault(self._share(0.15), "oversize", "routing", seconds=PARKED_SECONDS)
        yield Fault(self._share(0.36), "refuse", self._refused, seconds=OUTAGE_SECONDS)

    def _at(self, seconds: float) -> float:
        return round(self._began + seconds, 1)

    def _share(self, of: float) -> float:
        return self._at(self._length * of + self._draw.uniform(0, 2))

    def _free(self, at: float, stage: str) -> float:
        """Return a time at which no other fault of one stage alone befalls it."""
        revoked = self._length * REVOKED_SHARE
        spells = {
            self._joined: (0.0, 32.0),
            self._twin: (TWIN_AT_SECONDS - 4, TWIN_AT_SECONDS + 16),
            self._revoked: (revoked - 4, revoked + REVOKED_SECONDS + 8),
        }
        since, until = spells.get(stage, (0.0, 0.0))
        return self._at(at if not since <= at < until else until + self._draw.uniform(0, 5))
