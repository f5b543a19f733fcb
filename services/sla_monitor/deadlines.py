"""From the story to the dates: which deadline every run of a clock has, and when it rings."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from services.sla_monitor.calendar import (
    Pause,
    due,
    due_after_pauses,
    rings_at,
    working_days_used,
)
from services.sla_monitor.clocks import NATIONAL_CODE, Holder, Leg, legs
from services.sla_monitor.facts import Fact, Kind
from services.sla_monitor.policy import WARNING, Policy
from services.sla_monitor.story import Story
from shared.calendar import Calendar, Reckoned
from shared.events import ReportClass
from shared.registry import Limit
from shared.registry import Policy as Limits

PROVISIONAL: Final = "+provisional"
"""Ends the name of a calendar's version where a deadline rests on a year without a decree: such a
year counts its working week less the holidays of fixed date, and every event says so."""

WINDOW: Final = 1  # the only level of a reporter's clock: its window ends
AFTER_RETURN_DAYS_MIN: Final = 1
"""(open) Elapsed time is never lost, but a report that comes back when its limit is used up still
gets until the end of the next working day: an owed step that nobody could take is no breach."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """One run of a clock with its date, all of it derived from the facts, policy and calendar.

    `known_at` is the time of the last fact it rests on: it chose the calendar's version.
    """

    leg: Leg
    holder: Holder
    institution: str
    unit: str | None
    limit: Limit
    at: datetime
    pauses: tuple[Pause, ...]
    is_resting: bool
    is_provisional: bool
    known_at: datetime
    calendar: Calendar
    limits: Limits

    @property
    def key(self) -> str:
        """Return the run's identity in the case."""
        return self.leg.key

    @property
    def started_at(self) -> datetime:
        """Return what the limit counts from (UTC)."""
        return self.leg.start.at

    @property
    def stopped_at(self) -> datetime | None:
        """Return when the step was done or nothing was owed any more (UTC)."""
        return self.leg.stopped_at

    @property
    def rest(self) -> timedelta:
        """Return how long the pauses that are over held the clock."""
        closed = (pause.until - pause.since for pause in self.pauses if pause.until is not None)
        return sum(closed, timedelta(0))

    @property
    def calendar_version(self) -> str:
        """Return the calendar's version, flagged where the deadline is provisional."""
        return self.calendar.version + (PROVISIONAL if self.is_provisional else "")

    @property
    def is_running(self) -> bool:
        """Say whether the clock runs: not stopped, not resting, not known to be over."""
        return self.stopped_at is None and not self.is_resting and not self.leg.is_over

    def working_days(self, until: datetime) -> float:
        """Measure the working days used, 24 h each, pauses excluded."""
        used = working_days_used(self.calendar, self.started_at, until, self.pauses)
        return round(used, 3)

    def rings(self) -> Iterator[tuple[datetime, int]]:
        """List when which level is due: a warning, the deadline, and the levels after it.

        A warning that would come before the date was known is no warning. A reporter's clock has
        the end of its window only.
        """
        if self.leg.row.holder is Holder.REPORTER:
            yield self.at, WINDOW
            return
        warned_at = rings_at(self.calendar, self.at, -self.limits.warning_days_before).at
        if warned_at > max(self.known_at, self.started_at):
            yield warned_at, WARNING
        for level, after_days in self.limits.levels(self.leg.row.clock):
            yield rings_at(self.calendar, self.at, after_days).at, level


def deadlines(story: Story, policy: Policy) -> list[Deadline]:
    """Return the deadline of every run of every clock: a function of the facts, not their order."""
    runs = legs(story)
    questions = {leg.opened.id: leg for leg in runs if leg.row.clock == "completion"}
    return [_deadline(story, policy, leg, _pauses(story, leg, runs, questions)) for leg in runs]


def rest_of(story: Story, question: Leg) -> Pause:
    """Return how long the reporter was asked: to the answer, the window's end, or open."""
    ends = [f.at for f in story.all(Kind.RAN_OUT) if f.id == question.opened.id]
    if question.stopped_at is not None:
        ends.append(question.stopped_at)
    return Pause(question.opened.at, min(ends, default=None))


def _pauses(
    story: Story, leg: Leg, runs: Sequence[Leg], questions: Mapping[str, Leg]
) -> tuple[Pause, ...]:
    """List a run's rests: while its stage asked, and while a returned report was elsewhere."""
    stage, holding = leg.row.rests, leg.opened.holding
    if stage is None:
        return ()
    is_national = stage == "national"
    pauses = [
        rest_of(story, question)
        for question in questions.values()
        if question.opened.stage == stage
        and (question.opened.holding <= holding if is_national else _asked_in(question, holding))
    ]
    if is_national:
        pauses += [
            Pause(earlier.stopped_at, later.opened.at)
            for earlier in runs
            for later in runs
            if earlier.row is leg.row and later.row is leg.row
            and earlier.stopped_at is not None
            and later.opened.holding == earlier.opened.holding + 1 <= holding
        ]  # fmt: skip
    return tuple(sorted(set(pauses), key=lambda pause: pause.since))


def _asked_in(question: Leg, holding: int) -> bool:
    return question.opened.holding == holding


def _deadline(story: Story, policy: Policy, leg: Leg, pauses: tuple[Pause, ...]) -> Deadline:
    holder, institution, unit = _owner(story, leg)
    limits = policy.limits(institution, leg.start.known_at)
    class_fact = classified(story, leg) if leg.row.clock == "follow_up" else None
    again = leg.row.again and leg.opened.kind is not Kind.DISPATCHED
    report_class = class_fact.report_class if class_fact else None
    limit = limits.limit(leg.row.clock, report_class, again=again)
    known = [leg.opened.known_at, *(p.until for p in pauses if p.until is not None)]
    if class_fact is not None:
        known.append(class_fact.known_at)
    known_at = max(known)
    calendar = policy.calendar(institution, known_at)
    found, is_resting = _reckon(calendar, leg.start.at, limit, pauses)
    if leg.opened.kind is Kind.RETURNED:
        least = limit.model_copy(update={"days": AFTER_RETURN_DAYS_MIN})
        back, rests = _reckon(calendar, leg.opened.at, least, _from(leg.opened.at, pauses))
        found, is_resting = max(found, back), is_resting or rests
    return Deadline(
        leg=leg, holder=holder, institution=institution, unit=unit, limit=limit, at=found.at,
        pauses=pauses, is_resting=is_resting, is_provisional=found.is_provisional,
        known_at=known_at, calendar=calendar, limits=limits,
    )  # fmt: skip


def _reckon(
    calendar: Calendar, start: datetime, limit: Limit, pauses: Sequence[Pause]
) -> tuple[Reckoned, bool]:
    """Return a date by the pauses that are over, and whether one that is not holds the clock."""
    whole = due_after_pauses(calendar, start, limit, pauses)
    closed = [pause for pause in pauses if pause.until is not None]
    found = whole or due_after_pauses(calendar, start, limit, closed) or due(calendar, start, limit)
    counts_days = limit.unit == "working_days"
    is_sure = not counts_days or calendar.is_decreed(start, found.at - timedelta(microseconds=1))
    return Reckoned(found.at, found.is_provisional or not is_sure), whole is None


def _from(since: datetime, pauses: Sequence[Pause]) -> list[Pause]:
    return [pause for pause in pauses if pause.since >= since]


def _owner(story: Story, leg: Leg) -> tuple[Holder, str, str | None]:
    """Return who owes the step, at which institution, in which unit: as of the stop, or now."""
    holder = leg.row.holder
    if holder is Holder.NATIONAL:
        return holder, NATIONAL_CODE, None
    if leg.row.clock not in ("follow_up", "reply"):
        return holder, leg.opened.institution or NATIONAL_CODE, None
    unit = leg.opened.unit
    if holder is Holder.UNIT:
        stop = leg.stop
        at_stop = stop.unit if stop is not None else None
        unit = at_stop or story.unit_at(leg.opened.holding, leg.stopped_at)
        holder = Holder.INSTITUTION if unit is None else holder
    return holder, leg.opened.institution or NATIONAL_CODE, unit


def classified(story: Story, leg: Leg) -> Fact | None:
    """Return the fact that classified a follow-up's report last before the step was done.

    By the institution's own stream; the class that the dispatch names counts until that is known.
    """
    until = leg.stopped_at
    facts: list[Fact] = [
        f for f in story.all(Kind.ACCEPTED, Kind.RECLASSIFIED)
        if f.holding == leg.opened.holding and (until is None or f.at <= until)
    ]  # fmt: skip
    return max(facts, key=lambda f: (f.n, f.order), default=None) or _as_dispatched(story, leg)


def _as_dispatched(story: Story, leg: Leg) -> Fact | None:
    sent = [f for f in story.all(Kind.DISPATCHED) if f.holding == leg.opened.holding]
    classed = [f for f in sent if isinstance(f.report_class, ReportClass)]
    return max(classed, key=lambda f: (f.dispatch, f.order), default=None)
