"""Which facts go into whose inbox? Pure: the case, the fact and the report's key are arguments.

The rules of the gateway:

- The national admin (00) has to do with every report: `report_received` for each, then what
  concerns 00 itself, returns, ends, and reporters' words while no institution holds the report.
- An institution gets entries from the `ReportForwarded` to it until its holding ends (returned,
  forwarded to another, archived, blocked, withdrawn), and of its own holding only. After that it
  gets the answers to its own commands, refusals and effects which the end of its holding
  overtook on the way here (the streams have no order), and the withdrawal of a breach that
  stands in its inbox. Nothing else.
- Facts that come before what makes them visible wait in the case and go out, in order, when that
  comes: everything for the `ReportReceived`, an institution's facts for its `ReportForwarded`.
- An entry is built field by field (`entries.py`); nothing is passed on by not being deleted.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from pydantic import BaseModel

from services.agencies.case import InboxCase
from services.agencies.entries import ReceivedReport, entry_of, opened, refusal_of, view
from shared.contract import events as e
from shared.contract.topics import READS
from shared.registry import NATIONAL
from shared.rules.decision import Cause, Decision, decided
from shared.rules.deferral import Deferred
from shared.vault.crypto import ReportKey

WAITING_MAX: Final = 100  # facts of one report that outran its beginning; a life has about 30
BREACHES_MAX: Final = 20  # in an institution's inbox, the last ones: levels of its few clocks
COMPLETIONS_MAX: Final = 3  # a reporter's completions that a later holder gets, the last ones
OWN_CLOCKS: Final = frozenset({
    "national_verification", "institution_verification", "dispatch", "follow_up",
})  # fmt: skip
"""The clocks that an institution owes; `completion` and `reply` are the reporter's."""
_EFFECTS: Final = (
    e.InformationRequested, e.ReportAccepted, e.ReportReclassified, e.ReportReturned,
    e.InitialResponseGiven, e.FollowUpGiven, e.UnitReturned,
)  # fmt: skip
"""Facts that are always the effect of their institution's command."""
_EVENTS: Final = tuple({event for events in READS["agencies.out"].values() for event in events})


@dataclass(frozen=True, slots=True)
class Lookups:
    """What the rule may know of a batch; a report without key was erased."""

    keys: Mapping[str, ReportKey] = field(default_factory=dict)
    institutions: Container[str] = field(default_factory=frozenset)
    """Who has an inbox; what is for anybody else goes to 00."""


def decide(
    case: InboxCase | None, event: BaseModel, cause: Cause, lookups: Lookups
) -> Decision[InboxCase]:
    """Write a fact to the inboxes concerned, now or when the report is theirs to see."""
    case = case or InboxCase()
    match event:
        case e.CommandRefused():
            return _emit(case, lookups, refusal_of(event))
        case e.ReportReceived() if case.report is None:
            return _received(case, event, cause, lookups)
        case e.ReportReceived():
            return decided(case)
        case e.Event() if case.report is None:
            return decided(_defer(case, event, cause))
        case e.ReportForwarded():
            return _forwarded(case, event, cause, lookups)
        case e.ReportArchived() | e.ReportBlocked() | e.ReportWithdrawn():
            return _ended(case, event, cause, lookups)
        case e.FromReporter():
            return _from_reporter(case, event, cause, lookups)
        case e.OfDeadline():
            return _deadline(case, event, cause, lookups)
        case e.Event():
            return _of_holding(case, event, cause, lookups)
    return decided(case)


# ---- beginnings


def _received(
    case: InboxCase, event: e.ReportReceived, cause: Cause, lookups: Lookups
) -> Decision[InboxCase]:
    report = ReceivedReport.of(event)
    first = e.InboxEntry(
        report_id=event.report_id,
        institution=NATIONAL,
        entry="report_received",
        report=view(report, NATIONAL, lookups.keys.get(event.report_id)),
    )
    begun = case.model_copy(update={"report": report, "waiting": ()})
    return _release(_emit(begun, lookups, first), case.waiting, cause, lookups)


def _forwarded(
    case: InboxCase, event: e.ReportForwarded, cause: Cause, lookups: Lookups
) -> Decision[InboxCase]:
    """Open a holding: the institution gets the report, and what waited for it to have it."""
    if case.is_ended or case.report is None or event.holding <= case.holding:
        return decided(case)
    key = lookups.keys.get(event.report_id)
    report = case.report.classified(event)
    entries = [
        e.InboxEntry(
            report_id=event.report_id,
            institution=event.institution,
            entry="report_to_verify",
            holding=event.holding,
            report=view(report, event.institution, key),
            final=event.final,
        ),
        *(
            e.InboxEntry(
                report_id=event.report_id,
                institution=event.institution,
                entry="information_completed",
                holding=event.holding,
                **opened(key, "text", sealed),
            )
            for sealed in case.completions
        ),
        entry_of(event, NATIONAL, event.holding, key),
    ]
    held = case.model_copy(
        update={
            "holder": event.institution,
            "holding": event.holding,
            "holders": {**case.holders, event.holding: event.institution},
            "waiting": (),
        }
    )
    return _release(_emit(held, lookups, *entries), case.waiting, cause, lookups)


def _release(
    decision: Decision[InboxCase], waiting: tuple[Deferred, ...], cause: Cause, lookups: Lookups
) -> Decision[InboxCase]:
    """Decide again what waited, each as itself, so that an entry's cause is its own fact."""
    for fact in waiting:
        own = fact.cause(now=cause.now)
        released = decide(decision.case, fact.restore(_EVENTS), own, lookups).because_of(own)
        events = (*decision.events, *released.events)
        decision = replace(decision, case=released.case, events=events)
    return decision


# ---- facts of a holding


def _of_holding(
    case: InboxCase, event: e.Event, cause: Cause, lookups: Lookups
) -> Decision[InboxCase]:
    """Write to the holder what is of its holding, to 00 its own; the rest waits or is past."""
    holder = getattr(event, "institution", NATIONAL)
    if holder == NATIONAL:
        return _emit(case, lookups, entry_of(event, NATIONAL, case.holding, _key(event, lookups)))
    holding = getattr(event, "holding", 0)
    if holding > case.holding:
        return decided(case if case.is_ended else _defer(case, event, cause))
    key = _key(event, lookups)
    is_theirs = (holder, holding) == (case.holder, case.holding)
    is_due = is_theirs or _is_answer(case, event)
    entries = [entry_of(event, holder, holding, key)] if is_due else []
    if isinstance(event, e.ReportReturned):
        entries.append(entry_of(event, NATIONAL, holding, key))
        case = _end_holding(case, cause) if is_theirs else case
    return _emit(case, lookups, *entries)


def _ended(case: InboxCase, event: e.Event, cause: Cause, lookups: Lookups) -> Decision[InboxCase]:
    """Write the end to the holder and to 00; after it each gets only answers to its commands."""
    by = getattr(event, "institution", NATIONAL)
    if case.is_ended:
        answer = entry_of(event, by, case.holding, _key(event, lookups))
        return _emit(case, lookups, answer if _is_answer(case, event) else None)
    if by != NATIONAL and getattr(event, "holding", 0) > case.holding:
        return decided(_defer(case, event, cause))
    key = _key(event, lookups)
    to = dict.fromkeys(filter(None, (case.holder, NATIONAL)))
    entries = [entry_of(event, institution, case.holding, key) for institution in to]
    ended = _end_holding(case, cause).model_copy(
        update={
            "is_ended": True,
            "waiting": (),
            "completions": (),
            "report": case.report.without_words() if case.report else None,
        }
    )
    return _emit(ended, lookups, *entries)


def _from_reporter(
    case: InboxCase, event: e.FromReporter, cause: Cause, lookups: Lookups
) -> Decision[InboxCase]:
    """Write a reporter's message to who holds the report.

    A completion while nobody does is for 00, and kept for the next holder. Any other message waits
    for a holder: it answers one. A wish to reopen is an entry once it is granted, as `reopened`.
    """
    if case.is_ended or isinstance(event, e.ReopenRequested):
        return decided(case)
    is_completion = isinstance(event, e.InformationCompleted)
    if is_completion and event.text is not None:
        completions = (*case.completions, event.text)[-COMPLETIONS_MAX:]
        case = case.model_copy(update={"completions": completions})
    if not case.holder and not is_completion:
        return decided(_defer(case, event, cause))
    entry = entry_of(event, case.holder or NATIONAL, case.holding, _key(event, lookups))
    return _emit(case, lookups, entry)


def _deadline(
    case: InboxCase, event: e.OfDeadline, cause: Cause, lookups: Lookups
) -> Decision[InboxCase]:
    """Write to an institution what is of its own clocks; one from before its holding ended is past.

    A breach that stands in its inbox is withdrawn there even so.
    """
    if event.clock not in OWN_CLOCKS:
        return decided(case)
    if event.institution in (NATIONAL, case.holder) or _is_in_inbox(case, event):
        entry = entry_of(event, event.institution, case.holding, None)
        return _emit(_remember_breach(case, event), lookups, entry)
    is_past = case.holding_ended_at is not None and event.started_at < case.holding_ended_at
    return decided(case if case.is_ended or is_past else _defer(case, event, cause))


# ---- the case


def _is_in_inbox(case: InboxCase, event: e.OfDeadline) -> bool:
    return isinstance(event, e.BreachWithdrawn) and _breach(event) in case.breaches


def _remember_breach(case: InboxCase, event: e.OfDeadline) -> InboxCase:
    if not isinstance(event, e.DeadlineBreached | e.BreachWithdrawn):
        return case
    others = tuple(breach for breach in case.breaches if breach != _breach(event))
    is_breach = isinstance(event, e.DeadlineBreached)
    breaches = (*others, _breach(event))[-BREACHES_MAX:] if is_breach else others
    return case.model_copy(update={"breaches": breaches})


def _breach(event: e.DeadlineBreached | e.BreachWithdrawn) -> str:
    return f"{event.institution} {event.clock} {event.level} {event.deadline.isoformat()}"


def _end_holding(case: InboxCase, cause: Cause) -> InboxCase:
    return case.model_copy(update={"holder": "", "holding_ended_at": cause.now})


def _defer(case: InboxCase, event: BaseModel, cause: Cause) -> InboxCase:
    """Keep a fact for later; past the bound it is dropped: what waits first opens the rest."""
    if len(case.waiting) >= WAITING_MAX:
        return case
    return case.model_copy(update={"waiting": (*case.waiting, Deferred.of(event, cause))})


def _is_answer(case: InboxCase, event: e.Event) -> bool:
    """Say whether a fact is the effect of a command of the institution that it names."""
    match event:
        case e.ReportBlocked():
            return True
        case e.ReportArchived() | e.ReportClosed():
            is_effect = event.by == "admin"
        case e.ReportDispatched():
            is_effect = event.by != "auto"
        case _:
            is_effect = isinstance(event, _EFFECTS)
    by, holding = getattr(event, "institution", ""), getattr(event, "holding", 0)
    return is_effect and by in (NATIONAL, case.holders.get(holding))


def _key(event: e.Event, lookups: Lookups) -> ReportKey | None:
    return lookups.keys.get(event.report_id)


def _emit(case: InboxCase, lookups: Lookups, *entries: e.InboxEntry | None) -> Decision[InboxCase]:
    return decided(case, *(_addressed(entry, lookups) for entry in entries if entry is not None))


def _addressed(entry: e.InboxEntry, lookups: Lookups) -> e.InboxEntry:
    """Send what is for an institution that has no inbox to the national admin."""
    if entry.institution in lookups.institutions or entry.institution == NATIONAL:
        return entry
    return entry.model_copy(update={"institution": NATIONAL})
