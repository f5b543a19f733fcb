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


@dataclass(slots=True)
class Clocks:
    """Runs by (clock, start): the date that counts, none once it was met."""

    open: dict[tuple[str, str], str] = field(default_factory=dict)
    known: set[tuple[str, str]] = field(default_factory=set)
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
            before = body.get("deadline_before", body["deadline"])
            self.open.pop(self._known(run, before, may_be_new=name == "DeadlineSet"), None)
            self.known.add(run)
            if name != "DeadlineMet":
                self.open[run] = body["deadline"]
        elif name in ("DeadlineApproaching", "DeadlineBreached"):
            self._say(Breach(*run, int(body.get("level") or 0), body["deadline"]), body)
        elif name == "BreachWithdrawn":
            self.said[Breach(*run, int(body["level"]), body["deadline"])] -= 1

    def _known(self, run: tuple[str, str], deadline: str, *, may_be_new: bool) -> tuple[str, str]:
        """Return under which start a run is known: a late fact may have put it elsewhere.

        It is the one with that date; or the last one, where start and date moved at once, which is
        told only when the step is done.
        """
        if run in self.known:
            return run
        mine = [(known, date) for known, date in self.open.items() if known[0] == run[0]]
        same = [known for known, date in mine if date == deadline]
        if not same and not may_be_new:
            same = [known for known, _ in mine]
        return same[-1] if same else run

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
            for (clock, _), deadline in self.open.items()
            if (clock, at(deadline)) not in self.ran_out
        ]


def at(text: str) -> datetime:
    """Read a time of an event."""
    return datetime.fromisoformat(text)
