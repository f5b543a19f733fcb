"""Derive deadlines again from the facts, and compare with what is stored and published. Pure.

The facts are decided in an order that has nothing to do with the one they came in: what is stored
is a function of their set. Of the timers only what they published counts, so that the past can be
verified when the timers themselves are long gone.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import cache
from hashlib import blake2b
from typing import Final, NamedTuple

from pydantic import BaseModel

from services.sla_monitor.announcements import LEVELS_MAX, Announcement
from services.sla_monitor.clocks import Holder
from services.sla_monitor.deadlines import WINDOW, deadlines_of
from services.sla_monitor.facts import FACTS_MAX, Fact, add, ran_out
from services.sla_monitor.history import History
from services.sla_monitor.policy import WARNING, Policy
from services.sla_monitor.rules import MonitoredCase, decide
from services.sla_monitor.store import STORE
from shared.contract import events as e
from shared.rules.decision import Cause

_OF_THE_SET: Final = (
    "is_over", "holder", "next_deadline", "next_clock", "institutions", "counts_from",
)  # fmt: skip
_NOT_OF_THE_SET: Final = frozenset({"levels", "is_set"})
"""What is stored of a run and depends on the order of arrival, not on the facts alone."""
_OF_A_VERSION: Final = frozenset({"calendar_version", "policy_version", "limit", "limit_unit"})
"""What a change of the registry that moves nothing leaves as it was: the promise stays."""


class StreamEvent(NamedTuple):
    """An event of `lapor.sla.v1`: its number in the report's events, and when it was published."""

    sequence: int
    at: datetime
    event: e.Event


class DecidedRecord(NamedTuple):
    """A record that the SLA monitor decided."""

    event: BaseModel
    cause: Cause


class CaseRow(NamedTuple):
    """A report's row in the SLA monitor's table: its case, and what lies beside it."""

    case: MonitoredCase
    sequence: int
    columns: dict[str, object]


class Mismatch(BaseModel, frozen=True, hide_input_in_errors=True):
    """Something that is stored or was published, and does not follow from the facts."""

    report_id: str
    what: str
    about: str
    stored: str
    derived: str

    @property
    def text(self) -> str:
        """Return it in one line."""
        return f"{self.what} {self.about}: stored {self.stored}, derived {self.derived}"


def derive(
    report_id: str,
    records: Iterable[DecidedRecord],
    published: Iterable[StreamEvent],
    policy: Policy,
) -> MonitoredCase:
    """Decide a report's records in an arbitrary order; windows that ran out are facts before all.

    `records` are records with facts: timers and recomputes say when, not what.

    Past the bound of a case's facts the order decides which are dropped: then it is that of time.
    """
    ordered = sorted(records, key=_arbitrary)
    if len(ordered) >= FACTS_MAX:
        ordered.sort(key=lambda each: (each.cause.now, each.cause.topic, each.cause.offset))
    case: MonitoredCase | None = MonitoredCase(report_id=report_id, facts=_ran_out(published))
    for event, cause in ordered:
        case = decide(case, event, cause, policy).case
    return case or MonitoredCase(report_id=report_id)


def _arbitrary(record: DecidedRecord) -> bytes:
    return blake2b(record.cause.id.encode(), digest_size=8).digest()


def _ran_out(published: Iterable[StreamEvent]) -> tuple[Fact, ...]:
    facts: tuple[Fact, ...] = ()
    for _, _, event in published:
        if isinstance(event, e.TimeRanOut) and event.window == "completion":
            facts = add(facts, ran_out(event.opened_by, event.ran_out_at))
    return facts


def differences(
    report_id: str,
    row: CaseRow | None,
    records: Sequence[DecidedRecord],
    published: Sequence[StreamEvent],
    policies: Sequence[Policy],
) -> list[Mismatch]:
    """List what differs between a report's row, its published events and its facts.

    `records` are those decided by the time of the row, `published` the events of the stream by
    then, each once, in their order. `policies` are those before each change of the registry, and
    that of now.
    """
    derived = derive(report_id, records, published, policies[-1])
    if row is None:
        if not derived.facts:
            return []
        return [Mismatch(report_id=report_id, what="case", about="as a whole", stored="nothing",
                           derived=f"{len(derived.facts)} facts")]  # fmt: skip
    older = cache(
        lambda: [derive(report_id, records, published, policy) for policy in policies[:-1]]
    )
    compare = _Compare(row, derived, older, tuple(published), policies[-1])
    return [
        Mismatch(report_id=report_id, what=what, about=about, stored=stored, derived=now)
        for what, about, stored, now in compare.all()
    ]


Rows = Iterator[tuple[str, str, str, str]]


class _Compare(NamedTuple):
    row: CaseRow
    derived: MonitoredCase
    older: Callable[[], list[MonitoredCase]]  # as derived before each change of the registry
    published: tuple[StreamEvent, ...]
    policy: Policy

    def all(self) -> Rows:
        """Compare the row with the facts, then what was published with both."""
        yield from self._facts()
        yield from self._runs()
        yield from self._whole()
        yield from self._timer()
        yield from self._columns()
        yield from self._complete()
        yield from self._levels()
        yield from self._breaches()
        yield from self._met()
        yield from self._owed()

    # ---- the row

    def _facts(self) -> Rows:
        stored = {(f.kind, f.id): f for f in self.row.case.facts}
        derived = {(f.kind, f.id): f for f in self.derived.facts}
        for kind, id_ in sorted({*stored, *derived}):
            one, other = stored.get((kind, id_)), derived.get((kind, id_))
            if one != other:
                yield "fact", f"{kind} {id_}", _short(one), _short(other)

    def _runs(self) -> Rows:
        stored, derived = self.row.case.announcements, self.derived.announcements
        for key in sorted({*stored, *derived}):
            one, other = stored.get(key), derived.get(key)
            if one is None or other is None:
                yield "run", key, _date(one), _date(other)
                continue
            for name in Announcement.model_fields:
                before, after = getattr(one, name), getattr(other, name)
                if before != after and not self._is_allowed(key, name, before):
                    yield name, f"of {key}", _text(before), _text(after)

    def _is_allowed(self, key: str, name: str, value: object) -> bool:
        """Tell whether a run may announcement_of something else than follows from its facts now."""
        if name in _NOT_OF_THE_SET or name not in _OF_A_VERSION:
            return name in _NOT_OF_THE_SET
        runs = (case.announcements.get(key) for case in self.older())
        return any(run is not None and getattr(run, name) == value for run in runs)

    def _whole(self) -> Rows:
        for name in _OF_THE_SET:
            stored, derived = getattr(self.row.case, name), getattr(self.derived, name)
            if stored != derived:
                yield "case", name, _text(stored), _text(derived)

    def _timer(self) -> Rows:
        """Compare the timer with the first level that is still to be published."""
        case = self.row.case
        deadlines = deadlines_of(History.of(self.derived.facts), self.policy)
        to_come = [
            due_at
            for deadline in deadlines
            if deadline.is_running
            and not self.derived.is_over
            and deadline.key in case.announcements
            for due_at, level in deadline.due_timers()
            if not case.announcements[deadline.key].has_published(level, deadline.at)
        ]
        derived = min(to_come, default=None)
        if case.timer_at != derived:
            yield "timer", "timer_at", _text(case.timer_at), _text(derived)

    def _columns(self) -> Rows:
        case = self.row.case
        expected: dict[str, object] = {"timer_at": case.timer_at, "is_open": STORE.is_open(case)}
        expected |= {name: of(case) for name, (_, of) in STORE.columns.items()}
        for name, derived in expected.items():
            stored = self.row.columns.get(name)
            if stored != derived:
                yield "column", name, _text(stored), _text(derived)

    # ---- what was published

    def _complete(self) -> Rows:
        sequences = range(1, self.row.sequence + 1)
        missing = sorted({*sequences} - {each.sequence for each in self.published})
        if missing:
            yield (
                "stream",
                f"event {missing[0]}",
                f"{len(sequences)} said",
                f"{len(missing)} missing",
            )

    def _levels(self) -> Rows:
        """Compare the levels that are published by the row with those that stand on the stream."""
        standing = _standing(self.published)
        for key, announcement in sorted(self.row.case.announcements.items()):
            for level, date in ((each.level, each.deadline) for each in announcement.levels):
                if (announcement.clock, level, date) not in standing:
                    yield "told", f"level {level} of {key}", _text(date), "never published"
        for (clock, level, date), event in sorted(standing.items(), key=lambda item: item[0]):
            if isinstance(event, e.OfDeadline) and not self._is_stored(event, level):
                published = f"published for {_text(date)}"
                yield "told", f"level {level} of {clock}", "not told", published

    def _is_stored(self, event: e.OfDeadline, level: int) -> bool:
        """Tell whether the row remembers a level, no longer has its run, or has forgotten it."""
        runs = [
            run for run in self.row.case.announcements.values()
            if (run.clock, run.institution, run.started_at)
            == (event.clock, event.institution, event.started_at)
        ]  # fmt: skip
        return not runs or any(
            run.has_published(level, event.deadline) or len(run.levels) >= LEVELS_MAX
            for run in runs
        )

    def _breaches(self) -> Rows:
        """Look for breaches that stand although they are not true, and for missing true ones."""
        if len(self.derived.facts) >= FACTS_MAX:
            return  # what such a case forgot is a closed book
        for key, announcement in sorted(self.row.case.announcements.items()):
            run = self.derived.announcements.get(key)
            if run is None or announcement.owner == Holder.REPORTER:
                continue
            stored = {each for each in announcement.levels if each.level > WARNING}
            if announcement.met_at is None and not self.derived.is_over:
                false = {each for each in stored if each.deadline != run.deadline}
            else:
                true = {each for each in run.levels if each.level > WARNING}
                false = stored ^ true
            for level in sorted(false, key=lambda each: (each.deadline, each.level)):
                was = ("not told", "true") if level not in stored else ("told", "not true")
                yield "breach", f"level {level.level} of {key} for {_text(level.deadline)}", *was

    def _met(self) -> Rows:
        """Look for the event of every step that was done."""
        met = {
            (x.event.clock, x.event.met_at, x.event.deadline)
            for x in self.published
            if isinstance(x.event, e.DeadlineMet)
        }
        for key, announcement in sorted(self.row.case.announcements.items()):
            if announcement.met_at is None or not announcement.is_set or _has_run_out(announcement):
                continue
            if (announcement.clock, announcement.met_at, announcement.deadline) not in met:
                yield "met", f"of {key}", _text(announcement.met_at), "never published"

    def _owed(self) -> Rows:
        """Compare what the stream says is owed with the runs that are open.

        A window that ran out was never met: the stream says no more of it, answered late or not.
        """
        if self.derived.is_over:
            return
        derived = [
            (run.clock, run.institution, run.unit or "", run.deadline)
            for key, run in self.derived.announcements.items()
            if run.met_at is None or _has_run_out(self.row.case.announcements.get(key, run))
        ]
        published = list(_owed_by(self.published))
        for owed in sorted({*derived, *published}):
            if (owed in derived) != (owed in published):
                clock, institution, unit, date = owed
                about = f"{clock} of {unit or institution}"
                on_stream = _text(date) if owed in published else "not said"
                yield "published", about, on_stream, _text(date) if owed in derived else "not owed"


def _owed_by(published: Iterable[StreamEvent]) -> Iterator[tuple[str, str, str, datetime]]:
    """Follow the events to what a reader of the stream believes is owed at last."""
    owed: list[e.OfDeadline] = []
    for _, _, event in published:
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


def _drop(owed: list[e.OfDeadline], matching: Sequence[e.OfDeadline]) -> bool:
    if matching:
        owed.remove(matching[0])
    return bool(matching)


def _starts_with(one: e.OfDeadline, other: e.OfDeadline) -> bool:
    return (one.clock, one.started_at) == (other.clock, other.started_at)


Level = tuple[str, int, datetime]


def _standing(published: Iterable[StreamEvent]) -> dict[Level, e.Event]:
    """Return the levels that were published and not withdrawn, each with its event."""
    standing: dict[Level, e.Event] = {}
    for _, _, event in published:
        match event:
            case e.TimeRanOut():
                standing[event.window, WINDOW, event.ran_out_at] = event
            case e.DeadlineApproaching() | e.DeadlineBreached():
                standing[event.clock, event.level, event.deadline] = event
            case e.BreachWithdrawn():
                standing.pop((event.clock, event.level, event.deadline), None)
    return standing


def _has_run_out(run: Announcement) -> bool:
    """Tell whether a reporter's window was closed by its end: then nothing was met."""
    late = run.met_at is not None and run.met_at >= run.deadline
    return run.owner == "reporter" and bool(run.levels) and late


def _short(fact: Fact | None) -> str:
    return "nothing" if fact is None else fact.model_dump_json(exclude_defaults=True)


def _date(run: Announcement | None) -> str:
    return "nothing" if run is None else f"due {_text(run.deadline)}"


def _text(value: object) -> str:
    if value is None or value == "":
        return "nothing"
    return value.isoformat() if isinstance(value, datetime) else str(value)
