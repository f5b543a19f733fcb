"""The ledger: who had the report, from when to when, for its whole life."""

from services.sla_monitor.ledger import Span
from shared import events as e
from tests.unit.sla_monitor.builders import (
    BANDUNG,
    OTHER_UNIT,
    UNIT,
    Step,
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
    returned,
    run,
)


def spans_of(*steps: Step) -> tuple[Span, ...]:
    """Return the ledger after some records."""
    return ledger_of(run(steps).case)


def told(spans: tuple[Span, ...]) -> list[tuple[str, str | None, str]]:
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
