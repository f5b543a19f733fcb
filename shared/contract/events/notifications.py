"""Messages to people: `lapor.notifications.v1`."""

from typing import Literal

from shared.contract.events.fields import Clock, Event, InstitutionCode, Language, Sealed, Utc

NotificationChannel = Literal["email", "webhook", "file"]


class Notification(Event):
    """One message: (about, person, channel) is its identity and the provider's idempotency key."""

    notification_id: str
    about: str
    template: str
    person: str
    channel: NotificationChannel


class NotificationRequested(Notification):
    """A message is to be sent; its text is sealed until it leaves.

    With a `deadline` it promises: it names the date until which the step of `clock` is owed at
    `institution`.
    """

    language: Language
    message: Sealed
    clock: Clock | None = None
    institution: InstitutionCode | None = None
    deadline: Utc | None = None


class NotificationSent(Notification):
    """The provider took the message."""

    attempts: int


class NotificationFailed(Notification):
    """The message will not be sent, and why."""

    attempts: int
    reason: str
    permanent: bool
