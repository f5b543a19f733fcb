"""A change of the registry reaches open cases: by the next fact, or by a recompute. Pure."""

from dataclasses import replace
from functools import cache, reduce

from services.sla_monitor.policy import Policy
from services.sla_monitor.rules import MonitoredCase, decide
from shared.contract import events as e
from shared.registry import Change, Registry
from shared.registry.load import PACKAGED, read
from tests.unit.sla_monitor.builders import (
    BANDUNG,
    REPORT,
    Run,
    Step,
    a_step,
    accepted,
    archived,
    at,
    dispatched,
    forwarded,
    received,
)

DECREE = e.CalendarAmended(
    version="id-2025-08-07", chain="indonesia", known_from="2025-08-07",
    decree="Keputusan Bersama 7 Agustus 2025", source="test",
    add=[("2025-08-18", "joint_leave", "Cuti Bersama Hari Kemerdekaan")],
)  # fmt: skip
TIGHTER = e.PolicyChanged(
    version="3204-2025-08-14", institution=BANDUNG, valid_from="2025-08-14",
    limits={"institution_verification": {"amount": 1, "source": "test"}},
)  # fmt: skip


@cache
def before_the_decree() -> Registry:
    """Return the registry as it was on 6 August 2025."""
    contents = read(PACKAGED)
    (chain,) = contents.calendars
    known = tuple(v for v in chain.versions if str(v.known_from) < "2025-08-07")
    return Registry.of(replace(contents, calendars=(chain.model_copy(update={"versions": known}),)))


def policy(*changes: tuple[e.CalendarAmended | e.PolicyChanged, str]) -> Policy:
    """Return the policy of a lane that saw changes at these local times."""
    seen = tuple(Change(event=event, seen_at=at(when)) for event, when in changes)
    return Policy(before_the_decree().amended(seen))


def after(*steps: Step, known: Policy) -> MonitoredCase:
    """Decide steps in order and return the case."""
    case = reduce(lambda c, s: decide(c, s.event, s.cause, known).case, steps, None)
    assert case is not None
    return case


def settled(case: MonitoredCase, known: Policy) -> tuple[MonitoredCase, list[e.Event]]:
    """Recompute a case."""
    step = a_step(
        e.Recompute(report_id=REPORT, version="v", changed="calendar"), "2025-08-19 09:00"
    )
    decision = decide(case, step.event, step.cause, known)
    assert decision.case is not None
    return decision.case, [outgoing.event for outgoing in decision.events]  # type: ignore[misc]


LIFE = (received("2025-08-12 09:00"), forwarded("2025-08-13 09:00"))


def test_the_case_of_13_august_2025_moves_by_the_decree() -> None:
    """domain.md section 2, by a limit of three days: 18 August falls out, 19 becomes day 3."""
    case, (moved,) = settled(after(*LIFE, known=policy()), policy((DECREE, "2025-08-14 10:00")))

    assert isinstance(moved, e.DeadlineMoved)
    assert (moved.deadline_before, moved.deadline) == (
        at("2025-08-19 00:00"),
        at("2025-08-20 00:00"),
    )
    assert (moved.why, moved.clock) == ("calendar", "institution_verification")
    assert moved.calendar_version == "id-2025-08-07"
    assert (moved.calendar_version_before or "") < "id-2025-08-07"
    assert settled(case, policy((DECREE, "2025-08-14 10:00")))[1] == []


def test_a_recompute_of_a_case_that_a_decree_does_not_touch_changes_nothing() -> None:
    """Its clocks were stopped before the decree was published."""
    case = after(*LIFE, accepted("2025-08-13 15:00"), dispatched("2025-08-13 16:00"),
                 archived("2025-08-14 09:00"), known=policy())  # fmt: skip
    later, said = settled(case, policy((DECREE, "2025-08-14 10:00")))

    assert said == []
    assert later.announcements == case.announcements


def test_a_case_decided_after_its_lane_saw_the_decree_needs_no_recompute() -> None:
    """Also where its facts carry an earlier time: order between topics is nobody's promise."""
    known = policy((DECREE, "2025-08-14 10:00"))

    case = after(*LIFE, known=known)

    assert case.next_deadline == at("2025-08-20 00:00")
    assert settled(case, known)[1] == []


def test_a_tighter_limit_keeps_the_promise_to_open_cases_unless_it_says_otherwise() -> None:
    """Three working days were promised on 13 August; from the 14th one is the limit."""
    case = after(*LIFE, known=policy())

    assert settled(case, policy((TIGHTER, "2025-08-14 10:00")))[1] == []
    to_open = TIGHTER.model_copy(update={"applies_to_open": True})
    _, (moved,) = settled(case, policy((to_open, "2025-08-14 10:00")))

    assert isinstance(moved, e.DeadlineMoved)
    assert (moved.why, moved.deadline) == ("policy", at("2025-08-15 00:00"))


def test_a_lane_keeps_what_it_saw_in_a_case_of_its_own() -> None:
    """The time of the record is when it counts from."""
    step = a_step(DECREE, "2025-08-14 10:00")

    lane = decide(None, step.event, step.cause, policy()).case

    assert lane is not None
    assert (lane.report_id, lane.is_over) == ("registry.0", True)
    assert lane.changes == (Change(event=DECREE, seen_at=at("2025-08-14 10:00")),)


INFORMATION = dispatched("2025-08-13 10:00", report_class=e.ReportClass.INFORMATION)
BREACHED = "2025-08-21 12:00"


def test_the_case_received_on_13_august_2025_is_due_a_day_later_by_the_decree() -> None:
    """domain.md section 2: five days are 20 August, then 21 August; the rungs move with it."""
    known = policy((DECREE, "2025-08-14 10:00"))
    case, (moved,) = settled(after(INFORMATION, known=policy()), known)

    assert isinstance(moved, e.DeadlineMoved)
    assert (moved.deadline_before, moved.deadline) == (
        at("2025-08-21 00:00"), at("2025-08-22 00:00"),
    )  # fmt: skip
    assert (moved.why, moved.calendar_version) == ("calendar", "id-2025-08-07")
    assert (
        moved.calendar_version_before
        == after(INFORMATION, known=policy()).announcements["follow_up:1"].calendar_version
    )
    assert moved.policy_version_before == moved.policy_version
    assert case.timer_at == at("2025-08-21 00:00")  # its warning, the day before


def test_a_breach_that_a_late_decree_makes_untrue_is_withdrawn_and_the_new_date_fires_anew() -> (
    None
):
    """The decree is published on the day after the old date."""
    before, known = policy(), policy((DECREE, BREACHED))
    breached = Run(after(INFORMATION, known=before), [], before).fire_until(at(BREACHED))
    [breach] = breached.of(e.DeadlineBreached)
    case, (moved, taken) = settled(breached.case, known)

    assert isinstance(moved, e.DeadlineMoved)
    assert isinstance(taken, e.BreachWithdrawn)
    assert (taken.level, taken.deadline, taken.why) == (1, breach.deadline, "moved")
    assert taken.deadline_now == moved.deadline == at("2025-08-22 00:00")
    later = Run(case, [], known).fire_until(at("2025-12-31 00:00"))
    breaches = later.of(e.DeadlineBreached)
    assert [(b.level, b.deadline) for b in breaches] == [(n, moved.deadline) for n in (1, 2, 3)]


def test_a_recompute_leaves_a_case_that_it_does_not_move_to_the_byte() -> None:
    """Neither its dates nor its levels lie behind the day; its calendar's version stays as said."""
    early = after(received("2025-08-04 09:00"), known=policy())
    later, said = settled(early, policy((DECREE, "2025-08-05 10:00")))
    assert said == []
    assert later is early


def test_a_timer_that_overtook_the_recompute_moves_the_date_first() -> None:
    """The lane knows the decree; the timer of the old warning finds nothing due."""
    case = after(INFORMATION, known=policy())
    assert case.timer_at == at("2025-08-20 00:00")
    fired = Run(case, [], policy((DECREE, "2025-08-14 10:00"))).fire()
    assert fired.names() == ["DeadlineMoved follow_up"]
    assert fired.case.timer_at == at("2025-08-21 00:00")
    assert fired.fire().names() == ["DeadlineApproaching follow_up"]


def test_another_institution_s_change_brings_no_limit_that_was_left_to_new_cases() -> None:
    """Bandung's tighter limit keeps its promise, whatever Hulu Sungai Utara lets count at once."""
    other = e.PolicyChanged(
        version="6308-2025-08-15", institution="6308", valid_from="2025-08-15",
        limits={"institution_verification": {"amount": 1, "source": "test"}}, applies_to_open=True,
    )  # fmt: skip
    known = policy((TIGHTER, "2025-08-14 10:00"), (other, "2025-08-15 10:00"))
    assert settled(after(*LIFE, known=policy()), known)[1] == []
