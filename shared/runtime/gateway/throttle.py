"""How often one lane of a gateway was rejected, and how often it gave a wrong proof.

A gateway answers every message. Past a rate of messages that it refuses one answer stands for many,
and whoever gives wrong proofs about a report waits longer and longer. Both are counted in a row of
the sender's lane, never in a report's case, so an unknown report is told like a known one and
nobody's report is marked by a stranger. Pure; times are the broker's, in milliseconds.
"""

from datetime import UTC, datetime
from typing import Final, NamedTuple

import msgpack

MINUTE_MS: Final = 60_000
FREE_TRIES: Final = 5  # wrong proofs about one report before the first pause
PAUSE_MAX_MS: Final = 86_400_000
GUESSED_MAX: Final = 64  # reports that a lane remembers wrong proofs of, the newest
_PREFIX: Final = "pace:"


class WrongProofs(NamedTuple):
    """How many wrong proofs a lane gave about one report, and until when it is not listened to."""

    wrong: int = 0
    until_ms: int = 0


class ThrottleState(NamedTuple):
    """What a lane remembers: refusals of its current minute, the first unanswered, wrong proofs."""

    minute: int = 0
    refused: int = 0
    first: int = -1  # offset of the first message of this minute that got no answer of its own
    guesses: tuple[tuple[str, int, int], ...] = ()  # report, wrong, until_ms; the oldest first

    def refuse(self, now_ms: int, offset: int, most: int) -> "ThrottleState":
        """Count a refused message; past `most` a minute it has no answer of its own."""
        minute = now_ms // MINUTE_MS
        if minute != self.minute:
            return self._replace(minute=minute, refused=1, first=-1)
        refused = self.refused + 1
        first = offset if refused > most and self.first < 0 else self.first
        return self._replace(refused=refused, first=first)

    def is_silent(self, most: int) -> bool:
        """Say whether the message counted last has no answer of its own."""
        return self.refused > most

    def is_told(self, most: int, every: int) -> bool:
        """Say whether it is one of those at which the sender is told to slow down."""
        return self.is_silent(most) and (self.refused - most - 1) % every == 0

    def guessed(self, report_id: str) -> WrongProofs:
        """Return what the lane guessed about a report."""
        return next((WrongProofs(*g[1:]) for g in self.guesses if g[0] == report_id), WrongProofs())

    def guess(self, report_id: str, now_ms: int) -> "ThrottleState":
        """Count a wrong proof: after the free ones a minute's pause, then twice as long each."""
        wrong = self.guessed(report_id).wrong + 1
        over = wrong - FREE_TRIES
        pause = min(MINUTE_MS << min(over, 20), PAUSE_MAX_MS) if over >= 0 else 0
        others = [g for g in self.guesses if g[0] != report_id]
        kept = [*others, (report_id, wrong, now_ms + pause if pause else 0)]
        return self._replace(guesses=tuple(kept[-GUESSED_MAX:]))


def time_of(at_ms: int) -> datetime:
    """Return a broker's time, UTC."""
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def throttle_row(lane: str) -> str:
    """Name the row of the `cases` table that remembers a lane's pace."""
    return f"{_PREFIX}{lane}"


def is_throttle_row(name: str) -> bool:
    """Tell a lane's row from a case."""
    return name.startswith(_PREFIX)


def dump(pace: ThrottleState) -> bytes:
    """Return a pace as the bytes of its row."""
    return msgpack.packb(pace)


def load(stored: bytes) -> ThrottleState:
    """Read a row; none is a lane that was never refused."""
    if not stored:
        return ThrottleState()
    minute, refused, first, guesses = msgpack.unpackb(stored)
    return ThrottleState(
        minute, refused, first, tuple((report, n, until) for report, n, until in guesses)
    )
