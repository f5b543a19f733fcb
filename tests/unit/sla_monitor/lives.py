"""Lives of reports for property tests: walks through what the stages may decide, and any noise."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from hypothesis import strategies as st

from shared.contract import events as e
from shared.contract.events import ReportClass
from tests.unit.sla_monitor.builders import (
    BANDUNG,
    REPORT,
    Step,
    a_step,
    accepted,
    archived,
    asked,
    at_unit,
    blocked,
    completed,
    dispatched,
    forwarded,
    held,
    received,
    reclassified,
    returned,
    withdrawn,
)

if TYPE_CHECKING:
    from collections.abc import Callable

START: Final = datetime(2023, 3, 6, 2, tzinfo=UTC)
WAITS_HOURS: Final = (0, 1, 5, 24, 24 * 3, 24 * 9, 24 * 30)


class Walk:
    """One life being told: where the report stands decides what may happen next."""

    def __init__(self) -> None:
        self.now = START
        self.steps: list[Step] = []
        self.at, self.asked_from = "national", ""
        self.holding = self.dispatch = self.round = 0

    def choices(self) -> tuple[str, ...]:
        """List what may happen now."""
        return {
            "national": ("forward", "ask", "archive", "block"),
            "institution": ("accept", "ask", "return", "archive", "withdraw"),
            "asked": ("complete", "complete", "archive"),
            "accepted": ("dispatch", "hold", "reclassify"),
            "held": ("dispatch", "return", "withdraw"),
            "unit": ("respond", "follow_up", "unit_return", "reclassify", "close"),
            "followed_up": ("answer", "close", "follow_up"),
            "closed": ("reopen",),
            "ended": (),
        }[self.at]

    def go(self, what: str, wait_hours: int, report_class: ReportClass) -> None:
        """Let it happen after a wait."""
        self.now += timedelta(hours=wait_hours)
        n = len(self.steps)
        when = self.now.isoformat()
        step = self._verify(what, when, n, report_class) or self._follow(what, when, n)
        if step is not None:
            self.steps.append(step)

    def _verify(self, what: str, when: str, n: int, report_class: ReportClass) -> Step | None:
        match what:
            case "forward":
                self.at, self.holding, self.dispatch = "institution", self.holding + 1, 0
                return forwarded(when, holding=self.holding, n=n)
            case "ask":
                self.asked_from = self.at
                self.at = "asked"
                return asked(when, self.asked_from, self.holding, n=n)
            case "complete":
                self.at = self.asked_from
                return completed(when, n=n)
            case "accept":
                self.at = "accepted"
                return accepted(when, report_class, holding=self.holding, n=n)
            case "return":
                self.at = "national"
                return returned(when, self.holding, n=n)
            case "reclassify":
                return reclassified(when, report_class, self.holding, n=n)
            case "archive":
                self.at = "ended"
                return archived(when, n=n)
            case "block":
                self.at = "ended"
                return blocked(when, n=n)
            case "withdraw":
                self.at = "ended"
                return withdrawn(when, n=n)
        return None

    def _follow(self, what: str, when: str, n: int) -> Step | None:
        match what:
            case "hold":
                self.at = "held"
                return held(when, self.holding, n=n)
            case "dispatch":
                self.at, self.dispatch = "unit", self.dispatch + 1
                return dispatched(when, self.dispatch, self._unit(), self.holding, n=n)
        kinds: dict[str, tuple[type[e.AtUnit], str]] = {
            "respond": (e.InitialResponseGiven, "unit"),
            "follow_up": (e.FollowUpGiven, "followed_up"),
            "unit_return": (e.UnitReturned, "held"),
            "answer": (e.ReporterAnswered, "unit"),
            "close": (e.ReportClosed, "closed"),
            "reopen": (e.ReportReopened, "unit"),
        }
        kind, self.at = kinds[what]
        self.round += kind is e.FollowUpGiven
        return at_unit(
            kind, when, holding=self.holding, dispatch=self.dispatch, unit=self._unit(), n=n,
            round=self.round,
        )  # fmt: skip

    def _unit(self) -> str:
        return f"{BANDUNG}-{self.dispatch:03}"


@st.composite
def lives(draw: st.DrawFn, length_max: int = 16) -> list[Step]:
    """Draw the life of one report, in the order it happened."""
    walk = Walk()
    walk.steps.append(received(walk.now.isoformat(), n=0))
    for _ in range(draw(st.integers(0, length_max))):
        choices = walk.choices()
        if not choices:
            break
        walk.go(
            draw(st.sampled_from(choices)),
            draw(st.sampled_from(WAITS_HOURS)),
            draw(st.sampled_from(list(ReportClass))),
        )
    return walk.steps


_TIMES = st.datetimes(datetime(1970, 1, 1), datetime(2150, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
_SMALL = st.integers(0, 3)


_AT_UNIT: Final[tuple[type[e.AtUnit], ...]] = (
    e.InitialResponseGiven, e.FollowUpGiven, e.UnitReturned, e.ReporterAnswered, e.ReportClosed,
    e.ReportReopened,
)  # fmt: skip


@st.composite
def noise(draw: st.DrawFn) -> Step:
    """Draw any record this stage reads, at any time, in any holding."""
    when = draw(st.one_of(_TIMES, st.sampled_from([START + timedelta(days=d) for d in range(60)])))
    n, holding, dispatch = draw(_SMALL), draw(_SMALL), draw(_SMALL)
    text, unit = when.isoformat(), draw(st.sampled_from(["3204-001", "6308-001", "9999-001"]))
    kind = draw(st.sampled_from(_AT_UNIT))
    report_class = draw(st.sampled_from(list(ReportClass)))
    id_ = f"{draw(st.integers(0, 40))}"
    makers: tuple[Callable[[], Step], ...] = (
        lambda: received(text, draw(_TIMES).isoformat(), n=n, id_=id_),
        lambda: forwarded(text, unit[:4], holding, n=n, id_=id_),
        lambda: asked(text, draw(st.sampled_from(["national", "institution"])), holding, n=n),
        lambda: completed(text, n=n, id_=id_),
        lambda: accepted(text, report_class, unit[:4], holding, n=n, id_=id_),
        lambda: reclassified(text, report_class, holding, n=n, id_=id_),
        lambda: returned(text, holding, n=n, id_=id_),
        lambda: held(text, holding, n=n, id_=id_),
        lambda: dispatched(text, dispatch, unit, holding, report_class, n=n, id_=id_),
        lambda: at_unit(kind, text, holding=holding, dispatch=dispatch, unit=unit, n=n),
        lambda: archived(text, n=n, id_=id_),
        lambda: a_step(e.ReporterReplied(report_id=REPORT, channel="web", message_id="m"), text, n),
        lambda: a_step(e.TimerFired(report_id=REPORT, due_at=when), text, n, id_=id_),
    )
    make: Callable[[], Step] = draw(st.sampled_from(makers))
    return make()
