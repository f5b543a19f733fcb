"""What the notifier keeps of a report: its reporter, what waits, what was promised and is due."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from shared.contract import events as e
from shared.rules.deferral import Deferred


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class Told(_Kept):
    """What ReportReceived said of the reporter."""

    tracking_number: str
    channel: str = ""
    language: e.Language
    institution: str | None = None
    identity: str | None = None


class Pending(_Kept):
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


class Promise(_Kept):
    """A date that a message named to a person: `deadline` is what was told, in UTC.

    `person` is the reporter (by that word alone) or whom the ladder names; `told_at` is the time
    of the fact that the message tells, `notification_id` the message.
    """

    clock: e.Clock
    institution: str
    deadline: datetime
    person: str
    channel: e.NotificationChannel
    notification_id: str
    told_at: datetime


class Notifying(_Kept):
    """What the notifier knows of one report; `early` is what was said of a date not yet told."""

    report_id: str
    reporter: Told | None = None
    waiting: tuple[Deferred, ...] = ()
    pending: tuple[Pending, ...] = ()
    promises: tuple[Promise, ...] = ()
    early: tuple[Deferred, ...] = ()

    @property
    def timer_at(self) -> datetime | None:
        """Return when the next delivery is due, UTC; None if nothing is pending."""
        return min((p.due_at for p in self.pending), default=None)
