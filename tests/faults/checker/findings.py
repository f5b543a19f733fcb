"""What the checker found: violations by kind, and the counts beside them."""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Final

from rich.console import Console
from rich.table import Table

SHOWN_MAX: Final = 20

LOST: Final = (
    "sent_not_in_log", "submission_unanswered", "command_unanswered", "event_lost",
    "entry_missing", "notification_missing", "breach_missing", "window_missing",
    "dead_letter_missing", "case_missing", "timer_overdue", "unconfirmed_not_in_log",
)  # fmt: skip
DOUBLED: Final = (
    "submission_answered_twice", "command_answered_twice", "event_doubled", "entry_doubled",
    "notification_doubled", "notification_ended_twice", "breach_doubled", "window_doubled",
    "dead_letter_doubled", "received_twice",
)  # fmt: skip
UNEXPLAINED: Final = ("dead_letter_unexplained", "turned_away")


@dataclass
class Findings:
    """Violations as (report, what), by kind, and counts by name."""

    kinds: dict[str, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))
    counts: Counter[str] = field(default_factory=Counter)
    worst_recovery_seconds: float | None = None

    def add(self, kind: str, report: str, what: str) -> None:
        """Note a violation; `report` is empty where it concerns no single one."""
        self.kinds[kind].append((report, what))

    def but(self, reports: frozenset[str], before: "Findings | None") -> "Findings":
        """Return the findings, those about some reports as they were at the look before."""
        kept = Findings(counts=self.counts, worst_recovery_seconds=self.worst_recovery_seconds)
        for source, is_kept in ((self, False), (before, True)):
            for kind, found in source.kinds.items() if source else ():
                chosen = [each for each in found if (each[0] in reports) is is_kept]
                if chosen:
                    kept.kinds[kind] += chosen
        return kept

    @property
    def is_sound(self) -> bool:
        """Say whether nothing is wrong."""
        return not any(self.kinds.values())

    def of(self, kinds: tuple[str, ...]) -> int:
        """Count the violations of some kinds."""
        return sum(len(self.kinds.get(kind, ())) for kind in kinds)

    def table(self) -> dict[str, float | int | None]:
        """Return the counts, in the order they are shown."""
        known = (*LOST, *DOUBLED, *UNEXPLAINED, "out_of_order", "two_payloads")
        others = tuple(kind for kind in self.kinds if kind not in known)
        return {
            **{name: self.counts[name] for name in (
                "records", "sent", "answered", "commands", "commands_answered", "events",
                "republished", "dead_lettered", "parked", "waiting", "reports",
            )},
            "unsettled": self.counts["unsettled"],
            "lost": self.of(LOST),
            "doubled": self.of(DOUBLED),
            "out_of_order": self.of(("out_of_order",)),
            "two_payloads": self.of(("two_payloads",)),
            "unexplained": self.of(UNEXPLAINED),
            "disagreeing": self.of(others),
            "worst_recovery_seconds": self.worst_recovery_seconds,
        }  # fmt: skip

    def as_json(self) -> str:
        """Return the counts and the first violations of each kind as JSON."""
        shown = {
            kind: [what for _, what in found[:SHOWN_MAX]] for kind, found in self.kinds.items()
        }
        numbers = {kind: len(found) for kind, found in self.kinds.items()}
        return json.dumps({"counts": self.table(), "violations": numbers, "first": shown}, indent=2)

    def show(self, out: Console) -> None:
        """Print the counts as a table, then the first violations of each kind."""
        table = Table(title="The checker", show_header=False)
        table.add_column()
        table.add_column(justify="right")
        for name, value in self.table().items():
            shown = (
                "-"
                if value is None
                else f"{value:,.1f}"
                if isinstance(value, float)
                else f"{value:,}"
            )
            table.add_row(name.replace("_", " "), shown)
        out.print(table)
        for kind, found in sorted(self.kinds.items()):
            out.print(f"[red]{kind}[/]: {len(found)}")
            for report, what in found[:SHOWN_MAX]:
                out.print(f"  {report} {what}", markup=False, highlight=False)
