"""What our rules breached beside what the city marked overdue; each difference has a reason."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from deploy.tools.boston.requests import Request
from deploy.tools.boston.simulation import SimulatedRequest, last_instant

NO_VERDICT: Final = "the city gives no verdict"


class VerdictDifference(NamedTuple):
    """A request of which we say another thing than the city, or say two things ourselves."""

    request: Request
    is_breached: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """The replay's outcome, counted. `equal` and `differences` make up all requests."""

    requests: int
    without_target: int
    target_before_opening: int
    breached: int
    overdue: int
    both: int
    equal: int
    until: datetime
    differences: tuple[VerdictDifference, ...]

    @property
    def reasons(self) -> dict[str, int]:
        """Return how many differences have which reason, the most frequent first."""
        return dict(Counter(d.reason for d in self.differences).most_common())

    @property
    def is_agreed(self) -> bool:
        """Say whether we say what the city says wherever it says something."""
        return all(reason.startswith(NO_VERDICT) for reason in self.reasons)

    def as_dict(self) -> dict[str, Any]:
        """Return all of it for programs; times in UTC."""
        counted = {
            name: getattr(self, name)
            for name in (
                "requests", "without_target", "target_before_opening", "breached", "overdue",
                "both", "equal",
            )
        }  # fmt: skip
        listed = [
            {
                "case": d.request.case,
                "opened": _written(d.request.opened),
                "target": _written(d.request.target),
                "closed": _written(d.request.closed),
                "city": d.request.verdict or None,
                "breached": d.is_breached,
                "reason": d.reason,
            }
            for d in self.differences
        ]
        return counted | {
            "until": _written(self.until), "agreed": self.is_agreed,
            "reasons": self.reasons, "differences": listed,
        }  # fmt: skip


def compare(lives: Iterable[SimulatedRequest]) -> Comparison:
    """Lay what the rules decided beside the city's verdicts."""
    lives = list(lives)
    until = last_instant(life.request for life in lives)
    compared = [(life, _reason(life)) for life in lives]
    marked = [life for life in lives if life.request.verdict == "OVERDUE"]
    return Comparison(
        requests=len(lives),
        without_target=sum(life.request.target is None for life in lives),
        target_before_opening=sum(_is_before_opening(life.request) for life in lives),
        breached=sum(_is_breached(life) for life in lives),
        overdue=len(marked),
        both=sum(map(_is_breached, marked)),
        equal=sum(reason is None for _, reason in compared),
        until=until,
        differences=tuple(
            VerdictDifference(life.request, _is_breached(life), reason)
            for life, reason in compared
            if reason is not None
        ),
    )


def _is_breached(life: SimulatedRequest) -> bool:
    return life.breached_at is not None


def _is_before_opening(request: Request) -> bool:
    return (
        request.opened is not None
        and request.target is not None
        and request.target < request.opened
    )


def _reason(life: SimulatedRequest) -> str | None:
    """Say why we differ from the city, None where we do not."""
    request = life.request
    if request.fault:
        return request.fault
    if contradiction := _contradiction(life):
        return contradiction
    is_breached = _is_breached(life)
    if not request.verdict:
        return f"{NO_VERDICT}, {_ours(request) if is_breached else 'it was in time'}"
    if is_breached == (request.verdict == "OVERDUE"):
        return None
    if request.target is None:
        return "overdue without a target"
    if request.opened is not None and request.closed is not None:
        if request.closed < request.opened:
            return "closed before it was opened"
        when = "closed late" if is_breached else "closed in time"
    else:
        when = "open past its target" if is_breached else "open before its target"
    return f"{when}, {'on time' if is_breached else 'overdue'} for the city"


def _ours(request: Request) -> str:
    return "it is open past its target" if request.closed is None else "it was closed late"


def _contradiction(life: SimulatedRequest) -> str | None:
    """Say what would be a fault of ours: of the arithmetic, or between timer and stop."""
    if not life.is_run:
        return None
    if life.deadline != life.request.target:
        return "our deadline is not the target"
    if life.is_closed and life.on_time is not (life.breached_at is None):
        return "our timer and our stop disagree"
    return None


def _written(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat().replace("+00:00", "Z")
