"""Who is told what about a report? Pure: the case, the fact and the report's key are arguments.

The rules of the gateway:

- The national admin (00) has to do with every report: `report_received` for each, then what
  concerns 00 itself, returns, ends, and reporters' words while no institution holds the report.
- An institution is told from the `ReportForwarded` to it until its holding ends (returned,
  forwarded to another, archived, blocked, withdrawn), and of its own holding only. After that it
  gets the answers to its own commands, refusals and effects which the end of its holding
  overtook on the way here (the streams have no order), and the withdrawal of a breach that it was
  told of. Nothing else.
- Facts that come before what makes them tellable wait in the case and go out, in order, when that
  comes: everything for the `ReportReceived`, an institution's facts for its `ReportForwarded`.
- An entry is built field by field (`entries.py`); nothing is passed on by not being deleted.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Final

from pydantic import BaseModel, ConfigDict

from services.agencies.entries import Received, entry_of, opened, refusal_of, view
from shared.contract import events as e
from shared.contract.topics import READS
from shared.registry import NATIONAL
from shared.rules.decision import Cause, Decision, decided, then
from shared.rules.deferral import Deferred
from shared.vault.crypto import ReportKey

WAITING_MAX: Final = 100  # facts of one report that outran its beginning; a life has about 30
BREACHES_MAX: Final = 20  # told to an institution, the last ones: levels of its few clocks
COMPLETIONS_MAX: Final = 3  # a reporter's completions that a later holder is told, the last ones
OWN_CLOCKS: Final = frozenset({
    "national_verification", "institution_verification", "dispatch", "follow_up",
})  # fmt: skip
"""The clocks that an institution owes; `completion` and `reply` are the reporter's."""
_DOINGS: Final = (
    e.InformationRequested, e.ReportAccepted, e.ReportReclassified, e.ReportReturned,
    e.InitialResponseGiven, e.FollowUpGiven, e.UnitReturned,
)  # fmt: skip
"""Facts that are always the effect of their institution's command."""
_READ: Final = tuple({event for events in READS["agencies.out"].values() for event in events})


class Told(BaseModel):
    """Who has to do with a report, and what whoever gets it next has to be told."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    report: Received | None = None
    holder: str = ""  # whose holding is open
    holding: int = 0  # the last one opened
    holders: dict[int, str] = {}  # of each holding opened so far; returns are few
    let_go_at: datetime | None = None  # when the last holding ended
    is_ended: bool = False
    completions: tuple[str, ...] = ()  # sealed
    breaches: tuple[str, ...] = ()  # that an institution was told of, until they are withdrawn
    waiting: tuple[Deferred, ...] = ()


@dataclass(frozen=True, slots=True)
class Known:
    """What the shell looked up for a batch; a report without key was erased."""

    keys: Mapping[str, ReportKey] = field(default_factory=dict)
    institutions: Container[str] = field(default_factory=frozenset)
    """Who has an inbox; what is for anybody else goes to 00."""


def decide(case: Told | None, event: BaseModel, cause: Cause, known: Known) -> Decision[Told]:
    """Tell each institution concerned of a fact, now or when the report is theirs to see."""
    told = case or Told()
    match event:
        case e.CommandRefused():
            return _tell(told, refusal_of(event), known)
        case e.ReportReceived() if told.report is None:
            return _received(told, event, cause, known)
        case e.ReportReceived():
            return decided(told)
        case e.Event() if told.report is None:
            return decided(_wait(told, event, cause))
        case e.ReportForwarded():
            return _forwarded(told, event, cause, known)
        case e.ReportArchived() | e.ReportBlocked() | e.ReportWithdrawn():
            return _ended(told, event, cause, known)
        case e.FromReporter():
            return _from_reporter(told, event, cause, known)
        case e.OfDeadline():
            return _deadline(told, event, cause, known)
        case e.Event():
            return _of_holding(told, event, cause, known)
    return decided(case)


# ---- beginnings


def _received(told: Told, event: e.ReportReceived, cause: Cause, known: Known) -> Decision[Told]:
    report = Received.of(event)
    first = e.InboxEntry(
        report_id=event.report_id,
        institution=NATIONAL,
        entry="report_received",
        report=view(report, NATIONAL, known.keys.get(event.report_id)),
    )
    waiting = told.waiting
    fresh = told.model_copy(update={"report": report, "waiting": ()})
    return then(
        _tell(fresh, first, known), partial(_release, waiting=waiting, cause=cause, known=known)
    )


def _forwarded(told: Told, event: e.ReportForwarded, cause: Cause, known: Known) -> Decision[Told]:
    """Open a holding: the institution gets the report, and what waited for it to have it."""
    if told.is_ended or told.report is None or event.holding <= told.holding:
        return decided(told)
    key = known.keys.get(event.report_id)
    report = told.report.classified(event)
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
            for sealed in told.completions
        ),
        entry_of(event, NATIONAL, event.holding, key),
    ]
    waiting = told.waiting
    held = told.model_copy(
        update={
            "holder": event.institution,
            "holding": event.holding,
            "holders": {**told.holders, event.holding: event.institution},
            "waiting": (),
        }
    )
    return then(
        _tell_all(held, entries, known),
        partial(_release, waiting=waiting, cause=cause, known=known),
    )


def _release(
    case: Told | None, *, waiting: tuple[Deferred, ...], cause: Cause, known: Known
) -> Decision[Told]:
    """Decide again what waited, each as itself, so that entries name the fact they tell."""

    def again(case: Told | None, *, fact: Deferred) -> Decision[Told]:
        own = fact.cause(now=cause.now)
        return decide(case, fact.restore(_READ), own, known).because_of(own)

    return then(decided(case), *(partial(again, fact=fact) for fact in waiting))


# ---- facts of a holding


def _of_holding(told: Told, event: e.Event, cause: Cause, known: Known) -> Decision[Told]:
    """Tell the holder of its own holding, 00 of what is its own; the rest waits or is past."""
    holder = getattr(event, "institution", NATIONAL)
    if holder == NATIONAL:
        return _tell(told, entry_of(event, NATIONAL, told.holding, _key(event, known)), known)
    holding = getattr(event, "holding", 0)
    if holding > told.holding:
        return decided(told if told.is_ended else _wait(told, event, cause))
    key = _key(event, known)
    is_theirs = (holder, holding) == (told.holder, told.holding)
    is_told = is_theirs or _is_answer(told, event)
    entries = [entry_of(event, holder, holding, key)] if is_told else []
    if isinstance(event, e.ReportReturned):
        entries.append(entry_of(event, NATIONAL, holding, key))
        told = _let_go(told, cause) if is_theirs else told
    return _tell_all(told, entries, known)


def _ended(told: Told, event: e.Event, cause: Cause, known: Known) -> Decision[Told]:
    """Tell the end to who holds the report and to 00; after it nobody is told but by an answer."""
    by = getattr(event, "institution", NATIONAL)
    if told.is_ended:
        answer = entry_of(event, by, told.holding, _key(event, known))
        return _tell(told, answer if _is_answer(told, event) else None, known)
    if by != NATIONAL and getattr(event, "holding", 0) > told.holding:
        return decided(_wait(told, event, cause))
    key = _key(event, known)
    to = dict.fromkeys(filter(None, (told.holder, NATIONAL)))
    entries = [entry_of(event, institution, told.holding, key) for institution in to]
    ended = _let_go(told, cause).model_copy(
        update={
            "is_ended": True,
            "waiting": (),
            "completions": (),
            "report": told.report.without_words() if told.report else None,
        }
    )
    return _tell_all(ended, entries, known)


def _from_reporter(told: Told, event: e.FromReporter, cause: Cause, known: Known) -> Decision[Told]:
    """Tell the reporter's word to who holds the report.

    A completion while nobody does is for 00, and kept for the next holder. Any other word waits
    for a holder: it answers one. A wish to reopen is told when it was granted, as `reopened`.
    """
    if told.is_ended or isinstance(event, e.ReopenRequested):
        return decided(told)
    is_completion = isinstance(event, e.InformationCompleted)
    if is_completion and event.text is not None:
        kept = (*told.completions, event.text)[-COMPLETIONS_MAX:]
        told = told.model_copy(update={"completions": kept})
    if not told.holder and not is_completion:
        return decided(_wait(told, event, cause))
    entry = entry_of(event, told.holder or NATIONAL, told.holding, _key(event, known))
    return _tell(told, entry, known)


def _deadline(told: Told, event: e.OfDeadline, cause: Cause, known: Known) -> Decision[Told]:
    """Tell an institution of its own clocks; one that started before it let go is past.

    A breach that it was told of is withdrawn to it even so.
    """
    if event.clock not in OWN_CLOCKS:
        return decided(told)
    if event.institution in (NATIONAL, told.holder) or _was_accused(told, event):
        entry = entry_of(event, event.institution, told.holding, None)
        return _tell(_remember_breach(told, event), entry, known)
    is_past = told.let_go_at is not None and event.started_at < told.let_go_at
    return decided(told if told.is_ended or is_past else _wait(told, event, cause))


# ---- the case


def _was_accused(told: Told, event: e.OfDeadline) -> bool:
    return isinstance(event, e.BreachWithdrawn) and _breach(event) in told.breaches


def _remember_breach(told: Told, event: e.OfDeadline) -> Told:
    if not isinstance(event, e.DeadlineBreached | e.BreachWithdrawn):
        return told
    others = tuple(breach for breach in told.breaches if breach != _breach(event))
    is_told = isinstance(event, e.DeadlineBreached)
    kept = (*others, _breach(event))[-BREACHES_MAX:] if is_told else others
    return told.model_copy(update={"breaches": kept})


def _breach(event: e.DeadlineBreached | e.BreachWithdrawn) -> str:
    return f"{event.institution} {event.clock} {event.level} {event.deadline.isoformat()}"


def _let_go(told: Told, cause: Cause) -> Told:
    return told.model_copy(update={"holder": "", "let_go_at": cause.now})


def _wait(told: Told, event: BaseModel, cause: Cause) -> Told:
    """Keep a fact for later; past the bound it is let go, since what waits first opens the rest."""
    if len(told.waiting) >= WAITING_MAX:
        return told
    return told.model_copy(update={"waiting": (*told.waiting, Deferred.of(event, cause))})


def _is_answer(told: Told, event: e.Event) -> bool:
    """Say whether a fact is the effect of a command of the institution that it names."""
    match event:
        case e.ReportBlocked():
            return True
        case e.ReportArchived() | e.ReportClosed():
            is_doing = event.by == "admin"
        case e.ReportDispatched():
            is_doing = event.by != "auto"
        case _:
            is_doing = isinstance(event, _DOINGS)
    by, holding = getattr(event, "institution", ""), getattr(event, "holding", 0)
    return is_doing and by in (NATIONAL, told.holders.get(holding))


def _key(event: e.Event, known: Known) -> ReportKey | None:
    return known.keys.get(event.report_id)


def _tell(told: Told, entry: e.InboxEntry | None, known: Known) -> Decision[Told]:
    return _tell_all(told, [entry], known)


def _tell_all(told: Told, entries: "list[e.InboxEntry | None]", known: Known) -> Decision[Told]:
    return decided(told, *(_addressed(entry, known) for entry in entries if entry is not None))


def _addressed(entry: e.InboxEntry, known: Known) -> e.InboxEntry:
    """Send what is for an institution that has no inbox to the national admin."""
    if entry.institution in known.institutions or entry.institution == NATIONAL:
        return entry
    return entry.model_copy(update={"institution": NATIONAL})
