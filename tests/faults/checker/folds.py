"""What a stage's case of a report must be by the events of all streams, once all were read.

Across streams there is no order, so a fold is a function of what was said in each stream, in that
stream's order. Each returns the states allowed: more than one only where two streams crossed in a
way that leaves both.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

from tests.faults.checker.clocks import at
from tests.faults.checker.event_index import Fact
from tests.faults.checker.names import ENDS
from tests.faults.checker.snapshot import Clock

NATIONAL, INSTITUTION = "verification.national", "verification.institution"
Allowed = Mapping[str, object]  # field of the case -> value, or a set of values


class ReportScript:
    """The facts of one report, by stream."""

    def __init__(self, facts: Mapping[str, Sequence[Fact]], clock: Clock) -> None:
        self._facts = facts
        self._clock = clock

    def of(self, stage: str, *names: str) -> list[Fact]:
        """Return a stream's facts of these names, in order; of all names if none is given."""
        return [f for f in self._facts.get(stage, ()) if not names or f.name in names]

    def last(self, stage: str, *names: str) -> Fact | None:
        """Return the last of them."""
        found = self.of(stage, *names)
        return found[-1] if found else None

    @property
    def is_received(self) -> bool:
        """Say whether intake took the report in."""
        return bool(self.of("intake", "ReportReceived"))

    def holding(self, stage: str, *names: str) -> int:
        """Return the highest holding among these facts, 0 without any."""
        return max((f.holding for f in self.of(stage, *names)), default=0)

    def is_closed(self, holding: int, dispatch: int = 0) -> bool:
        """Say whether the last word of follow-up in a holding (and dispatch) is a closing."""
        turns = [
            f for f in self.of("follow-up", "ReportClosed", "ReportReopened")
            if f.holding == holding and dispatch in (0, f.dispatch)
        ]  # fmt: skip
        return bool(turns) and turns[-1].name == "ReportClosed"

    def is_answered(self, question: Fact) -> bool:
        """Say whether the reporter completed the report after a question was asked."""
        asked_at = at(question.asked_at)
        return any(self._at(f) > asked_at for f in self.of("intake", "InformationCompleted"))

    def _at(self, fact: Fact) -> datetime:
        return self._clock.business(fact.at_ms)

    @property
    def national_end(self) -> str | None:
        """Return the end that the national stage said."""
        found = self.last(NATIONAL, *ENDS)
        return ENDS[found.name] if found else None

    @property
    def end(self) -> str | None:
        """Return the end for the stages after verification: the higher of two that crossed."""
        archived = "archived" if self.of(INSTITUTION, "ReportArchived") else None
        return self.national_end or archived


def national(life: ReportScript) -> Allowed | None:
    """Fold the national verification: status, and the holding it opened last."""
    if (end := life.national_end) is not None:
        return {"status": end}
    holding = life.holding(NATIONAL, "ReportForwarded")
    if any(f.holding == holding for f in life.of(INSTITUTION, "ReportArchived")):
        return {"status": "archived"}
    last = life.last(NATIONAL, "ReportForwarded", "InformationRequested")
    if last is None:
        return {"status": "waiting"} if life.is_received else None
    if last.name == "InformationRequested":
        status = "waiting" if life.is_answered(last) else "asked"
    elif any(f.holding == holding for f in life.of(INSTITUTION, "ReportReturned")):
        return {"status": "waiting", "holding": holding, "holder": "00"}
    else:
        status = "closed" if life.is_closed(holding) else "forwarded"
        return {"status": status, "holding": holding, "holder": last.institution}
    return {"status": status, "holding": holding}


def institution(life: ReportScript) -> Allowed | None:
    """Fold the institutions' verification: status, holding and holder of the newest forward."""
    forwards = life.of(NATIONAL, "ReportForwarded")
    newest = max(forwards, key=lambda f: f.holding, default=None)
    if (end := life.end) is not None:
        return {"status": end}
    if newest is None:
        return None
    own = [
        f for f in life.of(
            INSTITUTION, "ReportAccepted", "ReportReturned", "InformationRequested"
        ) if f.holding == newest.holding
    ]  # fmt: skip
    status = "waiting"
    if own:
        match own[-1].name:
            case "ReportReturned":
                status = "returned"
            case "ReportAccepted":
                status = "closed" if life.is_closed(newest.holding) else "accepted"
            case _:
                status = "waiting" if life.is_answered(own[-1]) else "asked"
    return {"status": status, "holding": newest.holding, "holder": newest.institution}


def routing(life: ReportScript) -> Allowed | None:
    """Fold routing: status, holding, and the number of the last dispatch in it."""
    if (end := life.end) is not None:
        return {"status": end}
    accepted = life.holding(INSTITUTION, "ReportAccepted")
    returned = life.holding(INSTITUTION, "ReportReturned")
    if returned >= accepted:
        return {"status": "returned", "holding": returned} if returned else None
    own = [
        f for f in life.of("routing", "ReportDispatched", "RoutingHeld") if f.holding == accepted
    ]
    if not own:
        return {"status": "nothing or its event is missing"}
    dispatch = max((f.dispatch for f in own), default=0)
    status = "held"
    if own[-1].name == "ReportDispatched":
        closed = [
            f for f in life.of("follow-up", "ReportClosed")
            if (f.holding, f.dispatch) == (accepted, dispatch)
        ]  # fmt: skip
        status = "closed" if closed else "dispatched"
    return {"status": status, "holding": accepted, "dispatch": dispatch}


_AFTER: Final[Mapping[str, frozenset[str]]] = {
    "InitialResponseGiven": frozenset({"in_progress"}),
    "FollowUpGiven": frozenset({"followed_up"}),
    "UnitReturned": frozenset({"nothing"}),
    "ReporterAnswered": frozenset({"replied"}),
    "ReportClosed": frozenset({"closed"}),
    "ReportReopened": frozenset({"in_progress", "replied", "nothing"}),
}


def follow_up(life: ReportScript) -> Allowed | None:
    """Fold follow-up: status, and the newest dispatch that it took up."""
    if (end := life.end) is not None:
        return {"status": end}
    returned = life.holding(INSTITUTION, "ReportReturned")
    sent = [f for f in life.of("routing", "ReportDispatched") if f.holding > returned]
    newest = max(((f.holding, f.dispatch) for f in sent), default=None)
    last = life.last("follow-up", *_AFTER)
    if newest and (last is None or (last.holding, last.dispatch) < newest):
        return {"status": "waiting", "holding": newest[0], "dispatch": newest[1]}
    if last is None:
        return {"status": "nothing"} if returned or life.of("routing", "ReportDispatched") else None
    states = _AFTER[last.name]
    if last.holding <= returned and last.name != "ReportClosed":
        states = frozenset({"nothing"})
    elif last.holding <= returned:
        states = states | {"nothing"}  # another dispatch may have been begun and taken back
    if newest is None:
        return {"status": states}
    return {"status": states, "holding": newest[0], "dispatch": newest[1]}


FOLDS: Final[Mapping[str, Callable[[ReportScript], Allowed | None]]] = {
    NATIONAL: national,
    INSTITUTION: institution,
    "routing": routing,
    "follow-up": follow_up,
}


def is_over(life: ReportScript) -> bool:
    """Say whether nobody owes anything any more: ended, or closed and not reopened.

    A closing that a newer dispatch overtook counts nothing.
    """
    if life.end is not None:
        return True
    turns = life.of("follow-up", "ReportClosed", "ReportReopened", "ReporterAnswered")
    last = max(turns, key=lambda f: f.holding, default=None)
    turns = [f for f in turns if last is not None and f.holding == last.holding]
    if not turns or turns[-1].name != "ReportClosed":
        return False
    sent = life.of("routing", "ReportDispatched")
    place = (turns[-1].holding, turns[-1].dispatch)
    return not any((f.holding, f.dispatch) > place for f in sent)
