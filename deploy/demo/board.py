"""The live board: what the public streams say while the year passes."""

import time
from collections import Counter, deque
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from deploy.demo.check import ENDS
from deploy.demo.watch import Seen, Watch
from shared.contract import topics
from shared.contract.tracking import tracking_number

RATE_SECONDS: Final = 3.0  # rates are of so many last seconds
ESCALATIONS: Final = 6
CLOCKS: Final = {
    "national_verification": "national verification",
    "institution_verification": "verification",
    "dispatch": "dispatch",
    "follow_up": "follow-up",
}


@dataclass(frozen=True, slots=True)
class DemoSpan:
    """The business time that the demo plays (UTC)."""

    begins: datetime
    year_ends: datetime
    ends: datetime


class Board:
    """Counts what the watch saw, and draws it."""

    def __init__(self, watch: Watch, span: DemoSpan, reports: int) -> None:
        self.open: set[str] = set()
        self.overdue: set[tuple[str, str]] = set()
        self.over: Counter[str] = Counter()
        self._watch = watch
        self._span = span
        self._reports = reports
        self._read = 0
        self._escalations: deque[Seen] = deque(maxlen=ESCALATIONS)
        self._history: deque[tuple[float, dict[str, tuple[int, int]]]] = deque()
        self._began = time.monotonic()

    def update(self) -> None:
        """Take in what was seen since the last time."""
        records = self._watch.records
        for seen in records[self._read :]:
            self._count(seen)
        self._read = len(records)
        now = time.monotonic()
        self._history.append((now, flows(self._watch.counts)))
        while now - self._history[0][0] > RATE_SECONDS:
            self._history.popleft()

    def _count(self, seen: Seen) -> None:
        match seen.type:
            case "ReportReceived" | "ReportReopened":
                self.open.add(seen.report)
            case "ReportClosed":
                self._end(seen.report, f"closed by {seen.body['by']}")
            case "DeadlineBreached":
                self.overdue.add((seen.report, seen.body["clock"]))
                self._escalations.append(seen)
            case "BreachWithdrawn":
                if seen.body["level"] == 1:
                    self.overdue.discard((seen.report, seen.body["clock"]))
            case "DeadlineMet":
                self.overdue.discard((seen.report, seen.body["clock"]))
            case end if end in ENDS:
                self._end(seen.report, ENDS[end])

    def _end(self, report: str, how: str) -> None:
        self.over[how] += report in self.open
        self.open.discard(report)
        self.overdue = {each for each in self.overdue if each[0] != report}

    def line(self, now: datetime) -> str:
        """Return the board as one line, for a log."""
        received = self._watch.counts[topics.INTAKE.name, "ReportReceived"]
        return (
            f"{now:%Y-%m-%d}  received {received:>4}  open {len(self.open):>3}  "
            f"overdue {len(self.overdue):>3}  closed and archived {self.over.total():>4}  "
            f"escalations {self._escalated():>4}  "
            f"records {len(self._watch.records):>6}"
        )

    def _escalated(self) -> int:
        """Count the escalations that were not withdrawn."""
        counts, stream = self._watch.counts, topics.SLA.name
        return counts[stream, "DeadlineBreached"] - counts[stream, "BreachWithdrawn"]

    def draw(self, now: datetime) -> RenderableType:
        """Draw the board."""
        span = self._span
        share = (now - span.begins) / (span.ends - span.begins)
        note = "" if now < span.year_ends else "  the year is over; what is open runs on"
        head = Text.assemble(
            ("  " + f"{now:%d %B %Y}", "bold"), f"   {time.monotonic() - self._began:5.1f} s", note
        )
        bar = ProgressBar(total=1.0, completed=min(max(share, 0), 1))
        return Panel(
            Group(head, bar, Text(), self._stages(), Text(), self._standing(), self._ladder()),
            title="LAPOR pipeline · a real year of one kabupaten",
            border_style="cyan",
        )

    def _stages(self) -> Table:
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("STAGE", no_wrap=True, min_width=26)
        for heading in ("IN", "IN/S", "OUT", "OUT/S"):
            table.add_column(heading, justify="right", min_width=7)
        first_at, first = self._history[0] if self._history else (0.0, {})
        last_at, last = self._history[-1] if self._history else (0.0, {})
        seconds = max(last_at - first_at, 0.1)
        for stage, (taken, said) in last.items():
            before = first[stage]
            table.add_row(
                stage,
                str(taken), f"{(taken - before[0]) / seconds:.0f}",
                str(said), f"{(said - before[1]) / seconds:.0f}",
            )  # fmt: skip
        return table

    def _standing(self) -> Text:
        counts = self._watch.counts
        received = counts[topics.INTAKE.name, "ReportReceived"]
        over = "   ".join(f"{how} {count}" for how, count in sorted(self.over.items()))
        return Text.assemble(
            f"received {received} of {self._reports}   open ", (str(len(self.open)), "bold"),
            "   overdue ", (str(len(self.overdue)), "bold red" if self.overdue else "bold"),
            f"\n{over}",
        )  # fmt: skip

    def _ladder(self) -> RenderableType:
        if not self._escalations:
            return Text("\nno escalation yet", style="dim")
        table = Table(box=None, pad_edge=False, show_header=False)
        for seen in reversed(self._escalations):
            body = seen.body
            table.add_row(
                f"{seen.at:%d %b}", f"[red]level {body['level']}[/]", CLOCKS[body["clock"]],
                str(body.get("unit") or body["institution"]), tracking_number(seen.report),
            )  # fmt: skip
        return Group(Text("\nlast escalations", style="bold"), table)


def flows(counts: Counter[tuple[str, str]]) -> dict[str, tuple[int, int]]:
    """Return how many records each stage had to decide and how many it said, by its name."""
    return {stage: (_taken(stage, counts), _said(stage, counts)) for stage in topics.READS}


def _taken(stage: str, counts: Counter[tuple[str, str]]) -> int:
    reads = topics.READS[stage].items()
    return sum(counts[s.name, event.__name__] for s, events in reads for event in events)


def _said(stage: str, counts: Counter[tuple[str, str]]) -> int:
    streams = {topics.writes(stage).name} | ({topics.ANSWERS.name} if stage == "intake" else set())
    return sum(count for (stream, _), count in counts.items() if stream in streams)
