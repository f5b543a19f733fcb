"""Every row of the table of clocks: what starts it, what stops it, and the date it gives."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest

from shared.contract import events as e
from shared.contract.events import ReportClass
from tests.unit.sla_monitor.builders import (
    BANDUNG,
    HSU,
    OTHER_UNIT,
    UNIT,
    Step,
    accepted,
    archived,
    asked,
    at,
    at_unit,
    blocked,
    completed,
    dispatched,
    forwarded,
    held,
    received,
    reclassified,
    returned,
    run,
    withdrawn,
)

MONDAY = "2023-03-06 09:00"  # two weeks without a holiday, but for Wednesday 22 March
CLASSES = {5: ReportClass.INFORMATION, 14: ReportClass.UNSUPERVISED, 60: ReportClass.SUPERVISED}


class Dates(NamedTuple):
    """A start and the last day of a limit of so many working days, counted out by hand."""

    start: str
    after_3: str
    after_5: str
    after_10: str
    after_14: str
    after_60: str


DATES = (
    Dates("2023-04-18", "2023-04-28", "2023-05-03", "2023-05-10", "2023-05-16", "2023-07-28"),
    Dates("2024-02-07", "2024-02-15", "2024-02-19", "2024-02-26", "2024-03-01", "2024-05-22"),
    Dates("2024-12-24", "2024-12-31", "2025-01-03", "2025-01-10", "2025-01-16", "2025-03-26"),
    Dates("2025-03-27", "2025-04-10", "2025-04-14", "2025-04-22", "2025-04-28", "2025-07-11"),
    Dates("2025-08-15", "2025-08-21", "2025-08-25", "2025-09-01", "2025-09-08", "2025-11-11"),
    Dates("2026-03-13", "2026-03-25", "2026-03-27", "2026-04-06", "2026-04-10", "2026-06-24"),
)
AS_KNOWN_IN_APRIL = {"2023-07-28": "2023-07-26"}
"""Two days of June 2023 were decreed in June 2023."""

each_start = pytest.mark.parametrize("dates", DATES, ids=lambda dates: dates.start)


def ends(day: str, zone: str = "+07") -> datetime:
    """Return 24:00 of a local day, in UTC."""
    return at(f"{day} 00:00{zone}") + timedelta(days=1)


def in_progress(report_class: ReportClass = ReportClass.UNSUPERVISED) -> list[Step]:
    """Bring a report to its unit on a Monday."""
    return [
        received(MONDAY),
        forwarded("2023-03-06 09:01"),
        accepted("2023-03-06 09:02", report_class),
        dispatched("2023-03-06 09:03", report_class=report_class),
    ]


@each_start
def test_the_deadlines_of_the_domain_s_table_national(dates: Dates) -> None:
    """The clock of the national admin counts in WIB, whatever the hour."""
    for hour in ("00:00", "23:59:59.999"):
        set_ = run([received(f"{dates.start} {hour}")]).of(e.DeadlineSet)
        assert [(s.clock, s.deadline, s.owner) for s in set_] == [
            ("national_verification", ends(dates.after_3), "national")
        ]


@each_start
def test_the_deadlines_of_the_domain_s_table_at_an_institution_in_wita(dates: Dates) -> None:
    """The clocks of Hulu Sungai Utara count in WITA: +3 to verify, +10 to complete."""
    when = f"{dates.start} 00:30+08"  # still the day before in WIB
    done = run([forwarded(when, HSU), _asked_by(when, HSU)])
    assert done.of(e.DeadlineSet, "institution_verification")[0].deadline == ends(
        dates.after_3, "+08"
    )
    assert done.of(e.DeadlineSet, "completion")[0].deadline == ends(dates.after_10, "+08")


def _asked_by(when: str, institution: str) -> Step:
    step = asked(when, "institution", 1)
    return step._replace(event=step.event.model_copy(update={"institution": institution}))


@pytest.mark.parametrize("days", [5, 14, 60])
@each_start
def test_the_deadlines_of_the_domain_s_table_by_class(dates: Dates, days: int) -> None:
    """The follow-up has 5, 14 or 60 working days from the dispatch, by class.

    Until a fact that knows the decree of June 2023 the date is the one known in April.
    """
    when = f"{dates.start} 12:00"
    last_day = {5: dates.after_5, 14: dates.after_14, 60: dates.after_60}[days]
    [first] = run([dispatched(when, report_class=CLASSES[days])]).of(e.DeadlineSet)
    assert first.limit == days
    assert first.deadline == ends(AS_KNOWN_IN_APRIL.get(last_day, last_day))

    year = dates.start[:4]
    later = [dispatched(when), reclassified(f"{year}-12-31 12:00", CLASSES[days])]
    [moved] = run(later).case.announcements.values()
    assert moved.deadline == ends(last_day)


def test_hulu_sungai_utara_follows_up_in_5_days_whatever_the_class() -> None:
    """An institution's own limit is tighter."""
    step = dispatched("2025-08-15 12:00+08", unit="6308-001", report_class=ReportClass.SUPERVISED)
    [follow_up] = run([step]).of(e.DeadlineSet)
    assert follow_up.deadline == ends("2025-08-25", "+08")
    assert "6308" in follow_up.policy_version


def test_an_aspiration_has_14_days_and_no_class_is_never_no_limit() -> None:
    """Aspirasi counts as a complaint not subject to supervision."""
    [follow_up] = run([dispatched(MONDAY, report_class=ReportClass.ASPIRATION)]).of(e.DeadlineSet)
    assert follow_up.limit == 14


def test_a_decree_counts_from_the_day_it_became_known() -> None:
    """18 August 2025 was decreed on the 7th: who was dispatched on the 6th was not promised it."""
    before, after = (
        run([dispatched(f"2025-08-{day} 10:00", report_class=ReportClass.UNSUPERVISED)])
        for day in ("06", "07")
    )
    [known], [amended] = before.of(e.DeadlineSet), after.of(e.DeadlineSet)
    assert known.deadline == ends("2025-08-26")
    assert amended.deadline == ends("2025-08-28")
    assert known.calendar_version != amended.calendar_version


def test_a_typed_in_report_counts_from_when_it_was_submitted() -> None:
    """The platform was down: received on Wednesday, submitted on Monday."""
    [set_] = run([received("2023-03-08 10:00", submitted=MONDAY)]).of(e.DeadlineSet)
    assert set_.started_at == at(MONDAY)
    assert set_.deadline == ends("2023-03-09")


def test_a_report_from_the_future_counts_from_now() -> None:
    """A sender's wrong clock buys nobody time."""
    [set_] = run([received(MONDAY, submitted="2099-01-01 00:00")]).of(e.DeadlineSet)
    assert set_.started_at == at(MONDAY)


# clock, facts up to its start, the stop
STOPS = {
    "national_verification by forward": (
        "national_verification", [received(MONDAY)], forwarded("2023-03-07 09:00")),
    "national_verification by archive": (
        "national_verification", [received(MONDAY)], archived("2023-03-07 09:00")),
    "national_verification by block": (
        "national_verification", [received(MONDAY)], blocked("2023-03-07 09:00")),
    "national_verification by withdrawal": (
        "national_verification", [received(MONDAY)], withdrawn("2023-03-07 09:00")),
    "institution_verification by acceptance": (
        "institution_verification", in_progress()[:2], accepted("2023-03-07 09:00")),
    "institution_verification by return": (
        "institution_verification", in_progress()[:2], returned("2023-03-07 09:00")),
    "institution_verification by archive": (
        "institution_verification", in_progress()[:2],
        archived("2023-03-07 09:00", institution=BANDUNG)),
    "dispatch by dispatch": (
        "dispatch", in_progress()[:3], dispatched("2023-03-07 09:00")),
    "dispatch by return": (
        "dispatch", in_progress()[:3], returned("2023-03-07 09:00")),
    "dispatch by withdrawal": (
        "dispatch", in_progress()[:3], withdrawn("2023-03-07 09:00")),
    "held dispatch by dispatch": (
        "dispatch", [held(MONDAY)], dispatched("2023-03-07 09:00")),
    "dispatch after a unit's return": (
        "dispatch", [dispatched(MONDAY), at_unit(e.UnitReturned, "2023-03-06 10:00")],
        dispatched("2023-03-07 09:00", 2, OTHER_UNIT)),
    "held dispatch by closing": (
        "dispatch",
        [dispatched(MONDAY), at_unit(e.UnitReturned, "2023-03-06 10:00"), held("2023-03-06 10:01")],
        at_unit(e.ReportClosed, "2023-03-07 09:00", by="reporter")),
    "follow_up by follow-up": (
        "follow_up", in_progress(), at_unit(e.FollowUpGiven, "2023-03-07 09:00")),
    "follow_up by closing": (
        "follow_up", in_progress(),
        at_unit(e.ReportClosed, "2023-03-07 09:00", by="reporter")),
    "follow_up by the institution's return": (
        "follow_up", in_progress(), returned("2023-03-07 09:00")),
    "follow_up by block": (
        "follow_up", in_progress(), blocked("2023-03-07 09:00")),
    "completion by answer": (
        "completion", [received(MONDAY), asked("2023-03-06 10:00")], completed("2023-03-07 09:00")),
    "completion by forward": (
        "completion", [received(MONDAY), asked("2023-03-06 10:00")], forwarded("2023-03-07 09:00")),
    "completion by acceptance": (
        "completion", [*in_progress()[:2], asked("2023-03-06 10:00", "institution", 1)],
        accepted("2023-03-07 09:00")),
    "completion by archive": (
        "completion", [received(MONDAY), asked("2023-03-06 10:00")], archived("2023-03-07 09:00")),
    "reply by answer": (
        "reply", [dispatched(MONDAY), at_unit(e.FollowUpGiven, "2023-03-06 10:00")],
        at_unit(e.ReporterAnswered, "2023-03-07 09:00")),
    "reply by closing": (
        "reply", [dispatched(MONDAY), at_unit(e.FollowUpGiven, "2023-03-06 10:00")],
        at_unit(e.ReportClosed, "2023-03-07 09:00", by="admin")),
    "reply by another follow-up": (
        "reply", [dispatched(MONDAY), at_unit(e.FollowUpGiven, "2023-03-06 10:00")],
        at_unit(e.FollowUpGiven, "2023-03-07 09:00", round=2)),
}  # fmt: skip


@pytest.mark.parametrize("name", STOPS)
def test_a_stop_ends_its_clock_at_its_time(name: str) -> None:
    """Each stop of the table is said once, with its time, and nothing of that clock fires after."""
    clock, before, stop = STOPS[name]
    started = run(before)
    assert len(started.of(e.DeadlineSet, clock)) == 1
    assert not started.of(e.DeadlineMet, clock)

    [met] = started.then(stop).of(e.DeadlineMet, clock)
    assert met.met_at == at("2023-03-07 09:00")
    assert met.on_time
    assert met.deadline == started.of(e.DeadlineSet, clock)[0].deadline


@pytest.mark.parametrize("name", STOPS)
def test_a_stop_before_its_start_gives_the_same_case(name: str) -> None:
    """The stop came first, from another stream: what is known at last is the same."""
    _, before, stop = STOPS[name]
    last = run([*before, stop]).case
    late = run([stop, *before]).case
    assert late.facts == last.facts
    assert _dates(late) == _dates(last)
    assert late.timer_at == last.timer_at


def _dates(case: object) -> dict[str, object]:
    said = getattr(case, "announcements", {})
    return {key: (s.deadline, s.started_at, s.met_at, s.unit) for key, s in said.items()}


def test_every_state_has_somebody_who_owes_the_next_step() -> None:
    """Received, forwarded, accepted, dispatched, returned by a unit, followed up, replied: owed."""
    steps = [
        *in_progress(),
        at_unit(e.UnitReturned, "2023-03-07 09:00"),
        held("2023-03-07 09:01"),
        dispatched("2023-03-07 10:00", 2, OTHER_UNIT),
        at_unit(e.InitialResponseGiven, "2023-03-07 11:00", dispatch=2, unit=OTHER_UNIT),
        at_unit(e.FollowUpGiven, "2023-03-08 09:00", dispatch=2, unit=OTHER_UNIT),
        at_unit(e.ReporterAnswered, "2023-03-09 09:00", dispatch=2, unit=OTHER_UNIT),
        at_unit(e.FollowUpGiven, "2023-03-10 09:00", dispatch=2, unit=OTHER_UNIT, round=2),
        at_unit(e.ReportClosed, "2023-03-22 09:00", dispatch=2, unit=OTHER_UNIT),
        at_unit(e.ReportReopened, "2023-03-24 09:00", dispatch=2, unit=OTHER_UNIT),
        returned("2023-03-27 09:00"),
        forwarded("2023-03-28 09:00", HSU, 2),
    ]
    for count in range(1, len(steps) + 1):
        case = run(steps[:count]).case
        is_closed = isinstance(steps[count - 1].event, e.ReportClosed)
        assert (case.next_deadline is None) == is_closed
        assert (case.timer_at is None) == is_closed


def test_the_initial_response_does_not_end_the_follow_up() -> None:
    """It is kept, and the clock runs on."""
    done = run([*in_progress(), at_unit(e.InitialResponseGiven, "2023-03-07 09:00")])
    assert not done.of(e.DeadlineMet, "follow_up")


def test_a_unit_s_return_and_the_next_dispatch_keep_the_original_start() -> None:
    """The follow-up counts from the first dispatch; who owes it now is told the same date."""
    done = run(in_progress()).then(
        at_unit(e.UnitReturned, "2023-03-08 09:00"),
        dispatched("2023-03-09 09:00", 2, OTHER_UNIT),
    )
    assert not done.of(e.DeadlineMoved)
    returned, follow_up = done.of(e.DeadlineSet, "follow_up")
    assert (returned.owner, returned.unit) == ("institution", None)
    assert (returned.started_by, follow_up.started_by) == ("unit_returned", "dispatched")
    assert (follow_up.owner, follow_up.unit) == ("unit", OTHER_UNIT)
    for told in (returned, follow_up):
        assert (told.started_at, told.deadline) == (at("2023-03-06 09:03"), ends("2023-03-28"))
    met = done.then(at_unit(e.FollowUpGiven, "2023-03-10 09:00", dispatch=2, unit=OTHER_UNIT))
    assert met.of(e.DeadlineMet, "follow_up")[0].unit == OTHER_UNIT


def test_while_no_unit_has_it_the_institution_owes_the_follow_up() -> None:
    """A breach in that time tells the institution, not the unit that gave it back."""
    done = run([*in_progress(), at_unit(e.UnitReturned, "2023-03-08 09:00")])
    breaches = done.fire_until(ends("2023-04-30")).of(e.DeadlineBreached, "follow_up")
    assert {(b.owner, b.unit) for b in breaches} == {("institution", None)}


@pytest.mark.parametrize(
    ("after", "deadline"),
    [
        (ReportClass.INFORMATION, "2023-03-13"),
        (ReportClass.SUPERVISED, "2023-06-13"),
        (ReportClass.ASPIRATION, None),
    ],
)
def test_another_class_counts_from_the_original_start(
    after: ReportClass, deadline: str | None
) -> None:
    """The date moves by the limits' difference; where that is none nothing is said."""
    moved = run(in_progress()).then(reclassified("2023-03-09 15:00", after)).of(e.DeadlineMoved)
    if deadline is None:
        assert not moved
        return
    [event] = moved
    assert event.why == "reclassified"
    assert event.started_at == at("2023-03-06 09:03")
    assert (event.deadline_before, event.deadline) == (ends("2023-03-28"), ends(deadline))


def test_another_class_after_the_follow_up_changes_nothing_that_was_owed() -> None:
    """What was done in time stays done in time."""
    done = run([*in_progress(), at_unit(e.FollowUpGiven, "2023-03-20 09:00")])
    assert not done.then(reclassified("2023-03-20 10:00", ReportClass.INFORMATION)).events


def test_a_class_given_again_by_another_institution_counts_there() -> None:
    """Each holding has its own class, start and limit."""
    steps = [
        *in_progress(ReportClass.INFORMATION),
        returned("2023-03-07 09:00"),
        forwarded("2023-03-08 09:00", BANDUNG, 2),
        accepted("2023-03-08 10:00", ReportClass.SUPERVISED, holding=2),
        dispatched("2023-03-08 11:00", holding=2),
    ]
    last = run(steps).of(e.DeadlineSet, "follow_up")[-1]
    assert (last.limit, last.started_at) == (60, at("2023-03-08 11:00"))


@pytest.mark.parametrize("opener", [e.ReporterAnswered, e.ReportReopened])
def test_a_reply_or_a_reopening_asks_for_a_follow_up_within_5_days(opener: type[e.AtUnit]) -> None:
    """Its own limit, from the reply or the reopening."""
    before = [at_unit(e.FollowUpGiven, "2023-03-07 09:00")]
    if opener is e.ReportReopened:
        before.append(at_unit(e.ReportClosed, "2023-03-07 10:00", by="reporter"))
    done = run([*in_progress(), *before]).then(at_unit(opener, "2023-03-08 09:00"))
    [again] = done.of(e.DeadlineSet, "follow_up")
    assert (again.limit, again.unit, again.owner) == (5, UNIT, "unit")
    assert again.started_at == at("2023-03-08 09:00")
    assert again.deadline == ends("2023-03-15")
    met = done.then(at_unit(e.FollowUpGiven, "2023-03-16 09:00", round=2))
    assert [m.on_time for m in met.of(e.DeadlineMet, "follow_up")] == [False]


def test_the_national_limit_goes_on_after_a_return() -> None:
    """One day was used, one more was spent elsewhere: two are left, not three."""
    steps = [
        received(MONDAY),
        forwarded("2023-03-07 23:59:59"),
        returned("2023-03-08 23:59:59"),
    ]
    again = run(steps).of(e.DeadlineSet, "national_verification")[-1]
    assert again.started_at == at(MONDAY)
    assert again.deadline == ends("2023-03-10")


def test_a_report_that_comes_back_when_the_limit_is_used_up_has_until_the_next_working_day() -> (
    None
):
    """A breach that nobody could have avoided is none."""
    steps = [
        received(MONDAY),
        forwarded("2023-03-13 09:00"),  # four days late
        returned("2023-03-17 09:00"),
    ]
    again = run(steps).of(e.DeadlineSet, "national_verification")[-1]
    assert again.deadline == ends("2023-03-20")


def test_the_reply_window_is_10_calendar_days() -> None:
    """Holidays and weekends count for the reporter."""
    done = run([dispatched(MONDAY), at_unit(e.FollowUpGiven, "2023-04-18 10:00")])
    [reply] = done.of(e.DeadlineSet, "reply")
    assert (reply.owner, reply.limit_unit) == ("reporter", "calendar_days")
    assert reply.deadline == ends("2023-04-28")


def test_an_unknown_institution_is_ruled_as_the_national_admin() -> None:
    """A missing file of the registry takes no report its deadline."""
    [set_] = run([forwarded(MONDAY, "9999")]).of(e.DeadlineSet)
    assert (set_.institution, set_.deadline) == ("9999", ends("2023-03-09"))


@pytest.mark.parametrize("year", [2019, 2027, 2050])
def test_a_year_without_a_decree_is_flagged_provisional(year: int) -> None:
    """Such a date is never silently counted: the calendar's version says so."""
    [set_] = run([received(f"{year}-03-06 09:00")]).of(e.DeadlineSet)
    assert set_.calendar_version.endswith("+provisional")
    [last] = run([received("2026-12-30 09:00")]).of(e.DeadlineSet)
    assert last.calendar_version.endswith("+provisional")
    [sure] = run([received(MONDAY)]).of(e.DeadlineSet)
    assert not sure.calendar_version.endswith("+provisional")


@pytest.mark.parametrize("when", ["0001-01-02 00:00", "1970-01-01 00:00"])
def test_a_report_from_before_any_calendar_still_has_a_deadline(when: str) -> None:
    """The earliest day that calendars count stands for it."""
    [set_] = run([received(MONDAY, submitted=when)]).of(e.DeadlineSet)
    assert set_.started_at == datetime(2001, 1, 1, tzinfo=UTC)
