"""What the clocks need of each event: a small fact, and the bounded set of a report's facts."""

from bisect import bisect_left
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, Literal

from pydantic import BaseModel

from shared.contract import events as e
from shared.rules.decision import Cause

FACTS_MAX: Final = 100  # guess: forty rounds of answer and reply; a usual life has about eight
EARLIEST: Final = datetime(2001, 1, 1, tzinfo=UTC)  # calendars are counted out from 2000 …
LATEST: Final = datetime(2098, 1, 1, tzinfo=UTC)  # … to 2099; nothing real lies outside


class Kind(StrEnum):
    """What happened, in the order of a report's life."""

    RECEIVED = "received"
    FORWARDED = "forwarded"
    ASKED = "asked"
    COMPLETED = "completed"
    RAN_OUT = "ran_out"
    ACCEPTED = "accepted"
    RECLASSIFIED = "reclassified"
    HELD = "held"
    DISPATCHED = "dispatched"
    RESPONDED = "responded"
    UNIT_RETURNED = "unit_returned"
    FOLLOWED_UP = "followed_up"
    ANSWERED = "answered"
    CLOSED = "closed"
    REOPENED = "reopened"
    RETURNED = "returned"
    ENDED = "ended"


THREAD: Final = frozenset({
    Kind.RESPONDED, Kind.UNIT_RETURNED, Kind.FOLLOWED_UP, Kind.ANSWERED, Kind.CLOSED,
    Kind.REOPENED,
})  # fmt: skip
"""The facts of the follow-up stream: their offsets tell their order, also within a millisecond."""


class Fact(BaseModel, frozen=True, hide_input_in_errors=True):
    """One event about a report: `id` its record's, `at` when it happened, `n` its offset (UTC).

    `n` orders facts of one stream only. `seen_at` is the record's time where `at` is another.
    `asked_at` is the time after which a completion answers a question.
    """

    kind: Kind
    id: str
    at: datetime
    n: int = 0
    seen_at: datetime | None = None
    institution: str = ""
    holding: int = 0
    dispatch: int = 0
    unit: str | None = None
    report_class: e.ReportClass | None = None
    stage: Literal["national", "institution"] | None = None
    asked_at: datetime | None = None

    @property
    def known_at(self) -> datetime:
        """Return the time of the record, which chooses the versions of policy and calendar."""
        return self.seen_at or self.at

    @property
    def order(self) -> tuple[datetime, str, int, str]:
        """Return the key of the canonical order of the set."""
        return self.at, self.kind, self.n, self.id


_KINDS: Final[dict[type[BaseModel], Kind]] = {
    e.ReportForwarded: Kind.FORWARDED,
    e.InformationRequested: Kind.ASKED,
    e.InformationCompleted: Kind.COMPLETED,
    e.ReportAccepted: Kind.ACCEPTED,
    e.ReportReclassified: Kind.RECLASSIFIED,
    e.RoutingHeld: Kind.HELD,
    e.ReportDispatched: Kind.DISPATCHED,
    e.InitialResponseGiven: Kind.RESPONDED,
    e.UnitReturned: Kind.UNIT_RETURNED,
    e.FollowUpGiven: Kind.FOLLOWED_UP,
    e.ReporterAnswered: Kind.ANSWERED,
    e.ReportClosed: Kind.CLOSED,
    e.ReportReopened: Kind.REOPENED,
    e.ReportReturned: Kind.RETURNED,
    e.ReportArchived: Kind.ENDED,
    e.ReportBlocked: Kind.ENDED,
    e.ReportWithdrawn: Kind.ENDED,
}


def fact_of(event: BaseModel, cause: Cause) -> Fact | None:
    """Return what the clocks need of an event, or None if no clock needs it.

    A fact's time is its record's, except a report's: what was typed in later counts from
    `submitted_at`, and one submitted in the future counts from now.
    """
    now = _within_calendars(cause.now)
    if isinstance(event, e.ReportReceived):
        at = _within_calendars(min(event.submitted_at, now))
        seen_at = now if now != at else None
        return Fact(kind=Kind.RECEIVED, id=cause.id, at=at, n=cause.offset, seen_at=seen_at)
    kind = _KINDS.get(type(event))
    if kind is None:
        return None
    if isinstance(event, e.ReportReclassified):
        report_class: e.ReportClass | None = event.class_after
    else:
        report_class = getattr(event, "report_class", None)
    return Fact(
        kind=kind,
        id=cause.id,
        at=now,
        n=cause.offset,
        institution=getattr(event, "institution", ""),
        holding=getattr(event, "holding", 0),
        dispatch=getattr(event, "dispatch", 0),
        unit=getattr(event, "unit", None),
        report_class=report_class,
        stage=getattr(event, "stage", None),
        asked_at=getattr(event, "asked_at", None),
    )


def ran_out(asked_id: str, at: datetime) -> Fact:
    """Build the fact that the window which `asked_id` opened is over: the stage's clock goes on."""
    return Fact(kind=Kind.RAN_OUT, id=asked_id, at=at)


def add(facts: tuple[Fact, ...], fact: Fact) -> tuple[Fact, ...]:
    """Add a fact to the set, in its canonical order; a repetition keeps the earlier time.

    Returns the same tuple where it changes nothing. Beyond `FACTS_MAX` the oldest fact goes that no
    open clock of the newest holding stands on.
    """
    for position, own in enumerate(facts):
        if own.id == fact.id and own.kind == fact.kind:
            if own.order <= fact.order:
                return facts
            facts = (*facts[:position], *facts[position + 1 :])
            break
    position = len(facts)
    if facts and fact.order < facts[-1].order:
        position = bisect_left(facts, fact.order, key=_order)
    ordered = [*facts[:position], fact, *facts[position:]]
    if len(ordered) > FACTS_MAX:
        ordered.pop(_dispensable(ordered))
    return tuple(ordered)


def _order(fact: Fact) -> tuple[datetime, str, int, str]:
    return fact.order


def _dispensable(ordered: list[Fact]) -> int:
    """Return the position of the fact to drop: not one that opens or first ends a step of today."""
    newest = max(f.holding for f in ordered)
    needed = (Kind.FORWARDED, Kind.ACCEPTED, Kind.DISPATCHED)
    has_followed_up = False
    for position, fact in enumerate(ordered):
        is_of_now = fact.holding == newest
        is_needed = fact.kind in (Kind.RECEIVED, Kind.ENDED) or (fact.kind in needed and is_of_now)
        if fact.kind is Kind.FOLLOWED_UP and is_of_now and not has_followed_up:
            has_followed_up = is_needed = True
        if not is_needed:
            return position
    return len(ordered) - 1


def _within_calendars(at: datetime) -> datetime:
    return min(max(at.astimezone(UTC), EARLIEST), LATEST)
