"""What an inbox entry says of a fact: an allow-list, field by field. Pure.

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


class Told(NamedTuple):
    """How a fact stands in an inbox: the entry's name, and the fact's field with words, if any."""

    entry: str
    words: str | None = None


ENTRIES: Final[Mapping[type[BaseModel], Told]] = {
    e.InformationCompleted: Told("information_completed", "text"),
    e.ReporterReplied: Told("reporter_replied", "text"),
    e.ReporterClosed: Told("reporter_closed", "text"),
    e.ReportForwarded: Told("forwarded"),
    e.InformationRequested: Told("information_requested", "question"),
    e.ReportArchived: Told("archived", "note"),
    e.ReportBlocked: Told("blocked", "reason"),
    e.ReportWithdrawn: Told("withdrawn"),
    e.DuplicateSuspected: Told("duplicate_suspected"),
    e.ReportAccepted: Told("accepted"),
    e.ReportReclassified: Told("reclassified", "why"),
    e.ReportReturned: Told("report_returned", "reason"),
    e.ReportDispatched: Told("dispatched"),
    e.RoutingHeld: Told("routing_held"),
    e.InitialResponseGiven: Told("initial_response", "text"),
    e.FollowUpGiven: Told("follow_up", "text"),
    e.UnitReturned: Told("unit_returned", "reason"),
    e.ReportClosed: Told("closed"),
    e.ReportReopened: Told("reopened", "text"),
    e.DeadlineSet: Told("deadline_set"),
    e.DeadlineMoved: Told("deadline_moved"),
    e.DeadlineApproaching: Told("deadline_approaching"),
    e.DeadlineBreached: Told("deadline_breached"),
    e.BreachWithdrawn: Told("breach_withdrawn"),
}
"""Facts that become entries as they stand; not `ReporterAnswered`: `reporter_replied` told it."""


class Received(BaseModel):
    """What the gateway keeps of a ReportReceived, words still sealed."""

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
        """Return it with what the national verification says of class, category and place."""
        said = {
            "report_class": event.report_class,
            "category_id": event.category_id,
            "place_code": event.place_code,
        }
        return self.model_copy(update={k: v for k, v in said.items() if v is not None})

    def without_words(self) -> Self:
        """Return it for a report that nobody will be shown again."""
        gone = dict.fromkeys(("content", "identity", "backdating_reason"))
        return self.model_copy(update=gone)


def view(report: Received, institution: str, key: ReportKey | None) -> e.ReportView:
    """Show a report to an institution; who wrote it only to 00 where the reporter is anonymous."""
    content = _read(key, "content", report.content)
    is_hidden = report.anonymous and institution != NATIONAL
    who = {} if is_hidden else _read(key, "identity", report.identity)
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
        reporter=who.get("name"),
        contact=who.get("phone") or who.get("email"),
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
    """Say a fact to an institution; None for a fact that is no entry."""
    told = ENTRIES.get(type(event))
    if told is None:
        return None
    said: dict[str, Any] = {
        "report_id": event.report_id,
        "institution": institution,
        "entry": told.entry,
        "holding": getattr(event, "holding", holding),
        "unit": getattr(event, "unit", None),
        "final": getattr(event, "final", None),
        "reason": _reason(event),
    }
    if isinstance(event, e.OfDeadline):
        said |= {"clock": event.clock, "run": event.run, "deadline": event.deadline}
        said["level"] = getattr(event, "level", None)
    if told.words is not None:
        words = opened(key, told.words, getattr(event, told.words))
        said |= words if said["reason"] is None else {"text": words.get("text")}
    return e.InboxEntry.model_validate(said)


def _reason(event: e.Event) -> str | None:
    """Return the code that goes with a fact; a proposal or a likeness names what it points to."""
    match event:
        case e.ReportArchived() | e.RoutingHeld():
            return event.reason
        case e.DeadlineMoved() | e.BreachWithdrawn():
            return event.why
        case e.ReportForwarded():
            return f"to:{event.institution}"
        case e.ReportReturned() if event.proposed_owner:
            return f"proposed_owner:{event.proposed_owner}"
        case e.UnitReturned() if event.proposed_unit:
            return f"proposed_unit:{event.proposed_unit}"
        case e.DuplicateSuspected():
            return " ".join(f"similar:{similar.report_id}" for similar in event.similar)
        case e.ReportClosed():
            return f"by:{event.by}"
        case e.ReporterClosed():
            return f"rating:{event.rating} {'solved' if event.solved else 'not_solved'}"
    return None


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
        found = json.loads(key.open(field, sealed))
    except ValueError:  # SealBroken, or not JSON: the entry goes without the words
        return {}
    texts = found.items() if isinstance(found, dict) else ()
    return {name: text for name, text in texts if isinstance(text, str)}
