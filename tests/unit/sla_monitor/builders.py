"""Records for the SLA monitor: each builder gives an event and its cause, dated by its argument."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, TypeVar

from pydantic import BaseModel

from services.sla_monitor.deadlines import deadlines_of
from services.sla_monitor.history import History
from services.sla_monitor.ledger import LedgerSpan, ledger
from services.sla_monitor.policy import Policy
from services.sla_monitor.rules import MonitoredCase, decide
from shared.contract import events as e
from shared.contract.events import ReportClass
from shared.registry import Registry
from shared.registry.check import problems_in
from shared.registry.load import PACKAGED, read
from shared.rules.decision import Cause
from tests.packaged_registry import REGISTRY

REPORT: Final = "0123456789AB"
POLICY: Final = Policy(REGISTRY)
HSU: Final = "6308"  # WITA; its own follow-up limit is 5 working days in every class
BANDUNG: Final = "3204"  # WIB; national limits
UNIT: Final = "3204-001"
OTHER_UNIT: Final = "3204-002"

T = TypeVar("T", bound=BaseModel)


class Step(NamedTuple):
    """One record: what it says and where it came from."""

    event: BaseModel
    cause: Cause


def at(text: str) -> datetime:
    """Read a local time such as `2023-03-06 09:00+07` as UTC; WIB where no zone is given."""
    if "+" not in text and not text.endswith("Z"):
        text += "+07:00"
    return datetime.fromisoformat(text).astimezone(UTC)


def a_step(event: BaseModel, when: str | datetime, n: int | None = None, *, id_: str = "") -> Step:
    """Put an event on record; by default its offset grows with its time."""
    now = at(when) if isinstance(when, str) else when
    offset = int(now.timestamp() * 1000) if n is None else n
    name = id_ or f"{type(event).__name__}-{offset}"
    return Step(event, Cause(id=name, type="", now=now, topic="", partition=0, offset=offset))


def received(when: str, submitted: str | None = None, **kw: Any) -> Step:
    """Receive the report."""
    event = e.ReportReceived(
        report_id=REPORT, tracking_number="0123-4567-89AB-C", channel="web", message_id="m1",
        submitted_at=at(submitted or when), content="sealed",
    )  # fmt: skip
    return a_step(event, when, **kw)


def forwarded(when: str, to: str = BANDUNG, holding: int = 1, **kw: Any) -> Step:
    """Forward it to an institution."""
    event = e.ReportForwarded(
        report_id=REPORT, institution=to, holding=holding, by="officer", why="test"
    )
    return a_step(event, when, **kw)


def accepted(
    when: str,
    report_class: ReportClass = ReportClass.UNSUPERVISED,
    by: str = BANDUNG,
    holding: int = 1,
    **kw: Any,
) -> Step:
    """Accept and classify it."""
    event = e.ReportAccepted(
        report_id=REPORT, institution=by, holding=holding, by="officer", report_class=report_class
    )
    return a_step(event, when, **kw)


def reclassified(when: str, after: ReportClass, holding: int = 1, **kw: Any) -> Step:
    """Change its class."""
    event = e.ReportReclassified(
        report_id=REPORT, institution=BANDUNG, holding=holding, by="officer", why="sealed",
        class_before=ReportClass.UNSUPERVISED, class_after=after,
    )  # fmt: skip
    return a_step(event, when, **kw)


def returned(when: str, holding: int = 1, by: str = BANDUNG, **kw: Any) -> Step:
    """Return it to the national admin."""
    event = e.ReportReturned(
        report_id=REPORT, institution=by, holding=holding, by="officer", reason="sealed"
    )
    return a_step(event, when, **kw)


def asked(
    when: str,
    stage: str = "national",
    holding: int = 0,
    asked_at: datetime | None = None,
    **kw: Any,
) -> Step:
    """Ask the reporter."""
    institution = "00" if stage == "national" else BANDUNG
    fields = {"report_id": REPORT, "stage": stage, "institution": institution}
    event = e.InformationRequested.model_validate(
        {
            **fields,
            "holding": holding,
            "by": "officer",
            "question": "sealed",
            "asked_at": asked_at,
        }
    )
    return a_step(event, when, **kw)


def completed(when: str, **kw: Any) -> Step:
    """Answer what was asked."""
    event = e.InformationCompleted(report_id=REPORT, channel="web", message_id="m2")
    return a_step(event, when, **kw)


def held(when: str, holding: int = 1, **kw: Any) -> Step:
    """Hold the routing."""
    event = e.RoutingHeld(
        report_id=REPORT, institution=BANDUNG, holding=holding, reason="nothing_fits"
    )
    return a_step(event, when, **kw)


def dispatched(
    when: str,
    dispatch: int = 1,
    unit: str = UNIT,
    holding: int = 1,
    report_class: ReportClass = ReportClass.UNSUPERVISED,
    **kw: Any,
) -> Step:
    """Send it to a unit."""
    event = e.ReportDispatched(
        report_id=REPORT, institution=unit[:4], holding=holding, dispatch=dispatch, unit=unit,
        rule="test", why="test", by="rule", report_class=report_class,
    )  # fmt: skip
    return a_step(event, when, **kw)


def at_unit(
    kind: type[e.AtUnit],
    when: str,
    *,
    holding: int = 1,
    dispatch: int = 1,
    unit: str = UNIT,
    n: int | None = None,
    **fields: Any,
) -> Step:
    """Let something happen at the unit: any event of the follow-up stream."""
    given = {
        "report_id": REPORT, "institution": unit[:4], "holding": holding, "dispatch": dispatch,
        "unit": unit, "by": "officer", "round": 1, "text": "sealed", "reason": "sealed",
    }  # fmt: skip
    if kind is e.ReportClosed:
        given["by"] = "system"
    return a_step(kind.model_validate({**given, **fields}), when, n)


def archived(when: str, by: str = "admin", institution: str = "00", **kw: Any) -> Step:
    """Archive it."""
    event = e.ReportArchived.model_validate(
        {"report_id": REPORT, "by": by, "institution": institution, "holding": 0}
        | {"reason": "unclear"}
    )
    return a_step(event, when, **kw)


def blocked(when: str, **kw: Any) -> Step:
    """Block its content."""
    return a_step(e.ReportBlocked(report_id=REPORT, by="officer", reason="sealed"), when, **kw)


def withdrawn(when: str, **kw: Any) -> Step:
    """Take it back."""
    return a_step(e.ReportWithdrawn(report_id=REPORT), when, **kw)


def timer_fired(due_at: datetime, now: datetime | None = None) -> Step:
    """Fire the timer, found `now` or at once."""
    event = e.TimerFired(report_id=REPORT, due_at=due_at)
    return a_step(event, now or due_at, 0, id_=f"timer-{due_at.isoformat()}")


def ledger_of(case: MonitoredCase) -> tuple[LedgerSpan, ...]:
    """Return the ledger that a case's facts give."""
    history = History.of(case.facts)
    return ledger(history, deadlines_of(history, POLICY))


class Run(NamedTuple):
    """What a sequence of records led to."""

    case: MonitoredCase
    events: list[BaseModel]
    policy: Policy = POLICY

    def of(self, kind: type[T], clock: str | None = None) -> list[T]:
        """Return the events of a class, of one clock if named."""
        return [
            x for x in self.events
            if isinstance(x, kind) and (clock is None or getattr(x, "clock", None) == clock)
        ]  # fmt: skip

    def names(self) -> list[str]:
        """Name the events in order, with the clock each is about."""
        return [f"{type(x).__name__} {getattr(x, 'clock', '')}".strip() for x in self.events]

    def then(self, *steps: Step) -> "Run":
        """Go on from here; the events are those of the further steps only."""
        return run(steps, self.case, self.policy)

    def fire(self, now: datetime | None = None) -> "Run":
        """Fire the timer that the case awaits."""
        assert self.case.timer_at is not None
        return self.then(timer_fired(self.case.timer_at, now))

    def fire_until(self, until: datetime) -> "Run":
        """Fire every timer that is due by a time, one after the other; events add up."""
        done = Run(self.case, [], self.policy)
        while done.case.timer_at is not None and done.case.timer_at <= until:
            more = done.fire(until)
            done = Run(more.case, done.events + more.events, self.policy)
        return done


def a_policy(institution: str = BANDUNG, **own: Any) -> Policy:
    """Give an institution another `own_ladder`, `own_limits` or `opening_hours`; checked."""
    contents = read(PACKAGED)
    changed = tuple(
        i.model_copy(update=own) if i.code == institution else i for i in contents.institutions
    )
    contents = replace(contents, institutions=changed)
    assert not problems_in(contents)
    return Policy(Registry.of(contents))


def run(steps: Iterable[Step], case: MonitoredCase | None = None, policy: Policy = POLICY) -> Run:
    """Decide records one after the other, each from the case as it would be loaded again."""
    events: list[BaseModel] = []
    for event, cause in steps:
        decision = decide(case, event, cause, policy)
        case = decision.case
        if case is not None:
            case = MonitoredCase.model_validate_json(case.model_dump_json(exclude_defaults=True))
            assert case == decision.case
        events += [outgoing.event for outgoing in decision.events]
    assert case is not None
    return Run(case, events, policy)
