"""The notifier's case: the reporter, deferred events, pending messages, announced dates."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from shared.contract import events as e
from shared.rules.deferral import Deferred


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class ReporterContact(_Model):
    """What ReportReceived said of the reporter."""

    tracking_number: str
    channel: str = ""
    language: e.Language
    institution: str | None = None
    identity: str | None = None


class Pending(_Model):
    """A message that is to be delivered at `due_at` (UTC), or again then."""

    notification_id: str
    about: str
    template: str
    person: str
    channel: e.NotificationChannel
    zone: str
    message: str
    due_at: datetime
    attempts: int = 0


class AnnouncedDate(_Model):
    """A date that a message named to a person: `deadline` is the date as announced, in UTC.

    `person` is the reporter (by that word alone) or whom the ladder names. `announced_at` is the
    time of the event that the message is about, `notification_id` the message.
    """

    clock: e.Clock
    institution: str
    deadline: datetime
    person: str
    channel: e.NotificationChannel
    notification_id: str
    announced_at: datetime


class NotificationCase(_Model):
    """What the notifier knows of one report; `early` is what was said of a date not yet told."""

    report_id: str
    reporter: ReporterContact | None = None
    waiting: tuple[Deferred, ...] = ()
    pending: tuple[Pending, ...] = ()
    announced_dates: tuple[AnnouncedDate, ...] = ()
    early: tuple[Deferred, ...] = ()

    @property
    def timer_at(self) -> datetime | None:
        """Return when the next delivery is due, UTC; None if nothing is pending."""
        return min((p.due_at for p in self.pending), default=None)
