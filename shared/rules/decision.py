"""What a rule takes and returns: a cause and a decision.

Everything here is pure. A stage is `decide(case, event, cause, policy) -> Decision`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Generic, NamedTuple, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

from shared.contract.envelope import derive_id
from shared.contract.topics import writes

C = TypeVar("C")
C_co = TypeVar("C_co", covariant=True)
P_contra = TypeVar("P_contra", contravariant=True)


class Cause(NamedTuple):
    """The record being decided, without its value.

    `now` is the broker's time of the record, UTC (mapped when the clock is scaled): the only time a
    rule knows. `producer` is the channel or institution that the topic's name gives, empty in the
    core. `message_id` is the sender's own `ce_id` at a gateway, elsewhere the same as `id`. At a
    gateway `is_repeat` says that this very message was decided before (its `id` then differs, so
    that its answer is an answer of its own); in the core a repeat never reaches a rule. At a
    gateway `is_full` says that the case has decided as many messages as it may: this one is
    rejected, whatever it contains. `paused_until` (UTC): the producer sent too many wrong proofs
    about this report; until then a wrong proof is not checked, a right one counts as ever. At a
    gateway `report_id` is the report that the record is about, which elsewhere the event names.
    """

    id: str
    type: str
    now: datetime
    topic: str
    partition: int
    offset: int
    producer: str = ""
    message_id: str = ""
    causation_id: str = ""
    correlation_id: str = ""
    traceparent: str = ""
    is_repeat: bool = False
    is_full: bool = False
    paused_until: datetime | None = None
    report_id: str = ""

    @property
    def first_id(self) -> str:
        """Return the id under which a message was first decided, also for a repeat."""
        return self.id.partition("@")[0] if self.is_repeat else self.id


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An event to publish and what caused it: the record being decided, unless named."""

    event: BaseModel
    cause: Cause | None = None


@dataclass(frozen=True, slots=True)
class Decision(Generic[C_co]):
    """The case as it is now, and the events to publish, in order.

    An event whose class belongs to the stage's own stream goes there; at the gateways a
    `ChannelAnswer` or `InboxEntry` goes to the topic of the channel or institution it names.

    `refused`: at a gateway, the message is rejected. Its id is not stored and no case changes, so
    that a repeat of it is decided afresh; `is_wrong_proof` says that the proof in it was wrong.
    `aside`: in the core, the record's id is stored under (report, institution), not among the ids
    that the report's own case decided; so is that of every command, and of every answer to one,
    that leaves the case as it was.
    """

    case: C_co | None
    events: tuple[Outgoing, ...] = ()
    refused: bool = False
    is_wrong_proof: bool = False
    aside: bool = False

    def because_of(self, cause: Cause) -> "Decision[C_co]":
        """Name the cause of every event that names none yet."""
        return replace(self, events=tuple(replace(o, cause=o.cause or cause) for o in self.events))


def decided(case: C | None, *events: BaseModel) -> Decision[C]:
    """Build a decision whose events were caused by the record being decided."""
    return Decision(case, tuple(Outgoing(event) for event in events))


def refused(case: C | None, *events: BaseModel, is_wrong_proof: bool = False) -> Decision[C]:
    """Reject a message at a gateway: the case stays as it is, the message's id is not stored."""
    outgoing = tuple(Outgoing(event) for event in events)
    return Decision(case, outgoing, refused=True, is_wrong_proof=is_wrong_proof)


def event_id(cause: Cause, stage: str, event: type[BaseModel], number: int = 1) -> str:
    """Return the id that the shell gives to an event which a stage publishes because of a cause.

    So a rule can store the id of its own event and recognise it when another stage names it.
    `number` counts from 1 the events of that class with that cause in one decision.

    Raises:
        KeyError: no stage of that name publishes.
    """
    return derive_id(stage, cause.id, cause.now, writes(stage).type_of(event), number)


class Decide(Protocol[C, P_contra]):
    """A stage's rule: pure, total, the same for the same arguments."""

    def __call__(
        self, case: C | None, event: BaseModel, cause: Cause, policy: P_contra, /
    ) -> Decision[C]:
        """Decide one record; a raise means a bug and dead-letters only this record."""
        ...


class Unreadable(BaseModel):
    """Stands for a record that a gateway could not read; its sender still gets an answer."""

    model_config = ConfigDict(hide_input_in_errors=True)

    reason: str
    detail: str | None = None


def then(first: Decision[C], *rules: Callable[[C | None], Decision[C]]) -> Decision[C]:
    """Apply rules in order, each to the case that the one before left; events add up.

    `refused`, `is_wrong_proof` and `aside` are those of the first decision.
    """
    case, events = first.case, list(first.events)
    for rule in rules:
        decision = rule(case)
        case = decision.case
        events.extend(decision.events)
    return replace(first, case=case, events=tuple(events))
