"""The simulated clock: requests, their ends and their timers decided in order of time."""

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from pydantic import BaseModel

from deploy.tools.boston.requests import Request
from deploy.tools.boston.targets import CLOCK, LEVEL, TargetRegistry, promise
from services.sla_monitor.facts import EARLIEST
from services.sla_monitor.rules import MonitoredCase, decide
from shared.contract import events as e
from shared.registry import NATIONAL, Registry
from shared.rules.decision import Cause

OPENS: Final = 0
CLOSES: Final = 1
FIRES: Final = 2
"""At one instant facts come before timers: what is done at the deadline is done in time."""


class Turn(NamedTuple):
    """Something that is due: when (UTC), what, and of which request."""

    at: datetime
    what: int
    number: int


@dataclass(slots=True)
class SimulatedRequest:
    """One request and what the rules decided about it (times UTC).

    `deadline` is what `DeadlineSet` named, `breached_at` the detection of `DeadlineBreached`,
    `on_time` that of `DeadlineMet`. All are None where nothing was promised or published.
    """

    request: Request
    case: MonitoredCase | None = None
    is_closed: bool = False
    deadline: datetime | None = None
    breached_at: datetime | None = None
    on_time: bool | None = None

    @property
    def is_run(self) -> bool:
        """Say whether the rules can be asked: there is a target, and the row could be read."""
        return self.request.target is not None and not self.request.fault


def replay(
    requests: Iterable[Request], registry: Registry, tell: Callable[[int], None]
) -> list[SimulatedRequest]:
    """Run requests through the SLA monitor's rules until the last instant that the file tells of.

    A report is received, its timers fire when they are due, and it is forwarded when the city
    closed the request. `tell` is called with the number of requests that were opened so far.
    """
    lives = [SimulatedRequest(request) for request in requests]
    until = last_instant(requests=[life.request for life in lives])
    turns = [turn for number, life in enumerate(lives) for turn in _facts(life, number)]
    heapq.heapify(turns)
    opened, now = 0, EARLIEST
    while turns and turns[0].at <= until:
        turn = heapq.heappop(turns)
        now = max(now, turn.at)  # a timer may have been due before its request was known
        timer_at = _take(lives[turn.number], turn, now, registry)
        if timer_at is not None:
            heapq.heappush(turns, Turn(timer_at, FIRES, turn.number))
        if turn.what == OPENS:
            opened += 1
            tell(opened)
    return lives


def last_instant(requests: Iterable[Request]) -> datetime:
    """Return the last instant at which the file tells that something happened (UTC)."""
    times = [at for r in requests if not r.fault for at in (r.opened, r.closed) if at is not None]
    return max(times, default=EARLIEST)


def _facts(life: SimulatedRequest, number: int) -> Iterator[Turn]:
    request = life.request
    if life.is_run and request.opened is not None:
        yield Turn(request.opened, OPENS, number)
        if request.closed is not None:
            yield Turn(max(request.opened, request.closed), CLOSES, number)


def _take(life: SimulatedRequest, turn: Turn, now: datetime, registry: Registry) -> datetime | None:
    """Decide one turn, note what was published, and return the timer that the case awaits now."""
    request = life.request
    if request.opened is None or request.target is None:
        return None
    promised = promise(request.opened, request.target)
    policy = TargetRegistry(registry, promised.minutes)
    event = _event(turn, promised.start)
    name = f"{turn.number}-{turn.what}-{turn.at.isoformat()}"
    cause = Cause(id=name, type="", now=now, topic="", partition=0, offset=turn.what)
    before = None if life.case is None else life.case.timer_at
    decision = decide(life.case, event, cause, policy)
    life.case = decision.case
    life.is_closed = life.is_closed or turn.what == CLOSES
    for outgoing in decision.events:
        _note(life, outgoing.event)
    awaited = None if life.case is None or life.is_closed else life.case.timer_at
    return None if awaited == before else awaited


def _event(turn: Turn, start: datetime) -> BaseModel:
    report_id = f"{turn.number:012}"
    if turn.what == FIRES:
        return e.TimerFired(report_id=report_id, due_at=turn.at)
    if turn.what == CLOSES:
        return e.ReportForwarded(
            report_id=report_id, institution=NATIONAL, holding=1, by="city", why="closed"
        )
    return e.ReportReceived(
        report_id=report_id, tracking_number=report_id, channel="web", message_id=report_id,
        submitted_at=start, content="none",
    )  # fmt: skip


def _note(life: SimulatedRequest, event: BaseModel) -> None:
    """Note what an event says of the promise; later clocks are ignored."""
    if not isinstance(event, e.OfDeadline) or event.clock != CLOCK:
        return
    match event:
        case e.DeadlineSet() | e.DeadlineMoved():
            life.deadline = event.deadline
        case e.DeadlineBreached(level=level) if level == LEVEL:
            life.breached_at = event.detected_at
        case e.BreachWithdrawn(level=level) if level == LEVEL:
            life.breached_at = None
        case e.DeadlineMet():
            life.on_time = event.on_time
