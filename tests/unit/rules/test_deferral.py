"""Deferred commands and reporters' messages: answered once, in order, refused after their wait."""

from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from shared.contract.events import (
    CloseCase,
    Command,
    CommandRefused,
    FollowUp,
    FromReporter,
    ReporterReplied,
)
from shared.rules.decision import Cause, Decision, Outgoing, decided
from shared.rules.deferral import (
    COMMANDS_MAX,
    Deferred,
    DeferredCommands,
    DeferringCase,
    NotYet,
    refusal,
)

REPORT: Final = "K7QF2M9XTD3A"
NOON: Final = datetime(2025, 3, 3, 5, 0, tzinfo=UTC)
DAY: Final = timedelta(days=1)
Input = Command | FromReporter


class Gateway(DeferringCase):
    """Open for holdings up to `open_to`; a closing shuts it for good."""

    open_to: int = 0
    is_shut: bool = False
    answered: tuple[str, ...] = ()


def answer(case: Gateway, event: Input, cause: Cause) -> Decision[Gateway] | NotYet:
    """Let in what is not too early, and remember its order."""
    if case.is_shut:
        return refuse(case, event, cause, "shut")
    holding = event.holding if isinstance(event, Command) else 1
    if holding > case.open_to:
        return NotYet("not_open")
    is_shut = isinstance(event, CloseCase)
    answered = (*case.answered, cause.id)
    return decided(case.changed(answered=answered, is_shut=is_shut), event)


def refuse(case: Gateway, event: Input, cause: Cause, reason: str) -> Decision[Gateway]:
    """Refuse commands; a reporter's message gets no answer."""
    return decided(case, *([refusal(event, cause, reason)] if isinstance(event, Command) else []))


def deferred_commands(wait: timedelta = DAY) -> DeferredCommands[Gateway, Input]:
    """Return the deferred commands of the gateway."""
    kinds = (FollowUp, CloseCase, ReporterReplied)
    return DeferredCommands(kinds, answer, refuse, wait, holder=lambda _case: HOLDER)


HOLDER: Final = "6308"
COMMANDS: Final = deferred_commands()


def at(minute: float) -> datetime:
    """Return a time after noon."""
    return NOON + timedelta(minutes=minute)


def a_cause(record: str, now: datetime = NOON) -> Cause:
    """Return the record being decided."""
    return Cause(id=record, type="t", now=now, topic="lapor.test.v1", partition=2, offset=7)


def a_follow_up(holding: int = 1) -> FollowUp:
    """Return a unit's command."""
    return FollowUp(
        report_id=REPORT, institution="6308", message_id="m-1", holding=holding,
        by="officer", unit="6308-001", text="sealed",
    )  # fmt: skip


def a_closing() -> CloseCase:
    """Return the command that shuts the gateway."""
    return CloseCase(
        report_id=REPORT, institution="6308", message_id="m-2", holding=1, by="admin", solved=True
    )


def a_reply() -> ReporterReplied:
    """Return a reporter's message."""
    return ReporterReplied(report_id=REPORT, channel="web", message_id="m-3", text="sealed")


def deferred(*events: Input, case: Gateway | None = None) -> Gateway:
    """Return the case after each event, one a minute, none answered."""
    current = case or Gateway()
    for number, event in enumerate(events):
        decision = COMMANDS.handle(current, event, a_cause(f"record-{number}", at(number)))
        assert decision.events == ()
        assert decision.case is not None
        current = decision.case
    return current


def refused(decision: Decision[Gateway]) -> list[tuple[str, str]]:
    """List (cause of the refusal, reason)."""
    return [
        (outgoing.cause.id, outgoing.event.reason)
        for outgoing in decision.events
        if isinstance(outgoing.event, CommandRefused) and outgoing.cause is not None
    ]


def test_what_is_not_early_is_answered_at_once() -> None:
    """By the record itself: the answer names no other cause."""
    decision = COMMANDS.handle(Gateway(open_to=1), a_follow_up(), a_cause("now"))

    assert decision == decided(Gateway(open_to=1, answered=("now",)), a_follow_up())


def test_what_is_early_is_kept_with_its_cause_and_a_timer() -> None:
    """The case has all that its answer will need; the timer ends the command's wait."""
    cause = a_cause("early", at(5))

    decision = COMMANDS.handle(Gateway(), a_follow_up(), cause)

    entry = Deferred.of(a_follow_up(), cause)
    assert decision == Decision(Gateway(waiting=(entry,), timer_at=at(5) + DAY), aside=True)
    assert entry.cause(at(9)) == cause._replace(now=at(9))
    assert entry.restore((CloseCase, FollowUp)) == a_follow_up()


def test_the_answer_names_what_waited_and_the_time_it_could_be_given() -> None:
    """So its id derives from the command, whatever released it."""
    case = deferred(a_follow_up()).changed(open_to=1)

    decision = COMMANDS.release(case, a_cause("late", at(9)))

    assert decision.events == (Outgoing(a_follow_up(), a_cause("record-0", at(9))),)
    assert decision.case == Gateway(open_to=1, answered=("record-0",))


def test_they_are_answered_in_the_order_they_came_and_the_rest_waits_on() -> None:
    """The timer is set anew for the oldest that is left."""
    case = deferred(a_follow_up(), a_follow_up(holding=2), a_follow_up()).changed(open_to=1)

    decision = COMMANDS.release(case, a_cause("late", at(9)))

    assert decision.case is not None
    assert decision.case.answered == ("record-0", "record-2")
    assert [entry.id for entry in decision.case.waiting] == ["record-1"]
    assert decision.case.timer_at == at(1) + DAY


def test_an_answer_reaches_back_to_what_came_before_it() -> None:
    """Too early, until a later command made an end."""
    case = deferred(a_follow_up(holding=2), a_closing()).changed(open_to=1)

    decision = COMMANDS.release(case, a_cause("late", at(9)))

    assert refused(decision) == [("record-0", "shut")]
    assert [outgoing.cause.id for outgoing in decision.events if outgoing.cause] == [
        "record-1",
        "record-0",
    ]
    assert decision.case is not None
    assert (decision.case.waiting, decision.case.timer_at) == ((), None)


@pytest.mark.parametrize("due_at", [at(0), at(0) + 2 * DAY])
def test_a_timer_of_another_time_changes_nothing(due_at: datetime) -> None:
    """It is compared with the case's own, never with now."""
    case = deferred(a_follow_up())

    assert COMMANDS.expire(case, due_at, a_cause("timer", at(0) + 9 * DAY)) == decided(case)


def test_the_timer_refuses_what_waited_its_time_and_fires_for_the_rest() -> None:
    """Each waits its own day; the reason says what it waited for."""
    case = deferred(a_follow_up(), a_follow_up())

    first = COMMANDS.expire(case, at(0) + DAY, a_cause("timer", at(0) + DAY))
    assert refused(first) == [("record-0", "not_open")]
    assert first.case is not None
    assert first.case.timer_at == at(1) + DAY

    last = COMMANDS.expire(first.case, at(1) + DAY, a_cause("timer", at(1) + DAY))
    assert refused(last) == [("record-1", "not_open")]
    assert last.case == Gateway()


def test_what_can_be_answered_when_its_wait_is_over_is_answered() -> None:
    """Refused is only what is still too early."""
    case = deferred(a_follow_up()).changed(open_to=1)

    decision = COMMANDS.expire(case, at(0) + DAY, a_cause("timer", at(0) + DAY))

    assert [type(outgoing.event) for outgoing in decision.events] == [FollowUp]


def test_a_longer_wait_in_a_new_policy_arms_the_timer_anew() -> None:
    """The timer's time is the old policy's; nobody is refused before the new one's."""
    case = deferred(a_follow_up())

    decision = deferred_commands(wait=3 * DAY).expire(
        case, at(0) + DAY, a_cause("timer", at(0) + DAY)
    )

    assert decision == decided(case.changed(timer_at=at(0) + 3 * DAY))


def test_messages_wait_without_a_timer_and_are_never_refused() -> None:
    """They ask for no answer."""
    case = deferred(a_reply())
    assert case.timer_at is None

    both = deferred(a_reply(), a_follow_up())
    decision = COMMANDS.expire(both, at(1) + DAY, a_cause("timer", at(1) + DAY))

    assert refused(decision) == [("record-1", "not_open")]
    assert decision.case == case


def test_only_so_many_wait_commands_and_messages_apart() -> None:
    """A case is rewritten on each decision: it stays small, and neither crowds out the other."""
    case = deferred(*[a_follow_up()] * COMMANDS_MAX, *[a_reply()] * COMMANDS_MAX)

    more = COMMANDS.handle(case, a_follow_up(), a_cause("more"))
    assert more == decided(case, refusal(a_follow_up(), a_cause("more"), "too_many_waiting"))
    assert COMMANDS.handle(case, a_reply(), a_cause("more")) == decided(case)
    assert len(case.waiting) == 2 * COMMANDS_MAX


def test_a_refusal_goes_to_who_gave_the_command() -> None:
    """With all that is needed to know it again."""
    assert refusal(a_closing(), a_cause("no"), "shut") == CommandRefused(
        report_id=REPORT, institution="6308", message_id="m-2", refused="no",
        command="CloseCase", holding=1, reason="shut",
    )  # fmt: skip
