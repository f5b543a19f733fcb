"""A report's history at one level of verification: records fed one by one, answers collected."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Final, Generic, TypeVar

from pydantic import BaseModel

from services.verification.case import Policy, VerificationCase
from services.verification.institution import InstitutionCase, decide_institution
from services.verification.national import NationalCase, decide_national
from shared.contract.events import Command, TimerFired
from shared.rules.decision import Cause, Decision
from tests.support.builders import BANDUNG, HSU, REPORT, a_cause, at

POLICY: Final = Policy(
    institutions=frozenset({"00", HSU, BANDUNG}),
    is_automatic=True,
    confidence_min=0.8,
    returns_max=2,
    command_wait=timedelta(days=1),
)
C = TypeVar("C", bound=VerificationCase)


class History(Generic[C]):
    """What a stage knows and has said of one report.

    Record n has the id `record-n` and comes n minutes after noon, unless told. After each record
    the case is stored and loaded as the shell does it, and nothing may be lost by that.
    """

    def __init__(
        self,
        decide: Callable[[C | None, BaseModel, Cause, Policy], Decision[C]],
        policy: Policy = POLICY,
    ) -> None:
        self.case: C | None = None
        self.said: list[tuple[str, BaseModel]] = []
        self.commands: list[str] = []
        self._decide = decide
        self._policy = policy
        self._records = 0

    def feed(self, event: BaseModel, record_id: str = "", minute: float | None = None) -> str:
        """Decide one record; return its id."""
        self._records += 1
        record_id = record_id or f"record-{self._records}"
        cause = a_cause(record_id, at(self._records if minute is None else minute))
        decision = self._decide(self.case, event, cause, self._policy)
        if isinstance(event, Command):
            self.commands.append(record_id)
        self.said += [((o.cause or cause).id, o.event) for o in decision.events]
        self.case = decision.case
        if self.case is not None:
            stored = self.case.__pydantic_serializer__.to_json(self.case, exclude_defaults=True)
            assert type(self.case).model_validate_json(stored) == self.case
        return record_id

    def fire(self) -> None:
        """Let the case's timers fire until it asks for none."""
        while self.case is not None and self.case.timer_at is not None:
            self.feed(TimerFired(report_id=REPORT, due_at=self.case.timer_at))

    @property
    def status(self) -> str:
        """The case's status, `none` without a case."""
        return "none" if self.case is None else self.case.status.value

    def answers(self, record_id: str) -> list[BaseModel]:
        """List what was said because of a record."""
        return [event for cause, event in self.said if cause == record_id]

    def said_kinds(self) -> list[str]:
        """List the kinds of what was said, in order."""
        return [type(event).__name__ for _, event in self.said]


def national(events: Iterable[BaseModel] = (), policy: Policy = POLICY) -> History[NationalCase]:
    """Return a history of the national stage."""
    return _fed(History(decide_national, policy), events)


def institution(
    events: Iterable[BaseModel] = (), policy: Policy = POLICY
) -> History[InstitutionCase]:
    """Return a history of the institution stage."""
    return _fed(History(decide_institution, policy), events)


def _fed(history: History[C], events: Iterable[BaseModel]) -> History[C]:
    for event in events:
        history.feed(event)
    return history
