"""What holds whatever comes, in whatever order, however often."""

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from services.verification.case import ENDED
from services.verification.institution import InstitutionCase
from services.verification.national import NationalCase
from shared.contract.events import (
    Archive,
    AskForInformation,
    Command,
    CommandRefused,
    InformationRequested,
    ReportClass,
)
from shared.contract.topics import READS, writes
from shared.rules.decision import event_id
from tests.support import builders as b
from tests.support.history import History
from tests.unit.verification.histories import institution, national

Begin = Callable[[], History[NationalCase] | History[InstitutionCase]]
INSTITUTIONS = st.sampled_from([b.NATIONAL, b.HSU, b.BANDUNG, "9999"])
HOLDINGS = st.integers(0, 4)
CLASSES = st.sampled_from(list(ReportClass))
DRAWN = settings().max_examples  # of the profile, see tests/conftest.py


def _commands(*builders: Callable[..., Command]) -> st.SearchStrategy[BaseModel]:
    return st.builds(
        lambda build, institution, holding: build(institution=institution, holding=holding),
        st.sampled_from(builders),
        INSTITUTIONS,
        HOLDINGS,
    )


def _held(*builders: Callable[..., BaseModel]) -> st.SearchStrategy[BaseModel]:
    return st.builds(
        lambda build, holding: build(holding=holding), st.sampled_from(builders), HOLDINGS
    )


def _time_outs(stage: str) -> st.SearchStrategy[BaseModel]:
    """Name the request that one of the first records would have made, had it been a question."""
    return st.integers(1, 8).map(
        lambda n: b.a_time_out(
            event_id(b.a_cause(f"record-{n}", b.at(n)), stage, InformationRequested)
        )
    )


TIMERS = st.integers(1, 8).map(lambda n: b.a_timer(b.at(n + 24 * 60)))
ANY_NATIONAL = st.one_of(
    st.sampled_from([b.a_report(), b.a_clear_report(), b.a_completion(), b.a_withdrawal()]),
    st.builds(lambda to, holding: b.a_forward(to=to, holding=holding), INSTITUTIONS, HOLDINGS),
    _commands(b.a_forward, b.a_block, b.an_ask, b.an_archive),
    _held(b.a_returning, b.an_archiving, b.a_closing, b.a_reopening),
    _time_outs("verification.national"),
    TIMERS,
)
ANY_INSTITUTION = st.one_of(
    st.sampled_from([b.a_completion(), b.a_blocking(), b.a_withdrawing()]),
    st.builds(
        lambda institution, holding, final: b.a_forwarding(
            institution=institution, holding=holding, final=final
        ),
        st.sampled_from([b.HSU, b.BANDUNG]),
        HOLDINGS,
        st.booleans(),
    ),
    _commands(b.an_accept, b.a_return, b.an_ask, b.an_archive, b.a_reclassify),
    _held(b.an_archiving, b.a_dispatching, b.a_holding_up, b.a_closing, b.a_reopening),
    _time_outs("verification.institution"),
    TIMERS,
)
LEVELS = pytest.mark.parametrize(
    ("begin", "records", "stage"),
    [
        (national, ANY_NATIONAL, "verification.national"),
        (institution, ANY_INSTITUTION, "verification.institution"),
    ],
    ids=["national", "institution"],
)


def _is_answered_here(command: BaseModel, stage: str) -> bool:
    """Say whether this level answers a command (`shared/contract/topics.py`, ANSWERED_BY)."""
    if not isinstance(command, AskForInformation | Archive):
        return True
    return (command.institution == b.NATIONAL) == (stage == "verification.national")


@LEVELS
@given(data=st.data())
@settings(max_examples=2 * DRAWN)
def test_every_command_gets_exactly_one_answer(
    begin: Begin, records: st.SearchStrategy[BaseModel], stage: str, data: st.DataObject
) -> None:
    """No sequence raises; when all timers fired, each command has one answer and nothing waits."""
    history = begin()
    commands = {}
    for event in data.draw(st.lists(records, max_size=25)):
        history.feed(event)
        if isinstance(event, Command):
            commands[history.record_id] = event
    history.fire()

    for record, command in commands.items():
        assert len(history.answers(record)) == _is_answered_here(command, stage)
    assert history.case is None or history.case.waiting == ()


@LEVELS
@given(data=st.data())
@settings(max_examples=2 * DRAWN)
def test_an_end_is_final(
    begin: Begin, records: st.SearchStrategy[BaseModel], stage: str, data: st.DataObject
) -> None:
    """After it only refusals are published, and the case never leaves the ends."""
    history = begin()
    has_ended = False
    for event in data.draw(st.lists(records, max_size=25)):
        published = history.feed(event)
        if has_ended:
            assert history.status in ENDED
            assert all(isinstance(e, CommandRefused) for e in published)
        has_ended = has_ended or history.status in ENDED
    assert writes(stage).producer == stage


@LEVELS
@given(data=st.data())
@settings(max_examples=2 * DRAWN)
def test_the_same_records_are_decided_the_same(
    begin: Begin, records: st.SearchStrategy[BaseModel], stage: str, data: st.DataObject
) -> None:
    """Case and events are a function of the records; only the stage's own events are published."""
    drawn: Sequence[BaseModel] = data.draw(st.lists(records, max_size=25))
    once, again = begin(), begin()
    for event in drawn:
        once.feed(event)
        again.feed(event)

    assert (once.case, once.published) == (again.case, again.published)
    assert {type(event) for _, event in once.published} <= set(writes(stage).events)


@LEVELS
def test_every_kind_of_record_that_the_stage_reads_is_drawn(
    begin: Begin, records: st.SearchStrategy[BaseModel], stage: str
) -> None:
    """So the properties above leave nothing out."""
    drawn: set[type[BaseModel]] = set()

    @given(event=records)
    @settings(max_examples=10 * DRAWN, database=None)
    def draw(event: BaseModel) -> None:
        drawn.add(type(event))
        begin().feed(event)

    draw()
    assert drawn == {event for events in READS[stage].values() for event in events}
