"""What a run leaves to report, and how it is shown."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from rich.console import Console
from rich.table import Table

from tests.faults.pipeline import Pipeline
from tests.faults.poison_senders import Compared
from tests.faults.recovery_result import FaultResult
from tests.faults.schedule import OUTAGES

LINES: Final = 12  # of a log, where a stage is in trouble


@dataclass
class RunReport:
    """What became of the faults, the load, and the processes."""

    suffered: list[FaultResult] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    submitted: int = 0
    noise: dict[str, int] = field(default_factory=dict)
    exits: dict[str, int] = field(default_factory=dict)
    drained_seconds: float | None = None
    compared: Compared | None = None  # others' answers without and with poison senders

    @property
    def worst_recovery_seconds(self) -> float | None:
        """Return the longest time that a stage needed to go on."""
        known = [s.recovery_seconds for s in self.suffered if s.recovery_seconds is not None]
        return max(known, default=None)


def show(account: RunReport, out: Console) -> None:
    """Print the faults by kind, the load, and the problems."""
    table = Table(title="Faults", show_header=True)
    for heading in ("fault", "times", "worst recovery, s"):
        table.add_column(heading, justify="left" if heading == "fault" else "right")
    kinds: dict[str, list[FaultResult]] = {}
    for suffered in account.suffered:
        fault = suffered.fault
        name = f"{fault.kind} {fault.point}".strip()
        if fault.kind in OUTAGES:
            name = f"{fault.kind} for {fault.seconds:.0f} s"
        kinds.setdefault(name, []).append(suffered)
    for name, found in sorted(kinds.items()):
        seconds = [s.recovery_seconds for s in found if s.recovery_seconds is not None]
        table.add_row(name, str(len(found)), f"{max(seconds):.1f}" if seconds else "-")
    for name, count in sorted(account.noise.items()):
        table.add_row(f"records {name}" if name == "repeated" else name, str(count), "")
    out.print(table)
    out.print(f"reports submitted: {account.submitted}; ends: {account.exits}", highlight=False)
    if account.compared is not None:
        out.print(str(account.compared), highlight=False, soft_wrap=True)
    if account.drained_seconds is not None:
        out.print(f"drained {account.drained_seconds:.1f} s after the load stopped")
    for problem in account.problems:
        out.print(f"[red]problem[/]: {problem}", highlight=False)


def last_words(pipeline: Pipeline, names: Iterable[str], out: Console) -> None:
    """Print what the supervisor, each process itself and its log say of it, while all runs."""
    for name in names:
        out.rule(name)
        out.print(pipeline.status(name), markup=False, highlight=False)
        for log in sorted(pipeline.home.logs.glob(f"{name}*.log")):
            for line in pipeline.words(log.stem, LINES):
                out.print(f"{log.stem}: {line[:220]}", markup=False, highlight=False)
