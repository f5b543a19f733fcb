"""The board counts what the streams say."""

import io
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from rich.console import Console

from deploy.demo.board import Board, DemoSpan, flows
from deploy.demo.watch import Seen, Watch
from shared.contract import topics
from shared.platform.clock import Clock
from tests.unit.demo.test_check import a_deadline, a_sound_demo, seen

BEGINS = datetime(2023, 1, 1, tzinfo=UTC)
SPAN = DemoSpan(BEGINS, BEGINS + timedelta(days=365), BEGINS + timedelta(days=420))


def a_watch(records: Sequence[Seen]) -> Watch:
    """Build a watch that has seen these."""
    watch = Watch(Clock())
    for each in records:
        watch.records.append(each)
        watch.counts[each.stream, each.type] += 1
    return watch


def test_a_closed_report_is_no_longer_open_nor_overdue() -> None:
    """Open and overdue are what waits for somebody now."""
    watch = a_watch([each for each in a_sound_demo() if each.type != "ReportClosed"])
    board = Board(watch, SPAN, reports=1)
    board.update()

    assert len(board.open) == 1
    assert len(board.overdue) == 1

    watch.records.append(seen(30, topics.FOLLOW_UP, "ReportClosed", by="admin"))
    board.update()

    assert not board.open
    assert not board.overdue
    assert board.over == {"closed by admin": 1}


def test_a_stage_is_counted_by_what_it_reads_and_says() -> None:
    """Types that a stage skips are not among what it had to decide."""
    counted = flows(a_watch(a_sound_demo()).counts)

    assert counted["intake"] == (1, 2)
    assert counted["routing"] == (2, 1)
    assert counted["agencies.in"] == (0, 1)


def test_the_board_shows_stages_escalations_and_the_date() -> None:
    """What a person sees: every stage, the last escalation, the business date."""
    watch = a_watch([*a_sound_demo(), a_deadline(12, level=3, clock="follow_up")])
    board = Board(watch, SPAN, reports=1)
    board.update()
    screen = io.StringIO()
    Console(file=screen, width=100).print(board.draw(datetime(2023, 5, 17, tzinfo=UTC)))
    drawn = screen.getvalue()

    for part in ("17 May 2023", "verification.national", "agencies.out", "level 3", "3204-001"):
        assert part in drawn
    assert "2023-05-17" in board.line(datetime(2023, 5, 17, tzinfo=UTC))
