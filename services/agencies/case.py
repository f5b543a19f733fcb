"""What the two gateways remember of a report. Pure."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from services.agencies.entries import ReceivedReport
from shared.rules.deferral import Deferred


class OutboxCase(BaseModel):
    """What the inbound gateway remembers of an institution and a report: only the ids it took."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class InboxCase(BaseModel):
    """Who has to do with a report, and what whoever gets it next has to see."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    report: ReceivedReport | None = None
    holder: str = ""  # whose holding is open
    holding: int = 0  # the last one opened
    holders: dict[int, str] = {}  # of each holding opened so far; returns are few
    holding_ended_at: datetime | None = None  # the last one
    is_ended: bool = False
    completions: tuple[str, ...] = ()  # sealed
    breaches: tuple[str, ...] = ()  # in an institution's inbox, until they are withdrawn
    waiting: tuple[Deferred, ...] = ()
