"""What a message must be beyond its fields' forms. Pure: registry and time are arguments."""

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final

from shared.contract import text_checks
from shared.contract.events import SubmitReport
from shared.contract.reasons import Fault
from shared.rules.decision import Cause

AHEAD_MAX: Final = timedelta(minutes=5)  # how far a sender's clock may run ahead (a guess)
AGO_MAX: Final = timedelta(days=366)  # outages are typed in within months (domain.md section 5)
_CHANNEL: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_EASTERNMOST: Final = timedelta(hours=9)  # WIT: where a date begins first (domain.md section 2)


@dataclass(frozen=True, slots=True)
class RegisteredCodes:
    """The codes that the registry has, and how many days each channel may date back."""

    institutions: Container[str] = field(default_factory=frozenset)
    categories: Container[str] = field(default_factory=frozenset)
    places: Container[str] = field(default_factory=frozenset)
    backdating_days: Mapping[str, int] = field(default_factory=dict)  # by channel


def message_fault(cause: Cause) -> Fault | None:
    """Return what is wrong with a message whatever it says: how many came, its id, its topic."""
    if cause.is_full:
        return Fault("too_many_messages")
    bad_id = text_checks.message_id_fault(cause.message_id)
    if bad_id is not None:
        return Fault(bad_id)
    return None if _CHANNEL.fullmatch(cause.producer) else Fault("unknown_channel")


def submission_fault(event: SubmitReport, cause: Cause, codes: RegisteredCodes) -> Fault | None:
    """Return the first fault of a submission; the text is never judged by its language."""
    control = text_checks.control_fields(event)
    if control is not None:
        return Fault("control_characters", control)
    blank = text_checks.blank_fields({"title": event.title, "body": event.body})
    if blank is not None:
        return Fault("blank_text", blank)
    return _time_fault(event, cause) or _code_fault(event, codes)


def _time_fault(event: SubmitReport, cause: Cause) -> Fault | None:
    if event.submitted_at is not None:
        if event.submitted_at > cause.now + AHEAD_MAX:
            return Fault("submitted_in_the_future", "submitted_at")
        if event.submitted_at < cause.now - AGO_MAX:
            return Fault("submitted_too_long_ago", "submitted_at")
    if event.incident_on is not None:
        try:
            incident_on = date.fromisoformat(event.incident_on)
        except ValueError:
            return Fault("incident_on_invalid", "incident_on")
        if incident_on > (cause.now + _EASTERNMOST).date():
            return Fault("incident_in_the_future", "incident_on")
    return None


def _code_fault(event: SubmitReport, codes: RegisteredCodes) -> Fault | None:
    if event.institution is not None and event.institution not in codes.institutions:
        return Fault("unknown_institution", "institution")
    if event.category_id is not None and event.category_id not in codes.categories:
        return Fault("unknown_category", "category_id")
    if event.place_code is not None and event.place_code not in codes.places:
        return Fault("unknown_place", "place_code")
    return None
