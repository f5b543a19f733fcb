"""A circuit breaker: after some failures in a row nothing is tried for a while, then one. Pure.

Times are seconds of a clock that only goes forward; they and the jitter arrive as arguments.
"""

from dataclasses import dataclass
from typing import Final

FAILURES_MAX: Final = 5
PAUSE_SECONDS_FIRST: Final = 30.0
PAUSE_SECONDS_MAX: Final = 900.0
"""All three guesses: a restart of a mail server is shorter than the first, a night shorter than the
ten tries of a message, which a closed way does not use up."""


@dataclass(slots=True)
class Breaker:
    """What is known of one way: closed (all may pass), open (none), or trying one.

    `open_until` is None while closed; once it has passed one attempt may show whether it is well.
    """

    failures: int = 0
    pauses: int = 0
    open_until: float | None = None
    is_probing: bool = False

    def is_open(self, now: float) -> bool:
        """Say whether nothing may be tried now."""
        return self.open_until is not None and (now < self.open_until or self.is_probing)

    def enter(self, now: float) -> bool:
        """Begin an attempt if one is allowed; where it ends must be told."""
        if self.is_open(now):
            return False
        self.is_probing = self.open_until is not None
        return True

    def succeeded(self) -> bool:
        """Close; say whether it was open."""
        was_open = self.open_until is not None
        self.failures, self.pauses, self.open_until, self.is_probing = 0, 0, None, False
        return was_open

    def failed(self, now: float, jitter: float) -> bool:
        """Count a failure; say whether it opens now. `jitter`, from 0 to 1, lengthens the pause.

        A failure of what began before it opened changes nothing.
        """
        if self.open_until is not None and not self.is_probing:
            return False
        self.failures += 1
        if self.failures < FAILURES_MAX and not self.is_probing:
            return False
        pause = min(PAUSE_SECONDS_FIRST * 2**self.pauses, PAUSE_SECONDS_MAX)
        self.pauses = min(self.pauses + 1, 10)
        self.open_until = now + pause * (1 + jitter / 4)
        self.is_probing = False
        return True

    def released(self) -> None:
        """Let another attempt show it: this one ended without saying anything of the way."""
        self.is_probing = False
