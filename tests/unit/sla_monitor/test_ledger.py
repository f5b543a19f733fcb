"""The ledger: who had the report, from when to when, for its whole life."""

from datetime import timedelta

from services.sla_monitor.ledger import LedgerSpan
from shared.contract import events as e
from shared.contract.events import ReportClass
from tests.unit.sla_monitor.builders import (
    BANDUNG,
    OTHER_UNIT,
    POLICY,
    UNIT,
    Step,
    a_policy,
    accepted,
    archived,
    asked,
    at,
    at_unit,
    completed,
    dispatched,
    forwarded,
    ledger_of,
    received,
    reclassified,
    returned,
    run,
)


def spans_of(*steps: Step) -> tuple[LedgerSpan, ...]:
    """Return the ledger after some records."""
    return ledger_of(run(steps).case)


def told(spans: tuple[LedgerSpan, ...]) -> list[tuple[str, str | None, str]]:
    """Shorten spans to who, which unit or cause, and since when in WIB."""
    return [(s.holder.value, s.cause or s.unit, s.since.strftime("%dT%H")) for s in spans]


LIFE = (
    received("2023-03-06 07:00Z"),
    asked("2023-03-06 08:00Z"),
    completed("2023-03-07 08:00Z"),
    forwarded("2023-03-07 09:00Z"),
    accepted("2023-03-08 09:00Z"),
    dispatched("2023-03-08 10:00Z"),
    at_unit(e.UnitReturned, "2023-03-09 10:00Z"),
    dispatched("2023-03-09 11:00Z", 2, OTHER_UNIT),
    at_unit(e.FollowUpGiven, "2023-03-10 10:00Z", dispatch=2, unit=OTHER_UNIT),
    at_unit(e.ReporterAnswered, "2023-03-11 10:00Z", dispatch=2, unit=OTHER_UNIT),
    at_unit(e.FollowUpGiven, "2023-03-12 10:00Z", dispatch=2, unit=OTHER_UNIT, round=2),
    at_unit(e.ReportClosed, "2023-03-13 10:00Z", dispatch=2, unit=OTHER_UNIT),
    at_unit(e.ReportReopened, "2023-03-14 10:00Z", dispatch=2, unit=OTHER_UNIT),
    returned("2023-03-15 10:00Z"),
    forwarded("2023-03-16 10:00Z", holding=2),
    archived("2023-03-17 10:00Z", institution=BANDUNG),
)


def test_every_change_of_hands_is_a_span() -> None:
    """A life through every hand, in order, with the time at rest named."""
    assert told(spans_of(*LIFE)) == [
        ("national", None, "06T07"),
        ("reporter", "asked", "06T08"),
        ("national", None, "07T08"),
        ("institution", None, "07T09"),
        ("unit", UNIT, "08T10"),
        ("institution", None, "09T10"),
        ("unit", OTHER_UNIT, "09T11"),
        ("reporter", "followed_up", "10T10"),
        ("unit", OTHER_UNIT, "11T10"),
        ("reporter", "followed_up", "12T10"),
        ("unit", "closed", "13T10"),
        ("unit", OTHER_UNIT, "14T10"),
        ("national", None, "15T10"),
        ("institution", None, "16T10"),
    ]


def test_the_spans_are_the_whole_life() -> None:
    """From the reception to the end, each beginning where the one before ended."""
    spans = spans_of(*LIFE)
    assert spans[0].since == at("2023-03-06 07:00Z")
    assert spans[-1].until == at("2023-03-17 10:00Z")
    assert [s.until for s in spans[:-1]] == [s.since for s in spans[1:]]


def test_an_open_report_s_last_span_is_open() -> None:
    """Somebody has it now."""
    last = spans_of(*LIFE[:6])[-1]
    assert (last.holder, last.until, last.is_running) == ("unit", None, True)


def test_a_closed_report_s_life_ends_with_its_closing() -> None:
    """Until it is opened again, which the ledger then shows as rest."""
    assert spans_of(*LIFE[:12])[-1].until == at("2023-03-13 10:00Z")


def test_a_clock_that_jumped_back_makes_no_gap() -> None:
    """The dispatch is dated before the forward it follows: it still has the report."""
    steps = (
        received("2023-03-06 07:00Z"),
        forwarded("2023-03-06 09:00Z"),
        dispatched("2023-03-06 08:00Z"),
    )
    assert told(spans_of(*steps)) == [("national", None, "06T07"), ("unit", UNIT, "06T08")]


def test_a_report_not_yet_received_begins_with_what_is_known() -> None:
    """The forward came first: the ledger starts there until the reception is known."""
    assert told(spans_of(forwarded("2023-03-06 09:00Z"))) == [("institution", None, "06T09")]


def test_the_end_alone_is_no_life() -> None:
    """An end that came before everything leaves nothing to hold."""
    assert spans_of(archived("2023-03-06 09:00Z")) == ()


def test_every_span_is_measured_by_its_holder_s_calendar() -> None:
    """A weekend is no working time; Saturday is where an institution works six days."""
    steps = (received("2023-03-10 09:00+07"), forwarded("2023-03-11 12:00+07"))
    national, institution = spans_of(*steps)
    as_of = at("2023-03-13 12:00+07")
    assert national.working_time(POLICY, as_of) == timedelta(hours=15)
    assert institution.working_time(POLICY, as_of) == timedelta(hours=12)

    six = a_policy(working_week=("mon", "tue", "wed", "thu", "fri", "sat"))
    assert institution.working_time(six, as_of) == timedelta(hours=24)
    assert national.working_time(six, as_of) == timedelta(hours=15)


def test_the_sum_of_all_spans_is_the_whole_life() -> None:
    """In plain time, and in working time where all go by one calendar."""
    spans, as_of = spans_of(*LIFE), at("2023-06-01 00:00Z")
    elapsed = [span.until - span.since for span in spans if span.until is not None]
    assert sum(elapsed, timedelta(0)) == at("2023-03-17 10:00Z") - at("2023-03-06 07:00Z")
    worked = sum((span.working_time(POLICY, as_of) for span in spans), timedelta(0))
    calendar = POLICY.calendar(BANDUNG, as_of)
    assert worked == calendar.working_time(at("2023-03-06 07:00Z"), at("2023-03-17 10:00Z"))


def test_another_class_changes_no_span() -> None:
    """Who had it is not what it is."""
    class_change = reclassified("2023-03-10 09:00Z", ReportClass.SUPERVISED)
    assert spans_of(*LIFE, class_change) == spans_of(*LIFE)


def test_an_answer_after_the_window_s_end_ends_the_rest_no_later_than_the_window() -> None:
    """Whether its end was read before the answer or not: from then on the national admin had it."""
    steps = [received("2023-03-06 09:00"), asked("2023-03-06 10:00")]
    late = completed("2023-03-30 10:00")
    fired = run(steps).fire().then(late)
    unread = run([*steps, late])
    assert ledger_of(fired.case) == ledger_of(unread.case)
    assert [span.since for span in ledger_of(unread.case)][2] == at("2023-03-21 00:00")
