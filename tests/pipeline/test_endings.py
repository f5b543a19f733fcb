"""How a report is answered, closed, opened again, taken back, or blocked."""

import pytest

from shared.contract import events as e
from tests.pipeline.harness import Harness, at
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


def test_a_reply_asks_for_another_follow_up(harness: Harness) -> None:
    """The unit owes again, the window opens again, and only its own end closes the report."""
    report = followed_up(harness)
    assert harness.owed(report) == {"reply": at("2023-04-28 24:00")}
    harness.advance(at("2023-04-27 10:00"))
    write(harness, e.ReplyToFollowUp, report, text="Masih padam.")
    assert harness.status(report).follow_up == "replied"
    assert harness.owed(report) == {"follow_up": at("2023-05-05 24:00")}
    assert [x.text for x in harness.inbox(HSU) if x.entry == "reporter_replied"] == ["Masih padam."]

    harness.advance(at("2023-04-30 10:00"))
    assert harness.of(e.ReportClosed, report) == []  # the first window was answered
    send(harness, HSU, e.FollowUp, report, text="Sekarang sudah menyala.")
    assert [f.round for f in harness.of(e.FollowUpGiven, report)] == [1, 2]
    harness.advance(at("2023-05-10 24:00"))
    (closed,) = harness.of(e.ReportClosed, report)
    assert closed.by == "system"
    (over,) = harness.of(e.TimeRanOut, report)
    assert over.ran_out_at == at("2023-05-10 24:00")


def test_the_reporter_closes_with_a_rating(harness: Harness) -> None:
    """Which is told to the institution, and counts as solved or not."""
    report = followed_up(harness)
    message = write(harness, e.CloseReport, report, rating=5, solved=True, text="Terima kasih.")
    assert outcome(harness, message) == "accepted"
    (closed,) = harness.of(e.ReportClosed, report)
    assert (closed.by, closed.rating, closed.solved) == ("reporter", 5, True)
    assert harness.status(report) == ("closed", "closed", "closed", "closed")
    (told,) = [x for x in harness.inbox(HSU) if x.entry == "reporter_closed"]
    assert (told.rating, told.solved, told.text) == (5, True, "Terima kasih.")
    assert harness.owed(report) == {}


def test_the_institutions_admin_closes_what_was_followed_up(harness: Harness) -> None:
    """Not before: then it is refused."""
    report = dispatched(harness)
    early = send(harness, HSU, e.CloseCase, report, solved=True)
    assert harness.agency(HSU).answers_to(early) == ["command_refused:not_followed_up"]
    send(harness, HSU, e.FollowUp, report, text="Selesai.")
    message = send(harness, HSU, e.CloseCase, report, solved=True)
    assert harness.agency(HSU).answers_to(message) == ["closed"]
    (closed,) = harness.of(e.ReportClosed, report)
    assert (closed.by, closed.solved, closed.rating) == ("admin", True, None)
    assert harness.status(report) == ("closed", "closed", "closed", "closed")


def test_a_closed_report_is_opened_again_within_thirty_days(harness: Harness) -> None:
    """The same unit owes a further follow-up, and all stages take the report up again."""
    report = followed_up(harness)
    write(harness, e.CloseReport, report, rating=2, solved=False)
    harness.advance(at("2023-05-08 09:00"))
    message = write(harness, e.ReopenReport, report, text="Padam lagi.")
    assert outcome(harness, message) == "accepted"
    (opened,) = harness.of(e.ReportReopened, report)
    assert (opened.unit, opened.holding) == ("6308-004", 1)
    assert harness.status(report)[:2] == ("forwarded", "accepted")
    assert harness.status(report).follow_up == "in_progress"
    assert harness.owed(report) == {"follow_up": at("2023-05-15 24:00")}
    send(harness, HSU, e.FollowUp, report, text="Kami ganti kabelnya.")
    harness.advance(at("2023-05-19 09:00"))
    assert harness.status(report) == ("closed", "closed", "closed", "closed")
    assert [c.by for c in harness.of(e.ReportClosed, report)] == ["reporter", "system"]


def test_after_thirty_days_it_stays_closed(harness: Harness) -> None:
    """The reporter is told why."""
    report = followed_up(harness)
    write(harness, e.CloseReport, report, rating=4, solved=True)
    harness.advance(at("2023-05-18 10:01"))
    write(harness, e.ReopenReport, report, text="Padam lagi.")
    (refused,) = harness.of(e.CommandRefused, report)
    assert (refused.command, refused.reason) == ("ReopenRequested", "window_over")
    assert harness.status(report) == ("closed", "closed", "closed", "closed")
    harness.wait(hours=1)
    assert "reopen_refused" in letters(harness, report)
    assert [x for x in harness.inbox(ADMIN) if x.entry == "command_refused"] == []


@pytest.mark.parametrize("beginning", [held, forwarded, dispatched, followed_up])
def test_the_reporter_takes_it_back_at_any_time(harness: Harness, beginning: object) -> None:
    """Before, while and after the institution works on it: the end for every stage."""
    assert callable(beginning)
    report: str = beginning(harness)
    message = write(harness, e.WithdrawReport, report)
    assert outcome(harness, message) == "accepted"
    assert harness.status(report) == ("withdrawn", "withdrawn", "withdrawn", "withdrawn")
    assert harness.owed(report) == {}
    harness.wait(days=60)
    assert "withdrawn" in letters(harness, report)
    assert harness.of(e.ReportClosed, report) == []
    assert harness.of(e.DeadlineBreached, report) == []
    late = send(harness, HSU, e.FollowUp, report, holding=1, text="Sudah.")
    is_at_a_unit = beginning in (dispatched, followed_up)  # else this stage never saw a holder
    reason = "withdrawn" if is_at_a_unit else "not_the_holder"
    assert harness.agency(HSU).answers_to(late) == [f"command_refused:{reason}"]


def test_a_withdrawal_may_outrun_the_report(harness: Harness) -> None:
    """Both written at once: whatever is read first, nobody works on it."""
    report = harness.submit()
    harness.broker.now_ms += 1
    harness.processes["intake"].step(harness.random)
    harness.write(e.WithdrawReport, report)
    harness.run()
    assert harness.status(report) == ("withdrawn", "withdrawn", "withdrawn", "withdrawn")
    assert harness.owed(report) == {}


def test_a_withdrawal_of_a_closed_report_changes_nothing(harness: Harness) -> None:
    """It is over already, and stays as it was closed."""
    report = followed_up(harness)
    write(harness, e.CloseReport, report, rating=4, solved=True)
    write(harness, e.WithdrawReport, report)
    assert harness.status(report) == ("closed", "closed", "closed", "closed")


@pytest.mark.parametrize("beginning", [held, forwarded, dispatched, followed_up])
def test_the_national_admin_blocks_whoever_holds_it(harness: Harness, beginning: object) -> None:
    """Hate cannot wait for a unit; the block is the end, also for what comes later."""
    assert callable(beginning)
    report: str = beginning(harness)
    message = send(harness, ADMIN, e.Block, report, reason="Ujaran kebencian.")
    assert harness.agency(ADMIN).answers_to(message) == ["blocked"]
    assert harness.status(report) == ("blocked", "blocked", "blocked", "blocked")
    assert harness.owed(report) == {}
    again = send(harness, ADMIN, e.Block, report, reason="Sekali lagi.")
    assert harness.agency(ADMIN).answers_to(again) == ["command_refused:blocked"]
    write(harness, e.WithdrawReport, report)
    assert harness.status(report).national == "blocked"
    harness.wait(hours=24)
    assert "blocked" in letters(harness, report)
