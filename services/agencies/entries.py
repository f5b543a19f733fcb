"""What an inbox entry holds of a fact: an allow-list, field by field. Pure.

Words are opened with the report's key. Without it the report was erased and they stay out; words
that do not open leave the reason `seal_broken` where the fact has no reason of its own.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple, Self

from pydantic import BaseModel, ConfigDict

from shared.contract import events as e
from shared.contract.reasons import advice
from shared.contract.topics import COMMANDS
from shared.registry import NATIONAL
from shared.vault.crypto import ReportKey, SealBroken

_COMMAND_NAMES: Final = frozenset(command.__name__ for command in COMMANDS)


class EntryType(NamedTuple):
    """What a fact becomes in an inbox: the entry's name, and which field holds words, if any."""

    name: str
    words: str | None = None


ENTRY_TYPES: Final[Mapping[type[BaseModel], EntryType]] = {
    e.InformationCompleted: EntryType("information_completed", "text"),
    e.ReporterReplied: EntryType("reporter_replied", "text"),
    e.ReporterClosed: EntryType("reporter_closed", "text"),
    e.ReportForwarded: EntryType("forwarded"),
    e.InformationRequested: EntryType("information_requested", "question"),
    e.ReportArchived: EntryType("archived", "note"),
    e.ReportBlocked: EntryType("blocked", "reason"),
    e.ReportWithdrawn: EntryType("withdrawn"),
    e.DuplicateSuspected: EntryType("duplicate_suspected"),
    e.ReportAccepted: EntryType("accepted"),
    e.ReportReclassified: EntryType("reclassified", "why"),
    e.ReportReturned: EntryType("report_returned", "reason"),
    e.ReportDispatched: EntryType("dispatched"),
    e.RoutingHeld: EntryType("routing_held"),
    e.InitialResponseGiven: EntryType("initial_response", "text"),
    e.FollowUpGiven: EntryType("follow_up", "text"),
    e.UnitReturned: EntryType("unit_returned", "reason"),
    e.ReportClosed: EntryType("closed"),
    e.ReportReopened: EntryType("reopened", "text"),
    e.DeadlineSet: EntryType("deadline_set"),
    e.DeadlineMoved: EntryType("deadline_moved"),
    e.DeadlineApproaching: EntryType("deadline_approaching"),
    e.DeadlineBreached: EntryType("deadline_breached"),
    e.BreachWithdrawn: EntryType("breach_withdrawn"),
}
"""Facts that become entries as they stand; not `ReporterAnswered`: `reporter_replied` says it."""


class ReceivedReport(BaseModel):
    """What the outbound gateway keeps of a ReportReceived, words still sealed."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    tracking_number: str
    channel: str
    submitted_at: datetime
    claimed_submitted_at: datetime | None = None
    backdating_reason: str | None = None
    report_class: e.ReportClass | None = None
    category_id: str | None = None
    place_code: str | None = None
    anonymous: bool = False
    confidential: bool = False
    content: str | None = None
    identity: str | None = None

    @classmethod
    def of(cls, event: e.ReportReceived) -> Self:
        """Keep what a view needs."""
        return cls.model_validate({name: getattr(event, name) for name in cls.model_fields})

    def classified(self, event: e.ReportForwarded) -> Self:
        """Return it with the class, category and place that the national verification gave it."""
        classified = {
            "report_class": event.report_class,
            "category_id": event.category_id,
            "place_code": event.place_code,
        }
        return self.model_copy(update={k: v for k, v in classified.items() if v is not None})

    def without_words(self) -> Self:
        """Return it for a report that nobody will see again."""
        return self.model_copy(update=dict.fromkeys(("content", "identity", "backdating_reason")))


def view(report: ReceivedReport, institution: str, key: ReportKey | None) -> e.ReportView:
    """Show a report to an institution; who wrote it only to 00 where the reporter is anonymous."""
    content = _read(key, "content", report.content)
    is_hidden = report.anonymous and institution != NATIONAL
    reporter = {} if is_hidden else _read(key, "identity", report.identity)
    return e.ReportView(
        tracking_number=report.tracking_number,
        channel=report.channel,
        submitted_at=report.submitted_at,
        claimed_submitted_at=report.claimed_submitted_at,
        backdating_reason=opened(key, "backdating_reason", report.backdating_reason).get("text"),
        title=content.get("title"),
        body=content.get("body"),
        place=content.get("place"),
        place_code=report.place_code,
        reporter=reporter.get("name"),
        contact=reporter.get("phone") or reporter.get("email"),
        anonymous=report.anonymous,
        confidential=report.confidential,
        report_class=report.report_class,
        category_id=report.category_id,
    )


def opened(key: ReportKey | None, field: str, sealed: str | None) -> dict[str, Any]:
    """Return an entry's `text`, or the reason why it is missing."""
    if key is None or sealed is None:
        return {}
    try:
        return {"text": key.open(field, sealed)}
    except SealBroken:
        return {"reason": "seal_broken"}


def entry_of(
    event: e.Event, institution: str, holding: int, key: ReportKey | None
) -> e.InboxEntry | None:
    """Build the entry of a fact for an institution's inbox; None for a fact that is no entry."""
    entry_type = ENTRY_TYPES.get(type(event))
    if entry_type is None:
        return None
    fields: dict[str, Any] = {
        "report_id": event.report_id,
        "institution": institution,
        "entry": entry_type.name,
        "holding": getattr(event, "holding", holding),
        "unit": getattr(event, "unit", None),
        "final": getattr(event, "final", None),
    }
    if isinstance(event, e.OfDeadline):
        fields |= {"clock": event.clock, "run": event.run, "deadline": event.deadline}
        fields["level"] = getattr(event, "level", None)
    if entry_type.words is not None:
        fields |= opened(key, entry_type.words, getattr(event, entry_type.words))
    return e.InboxEntry.model_validate(fields | _particulars(event))


def _particulars(event: e.Event) -> dict[str, Any]:
    """Return what only some facts have: the code of their reason, or whom or what they name."""
    match event:
        case e.ReportArchived() | e.RoutingHeld():
            return {"reason": event.reason}
        case e.DeadlineMoved() | e.BreachWithdrawn():
            return {"reason": event.why}
        case e.ReportForwarded():
            return {"forwarded_to": event.institution}
        case e.ReportReturned():
            return {"proposed_owner": event.proposed_owner}
        case e.UnitReturned():
            return {"proposed_unit": event.proposed_unit}
        case e.DuplicateSuspected():
            return {"similar": tuple(similar.report_id for similar in event.similar)}
        case e.ReportClosed():
            return {"closed_by": event.by}
        case e.ReporterClosed():
            return {"rating": event.rating, "solved": event.solved}
    return {}


def refusal_of(event: e.CommandRefused) -> e.InboxEntry | None:
    """Answer a command's sender; None for what a stage refused to a reporter."""
    if event.command not in _COMMAND_NAMES:
        return None
    return e.InboxEntry(
        report_id=event.report_id,
        institution=event.institution,
        entry="command_refused",
        holding=event.holding,
        reason=event.reason,
        text=advice(event.reason),
        message_id=event.message_id or None,
    )


def _read(key: ReportKey | None, field: str, sealed: str | None) -> dict[str, str]:
    """Open a sealed JSON object of texts; empty when it cannot be opened."""
    if key is None or sealed is None:
        return {}
    try:
        content = json.loads(key.open(field, sealed))
    except ValueError:  # SealBroken, or not JSON: the entry goes without the words
        return {}
    texts = content.items() if isinstance(content, dict) else ()
    return {name: text for name, text in texts if isinstance(text, str)}
