"""What a stage writes to itself: `lapor.<stage>.internal.v1`."""

from typing import Literal

from shared.contract.events.fields import Event, Utc


class TimerFired(Event):
    """It is `due_at`: the stage looks at its own case (internal)."""

    due_at: Utc


class Recompute(Event):
    """A version of the registry was published that may move this report's dates (internal)."""

    version: str
    changed: Literal["calendar", "policy"]


class DeliveryReported(Event):
    """What became of one attempt to deliver a notification (internal to the notifier)."""

    notification_id: str
    outcome: Literal["sent", "temporary", "permanent"]
    reason: str = ""
