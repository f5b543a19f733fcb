"""The ways out. Each sender is a function of a message and the settings of its channel.

A failure is data: `temporary` is worth another attempt later, `permanent` is not. Reasons are
bounded codes and hold nothing of the message, nor what a server said (it may repeat an address).
"""

from collections.abc import Awaitable, Callable
from typing import Literal, NamedTuple


class Message(NamedTuple):
    """What is to be delivered to `to`; `notification_id` makes a repeat recognisable."""

    notification_id: str
    to: str
    subject: str
    body: str


class Outcome(NamedTuple):
    """What became of one attempt."""

    outcome: Literal["sent", "temporary", "permanent"]
    reason: str = ""


SENT = Outcome("sent")
Send = Callable[[Message], Awaitable[Outcome]]


def temporary(reason: str) -> Outcome:
    """Say that the same attempt may succeed later."""
    return Outcome("temporary", reason)


def permanent(reason: str) -> Outcome:
    """Say that no repeat can help."""
    return Outcome("permanent", reason)
