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

    run: str
    level: int
    deadline: str


class Owed(NamedTuple):
    """What is still to be done in a run of a clock, and until when."""

    clock: str
    deadline: str


@dataclass(slots=True)
class Clocks:
    """What is owed, by run, and what was said."""

    open: dict[str, Owed] = field(default_factory=dict)
    dates: dict[str, str] = field(default_factory=dict)  # run -> the date last said of it
    strayed: list[tuple[str, str]] = field(default_factory=list)  # run, a date never said of it
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
        run, owed = body["run"], Owed(body["clock"], body["deadline"])
        match name:
            case "DeadlineSet" | "DeadlineMoved" | "DeadlineMet":
                self._date(run, name, owed, body)
            case "DeadlineApproaching" | "DeadlineBreached":
                self._say(Breach(run, int(body.get("level") or 0), owed.deadline), body)
            case "BreachWithdrawn":
                self.said[Breach(run, int(body["level"]), owed.deadline)] -= 1

    def _date(self, run: str, name: str, owed: Owed, body: Mapping[str, Any]) -> None:
        if name == "DeadlineMoved" and self.dates.get(run) != body["deadline_before"]:
            self.strayed.append((run, body["deadline_before"]))
        self.dates[run] = owed.deadline
        self.open.pop(run, None)
        if name != "DeadlineMet":
            self.open[run] = owed

    def _say(self, breach: Breach, body: Mapping[str, Any]) -> None:
        self.said[breach] += 1
        if self.said[breach] > 1:
            self.doubled.append(breach)
        if at(body["detected_at"]) < at(body["due_at"]):
            self.early.append(breach)

    def overdue(self, before: datetime) -> Iterator[Owed]:
        """Yield what passed before an instant without a word about it.

        While the reporter is asked, the clock of who asked rests.
        """
        waiting = self._waiting()
        asked = any(owed.clock == "completion" for owed in waiting.values())
        breached = {(b.run, b.deadline) for b, n in self.said.items() if b.level > 0 and n > 0}
        for run, owed in waiting.items():
            rests = asked and owed.clock.endswith("verification")
            is_told = rests or (run, owed.deadline) in breached
            if at(owed.deadline) < before and (owed.clock in REPORTERS or not is_told):
                yield owed

    def _waiting(self) -> dict[str, Owed]:
        """List what is still owed: neither met nor, if it is the reporter's, run out."""
        return {
            run: owed
            for run, owed in self.open.items()
            if (owed.clock, at(owed.deadline)) not in self.ran_out
        }


def at(text: str) -> datetime:
    """Read a time of an event."""
    return datetime.fromisoformat(text)
