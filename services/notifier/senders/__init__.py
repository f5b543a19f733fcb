"""The ways out. Each sender is a function of a message and the settings of its channel.

A failure is data: `temporary` is worth another attempt later, `permanent` is not, `put_off` was no
attempt. Reasons are bounded codes and hold nothing of the message, nor what a server said (it may
repeat an address).
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Literal, NamedTuple


class Message(NamedTuple):
    """What is to be delivered to `to`; `notification_id` makes a repeat recognisable.

    `notice` is for programs, of a webhook alone: what the text tells, in fields.
    """

    notification_id: str
    to: str
    subject: str
    body: str
    notice: Mapping[str, str] | None = None


class Outcome(NamedTuple):
    """What became of one attempt."""

    outcome: Literal["sent", "temporary", "permanent", "put_off"]
    reason: str = ""

    @property
    def is_away(self) -> bool:
        """Say whether the way did not answer at all, so that others would fare no better."""
        return self.outcome == "temporary" and (
            self.reason in _AWAY or self.reason.startswith(_REFUSES_ALL)
        )


SENT: Final = Outcome("sent")
Send = Callable[[Message], Awaitable[Outcome]]
_AWAY: Final = frozenset(
    {
        "smtp_unreachable", "smtp_421",  # 421: it closes its channel (RFC 5321)
        "webhook_unreachable", "webhook_unresolved", "webhook_timeout",
        "outbox_unwritable", "timeout",
    }
)  # fmt: skip
_REFUSES_ALL: Final = ("smtp_login_", "smtp_connect_")


def temporary(reason: str) -> Outcome:
    """Say that the same attempt may succeed later."""
    return Outcome("temporary", reason)


def permanent(reason: str) -> Outcome:
    """Say that no repeat can help."""
    return Outcome("permanent", reason)


def put_off(reason: str) -> Outcome:
    """Say that nothing was tried, so that it counts for nothing."""
    return Outcome("put_off", reason)
