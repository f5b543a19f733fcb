"""Commands that come before what they are about: deferred, answered once, refused after a day."""

from collections.abc import Callable

import pytest
from pydantic import BaseModel

from services.verification.institution import InstitutionCase, decide_institution
from services.verification.national import NationalCase
from shared.contract.events import CommandRefused, InformationRequested, ReportAccepted
from shared.rules.decision import Outgoing, event_id
from shared.rules.deferral import Deferred
from tests.support.builders import (
    BANDUNG,
    HSU,
    NATIONAL,
    REPORT,
    a_blocking,
    a_cause,
    a_forward,
    a_forwarding,
    a_report,
    a_return,
    a_returning,
    a_time_out,
    a_timer,
    an_accept,
    an_archive,
    an_ask,
    at,
)
from tests.support.history import History
from tests.unit.verification.histories import POLICY, institution, national

Begin = Callable[[list[BaseModel]], History[NationalCase] | History[InstitutionCase]]
DAY = POLICY.command_wait
ASK = an_ask(institution=NATIONAL, holding=0)


def refusals(history: History[NationalCase] | History[InstitutionCase]) -> list[tuple[str, str]]:
    """List (command's record, reason) of the refusals published, in order."""
    return [(cause, e.reason) for cause, e in history.published if isinstance(e, CommandRefused)]


def test_a_command_is_kept_with_its_cause_and_a_timer_a_day_later() -> None:
    """The case carries all that its answer will need."""
    accept, cause = an_accept(), a_cause("early", at(5), message_id="m-1", traceparent="00-1-2-01")

    decision = decide_institution(None, accept, cause, POLICY)

    assert decision.events == ()
    assert decision.case == InstitutionCase(
        waiting=(Deferred.of(accept, cause),), timer_at=at(5) + DAY
    )


def test_the_answer_names_the_command_and_not_what_released_it() -> None:
    """So its id derives from the command, at the time it could be answered."""
    accept, cause = an_accept(), a_cause("early", at(5), message_id="m-1", traceparent="00-1-2-01")
    deferred = decide_institution(None, accept, cause, POLICY).case

    decision = decide_institution(deferred, a_forwarding(), a_cause("late", at(9)), POLICY)

    (outgoing,) = decision.events
    assert isinstance(outgoing.event, ReportAccepted)
    assert outgoing == Outgoing(outgoing.event, Deferred.of(accept, cause).cause(at(9)))
    assert decision.case is not None
    assert (decision.case.waiting, decision.case.timer_at) == ((), None)


def test_a_question_that_waited_is_known_by_its_own_id() -> None:
    """The id its event gets from the shell is the id that may expire."""
    history = national()
    history.feed(ASK, "early", now=at(1))
    history.feed(a_report(), now=at(7))

    request = event_id(a_cause("early", at(7)), "verification.national", InformationRequested)
    history.feed(a_time_out(request))

    assert history.status == "archived"


def test_after_a_day_it_is_refused_once() -> None:
    """By the timer, not by a clock; the answer names the command."""
    history = institution()
    history.feed(an_accept(message_id="m-9"), "early", now=at(0))
    history.feed(a_timer(at(0) + DAY))

    assert history.published == [
        (
            "early",
            CommandRefused(
                report_id=REPORT,
                institution=HSU,
                message_id="m-9",
                refused="early",
                command="Accept",
                holding=1,
                reason="not_the_holder",
            ),
        )
    ]
    history.fire()
    history.feed(a_forwarding())
    assert len(history.published) == 1


def test_a_timer_of_another_time_changes_nothing() -> None:
    """It is compared with the case's own, never with now."""
    history = institution()
    history.feed(an_accept(), "early", now=at(0))

    history.feed(a_timer(at(0) + 2 * DAY), now=at(5 * DAY.total_seconds()))

    assert history.published == []
    history.feed(a_timer(at(0)))
    assert history.published == []
    assert institution([a_timer(at(0))]).case is None


@pytest.mark.parametrize(("begin", "records", "command", "reason"), [
        (national, [], a_forward(), "nothing_to_decide"),
        (national, [a_report()], a_forward(holding=1), "nothing_to_decide"),
        (national, [a_report(), ASK], a_forward(), "awaiting_information"),
        (national, [a_report(), a_forward()], a_forward(holding=1), "already_forwarded"),
        (institution, [], an_accept(), "not_the_holder"),
        (institution, [a_forwarding()], an_accept(holding=2), "nothing_to_decide"),
        (institution, [a_forwarding(), an_ask()], an_accept(), "awaiting_information"),
        (institution, [a_forwarding(), an_accept()], a_return(), "already_accepted"),
    ])  # fmt: skip
def test_what_waited_in_vain_is_refused_with_the_reason(
    begin: Begin, records: list[BaseModel], command: BaseModel, reason: str
) -> None:
    """The status that kept it waiting, as a reason code."""
    history = begin(records)
    history.feed(command)
    record = history.record_id
    history.fire()

    assert refusals(history) == [(record, reason)]


def test_several_are_answered_in_the_order_they_came() -> None:
    """The first officer wins, the second is refused, foreigners too, the next holding waits on."""
    history = institution()
    history.feed(an_accept(by="officer-1"), "first")
    history.feed(an_accept(by="officer-2"), "second")
    history.feed(an_accept(institution=BANDUNG), "foreign")
    history.feed(a_forwarding())
    history.feed(an_accept(institution=BANDUNG, holding=2), "next")

    assert [cause for cause, _ in history.published] == ["first", "second", "foreign"]
    assert refusals(history) == [("second", "already_accepted"), ("foreign", "not_the_holder")]
    history.feed(a_forwarding(holding=2, institution=BANDUNG))
    assert [type(a) for a in history.answers("next")] == [ReportAccepted]


def test_one_answer_may_release_or_end_what_waits_behind_it() -> None:
    """Forwarded while waiting for a return: the second forward comes too late at once."""
    history = national([a_report(), a_forward()])
    history.feed(a_forward(holding=1, to=BANDUNG), "again")
    history.feed(a_forward(holding=1), "and again")
    history.feed(a_returning())

    assert refusals(history) == [("and again", "already_forwarded")]
    assert history.case is not None
    assert (history.case.holder, history.case.holding) == (BANDUNG, 2)


def test_an_answer_reaches_back_to_what_came_before_it() -> None:
    """Of the next holding and too early, until a later command ended the report."""
    history = national()
    history.feed(a_forward(holding=1), "ahead")
    history.feed(an_archive(institution=NATIONAL, holding=0), "ends it")
    history.feed(a_report())

    assert [cause for cause, _ in history.published] == ["ends it", "ahead"]
    assert refusals(history) == [("ahead", "archived")]


def test_an_end_answers_whatever_waits() -> None:
    """Nobody waits for a report that is over."""
    history = institution([an_accept(), a_return(holding=2), a_blocking()])

    assert refusals(history) == [("record-2", "not_the_holder"), ("record-1", "not_the_holder")]
    assert history.case is not None
    assert history.case.timer_at is None
