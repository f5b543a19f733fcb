"""Who may be delivered to, how many at once, and when to come back: no way out delays another.

A message passes a bulkhead of its way (mail, outbox, webhooks) and, for a webhook, one of its host.
What finds no room is put off to the time when there should be some, so that a thousand messages
for one slow host are looked at a few times each and hold up nobody's.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from services.notifier.breaker import PAUSE_SECONDS_MAX, Breaker
from services.notifier.senders import SENT, Outcome
from services.notifier.settings import NotifierSettings
from shared.contract.events import NotificationChannel

HOSTS_MAX: Final = 2_000
"""So many hosts are remembered; the one that was quiet longest is forgotten, with what it did."""
HOST_AT_ONCE: Final = 2
HOST_IN_HAND: Final = 64
UNPROVEN_IN_HAND: Final = 16
"""In hand of one host that has not lately taken a message, so that it takes others' room less."""
PROVEN_SECONDS: Final = 5.0
"""A host is proven while its last answer was a yes within so many seconds."""
PUT_OFF_SECONDS_MIN: Final = 1.0
_WEIGHT: Final = 0.2


@dataclass(eq=False, slots=True)
class Bulkhead:
    """Lets so many attempts through at once and holds so many messages; both are counts."""

    at_once: int
    in_hand_max: int
    channel: NotificationChannel
    breaker: Breaker | None = None
    in_hand: int = 0
    is_of_a_host: bool = False
    is_proven: bool = True
    attempt_seconds: float = 1.0
    """What an attempt took lately."""
    turns: asyncio.Semaphore = field(init=False)
    _next_at: float = 0.0

    def __post_init__(self) -> None:
        self.turns = asyncio.Semaphore(self.at_once)

    def has_room(self, now: float) -> bool:
        """Say whether a message may be taken in hand; of an open way only one at a time."""
        limit = self.in_hand_max if self.is_proven else min(self.in_hand_max, UNPROVEN_IN_HAND)
        if self.breaker and self.breaker.open_until is not None:
            limit = 0 if self.breaker.is_open(now) else 1
        return self.in_hand < limit

    def put_off(self, now: float) -> float:
        """Return in how many seconds a message should come again: each has a time of its own."""
        opens = (self.breaker.open_until if self.breaker else None) or 0.0
        at = max(now + PUT_OFF_SECONDS_MIN, opens, self._next_at)
        at = min(at, max(opens, now + PAUSE_SECONDS_MAX))
        self._next_at = at + self.attempt_seconds / self.at_once
        return at - now

    def enter(self, now: float) -> bool:
        """Begin an attempt, if the way is not closed; where it ends must be told."""
        return self.breaker is None or self.breaker.enter(now)

    def left(self, outcome: Outcome, began: float, now: float, jitter: float) -> str:
        """Learn from an attempt; say what changed, for the log: the way closes or opens."""
        if outcome.outcome == "put_off":
            if self.breaker:
                self.breaker.released()
            return ""
        seconds = now - began
        self.attempt_seconds += _WEIGHT * (seconds - self.attempt_seconds)
        if self.breaker is None:
            return ""
        if self.is_of_a_host:
            self.is_proven = outcome == SENT and seconds < PROVEN_SECONDS
        if outcome.is_away:
            return "circuit_opened" if self.breaker.failed(now, jitter) else ""
        return "circuit_closed" if self.breaker.succeeded() else ""


class DeliverySlots:
    """The bulkheads of one process, of every way and of the hosts met lately."""

    def __init__(self, settings: NotifierSettings) -> None:
        mail, web = settings.email_at_once_max, settings.webhook_at_once_max
        self._ways: dict[NotificationChannel, Bulkhead] = {
            "email": Bulkhead(mail, 16 * mail, "email", Breaker()),
            "file": Bulkhead(1_000, 1_000, "file", Breaker()),
            "webhook": Bulkhead(web, 8 * web, "webhook"),
        }
        # Half of the room is for hosts that took their last message: a stranger with a thousand
        # slow hosts fills the other half only.
        self._unproven = Bulkhead(web, 8 * web, "webhook")
        self._hosts: OrderedDict[str, Bulkhead] = OrderedDict()

    def of(self, channel: NotificationChannel, host: str = "") -> tuple[Bulkhead, ...]:
        """Return the bulkheads that a message passes, in order; no host: those of its way alone."""
        if channel != "webhook":
            return (self._ways[channel],)
        if not host:
            return ()
        bulkhead = self._hosts.pop(host, None) or Bulkhead(
            HOST_AT_ONCE,
            HOST_IN_HAND,
            "webhook",
            Breaker(),
            is_of_a_host=True,
            is_proven=False,
        )
        self._hosts[host] = bulkhead
        self._forget()
        return bulkhead, self._ways["webhook"] if bulkhead.is_proven else self._unproven

    def open_circuits(self, now: float) -> dict[str, int]:
        """Count, per channel, what is closed; not what nobody has tried since its pause ended."""
        counts: dict[str, int] = dict.fromkeys(self._ways, 0)
        for bulkhead in (*self._ways.values(), *self._hosts.values()):
            until = bulkhead.breaker.open_until if bulkhead.breaker else None
            if until is not None and now < until + PAUSE_SECONDS_MAX:
                counts[bulkhead.channel] += 1
        return counts

    def _forget(self) -> None:
        """Drop the host that was quiet longest; one that has messages in hand stays."""
        if len(self._hosts) <= HOSTS_MAX:
            return
        idle = next((name for name, bulkhead in self._hosts.items() if not bulkhead.in_hand), None)
        if idle is not None:
            del self._hosts[idle]


def wait_seconds(bulkheads: Sequence[Bulkhead], now: float) -> float | None:
    """Return in how many seconds to come again; None where every bulkhead has room."""
    full = [bulkhead for bulkhead in bulkheads if not bulkhead.has_room(now)]
    return max((bulkhead.put_off(now) for bulkhead in full), default=None)
