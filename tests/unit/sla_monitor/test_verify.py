"""What follows from the facts verifies in any order; whatever is damaged is named."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.sla_monitor.audit.verify import (
    CaseRow,
    DecidedRecord,
    StreamEvent,
    derive,
    differences,
)
from services.sla_monitor.rules import MonitoredCase
from services.sla_monitor.store import STORE
from shared.contract import events as e
from tests.unit.sla_monitor.builders import (
    POLICY,
    REPORT,
    Run,
    Step,
    accepted,
    asked,
    at,
    at_unit,
    completed,
    dispatched,
    forwarded,
    received,
    run,
)
from tests.unit.sla_monitor.lives import lives
from tests.unit.sla_monitor.test_registry import DECREE, policy

LATE: Final = [
    received("2023-03-06 09:00"),
    asked("2023-03-07 10:00"),
    completed("2023-03-09 15:00"),
    forwarded("2023-03-20 09:00"),
    accepted("2023-03-21 09:00"),
    dispatched("2023-03-21 09:00"),
]


class Lived:
    """A life as the streams and the table have it: fires between the records."""

    def __init__(self) -> None:
        self.done = Run(MonitoredCase(report_id=REPORT), [])
        self.read: list[DecidedRecord] = []

    def go(self, steps: Sequence[Step], *, fires: bool = True) -> "Lived":
        """Decide records, after what was due before each."""
        for step in steps:
            if fires:
                self.fire(step.cause.now)
            self._add(self.done.then(step))
            self.read.append(DecidedRecord(*step))
        return self

    def fire(self, until: datetime) -> "Lived":
        """Fire what is due."""
        self._add(self.done.fire_until(until))
        return self

    def _add(self, more: Run) -> None:
        self.done = Run(more.case, self.done.events + more.events)

    @property
    def stream(self) -> list[StreamEvent]:
        """Return the events as they were published."""
        return [
            StreamEvent(n, at("2023-03-06 09:00"), event)
            for n, event in enumerate(self.done.events, 1)
            if isinstance(event, e.Event)
        ]

    @property
    def row(self) -> CaseRow:
        """Return the row as it is stored."""
        case = self.done.case
        columns: dict[str, object] = {name: of(case) for name, (_, of) in STORE.columns.items()}
        shell = {"timer_at": case.timer_at, "is_open": not case.is_over}
        return CaseRow(case, len(self.done.events), {**shell, **columns})

    def found(self, **damage: Any) -> list[str]:
        """Verify; `damage` replaces the row or what was stream."""
        row = damage.get("row", self.row)
        stream = damage.get("stream", self.stream)
        read = damage.get("read", self.read)
        return [each.text for each in differences(REPORT, row, read, stream, (POLICY,))]


def test_a_late_life_verifies() -> None:
    """With a pause, warnings, breaches and a clock that still runs."""
    assert Lived().go(LATE).fire(at("2023-05-01 00:00")).found() == []


def test_an_answer_after_the_window_verifies() -> None:
    """Nothing was met, and nothing is said of the window again."""
    life = [received("2023-03-06 09:00"), asked("2023-03-07 10:00"), completed("2023-03-30 10:00")]
    lived = Lived().go(life)
    assert lived.done.of(e.TimeRanOut)
    assert not lived.done.of(e.DeadlineMet)
    assert lived.found() == []


@given(lives(), st.booleans(), st.integers(0, 400))
def test_any_life_verifies(life: list[Step], fires: bool, days: int) -> None:  # noqa: FBT001
    """Fired in time, late or not at all, and looked at whenever."""
    lived = Lived().go(life, fires=fires)
    lived.fire(life[-1].cause.now + timedelta(days=days))
    assert lived.found() == []


@given(lives(), st.data())
def test_what_is_derived_is_a_function_of_the_set(life: list[Step], data: st.DataObject) -> None:
    """The order in which the streams are read changes nothing."""
    lived = Lived().go(life)
    shuffled = data.draw(st.permutations(lived.read))
    one = derive(REPORT, lived.read, lived.stream, POLICY)
    assert derive(REPORT, shuffled, lived.stream, POLICY) == one


def _moved(case: MonitoredCase, **fields: object) -> MonitoredCase:
    key = next(key for key, said in case.announcements.items() if said.clock == "follow_up")
    said = case.announcements[key].model_copy(update=fields)
    return case.model_copy(update={"announcements": {**case.announcements, key: said}})


DAMAGES: Final[dict[str, tuple[Callable[[MonitoredCase], MonitoredCase], str]]] = {
    "a deadline": (
        lambda case: _moved(case, deadline=at("2023-12-31 00:00")),
        "deadline of follow_up:",
    ),
    "a limit": (lambda case: _moved(case, limit=60), "limit of follow_up:"),
    "a calendar": (lambda case: _moved(case, calendar_version="id-0"), "calendar_version of"),
    "a met step": (lambda case: _moved(case, met_at=at("2023-03-22 00:00")), "met_at of follow_up"),
    "a run": (lambda case: case.model_copy(update={"announcements": {}}), "run follow_up:"),
    "a fact": (lambda case: case.model_copy(update={"facts": case.facts[1:]}), "fact received"),
    "a timer": (lambda case: case.model_copy(update={"timer_at": None}), "timer timer_at"),
    "a holder": (lambda case: case.model_copy(update={"holder": "reporter"}), "case holder"),
    "levels": (lambda case: _moved(case, levels=()), "told level 0 of follow_up"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_row_is_named(damage: str) -> None:
    """Each by what it is, with what is stored and what follows from the facts."""
    spoil, named = DAMAGES[damage]
    lived = Lived().go(LATE).fire(at("2023-04-15 00:00"))
    found = lived.found(row=lived.row._replace(case=spoil(lived.done.case)))
    assert any(text.startswith(named) for text in found), found


def test_a_damaged_column_is_named() -> None:
    """People look at the columns, not at the case."""
    lived = Lived().go(LATE)
    row = lived.row._replace(columns={**lived.row.columns, "next_deadline": None})
    (found,) = lived.found(row=row)
    assert found.startswith("column next_deadline: stored nothing, derived 2023-")


def test_a_row_that_is_gone_is_named_and_one_nobody_needs_is_not() -> None:
    """Facts without a row are a loss; neither row nor facts are nothing."""
    assert Lived().go(LATE).found(row=None) == [
        f"case as a whole: stored nothing, derived {len(LATE)} facts"
    ]
    assert differences(REPORT, None, [], [], (POLICY,)) == []


def _without(lived: Lived, kind: type[e.Event]) -> list[StreamEvent]:
    left = [stream for stream in lived.stream if not isinstance(stream.event, kind)]
    return [stream._replace(sequence=n) for n, stream in enumerate(left, 1)]


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        (e.DeadlineSet, "published follow_up of"),
        (e.DeadlineMet, "met of national_verification"),
        (e.DeadlineBreached, "told level 1 of"),
        (e.DeadlineMoved, "published national_verification of 00"),
    ],
)
def test_an_event_that_is_missing_on_the_stream_is_named(kind: type[e.Event], named: str) -> None:
    """Also where the numbers have no gap: what was said is compared, not only counted."""
    lived = Lived().go(LATE[:3] if kind is e.DeadlineMoved else LATE)
    lived.fire(at("2023-05-01 00:00"))
    stream = _without(lived, kind)
    found = lived.found(stream=stream, row=lived.row._replace(sequence=len(stream)))
    assert any(text.startswith(named) for text in found), found


def test_a_gap_in_the_numbers_is_named() -> None:
    """The row says how many events were said of the report."""
    lived = Lived().go(LATE)
    said = len(lived.stream)
    assert f"stream event {said}: stored {said} said, derived 1 missing" in lived.found(
        stream=lived.stream[:-1]
    )


def test_a_level_that_the_row_forgot_would_be_told_twice_and_is_named() -> None:
    """The stream has it, the row does not."""
    lived = Lived().go([*LATE, at_unit(e.FollowUpGiven, "2023-04-28 09:00")])
    case = _moved(lived.done.case, levels=())
    found = lived.found(row=lived.row._replace(case=case))
    assert [text for text in found if text.startswith("told level 1 of follow_up: stored not told")]


# ---- published changes


def _row(done: Run) -> CaseRow:
    lived = Lived()
    lived.done = done
    return lived.row


def _numbered(done: Run) -> list[tuple[int, e.Event]]:
    return [(n, x) for n, x in enumerate(done.events, 1) if isinstance(x, e.Event)]


def test_a_change_that_moved_nothing_leaves_the_promise_and_verifies() -> None:
    """The row still names the calendar of then; the same row before the change is as good."""
    before, after_ = policy(), policy((DECREE, "2025-08-13 10:00"))
    life = [received("2025-08-11 09:00"), forwarded("2025-08-12 09:00")]
    done = run(life, policy=before)
    row = _row(done)
    read = [DecidedRecord(*step) for step in life]
    stream = [StreamEvent(n, at("2025-08-13 10:00"), x) for n, x in _numbered(done)]

    assert differences(REPORT, row, read, stream, (before,)) == []
    assert differences(REPORT, row, read, stream, (before, after_)) == []


def test_a_deadline_that_a_decree_should_have_moved_is_named() -> None:
    """Nobody recomputed the case: the date that is row is not the one that counts."""
    before, after_ = policy(), policy((DECREE, "2025-08-14 10:00"))
    life = [received("2025-08-12 09:00"), forwarded("2025-08-13 09:00")]
    done = run(life, policy=before)
    read = [DecidedRecord(*step) for step in life]
    stream = [StreamEvent(n, at("2025-08-13 10:00"), x) for n, x in _numbered(done)]

    found = differences(REPORT, _row(done), read, stream, (before, after_))
    texts = [each.text for each in found]
    assert any(text.startswith("deadline of institution_verification") for text in texts), texts
    assert not [text for text in texts if text.startswith("calendar_version")]


def test_a_life_past_the_bound_of_facts_verifies() -> None:
    """Forty rounds and more: what the case dropped is dropped again."""
    rounds = [
        at_unit(kind, (at("2023-03-22 09:00") + timedelta(hours=n)).isoformat(), n=n)
        for n in range(110)
        for kind in ((e.FollowUpGiven, e.ReporterAnswered)[n % 2],)
    ]
    assert Lived().go([*LATE, *rounds]).found() == []
