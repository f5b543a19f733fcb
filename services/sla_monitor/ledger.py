"""Who had a report, from when to when, with the clock running or paused: the whole life, in spans.

A function of the set of facts: no gap and no overlap, whatever order the facts came in.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal, NamedTuple

from services.sla_monitor.clocks import Holder
from services.sla_monitor.deadlines import Deadline, pause_of
from services.sla_monitor.facts import THREAD, Fact, Kind
from services.sla_monitor.history import History
from services.sla_monitor.policy import Policy
from shared.registry import NATIONAL

Cause = Literal["asked", "followed_up", "closed"]


@dataclass(frozen=True, slots=True)
class LedgerSpan:
    """A stretch of a report's life: `cause` says why no officer's clock ran, None that one did.

    From `since` up to, not including, `until` (UTC); `until` is None while it lasts. A closed
    report pauses with whom it was last, until it is opened again.
    """

    holder: Holder
    institution: str
    unit: str | None
    since: datetime
    until: datetime | None
    cause: Cause | None = None

    @property
    def is_running(self) -> bool:
        """Tell whether somebody's clock ran."""
        return self.cause is None

    def working_time(self, policy: Policy, as_of: datetime) -> timedelta:
        """Measure it in working time of whole days, by its holder's calendar as known at its end.

        A span that lasts is measured up to `as_of`. The reporter's time goes by the calendar of the
        institution that waits for them, as their limits do.
        """
        until = max(self.since, as_of) if self.until is None else self.until
        return policy.calendar(self.institution, until).working_time(self.since, until)


class _Position(NamedTuple):
    """Where a report is; a fact whose `progress` is not greater changes nothing."""

    progress: tuple[int, int, int]
    holder: Holder
    institution: str
    unit: str | None
    cause: Cause | None = None


_INITIAL: Final = _Position((0, 0, 0), Holder.NATIONAL, NATIONAL, None)
_RETURNED: Final = 1_000_000
"""Past every dispatch of its holding."""

_MOVES: Final = (
    Kind.RECEIVED, Kind.FORWARDED, Kind.DISPATCHED, Kind.UNIT_RETURNED, Kind.FOLLOWED_UP,
    Kind.ANSWERED, Kind.CLOSED, Kind.REOPENED, Kind.RETURNED,
)  # fmt: skip


def ledger(history: History, deadlines: Sequence[Deadline]) -> tuple[LedgerSpan, ...]:
    """Return the spans of a report's life, from its reception to its end or open-ended.

    `deadlines` are the history's deadlines: they know how long the reporter was asked.
    Begins with the earliest fact known as long as the reception is not.
    """
    if not history.facts:
        return ()
    received_at = history.received.at if history.received else history.facts[0].at
    ended_at = history.over_at
    spans: list[LedgerSpan] = []
    for at, position in _positions(history, deadlines, received_at):
        span = LedgerSpan(
            position.holder,
            position.institution,
            position.unit,
            max(at, received_at),
            None,
            position.cause,
        )
        if spans and _same(spans[-1], span):
            continue
        if spans:
            spans[-1] = replace(spans[-1], until=max(spans[-1].since, span.since))
            span = replace(span, since=max(spans[-1].since, span.since))
        spans.append(span)
    return tuple(_cut(spans, ended_at))


def holder_now(history: History, deadlines: Sequence[Deadline]) -> str:
    """Return who holds an open report: the last span's holder, without laying out the others."""
    if not history.facts:
        return ""
    windows = (deadline for deadline in deadlines if deadline.run.row.clock == "completion")
    if any(pause_of(history, window).until is None for window in windows):
        return Holder.REPORTER.value
    last = max((fact for fact in history.facts if fact.kind in _MOVES), key=_progress, default=None)
    holder = (
        _INITIAL.holder
        if last is None or _progress(last) <= _INITIAL.progress
        else _position_of(last).holder
    )
    return holder.value


def _cut(spans: list[LedgerSpan], ended_at: datetime | None) -> Iterator[LedgerSpan]:
    """Take out what has no length and what lies after the end."""
    for span in spans:
        until = span.until
        if ended_at is not None:
            until = ended_at if until is None else min(until, ended_at)
        if until is None or span.since < until:
            yield replace(span, until=until)


def _same(one: LedgerSpan, other: LedgerSpan) -> bool:
    return (one.holder, one.institution, one.unit, one.cause) == (
        other.holder,
        other.institution,
        other.unit,
        other.cause,
    )


def _positions(
    history: History, deadlines: Sequence[Deadline], received_at: datetime
) -> Iterator[tuple[datetime, _Position]]:
    """Yield where the report is from each moment something changed, in order of time."""
    pauses = [
        pause_of(history, window) for window in deadlines if window.run.row.clock == "completion"
    ]
    moves = sorted(history.all(*_MOVES), key=lambda f: (f.at, _progress(f), f.order))
    moments = {received_at, *(f.at for f in moves)}
    for pause in pauses:
        moments |= {pause.since} | ({pause.until} if pause.until is not None else set())
    position = _INITIAL
    remaining = list(moves)
    for moment in sorted(moments):
        while remaining and remaining[0].at <= moment:
            fact = remaining.pop(0)
            position = _position_of(fact) if _progress(fact) > position.progress else position
        if any(_holds(pause.since, pause.until, moment) for pause in pauses):
            yield moment, position._replace(holder=Holder.REPORTER, unit=None, cause="asked")
        else:
            yield moment, position


def _holds(since: datetime, until: datetime | None, moment: datetime) -> bool:
    return since <= moment and (until is None or moment < until)


def _progress(fact: Fact) -> tuple[int, int, int]:
    if fact.kind is Kind.RETURNED:
        return fact.holding, _RETURNED, 0
    return fact.holding, fact.dispatch, fact.n + 1 if fact.kind in THREAD else 0


def _position_of(fact: Fact) -> _Position:
    """Return where a fact puts the report."""
    progress, institution = _progress(fact), fact.institution
    match fact.kind:
        case Kind.RECEIVED | Kind.RETURNED:
            return _Position(progress, Holder.NATIONAL, NATIONAL, None)
        case Kind.FORWARDED | Kind.UNIT_RETURNED:
            return _Position(progress, Holder.INSTITUTION, institution, None)
        case Kind.FOLLOWED_UP:
            return _Position(progress, Holder.REPORTER, institution, fact.unit, "followed_up")
        case Kind.CLOSED:
            return _Position(progress, Holder.UNIT, institution, fact.unit, "closed")
    return _Position(progress, Holder.UNIT, institution, fact.unit)
