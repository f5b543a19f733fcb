"""Counts rejections and wrong proofs of one lane of a gateway.

A gateway answers every message. Past a rate of rejections one answer stands for many, and wrong
proofs about a report are ignored for longer and longer pauses. Both are counted in a row of the
sender's lane, never in a report's case: so answers do not tell whether a report exists, and a
stranger cannot mark somebody's report. Pure; times are the broker's, in milliseconds.
"""

from datetime import UTC, datetime
from typing import Final, NamedTuple

import msgpack

MINUTE_MS: Final = 60_000
FREE_TRIES: Final = 5  # wrong proofs about one report before the first pause
PAUSE_MAX_MS: Final = 86_400_000
GUESSES_MAX: Final = 64  # reports of which a lane remembers wrong proofs, the newest
_PREFIX: Final = "pace:"


class WrongProofs(NamedTuple):
    """How many wrong proofs a lane gave about one report, and until when more are ignored."""

    wrong: int = 0
    until_ms: int = 0


class ThrottleState(NamedTuple):
    """What a lane remembers: rejections of its current minute, and wrong proofs."""

    minute: int = 0
    refused: int = 0
    first: int = -1  # offset of the first message of this minute that got no answer of its own
    guesses: tuple[tuple[str, int, int], ...] = ()  # report, wrong, until_ms; the oldest first

    def reject(self, now_ms: int, offset: int, limit: int) -> "ThrottleState":
        """Count a rejected message; past `limit` a minute it has no answer of its own."""
        minute = now_ms // MINUTE_MS
        if minute != self.minute:
            return self._replace(minute=minute, refused=1, first=-1)
        refused = self.refused + 1
        first = offset if refused > limit and self.first < 0 else self.first
        return self._replace(refused=refused, first=first)

    def is_unanswered(self, limit: int) -> bool:
        """Return whether the message counted last has no answer of its own."""
        return self.refused > limit

    def is_slow_down(self, limit: int, every: int) -> bool:
        """Return whether it is one of those that are answered with `slow_down`."""
        return self.is_unanswered(limit) and (self.refused - limit - 1) % every == 0

    def wrong_proofs(self, report_id: str) -> WrongProofs:
        """Return the lane's wrong proofs about a report."""
        return next((WrongProofs(*g[1:]) for g in self.guesses if g[0] == report_id), WrongProofs())

    def wrong_proof(self, report_id: str, now_ms: int) -> "ThrottleState":
        """Count a wrong proof: after the free ones a minute's pause, then twice as long each."""
        wrong = self.wrong_proofs(report_id).wrong + 1
        over = wrong - FREE_TRIES
        pause = min(MINUTE_MS << min(over, 20), PAUSE_MAX_MS) if over >= 0 else 0
        others = [g for g in self.guesses if g[0] != report_id]
        guesses = [*others, (report_id, wrong, now_ms + pause if pause else 0)]
        return self._replace(guesses=tuple(guesses[-GUESSES_MAX:]))


def time_of(at_ms: int) -> datetime:
    """Return a broker's time, UTC."""
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def throttle_row(lane: str) -> str:
    """Return the name of the row of `cases` with a lane's throttle state."""
    return f"{_PREFIX}{lane}"


def is_throttle_row(name: str) -> bool:
    """Return whether a row of `cases` is a lane's throttle state."""
    return name.startswith(_PREFIX)


def dump(state: ThrottleState) -> bytes:
    """Return the bytes of the state's row."""
    return msgpack.packb(state)


def load(stored: bytes) -> ThrottleState:
    """Read a row; an absent one is a lane without rejections."""
    if not stored:
        return ThrottleState()
    minute, refused, first, guesses = msgpack.unpackb(stored)
    return ThrottleState(
        minute, refused, first, tuple((report, n, until) for report, n, until in guesses)
    )
