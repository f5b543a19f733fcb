"""Who had a report, from when to when, with the clock running or at rest: the whole life, in spans.

A function of the set of facts: no gap and no overlap, whatever order the facts came in.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal, NamedTuple

from services.sla_monitor.clocks import Holder
from services.sla_monitor.deadlines import Deadline, rest_of
from services.sla_monitor.facts import THREAD, Fact, Kind
from services.sla_monitor.history import Story
from services.sla_monitor.policy import Policy
from shared.registry import NATIONAL

Cause = Literal["asked", "followed_up", "closed"]


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a report's life: `cause` says why no officer's clock ran, None that one did.

    From `since` up to, not including, `until` (UTC); `until` is None while it lasts. A closed
    report rests with whom it was last, until it is opened again.
    """

    holder: Holder
    institution: str
    unit: str | None
    since: datetime
    until: datetime | None
    cause: Cause | None = None

    @property
    def is_running(self) -> bool:
        """Say whether somebody's clock ran."""
        return self.cause is None

    def working_time(self, policy: Policy, as_of: datetime) -> timedelta:
        """Measure it in working time of whole days, by its holder's calendar as known at its end.

        A span that lasts is measured up to `as_of`. The reporter's time goes by the calendar of the
        institution that waits for them, as their limits do.
        """
        until = max(self.since, as_of) if self.until is None else self.until
        return policy.calendar(self.institution, until).working_time(self.since, until)


class _Place(NamedTuple):
    """Where a report is, and how far on its way: facts from further back change nothing."""

    way: tuple[int, int, int]
    holder: Holder
    institution: str
    unit: str | None
    cause: Cause | None = None


_BORN: Final = _Place((0, 0, 0), Holder.NATIONAL, NATIONAL, None)
_RETURNED_WAY: Final = 1_000_000
"""Past every dispatch of its holding."""

_MOVES: Final = (
    Kind.RECEIVED, Kind.FORWARDED, Kind.DISPATCHED, Kind.UNIT_RETURNED, Kind.FOLLOWED_UP,
    Kind.ANSWERED, Kind.CLOSED, Kind.REOPENED, Kind.RETURNED,
)  # fmt: skip


def ledger(story: Story, wanted: Sequence[Deadline]) -> tuple[Span, ...]:
    """Return the spans of a report's life, from its reception to its end or open-ended.

    `wanted` are the story's deadlines: they know how long the reporter was asked.
    Begins with the earliest fact known as long as the reception is not.
    """
    if not story.facts:
        return ()
    born = story.received.at if story.received else story.facts[0].at
    dies = story.over_at
    found: list[Span] = []
    for at, place in _places(story, wanted, born):
        span = Span(place.holder, place.institution, place.unit, max(at, born), None, place.cause)
        if found and _same(found[-1], span):
            continue
        if found:
            found[-1] = replace(found[-1], until=max(found[-1].since, span.since))
            span = replace(span, since=max(found[-1].since, span.since))
        found.append(span)
    return tuple(_cut(found, dies))


def holder_now(story: Story, wanted: Sequence[Deadline]) -> str:
    """Return who holds an open report: the last span's holder, without laying out the others."""
    if not story.facts:
        return ""
    windows = (deadline for deadline in wanted if deadline.leg.row.clock == "completion")
    if any(rest_of(story, window).until is None for window in windows):
        return Holder.REPORTER.value
    last = max((fact for fact in story.facts if fact.kind in _MOVES), key=_way, default=None)
    holder = _BORN.holder if last is None or _way(last) <= _BORN.way else _place(last).holder
    return holder.value


def _cut(spans: list[Span], dies: datetime | None) -> Iterator[Span]:
    """Take out what has no length and what lies after the end."""
    for span in spans:
        until = span.until
        if dies is not None:
            until = dies if until is None else min(until, dies)
        if until is None or span.since < until:
            yield replace(span, until=until)


def _same(one: Span, other: Span) -> bool:
    return (one.holder, one.institution, one.unit, one.cause) == (
        other.holder,
        other.institution,
        other.unit,
        other.cause,
    )


def _places(
    story: Story, wanted: Sequence[Deadline], born: datetime
) -> Iterator[tuple[datetime, _Place]]:
    """Yield where the report is from each moment something changed, in order of time."""
    rests = [rest_of(story, window) for window in wanted if window.leg.row.clock == "completion"]
    moves = sorted(story.all(*_MOVES), key=lambda f: (f.at, _way(f), f.order))
    moments = {born, *(f.at for f in moves)}
    for pause in rests:
        moments |= {pause.since} | ({pause.until} if pause.until is not None else set())
    place = _BORN
    left = list(moves)
    for moment in sorted(moments):
        while left and left[0].at <= moment:
            fact = left.pop(0)
            place = _place(fact) if _way(fact) > place.way else place
        if any(_holds(pause.since, pause.until, moment) for pause in rests):
            yield moment, place._replace(holder=Holder.REPORTER, unit=None, cause="asked")
        else:
            yield moment, place


def _holds(since: datetime, until: datetime | None, moment: datetime) -> bool:
    return since <= moment and (until is None or moment < until)


def _way(fact: Fact) -> tuple[int, int, int]:
    if fact.kind is Kind.RETURNED:
        return fact.holding, _RETURNED_WAY, 0
    return fact.holding, fact.dispatch, fact.n + 1 if fact.kind in THREAD else 0


def _place(fact: Fact) -> _Place:
    """Return where a fact puts the report."""
    way, institution = _way(fact), fact.institution
    match fact.kind:
        case Kind.RECEIVED | Kind.RETURNED:
            return _Place(way, Holder.NATIONAL, NATIONAL, None)
        case Kind.FORWARDED | Kind.UNIT_RETURNED:
            return _Place(way, Holder.INSTITUTION, institution, None)
        case Kind.FOLLOWED_UP:
            return _Place(way, Holder.REPORTER, institution, fact.unit, "followed_up")
        case Kind.CLOSED:
            return _Place(way, Holder.UNIT, institution, fact.unit, "closed")
    return _Place(way, Holder.UNIT, institution, fact.unit)
