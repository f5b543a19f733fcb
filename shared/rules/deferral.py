"""Deferred commands: what came before what it is about waits in the case until it can be answered.

Across streams there is no order, so a command may come before its report. Pure.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Generic, NamedTuple, Self, TypeVar

from pydantic import BaseModel, ConfigDict

from shared.contract.events import Command, CommandRefused, Event
from shared.registry import NATIONAL
from shared.rules.decision import Cause, Decision, Outgoing, decided

NOT_THE_HOLDER: Final = "not_the_holder"
"""The one reason for whoever does not hold the report, in every status: it discloses nothing."""
COMMANDS_MAX: Final = 20
"""Of one institution about one report, and as many reporters' messages; a guess far above what
comes early."""
HOLDINGS_MAX: Final = 3  # two returns, then the forward is final (domain.md section 1)
OTHERS_MAX: Final = 5 * COMMANDS_MAX
"""Of all who are neither the holder nor 00 together; with these two seven institutions' worth."""
W = TypeVar("W", bound=BaseModel)


class Deferred(BaseModel, frozen=True, hide_input_in_errors=True):
    """An event that came before what it is about: it waits in the case until that arrives.

    Stored with its cause, so that its answer names it and not the record that released it.
    """

    event_type: str
    event: dict[str, object]
    id: str
    cause_type: str
    came_at: datetime
    topic: str
    partition: int
    offset: int
    correlation_id: str = ""
    message_id: str = ""
    traceparent: str = ""

    @classmethod
    def of(cls, event: BaseModel, cause: Cause) -> "Deferred":
        """Build it from an event and its cause."""
        return cls(
            event_type=type(event).__name__,
            event=event.model_dump(mode="json", exclude_none=True),
            id=cause.id,
            cause_type=cause.type,
            came_at=cause.now,
            topic=cause.topic,
            partition=cause.partition,
            offset=cause.offset,
            correlation_id=cause.correlation_id,
            message_id=cause.message_id,
            traceparent=cause.traceparent,
        )

    def cause(self, now: datetime) -> Cause:
        """Return the cause as if it came `now`, when the case can answer it."""
        return Cause(
            id=self.id,
            type=self.cause_type,
            now=now,
            topic=self.topic,
            partition=self.partition,
            offset=self.offset,
            correlation_id=self.correlation_id,
            message_id=self.message_id,
            traceparent=self.traceparent,
        )

    def restore(self, classes: Iterable[type[W]]) -> W:
        """Return the event.

        Raises:
            KeyError: its class is not among `classes`.
        """
        return {c.__name__: c for c in classes}[self.event_type].model_validate(self.event)


class DeferringCase(BaseModel):
    """A case with deferred events; `timer_at` (UTC) is the end of the longest wait of a command."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    waiting: tuple[Deferred, ...] = ()
    timer_at: datetime | None = None

    def changed(self, **fields: object) -> Self:
        """Return the case with some fields replaced."""
        return self.model_copy(update=fields)


C = TypeVar("C", bound=DeferringCase)
H = TypeVar("H", bound=Event)


def is_possible(ahead: int) -> bool:
    """Say whether a holding that lies `ahead` of the last one seen may be on its way here.

    A stage may read commands long before the facts of other streams, but a report is held no more
    than `HOLDINGS_MAX` times.
    """
    return 0 < ahead <= HOLDINGS_MAX


class NotYet(NamedTuple):
    """What it is about may still come; `reason` is the refusal's if that does not come in time."""

    reason: str = "nothing_to_decide"


@dataclass(frozen=True, slots=True)
class DeferredCommands(Generic[C, H]):
    """How a stage handles commands and reporters' messages: `kinds` are those it answers.

    `answer` decides one, or returns that it is too early; `refuse` refuses one. A command waits for
    `wait` and is then refused; a reporter's message has no refusal, and waits on. `holder` returns
    who holds the report by the case: nobody else's commands count against its limit.
    """

    kinds: tuple[type[H], ...]
    answer: Callable[[C, H, Cause], Decision[C] | NotYet]
    refuse: Callable[[C, H, Cause, str], Decision[C]]
    wait: timedelta
    holder: Callable[[C], str]

    def handle(self, case: C, event: H, cause: Cause) -> Decision[C]:
        """Answer now, or defer it until the case can; beyond the limits it is refused.

        The id of a command that waits is stored under its sender, who may not hold the report.
        """
        answer = self.answer(case, event, cause)
        if not isinstance(answer, NotYet):
            return answer
        if self._is_full(case, event):
            is_other = answer.reason == NOT_THE_HOLDER
            reason = answer.reason if is_other else "too_many_waiting"
            return self.refuse(case, event, cause, reason)
        waiting = (*case.waiting, Deferred.of(event, cause))
        return Decision(self._with_waiting(case, waiting), aside=isinstance(event, Command))

    def _is_full(self, case: C, event: H) -> bool:
        if not isinstance(event, Command):
            return sum(not self._is_command(deferred) for deferred in case.waiting) >= COMMANDS_MAX
        commands = [deferred for deferred in case.waiting if self._is_command(deferred)]
        senders = [str(command.event.get("institution", NATIONAL)) for command in commands]
        reserved = {self.holder(case), NATIONAL}
        others = sum(sender not in reserved for sender in senders)
        if event.institution not in reserved and others >= OTHERS_MAX:
            return True
        return senders.count(event.institution) >= COMMANDS_MAX

    def release(self, case: C, cause: Cause) -> Decision[C]:
        """Answer what waits and now can be, the oldest first, until nothing more can be.

        Each answer is caused by what it answers, so that its id is the same whatever released it.
        """
        waiting, events, position = case.waiting, list[Outgoing](), 0
        while position < len(waiting):
            deferred = waiting[position]
            own_cause = deferred.cause(cause.now)
            before = self._with_waiting(case, waiting[:position])
            answer = self.answer(before, deferred.restore(self.kinds), own_cause)
            if isinstance(answer, NotYet):
                position += 1
                continue
            case = answer.case or case
            events += answer.because_of(own_cause).events
            waiting, position = (*waiting[:position], *waiting[position + 1 :]), 0
        return Decision(self._with_waiting(case, waiting), tuple(events))

    def expire(self, case: C, due_at: datetime, cause: Cause) -> Decision[C]:
        """Refuse the commands whose wait is over by the timer's time; the rest waits on.

        A timer that is not the case's own changes nothing: it is compared with the case, never
        with now.
        """
        if due_at != case.timer_at:
            return decided(case)
        expired = [
            deferred
            for deferred in case.waiting
            if self._is_command(deferred) and deferred.came_at + self.wait <= due_at
        ]
        remaining = tuple(deferred for deferred in case.waiting if deferred not in expired)
        case, events = self._with_waiting(case, remaining), list[Outgoing]()
        for deferred in expired:
            event, own_cause = deferred.restore(self.kinds), deferred.cause(cause.now)
            answer = self.answer(case, event, own_cause)
            if isinstance(answer, NotYet):
                answer = self.refuse(case, event, own_cause, answer.reason)
            case = answer.case or case
            events += answer.because_of(own_cause).events
        return Decision(case, tuple(events))

    def _with_waiting(self, case: C, waiting: tuple[Deferred, ...]) -> C:
        """Return the case with these waiting; its timer is the end of the first command's wait."""
        if not waiting and not case.waiting:
            return case
        first = min((d.came_at for d in waiting if self._is_command(d)), default=None)
        return case.changed(waiting=waiting, timer_at=None if first is None else first + self.wait)

    def _is_command(self, deferred: Deferred) -> bool:
        names = {kind.__name__ for kind in self.kinds if issubclass(kind, Command)}
        return deferred.event_type in names


def refusal(command: Command, cause: Cause, reason: str) -> CommandRefused:
    """Build the refusal of a command, addressed to the institution that gave it."""
    return CommandRefused(
        report_id=command.report_id,
        institution=command.institution,
        message_id=command.message_id,
        refused=cause.id,
        command=type(command).__name__,
        holding=command.holding,
        reason=reason,
    )
