"""The deadlines of one report as the SLA stream tells them."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

REPORTERS: Final = ("completion", "reply")
"""Clocks that the reporter owes: their end is a window's, not a breach."""


class Breach(NamedTuple):
    """One escalation: said once, and again only after it was withdrawn."""

    clock: str
    started_at: str
    level: int
    deadline: str


class Owed(NamedTuple):
    """A run of a clock that was neither met nor taken back, and the date that counts."""

    clock: str
    started_at: str
    deadline: str


@dataclass(slots=True)
class Clocks:
    """What is owed and what was said; two runs of a clock may count from the same start."""

    open: list[Owed] = field(default_factory=list)
    known: set[tuple[str, str]] = field(default_factory=set)  # clock, start
    met: set[tuple[str, str, str]] = field(default_factory=set)  # clock, start, when
    said: Counter[Breach] = field(default_factory=Counter)
    doubled: list[Breach] = field(default_factory=list)
    early: list[Breach] = field(default_factory=list)
    windows: Counter[tuple[str, str]] = field(default_factory=Counter)  # window, opened_by
    ran_out: set[tuple[str, datetime]] = field(default_factory=set)

    def take(self, name: str, body: Mapping[str, Any]) -> None:
        """Take up the next event of the report."""
        if name == "TimeRanOut":
            self.windows[body["window"], body["opened_by"]] += 1
            self.ran_out.add((body["window"], at(body["ran_out_at"])))
            return
        run = (body["clock"], body["started_at"])
        if name in ("DeadlineSet", "DeadlineMoved", "DeadlineMet"):
            self._settle(Owed(*run, body.get("deadline_before", body["deadline"])), name, body)
            self.known.add(run)
            if name != "DeadlineMet":
                self.open.append(Owed(*run, body["deadline"]))
        elif name in ("DeadlineApproaching", "DeadlineBreached"):
            self._say(Breach(*run, int(body.get("level") or 0), body["deadline"]), body)
        elif name == "BreachWithdrawn":
            self.said[Breach(*run, int(body["level"]), body["deadline"])] -= 1

    def _settle(self, named: Owed, name: str, body: Mapping[str, Any]) -> None:
        """Take out what an event says something new of; a late fact may have moved its start.

        It is the one with that start and date; or that date; or that start. Where start and date
        moved at once, which is told only when the step is done, it is the last one. That a step was
        done may be said again, of what is out already: its date has changed since.
        """
        mine = [owed for owed in self.open if owed.clock == named.clock]
        is_known = named[:2] in self.known
        date = [owed for owed in mine if owed.deadline == named.deadline]
        start = [owed for owed in mine if owed.started_at == named.started_at]
        found = [owed for owed in date if owed in start]
        last = [] if is_known else mine
        if name == "DeadlineSet":
            found = found or ([] if is_known else date)
        elif name == "DeadlineMoved":
            found = found or date or start or last
        else:
            met = (*named[:2], body.get("met_at", ""))
            found = found or ([] if met in self.met else start or date or last)
            self.met.add(met)
        if found:
            self.open.remove(found[-1])

    def _say(self, breach: Breach, body: Mapping[str, Any]) -> None:
        self.said[breach] += 1
        if self.said[breach] > 1:
            self.doubled.append(breach)
        if at(body["detected_at"]) < at(body["due_at"]):
            self.early.append(breach)

    def overdue(self, before: datetime) -> Iterator[tuple[str, str]]:
        """Yield the (clock, deadline) that passed before an instant without a word about it.

        While the reporter is asked, the clock of who asked rests.
        """
        asked = any(clock == "completion" for clock, _ in self._waiting())
        breached = {(b.clock, b.deadline) for b, n in self.said.items() if b.level > 0 and n > 0}
        for clock, deadline in self._waiting():
            if at(deadline) >= before:
                continue
            if clock not in REPORTERS:
                rests = asked and clock.endswith("verification")
                if not rests and (clock, deadline) not in breached:
                    yield clock, deadline
            else:
                yield clock, deadline

    def _waiting(self) -> list[tuple[str, str]]:
        """List what is still owed: neither met nor, if it is the reporter's, run out."""
        return [
            (clock, deadline)
            for clock, _, deadline in self.open
            if (clock, at(deadline)) not in self.ran_out
        ]


def at(text: str) -> datetime:
    """Read a time of an event."""
    return datetime.fromisoformat(text)
