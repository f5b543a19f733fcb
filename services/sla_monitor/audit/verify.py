"""Derive deadlines again from a report's facts, and compare with what is kept and was said. Pure.

The facts are decided in an order that has nothing to do with the one they came in: what is kept is
a function of their set. Of the timers only what they published counts, so that the past can be
verified when the timers themselves are long gone.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import cache
from hashlib import blake2b
from typing import Final, NamedTuple

from pydantic import BaseModel

from services.sla_monitor.announcements import TOLD_MAX, Said
from services.sla_monitor.clocks import Holder
from services.sla_monitor.deadlines import WINDOW, deadlines
from services.sla_monitor.facts import FACTS_MAX, Fact, add, ran_out
from services.sla_monitor.history import Story
from services.sla_monitor.policy import WARNING, Policy
from services.sla_monitor.rules import Monitored, decide
from services.sla_monitor.store import STORE
from shared.contract import events as e
from shared.rules.decision import Cause

_OF_THE_SET: Final = (
    "is_over", "holder", "next_deadline", "next_clock", "institutions", "counts_from",
)  # fmt: skip
_NOT_OF_THE_SET: Final = frozenset({"told", "is_set"})
"""What a run's memory keeps of the way things came, not of what they were."""
_OF_A_VERSION: Final = frozenset({"calendar_version", "policy_version", "limit", "limit_unit"})
"""What a change of the registry that moves nothing leaves as it was: the promise stays."""


class Heard(NamedTuple):
    """An event of `lapor.sla.v1`: its number in the report's events, and when it was published."""

    sequence: int
    at: datetime
    event: e.Event


class Read(NamedTuple):
    """A record that the SLA monitor decided."""

    event: BaseModel
    cause: Cause


class Kept(NamedTuple):
    """A report's row in the SLA monitor's table: its case, and what lies beside it."""

    case: Monitored
    sequence: int
    columns: dict[str, object]


class Difference(BaseModel, frozen=True, hide_input_in_errors=True):
    """Something that is kept or was said, and does not follow from the facts."""

    report_id: str
    what: str
    about: str
    stored: str
    derived: str

    @property
    def text(self) -> str:
        """Say it in one line."""
        return f"{self.what} {self.about}: stored {self.stored}, derived {self.derived}"


def derive(
    report_id: str, read: Iterable[Read], heard: Iterable[Heard], policy: Policy
) -> Monitored:
    """Decide a report's records in an arbitrary order; windows that ran out are facts before all.

    `read` are records with facts: timers and recomputes say when, not what.

    Past the bound of a case's facts the order decides which are dropped: then it is that of time.
    """
    records = sorted(read, key=_arbitrary)
    if len(records) >= FACTS_MAX:
        records.sort(key=lambda each: (each.cause.now, each.cause.topic, each.cause.offset))
    case: Monitored | None = Monitored(report_id=report_id, facts=_ran_out(heard))
    for event, cause in records:
        case = decide(case, event, cause, policy).case
    return case or Monitored(report_id=report_id)


def _arbitrary(read: Read) -> bytes:
    return blake2b(read.cause.id.encode(), digest_size=8).digest()


def _ran_out(heard: Iterable[Heard]) -> tuple[Fact, ...]:
    facts: tuple[Fact, ...] = ()
    for _, _, event in heard:
        if isinstance(event, e.TimeRanOut) and event.window == "completion":
            facts = add(facts, ran_out(event.opened_by, event.ran_out_at))
    return facts


def differences(
    report_id: str,
    kept: Kept | None,
    read: Sequence[Read],
    heard: Sequence[Heard],
    policies: Sequence[Policy],
) -> list[Difference]:
    """List what differs between a report's row, its published events and its facts.

    `read` are the records decided by the time of the row, `heard` the events said by then, each
    once, in their order. `policies` are those before each change of the registry, and that of now.
    """
    derived = derive(report_id, read, heard, policies[-1])
    if kept is None:
        if not derived.facts:
            return []
        return [Difference(report_id=report_id, what="case", about="as a whole", stored="nothing",
                           derived=f"{len(derived.facts)} facts")]  # fmt: skip
    older = cache(lambda: [derive(report_id, read, heard, policy) for policy in policies[:-1]])
    compare = _Compare(kept, derived, older, tuple(heard), policies[-1])
    return [
        Difference(report_id=report_id, what=what, about=about, stored=stored, derived=found)
        for what, about, stored, found in compare.all()
    ]


Found = Iterator[tuple[str, str, str, str]]


class _Compare(NamedTuple):
    kept: Kept
    derived: Monitored
    older: Callable[[], list[Monitored]]  # as derived before each change of the registry
    heard: tuple[Heard, ...]
    policy: Policy

    def all(self) -> Found:
        """Compare the row with the facts, then what was published with both."""
        yield from self._facts()
        yield from self._runs()
        yield from self._whole()
        yield from self._timer()
        yield from self._columns()
        yield from self._complete()
        yield from self._told()
        yield from self._breaches()
        yield from self._met()
        yield from self._owed()

    # ---- the row

    def _facts(self) -> Found:
        stored = {(f.kind, f.id): f for f in self.kept.case.facts}
        derived = {(f.kind, f.id): f for f in self.derived.facts}
        for kind, id_ in sorted({*stored, *derived}):
            one, other = stored.get((kind, id_)), derived.get((kind, id_))
            if one != other:
                yield "fact", f"{kind} {id_}", _short(one), _short(other)

    def _runs(self) -> Found:
        stored, derived = self.kept.case.said, self.derived.said
        for key in sorted({*stored, *derived}):
            one, other = stored.get(key), derived.get(key)
            if one is None or other is None:
                yield "run", key, _date(one), _date(other)
                continue
            for name in Said.model_fields:
                before, after = getattr(one, name), getattr(other, name)
                if before != after and not self._is_allowed(key, name, before):
                    yield name, f"of {key}", _text(before), _text(after)

    def _is_allowed(self, key: str, name: str, value: object) -> bool:
        """Say whether a run may remember something else than follows from its facts now."""
        if name in _NOT_OF_THE_SET or name not in _OF_A_VERSION:
            return name in _NOT_OF_THE_SET
        runs = (case.said.get(key) for case in self.older())
        return any(run is not None and getattr(run, name) == value for run in runs)

    def _whole(self) -> Found:
        for name in _OF_THE_SET:
            stored, derived = getattr(self.kept.case, name), getattr(self.derived, name)
            if stored != derived:
                yield "case", name, _text(stored), _text(derived)

    def _timer(self) -> Found:
        """Compare the timer with the first level that is still to be told."""
        case = self.kept.case
        wanted = deadlines(Story.of(self.derived.facts), self.policy)
        to_come = [
            due_at
            for deadline in wanted
            if deadline.is_running and not self.derived.is_over and deadline.key in case.said
            for due_at, level in deadline.due_timers()
            if not case.said[deadline.key].has_told(level, deadline.at)
        ]
        derived = min(to_come, default=None)
        if case.timer_at != derived:
            yield "timer", "timer_at", _text(case.timer_at), _text(derived)

    def _columns(self) -> Found:
        case = self.kept.case
        wanted: dict[str, object] = {"timer_at": case.timer_at, "is_open": STORE.is_open(case)}
        wanted |= {name: of(case) for name, (_, of) in STORE.columns.items()}
        for name, derived in wanted.items():
            stored = self.kept.columns.get(name)
            if stored != derived:
                yield "column", name, _text(stored), _text(derived)

    # ---- what was published

    def _complete(self) -> Found:
        said = range(1, self.kept.sequence + 1)
        missing = sorted({*said} - {heard.sequence for heard in self.heard})
        if missing:
            yield "stream", f"event {missing[0]}", f"{len(said)} said", f"{len(missing)} missing"

    def _told(self) -> Found:
        """Compare the levels that the row says were told with those that stand on the stream."""
        heard = _standing(self.heard)
        for key, said in sorted(self.kept.case.said.items()):
            for level, date in ((told.level, told.deadline) for told in said.told):
                if (said.clock, level, date) not in heard:
                    yield "told", f"level {level} of {key}", _text(date), "never published"
        for (clock, level, date), event in sorted(heard.items(), key=lambda item: item[0]):
            if isinstance(event, e.OfDeadline) and not self._is_kept(event, level):
                published = f"published for {_text(date)}"
                yield "told", f"level {level} of {clock}", "not told", published

    def _is_kept(self, event: e.OfDeadline, level: int) -> bool:
        """Say whether the row remembers a level, no longer has its run, or has forgotten it."""
        runs = [
            said for said in self.kept.case.said.values()
            if (said.clock, said.institution, said.started_at)
            == (event.clock, event.institution, event.started_at)
        ]  # fmt: skip
        return not runs or any(
            said.has_told(level, event.deadline) or len(said.told) >= TOLD_MAX for said in runs
        )

    def _breaches(self) -> Found:
        """Look for breaches that stand although they are not true, and for true ones not told."""
        if len(self.derived.facts) >= FACTS_MAX:
            return  # what such a case forgot is a closed book
        for key, said in sorted(self.kept.case.said.items()):
            run = self.derived.said.get(key)
            if run is None or said.owner == Holder.REPORTER:
                continue
            stored = {told for told in said.told if told.level > WARNING}
            if said.met_at is None and not self.derived.is_over:
                false = {told for told in stored if told.deadline != run.deadline}
            else:
                true = {told for told in run.told if told.level > WARNING}
                false = stored ^ true
            for told in sorted(false, key=lambda each: (each.deadline, each.level)):
                was = ("not told", "true") if told not in stored else ("told", "not true")
                yield "breach", f"level {told.level} of {key} for {_text(told.deadline)}", *was

    def _met(self) -> Found:
        """Look for the event of every step that was done."""
        met = {
            (x.event.clock, x.event.met_at, x.event.deadline)
            for x in self.heard
            if isinstance(x.event, e.DeadlineMet)
        }
        for key, said in sorted(self.kept.case.said.items()):
            if said.met_at is None or not said.is_set or _has_run_out(said):
                continue
            if (said.clock, said.met_at, said.deadline) not in met:
                yield "met", f"of {key}", _text(said.met_at), "never published"

    def _owed(self) -> Found:
        """Compare what the stream says is owed with the runs that are open.

        A window that ran out was never met: the stream says no more of it, answered late or not.
        """
        if self.derived.is_over:
            return
        said = [
            (said.clock, said.institution, said.unit or "", said.deadline)
            for key, said in self.derived.said.items()
            if said.met_at is None or _has_run_out(self.kept.case.said.get(key, said))
        ]
        heard = list(_owed_by(self.heard))
        for owed in sorted({*said, *heard}):
            if (owed in said) != (owed in heard):
                clock, institution, unit, date = owed
                about = f"{clock} of {unit or institution}"
                on_stream = _text(date) if owed in heard else "not said"
                yield "published", about, on_stream, _text(date) if owed in said else "not owed"


def _owed_by(heard: Iterable[Heard]) -> Iterator[tuple[str, str, str, datetime]]:
    """Follow the events to what a reader of the stream believes is owed at last."""
    owed: list[e.OfDeadline] = []
    for _, _, event in heard:
        match event:
            case e.DeadlineSet():
                _replace(owed, event, event.deadline)
                owed.append(event)
            case e.DeadlineMoved():
                _replace(owed, event, event.deadline_before)
                owed.append(event)
            case e.DeadlineMet():
                if not _replace(owed, event, event.deadline):
                    _drop(owed, [x for x in owed if _starts_with(x, event)])
    return ((x.clock, x.institution, x.unit or "", x.deadline) for x in owed)


def _replace(owed: list[e.OfDeadline], event: e.OfDeadline, date: datetime) -> bool:
    same = [x for x in owed if (x.clock, x.deadline) == (event.clock, date)]
    return _drop(owed, [x for x in same if _starts_with(x, event)] or same)


def _drop(owed: list[e.OfDeadline], found: Sequence[e.OfDeadline]) -> bool:
    if found:
        owed.remove(found[0])
    return bool(found)


def _starts_with(one: e.OfDeadline, other: e.OfDeadline) -> bool:
    return (one.clock, one.started_at) == (other.clock, other.started_at)


Level = tuple[str, int, datetime]


def _standing(heard: Iterable[Heard]) -> dict[Level, e.Event]:
    """Return the levels that were published and not withdrawn, each with its event."""
    found: dict[Level, e.Event] = {}
    for _, _, event in heard:
        match event:
            case e.TimeRanOut():
                found[event.window, WINDOW, event.ran_out_at] = event
            case e.DeadlineApproaching() | e.DeadlineBreached():
                found[event.clock, event.level, event.deadline] = event
            case e.BreachWithdrawn():
                found.pop((event.clock, event.level, event.deadline), None)
    return found


def _has_run_out(said: Said) -> bool:
    """Say whether a reporter's window was closed by its end: then nothing was met."""
    late = said.met_at is not None and said.met_at >= said.deadline
    return said.owner == "reporter" and bool(said.told) and late


def _short(fact: Fact | None) -> str:
    return "nothing" if fact is None else fact.model_dump_json(exclude_defaults=True)


def _date(said: Said | None) -> str:
    return "nothing" if said is None else f"due {_text(said.deadline)}"


def _text(value: object) -> str:
    if value is None or value == "":
        return "nothing"
    return value.isoformat() if isinstance(value, datetime) else str(value)
