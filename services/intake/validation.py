"""What a submission must be beyond its fields' forms. Pure: registry and time are arguments."""

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
_EASTERNMOST: Final = timedelta(hours=9)  # WIT: where a date begins first (domain.md section 2)


@dataclass(frozen=True, slots=True)
class Named:
    """What the registry knows by code."""

    institutions: Container[str] = field(default_factory=frozenset)
    categories: Container[str] = field(default_factory=frozenset)
    places: Container[str] = field(default_factory=frozenset)
    backdating_days: Mapping[str, int] = field(default_factory=dict)  # by channel


def submission_fault(event: SubmitReport, cause: Cause, named: Named) -> Fault | None:
    """Return the first fault of a submission; the text is never judged by its language."""
    control = text_checks.control_fields(event)
    if control is not None:
        return Fault("control_characters", control)
    blank = text_checks.blank_fields({"title": event.title, "body": event.body})
    if blank is not None:
        return Fault("blank_text", blank)
    return _fault_of_time(event, cause) or _fault_of_codes(event, named)


def _fault_of_time(event: SubmitReport, cause: Cause) -> Fault | None:
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


def _fault_of_codes(event: SubmitReport, named: Named) -> Fault | None:
    if event.institution is not None and event.institution not in named.institutions:
        return Fault("unknown_institution", "institution")
    if event.category_id is not None and event.category_id not in named.categories:
        return Fault("unknown_category", "category_id")
    if event.place_code is not None and event.place_code not in named.places:
        return Fault("unknown_place", "place_code")
    return None
