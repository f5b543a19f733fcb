"""An explanation as people read it: local time, Indonesian days, numbered decrees."""

from datetime import timedelta
from typing import Any

import pytest

from deploy.cli.model.registry_names import Names
from deploy.cli.views.explanation import DAYS_SINGLY_MAX, lines, local, span
from services.sla_monitor.audit.explain import PublishedEvent, explain
from shared.contract import events as e
from shared.contract.events import ReportClass
from tests.unit.sla_monitor.builders import (
    HSU,
    POLICY,
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
    returned,
    run,
)

NAMES = Names()


def said(done: Run, **kw: Any) -> list[str]:
    """Write the explanation of a life; its events were published an hour after each other."""
    published = [
        PublishedEvent(at("2023-03-06 09:00") + timedelta(hours=n), event)
        for n, event in enumerate(done.events)
        if isinstance(event, e.Event)
    ]
    told = explain(done.case, POLICY, published=published, **kw)
    return [line.text for line in lines(told, NAMES)]


def test_each_day_is_told_with_its_number_or_its_reason() -> None:
    """Holidays by kind and name with the decree's number, which is written out once below."""
    text = said(run([received("2023-03-20 09:00")]), clock="national_verification")

    days = text[text.index("  days") + 1 : text.index("  levels")]
    assert days == [
        "    Sen 2023-03-20                   hari 0",
        "    Sel 2023-03-21                   hari kerja 1",
        "    Rab 2023-03-22                   libur nasional: Hari Suci Nyepi [1]",
        "    Kam 2023-03-23                   cuti bersama: Cuti Bersama Hari Suci Nyepi [1]",
        "    Jum 2023-03-24                   hari kerja 2",
        "    Sab 2023-03-25 – Min 2023-03-26  akhir pekan",
        "    Sen 2023-03-27                   hari kerja 3",
    ]
    assert "  due          Sen 2023-03-27 24:00 WIB" in text
    assert "  counts from  Sen 2023-03-20 09:00 WIB, received" in text
    assert text[-1].startswith("[1] Keputusan Bersama Menteri Agama")
    assert "00 Admin Nasional" in text[0]


def test_a_pause_and_the_move_it_made_are_told() -> None:
    """What was left of the limit, and the date before and after."""
    life = [received("2023-03-06 09:00"), asked("2023-03-07 10:00"), completed("2023-03-09 15:00")]
    text = said(run(life), clock="national_verification")

    (pause,) = [line for line in text if line.startswith("  pause")]
    assert pause.endswith(
        "Sel 2023-03-07 10:00 WIB to Kam 2023-03-09 15:00 WIB: the reporter was asked, completed; "
        "2 d 14 h of working time left"
    )
    (moved,) = [line for line in text if line.startswith("  moved")]
    assert "from Kam 2023-03-09 24:00 WIB to Sel 2023-03-14 05:00 WIB: resumed" in moved
    part = "hari kerja 1, 10 h terhitung, jeda: pelapor diminta melengkapi"
    assert any(line.endswith(part) for line in text)


def test_a_return_names_who_had_the_report_meanwhile() -> None:
    """And says that the date is past the limit, which was used up before."""
    life = [received("2023-03-06 09:00"), forwarded("2023-03-10 09:00"),
            returned("2023-03-13 09:00")]  # fmt: skip
    text = said(run(life), clock="national_verification")
    assert any("at 3204 Kab. Bandung, returned; too late to count" in line for line in text)
    assert any("past the limit: the report came back too late for it" in line for line in text)
    assert "  goes on from  Sen 2023-03-13 09:00 WIB, returned" in text


def test_levels_are_told_with_what_became_of_them() -> None:
    """Told and when, to whom, withdrawn and why; of a step that was done only what was told."""
    late = Run(run([received("2023-03-06 09:00")]).case, []).fire_until(at("2023-03-10 00:00"))
    open_ = said(late, clock="national_verification")
    more = late.then(asked("2023-03-07 10:00", n=1), completed("2023-03-09 15:00", n=2))
    moved = said(Run(more.case, [*late.events, *more.events]), clock="national_verification")
    done = said(run(_followed_up()), clock="national_verification")

    assert any(" 1 escalation" in line and "told" in line and "→" in line for line in open_)
    assert any(" 2 escalation" in line and "not told →" in line for line in open_)
    assert any("withdrawn: moved" in line for line in moved)
    assert "  levels" not in done


def test_a_long_list_of_days_has_a_line_for_each_week() -> None:
    """Sixty working days are told in weeks, still numbered."""
    life = [*_followed_up(ReportClass.SUPERVISED)[:-1]]
    text = said(run(life), clock="follow_up")
    days = text[text.index("  days") + 1 : text.index("  levels")]
    assert any("hari kerja 5–9" in line for line in days)
    assert len(days) <= DAYS_SINGLY_MAX + 15


def test_a_window_counts_calendar_days_and_says_that_it_ran_out() -> None:
    """Weekends are days, too."""
    done = run(_followed_up())
    more = done.fire_until(at("2023-04-01 00:00"))
    closed = more.then(at_unit(e.ReportClosed, "2023-04-02 09:00"))
    text = said(Run(closed.case, [*done.events, *more.events, *closed.events]), clock="reply")
    assert any(line.endswith("hari 10") for line in text)
    assert any("ran out: closed Min 2023-04-02 09:00 WIB" in line for line in text)


def test_a_year_without_a_decree_is_said_on_every_day() -> None:
    """And beside the date."""
    text = said(run([received("2031-04-29 09:00")]), clock="national_verification")
    assert any("provisional: a year on the way has no decree" in line for line in text)
    assert any("hari kerja 1, tahun tanpa keputusan" in line for line in text)


def test_the_ledger_is_told_in_the_holders_zones() -> None:
    """Who, from when to when, elapsed and working, and why no clock ran."""
    text = said(run(_followed_up()), as_of=at("2023-03-15 12:00"))
    heads = [n for n, line in enumerate(text) if line.startswith("Who had it: 9 d 3 h in all")]
    rows = text[heads[0] + 2 : heads[0] + 6]
    assert rows[-1].split("  ")[1].startswith("Sel 2023-03-14 12:00 WIB")
    assert rows[-1].endswith("reporter, rests: the reporter may reply")
    hsu = said(run([received("2023-03-06 09:00"), forwarded("2023-03-06 10:00", HSU)]))
    assert any("Sen 2023-03-06 11:00 WITA" in line for line in hsu)


def _followed_up(report_class: ReportClass = ReportClass.UNSUPERVISED) -> list[Step]:
    return [
        received("2023-03-06 09:00"),
        forwarded("2023-03-06 10:00"),
        accepted("2023-03-06 11:00", report_class),
        dispatched("2023-03-06 12:00", report_class=report_class),
        at_unit(e.FollowUpGiven, "2023-03-14 12:00"),
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 min"), (59, "1 min"), (3_600, "1 h"), (90_060, "1 d 1 h 1 min"), (172_800, "2 d")],
)
def test_a_length_of_time_is_told_to_the_minute(seconds: float, text: str) -> None:
    """Days have 24 hours."""
    assert span(seconds) == text


def test_the_end_of_a_day_is_its_24_00() -> None:
    """As the deadline is meant: not 00:00 of the next day."""
    zone = POLICY.calendar(HSU, at("2023-03-06 09:00")).zone
    assert local(at("2023-03-07 23:00"), zone) == "Sel 2023-03-07 24:00 WITA"
