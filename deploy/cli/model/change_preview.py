"""Which open deadlines a change of the registry would move, decided by the stage's own rule.

Nothing is written: each open case is read, decided as if the change had been published now, and
forgotten. Memory does not grow with the number of cases.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from services.sla_monitor.policy import Policy
from services.sla_monitor.recompute import candidates, count_candidates, count_open, lane_cases
from services.sla_monitor.rules import MonitoredCase, decide
from shared.contract import events as e
from shared.contract.topics import internal_stream_of, lane_case
from shared.platform.postgres import Pool
from shared.registry import Change, Registry
from shared.rules.decision import Cause
from shared.runtime.writer import partition_of

SHOWN_MAX: Final = 20
FETCHED: Final = 500  # rows of the server's cursor in hand at a time
_LEVELS_MAX: Final = 50  # what may fire at once of one case
_TOPIC: Final = internal_stream_of("sla-monitor").topic()


class PreviewedMove(NamedTuple):
    """One deadline that would move; instants in UTC."""

    report_id: str
    clock: str
    institution: str
    before: datetime
    after: datetime


@dataclass
class Preview:
    """What a change would do to the open cases of now; `looked_at` those that it may concern."""

    open: int = 0
    looked_at: int = 0
    reports: int = 0
    moves: int = 0
    withdrawn: int = 0
    appearing: int = 0
    by: Counter[timedelta] = field(default_factory=Counter)
    first: list[PreviewedMove] = field(default_factory=list)

    def add(self, moves: list[PreviewedMove], withdrawn: int, appearing: int) -> None:
        """Count what would become of one report."""
        self.reports += bool(moves)
        self.moves += len(moves)
        self.withdrawn += withdrawn
        self.appearing += appearing
        self.by.update(move.after - move.before for move in moves)
        self.first.extend(moves[: SHOWN_MAX - len(self.first)])

    def as_dict(self) -> dict[str, Any]:
        """Return the counts and the first moves as one document; shifts in days."""
        return {
            "open_reports": self.open,
            "reports_looked_at": self.looked_at,
            "reports_moving": self.reports,
            "deadlines_moving": self.moves,
            "breaches_withdrawn": self.withdrawn,
            "breaches_appearing": self.appearing,
            "moved_by_days": {
                f"{by / timedelta(days=1):g}": n for by, n in sorted(self.by.items())
            },
            "first": [
                move._asdict()
                | {"before": move.before.isoformat(), "after": move.after.isoformat()}
                for move in self.first
            ],
        }


Advance = Callable[[int, int], None]


async def preview(
    pool: Pool, registry: Registry, change: Change, advance: Advance = lambda _done, _total: None
) -> Preview:
    """Decide a recompute of every open case that may move, as of the change's `seen_at`.

    `registry` is that of the files: what each lane saw before lies with its own case. `advance` is
    told how many cases are done, of how many. Holds one read-only snapshot; writes nothing.
    """
    effect = Preview()
    async with (
        pool.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        rules = _Rules(registry, change, await lane_cases(connection))
        effect.open = await count_open(connection)
        total = await count_candidates(connection, change.event, registry)
        async for case in candidates(connection, change.event, registry, prefetch=FETCHED):
            effect.looked_at += 1
            effect.add(*outcome(case, change, rules.of(case.report_id)))
            if not effect.looked_at % FETCHED:
                advance(effect.looked_at, total)
    return effect


class _Rules:
    """The policy of each lane, with the change after all that the lane saw."""

    def __init__(self, registry: Registry, change: Change, lanes: list[MonitoredCase]) -> None:
        self._base = Policy(registry.amended((change,)))
        self._of = {
            lane.report_id: Policy(registry.amended((*lane.changes, change))) for lane in lanes
        }

    def of(self, report_id: str) -> Policy:
        """Return the policy of a report's lane."""
        return self._of.get(lane_case(partition_of(report_id.encode())), self._base)


def outcome(
    case: MonitoredCase, change: Change, policy: Policy
) -> tuple[list[PreviewedMove], int, int]:
    """Return the moves of one case, the breaches withdrawn, and those that are due at once."""
    changed: Any = "calendar" if isinstance(change.event, e.CalendarAmended) else "policy"
    recompute = e.Recompute(report_id=case.report_id, version=change.event.version, changed=changed)
    decision = decide(case, recompute, _cause("Recompute", change.seen_at), policy)
    events = [outgoing.event for outgoing in decision.events]
    moves = [
        PreviewedMove(case.report_id, m.clock, m.institution, m.deadline_before, m.deadline)
        for m in events
        if isinstance(m, e.DeadlineMoved)
    ]
    withdrawn = sum(isinstance(event, e.BreachWithdrawn) for event in events)
    moved = {(move.clock, move.after) for move in moves}
    return moves, withdrawn, _appearing(decision.case, moved, change.seen_at, policy)


def _appearing(
    case: MonitoredCase | None, moved: set[tuple[str, datetime]], now: datetime, policy: Policy
) -> int:
    """Count the breaches of moved dates that are due already."""
    count = 0
    for _ in range(_LEVELS_MAX if moved else 0):
        if case is None or case.timer_at is None or case.timer_at > now:
            break
        fired = e.TimerFired(report_id=case.report_id, due_at=case.timer_at)
        decision = decide(case, fired, _cause("TimerFired", now), policy)
        count += sum(
            isinstance(o.event, e.DeadlineBreached) and (o.event.clock, o.event.deadline) in moved
            for o in decision.events
        )
        if decision.case == case:
            break
        case = decision.case
    return count


def _cause(kind: str, now: datetime) -> Cause:
    return Cause(id=f"preview-{kind}", type=kind, now=now, topic=_TOPIC, partition=0, offset=0)
