"""A report's history at one stage: records decided one by one, the published events collected."""

from collections.abc import Callable
from datetime import datetime
from typing import Generic, TypeVar

from pydantic import BaseModel

from shared.contract.events import Command, TimerFired
from shared.rules.decision import Cause, Decision
from shared.rules.deferral import DeferringCase
from tests.support.builders import REPORT, a_cause, at

C = TypeVar("C", bound=DeferringCase)
P = TypeVar("P")


class History(Generic[C]):
    """The case of one report and the events that the stage published about it.

    Record n has the id `record-n` and the time n minutes after noon, unless given. Each record is
    decided twice with the same result; after it the case is stored and loaded as the shell does it,
    and nothing may be lost by that.
    """

    def __init__(
        self,
        decide: Callable[[C | None, BaseModel, Cause, P], Decision[C]],
        policy: P,
        *events: BaseModel,
    ) -> None:
        self.case: C | None = None
        self.published: list[tuple[str, BaseModel]] = []  # the id of the causing record, the event
        self.record_id = ""  # of the last record
        self.commands: list[str] = []  # record ids
        self._decide: Callable[[BaseModel, Cause], Decision[C]] = lambda event, cause: decide(
            self.case, event, cause, policy
        )
        self._records = 0
        for event in events:
            self.feed(event)

    def feed(
        self, event: BaseModel, record_id: str = "", *, now: datetime | None = None
    ) -> list[BaseModel]:
        """Decide one record; return the events published, deferred commands' answers included."""
        self._records += 1
        self.record_id = record_id or f"record-{self._records}"
        cause = a_cause(self.record_id, now or at(self._records))
        decision = self._decide(event, cause)
        assert decision == self._decide(event, cause)
        if isinstance(event, Command):
            self.commands.append(self.record_id)
        self.case = decision.case
        if self.case is not None:
            stored = self.case.__pydantic_serializer__.to_json(self.case, exclude_defaults=True)
            assert type(self.case).model_validate_json(stored) == self.case
        published = [((o.cause or cause).id, o.event) for o in decision.events]
        self.published += published
        return [event for _, event in published]

    def fire(self) -> None:
        """Let the case's timers fire until it asks for none."""
        while self.case is not None and self.case.timer_at is not None:
            self.feed(TimerFired(report_id=REPORT, due_at=self.case.timer_at))

    @property
    def current(self) -> C:
        """The case, which there must be."""
        assert self.case is not None
        return self.case

    @property
    def status(self) -> str:
        """The case's status, `none` without a case."""
        return str(getattr(self.case, "status", "none"))

    def answers(self, record_id: str) -> list[BaseModel]:
        """List the events published because of a record."""
        return [event for cause, event in self.published if cause == record_id]

    def published_names(self) -> list[str]:
        """List the class names of the events published, in order."""
        return [type(event).__name__ for _, event in self.published]
