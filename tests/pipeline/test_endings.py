"""How a report is answered, closed, opened again, taken back, or blocked."""

import pytest

from shared.contract import events as e
from tests.pipeline.city import City, at
from tests.pipeline.stories import (
    ADMIN,
    HSU,
    dispatched,
    followed_up,
    forwarded,
    held,
    letters,
    outcome,
    send,
    write,
)


def test_a_reply_asks_for_another_follow_up(city: City) -> None:
    """The unit owes again, the window opens again, and only its own end closes the report."""
    report = followed_up(city)
    assert city.owed(report) == {"reply": at("2023-04-28 24:00")}
    city.advance(at("2023-04-27 10:00"))
    write(city, e.ReplyToFollowUp, report, text="Masih padam.")
    assert city.status(report).follow_up == "replied"
    assert city.owed(report) == {"follow_up": at("2023-05-05 24:00")}
    assert [x.text for x in city.inbox(HSU) if x.entry == "reporter_replied"] == ["Masih padam."]

    city.advance(at("2023-04-30 10:00"))
    assert city.of(e.ReportClosed, report) == []  # the first window was answered
    send(city, HSU, e.FollowUp, report, text="Sekarang sudah menyala.")
    assert [f.round for f in city.of(e.FollowUpGiven, report)] == [1, 2]
    city.advance(at("2023-05-10 24:00"))
    (closed,) = city.of(e.ReportClosed, report)
    assert closed.by == "system"
    (over,) = city.of(e.TimeRanOut, report)
    assert over.ran_out_at == at("2023-05-10 24:00")


def test_the_reporter_closes_with_a_rating(city: City) -> None:
    """Which is told to the institution, and counts as solved or not."""
    report = followed_up(city)
    message = write(city, e.CloseReport, report, rating=5, solved=True, text="Terima kasih.")
    assert outcome(city, message) == "accepted"
    (closed,) = city.of(e.ReportClosed, report)
    assert (closed.by, closed.rating, closed.solved) == ("reporter", 5, True)
    assert city.status(report) == ("closed", "closed", "closed", "closed")
    (told,) = [x for x in city.inbox(HSU) if x.entry == "reporter_closed"]
    assert (told.rating, told.solved, told.text) == (5, True, "Terima kasih.")
    assert city.owed(report) == {}


def test_the_institutions_admin_closes_what_was_followed_up(city: City) -> None:
    """Not before: then it is refused."""
    report = dispatched(city)
    early = send(city, HSU, e.CloseCase, report, solved=True)
    assert city.agency(HSU).answers_to(early) == ["command_refused:not_followed_up"]
    send(city, HSU, e.FollowUp, report, text="Selesai.")
    message = send(city, HSU, e.CloseCase, report, solved=True)
    assert city.agency(HSU).answers_to(message) == ["closed"]
    (closed,) = city.of(e.ReportClosed, report)
    assert (closed.by, closed.solved, closed.rating) == ("admin", True, None)
    assert city.status(report) == ("closed", "closed", "closed", "closed")


def test_a_closed_report_is_opened_again_within_thirty_days(city: City) -> None:
    """The same unit owes a further follow-up, and all stages take the report up again."""
    report = followed_up(city)
    write(city, e.CloseReport, report, rating=2, solved=False)
    city.advance(at("2023-05-08 09:00"))
    message = write(city, e.ReopenReport, report, text="Padam lagi.")
    assert outcome(city, message) == "accepted"
    (opened,) = city.of(e.ReportReopened, report)
    assert (opened.unit, opened.holding) == ("6308-004", 1)
    assert city.status(report)[:2] == ("forwarded", "accepted")
    assert city.status(report).follow_up == "in_progress"
    assert city.owed(report) == {"follow_up": at("2023-05-15 24:00")}
    send(city, HSU, e.FollowUp, report, text="Kami ganti kabelnya.")
    city.advance(at("2023-05-19 09:00"))
    assert city.status(report) == ("closed", "closed", "closed", "closed")
    assert [c.by for c in city.of(e.ReportClosed, report)] == ["reporter", "system"]


def test_after_thirty_days_it_stays_closed(city: City) -> None:
    """The reporter is told why."""
    report = followed_up(city)
    write(city, e.CloseReport, report, rating=4, solved=True)
    city.advance(at("2023-05-18 10:01"))
    write(city, e.ReopenReport, report, text="Padam lagi.")
    (refused,) = city.of(e.CommandRefused, report)
    assert (refused.command, refused.reason) == ("ReopenRequested", "window_over")
    assert city.status(report) == ("closed", "closed", "closed", "closed")
    city.wait(hours=1)
    assert "reopen_refused" in letters(city, report)
    assert [x for x in city.inbox(ADMIN) if x.entry == "command_refused"] == []


@pytest.mark.parametrize("beginning", [held, forwarded, dispatched, followed_up])
def test_the_reporter_takes_it_back_at_any_time(city: City, beginning: object) -> None:
    """Before, while and after the institution works on it: the end for every stage."""
    assert callable(beginning)
    report: str = beginning(city)
    message = write(city, e.WithdrawReport, report)
    assert outcome(city, message) == "accepted"
    assert city.status(report) == ("withdrawn", "withdrawn", "withdrawn", "withdrawn")
    assert city.owed(report) == {}
    city.wait(days=60)
    assert "withdrawn" in letters(city, report)
    assert city.of(e.ReportClosed, report) == []
    assert city.of(e.DeadlineBreached, report) == []
    late = send(city, HSU, e.FollowUp, report, holding=1, text="Sudah.")
    is_at_a_unit = beginning in (dispatched, followed_up)  # else this stage never saw a holder
    reason = "withdrawn" if is_at_a_unit else "not_the_holder"
    assert city.agency(HSU).answers_to(late) == [f"command_refused:{reason}"]


def test_a_withdrawal_may_outrun_the_report(city: City) -> None:
    """Both written at once: whatever is read first, nobody works on it."""
    report = city.submit()
    city.broker.now_ms += 1
    city.processes["intake"].step(city.random)
    city.write(e.WithdrawReport, report)
    city.run()
    assert city.status(report) == ("withdrawn", "withdrawn", "withdrawn", "withdrawn")
    assert city.owed(report) == {}


def test_a_withdrawal_of_a_closed_report_changes_nothing(city: City) -> None:
    """It is over already, and stays as it was closed."""
    report = followed_up(city)
    write(city, e.CloseReport, report, rating=4, solved=True)
    write(city, e.WithdrawReport, report)
    assert city.status(report) == ("closed", "closed", "closed", "closed")


@pytest.mark.parametrize("beginning", [held, forwarded, dispatched, followed_up])
def test_the_national_admin_blocks_whoever_holds_it(city: City, beginning: object) -> None:
    """Hate cannot wait for a unit; the block is the end, also for what comes later."""
    assert callable(beginning)
    report: str = beginning(city)
    message = send(city, ADMIN, e.Block, report, reason="Ujaran kebencian.")
    assert city.agency(ADMIN).answers_to(message) == ["blocked"]
    assert city.status(report) == ("blocked", "blocked", "blocked", "blocked")
    assert city.owed(report) == {}
    again = send(city, ADMIN, e.Block, report, reason="Sekali lagi.")
    assert city.agency(ADMIN).answers_to(again) == ["command_refused:blocked"]
    write(city, e.WithdrawReport, report)
    assert city.status(report).national == "blocked"
    city.wait(hours=24)
    assert "blocked" in letters(city, report)
