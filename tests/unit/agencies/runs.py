"""A report's facts decided one after the other by the outbound gateway, and their entries."""

from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from services.agencies.outbound import Lookups, decide
from shared.contract import events as e
from shared.rules.decision import Cause
from tests.unit.agencies.builders import (
    BANDUNG,
    HSU,
    INSTITUTIONS,
    KEY,
    NATIONAL,
    NOON,
    REPORT,
    a_fact,
    a_received,
)

if TYPE_CHECKING:
    from services.agencies.case import InboxCase

LOOKUPS = Lookups(keys={REPORT: KEY}, institutions=INSTITUTIONS)
ERASED = Lookups(institutions=INSTITUTIONS)
FORWARD = a_fact(e.ReportForwarded)
ELSEWHERE = a_fact(e.ReportForwarded, institution=BANDUNG, holding=2)
RETURN = a_fact(e.ReportReturned)
ARCHIVE = a_fact(e.ReportArchived, institution=NATIONAL)
ENDS = (ARCHIVE, a_fact(e.ReportBlocked), a_fact(e.ReportWithdrawn))


class Run:
    """A report's facts decided one after the other."""

    def __init__(self, *events: BaseModel, lookups: Lookups = LOOKUPS) -> None:
        self.case: InboxCase | None = None
        self.entries: list[e.InboxEntry] = []
        self.causes: list[str] = []
        self.lookups = lookups
        self.number = 0
        self.decide(events)

    def decide(self, events: Iterable[BaseModel]) -> "Run":
        """Decide more facts."""
        for event in events:
            self.number += 1
            cause = Cause(
                id=f"fact-{self.number}", type="t", now=NOON + timedelta(minutes=self.number),
                topic="t", partition=0, offset=self.number,
            )  # fmt: skip
            decision = decide(self.case, event, cause, self.lookups)
            assert decision == decide(self.case, event, cause, self.lookups)
            self.case = decision.case
            for outgoing in decision.events:
                assert isinstance(outgoing.event, e.InboxEntry)
                self.entries.append(outgoing.event)
                self.causes.append((outgoing.cause or cause).id)
        return self

    @property
    def lines(self) -> list[tuple[str, str]]:
        """List (institution, entry), in order."""
        return [(entry.institution, entry.entry) for entry in self.entries]

    def only(self, entry: str, institution: str = HSU) -> e.InboxEntry:
        """Return the one entry of a name in an inbox."""
        (only,) = [
            line for line in self.entries if (line.entry, line.institution) == (entry, institution)
        ]
        return only


def begun(*more: BaseModel, lookups: Lookups = LOOKUPS, **changes: Any) -> Run:
    """Let a report be received and forwarded to HSU, then more, and keep what came after."""
    run = Run(a_received(**changes), FORWARD, lookups=lookups)
    run.entries.clear()
    run.causes.clear()
    return run.decide(more)
