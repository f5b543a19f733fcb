"""Across streams there is no order: every merge of what comes at once ends the same way."""

from collections.abc import Callable, Iterator, Sequence

import pytest
from pydantic import BaseModel

from services.verification.institution import InstitutionCase
from services.verification.national import NationalCase
from shared.contract.events import Command, InformationRequested
from tests.support.builders import (
    BANDUNG,
    NATIONAL,
    a_block,
    a_blocking,
    a_clear_report,
    a_closing,
    a_completion,
    a_dispatching,
    a_forward,
    a_forwarding,
    a_holding_up,
    a_reclassify,
    a_report,
    a_return,
    a_returning,
    a_withdrawal,
    a_withdrawing,
    an_accept,
    an_archive,
    an_archiving,
    an_ask,
    at,
)
from tests.support.history import History
from tests.unit.verification.histories import institution, national

Streams = Sequence[Sequence[BaseModel]]
Begin = Callable[[Sequence[BaseModel]], History[NationalCase] | History[InstitutionCase]]

ASK = an_ask(institution=NATIONAL, holding=0)
ASK_AGAIN = an_ask(institution=NATIONAL, holding=1)
ARCHIVE = an_archive(institution=NATIONAL, holding=0)
ARCHIVE_LATER = an_archive(institution=NATIONAL, holding=1)
TO_BANDUNG = a_forward(holding=1, to=BANDUNG)
AT_BANDUNG = a_forwarding(holding=2, institution=BANDUNG)
BANDUNG_ACCEPTS = an_accept(holding=2, institution=BANDUNG)
NATIONAL_ARCHIVES = an_archiving(institution=NATIONAL, holding=0)

# What had come before, what comes at once (one list per stream), the final status. In every merge
# each command also gets the same answer.
NATIONAL_SAME: list[tuple[list[BaseModel], Streams, str]] = [
    ([], [[a_report()], [a_forward()]], "forwarded"),
    ([], [[a_report()], [a_block()]], "blocked"),
    ([], [[a_report()], [ASK]], "asked"),
    ([], [[a_report()], [ARCHIVE]], "archived"),
    ([], [[a_clear_report()], [a_forward(to=BANDUNG)]], "forwarded"),
    ([], [[a_report()], [a_forward(), a_forward(to=BANDUNG)]], "forwarded"),
    ([], [[a_report()], [ASK, ARCHIVE]], "archived"),
    ([], [[a_report()], [a_forward(), a_block()]], "blocked"),
    ([], [[a_report(), a_withdrawal()]], "withdrawn"),
    ([], [[a_withdrawal(), a_report()]], "withdrawn"),
    ([], [[a_withdrawal(), a_clear_report()], [a_forward(), a_block()]], "withdrawn"),
    ([a_report(), ASK], [[a_completion()], [a_forward()]], "forwarded"),
    ([a_report(), ASK], [[a_completion()], [a_forward(), a_forward()]], "forwarded"),
    ([a_report(), ASK], [[a_completion()], [ASK]], "asked"),
    ([a_report(), ASK], [[a_completion()], [ARCHIVE]], "archived"),
    ([a_report()], [[ASK], [a_completion()]], "waiting"),
    ([a_report(), ASK], [[a_completion()], [a_block()]], "blocked"),
    ([a_report(), a_forward()], [[a_returning()], [TO_BANDUNG]], "forwarded"),
    ([a_report(), a_forward()], [[a_returning()], [TO_BANDUNG, TO_BANDUNG]], "forwarded"),
    ([a_report(), a_forward()], [[a_returning()], [ASK_AGAIN]], "asked"),
    ([a_report(), a_forward()], [[a_returning()], [ARCHIVE_LATER]], "archived"),
    ([a_report(), a_forward()], [[a_returning()], [a_block()]], "blocked"),
    ([a_report(), a_forward()], [[a_returning()], [a_withdrawal()]], "withdrawn"),
    ([a_report(), a_forward()], [[a_returning()], [a_closing()]], "waiting"),
    ([a_report(), a_forward()], [[an_archiving()], [TO_BANDUNG]], "archived"),
    ([a_report(), a_forward()], [[an_archiving()], [a_closing()]], "archived"),
    ([a_report(), a_forward()], [[a_closing()], [TO_BANDUNG]], "closed"),
    ([a_report(), a_forward()], [[a_closing()], [a_block()]], "blocked"),
]
INSTITUTION_SAME: list[tuple[list[BaseModel], Streams, str]] = [
    ([], [[a_forwarding()], [an_accept()]], "accepted"),
    ([], [[a_forwarding()], [a_return()]], "returned"),
    ([], [[a_forwarding()], [an_ask()]], "asked"),
    ([], [[a_forwarding()], [an_archive()]], "archived"),
    ([], [[a_forwarding()], [an_accept(), a_reclassify()]], "accepted"),
    ([], [[a_forwarding()], [an_accept(), a_return(by="officer-2")]], "accepted"),
    ([], [[a_forwarding()], [an_accept(institution=BANDUNG), an_accept()]], "accepted"),
    ([], [[a_forwarding(final=True)], [a_return()]], "waiting"),
    ([a_forwarding(), a_return()], [[AT_BANDUNG], [BANDUNG_ACCEPTS]], "accepted"),
    ([a_forwarding(), an_ask()], [[a_completion()], [an_accept()]], "accepted"),
    ([a_forwarding(), an_ask()], [[a_completion()], [an_accept(), a_reclassify()]], "accepted"),
    ([a_forwarding(), an_ask()], [[a_completion()], [a_return()]], "returned"),
    ([a_forwarding(), an_ask()], [[a_completion()], [an_ask()]], "asked"),
    ([a_forwarding(), an_ask()], [[a_completion()], [an_archive()]], "archived"),
    ([a_forwarding(), an_accept()], [[a_holding_up()], [a_return()]], "returned"),
    (
        [a_forwarding(), an_accept()],
        [[a_holding_up(), a_dispatching(), a_holding_up()], [a_return()]],
        "returned",
    ),
    (
        [a_forwarding(), an_accept(), a_dispatching()],
        [[a_closing()], [a_withdrawing()]],
        "withdrawn",
    ),
]

# Here a command may come before or after what overtakes it, and is answered accordingly; the report
# ends the same.
NATIONAL_ENDS: list[tuple[list[BaseModel], Streams, str]] = [
    ([], [[a_report(), a_withdrawal()], [a_forward()]], "withdrawn"),
    ([], [[a_clear_report(), a_withdrawal()], [ASK, a_forward()]], "withdrawn"),
    ([a_report(), ASK], [[a_completion(), a_withdrawal()], [a_forward()]], "withdrawn"),
    ([a_report(), a_forward()], [[a_returning()], [a_withdrawal()], [TO_BANDUNG]], "withdrawn"),
    ([a_report(), a_forward()], [[a_closing()], [a_returning()], [a_block()]], "blocked"),
]
INSTITUTION_ENDS: list[tuple[list[BaseModel], Streams, str]] = [
    ([], [[NATIONAL_ARCHIVES, a_forwarding()], [an_accept()]], "archived"),
    ([], [[a_blocking(), a_forwarding()], [an_accept()]], "blocked"),
    ([], [[a_withdrawing(), a_forwarding()], [a_return(), an_archive()]], "withdrawn"),
    ([], [[a_forwarding(), a_blocking()], [an_accept(), a_reclassify()]], "blocked"),
    ([], [[a_forwarding(), a_withdrawing()], [a_return()]], "withdrawn"),
    ([], [[a_forwarding(), NATIONAL_ARCHIVES], [an_ask()], [a_completion()]], "archived"),
    ([a_forwarding()], [[a_blocking()], [an_archive()]], "blocked"),
    ([a_forwarding()], [[a_withdrawing()], [an_archive(), an_accept()]], "withdrawn"),
    ([a_forwarding()], [[AT_BANDUNG], [an_accept()]], "waiting"),
    ([a_forwarding(), an_accept()], [[AT_BANDUNG], [a_closing()], [a_holding_up()]], "waiting"),
]


def merges(streams: Streams) -> Iterator[list[BaseModel]]:
    """List every merge of streams that keeps the order within each."""
    if not any(streams):
        yield []
    for i, stream in enumerate(streams):
        if stream:
            rest = [*streams[:i], stream[1:], *streams[i + 1 :]]
            for merged in merges(rest):
                yield [stream[0], *merged]


def play(begin: Begin, before: Sequence[BaseModel], merged: Sequence[BaseModel],
         streams: Streams) -> History[NationalCase] | History[InstitutionCase]:  # fmt: skip
    """Feed one merge; a record has the same id and time in each."""
    records = [event for stream in streams for event in stream]
    history = begin(before)
    remaining = [*enumerate(records)]
    for event in merged:
        number, record = next((n, e) for n, e in remaining if e is event)
        remaining.remove((number, record))
        history.feed(event, f"at-once-{number}", now=at(100 + number))
    return history


def answers_of(history: History[NationalCase] | History[InstitutionCase]) -> dict[str, list[str]]:
    """Return each command's answers as text; when a question went out is not compared."""
    return {c: [_timeless(a) for a in history.answers(c)] for c in history.commands}


def _timeless(answer: BaseModel) -> str:
    has_time = isinstance(answer, InformationRequested)
    return repr(answer.model_copy(update={"asked_at": None}) if has_time else answer)


ALL = [
    *((national, *row, True) for row in NATIONAL_SAME),
    *((institution, *row, True) for row in INSTITUTION_SAME),
    *((national, *row, False) for row in NATIONAL_ENDS),
    *((institution, *row, False) for row in INSTITUTION_ENDS),
]


@pytest.mark.parametrize(("begin", "before", "streams", "status", "same_answers"), ALL)
def test_every_merge_ends_the_same(
    begin: Begin, before: list[BaseModel], streams: Streams, status: str, *, same_answers: bool
) -> None:
    """Same final status, one answer to each command once its wait is over; mostly the same one."""
    answers_by_merge = []
    for merged in merges(streams):
        history = play(begin, before, merged, streams)
        history.fire()
        assert history.status == status
        answers = answers_of(history)
        assert {len(events) for events in answers.values()} <= {1}
        answers_by_merge.append(answers)

    commands = sum(isinstance(event, Command) for stream in streams for event in stream)
    assert len(answers_by_merge[0]) >= commands
    if same_answers:
        assert all(answers == answers_by_merge[0] for answers in answers_by_merge)
