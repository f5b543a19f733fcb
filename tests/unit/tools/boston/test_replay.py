"""The replay itself: promises to the second, order of time, and each reason to differ."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from deploy.cli.main import app
from deploy.tools.boston.comparison import compare
from deploy.tools.boston.requests import NotRequests, read
from deploy.tools.boston.simulation import SimulatedRequest, replay
from deploy.tools.boston.targets import city, promise

NEW_YORK: Final = ZoneInfo("America/New_York")
HEADER: Final = "case,open_dt,target_dt,closed_dt,ontime\n"
CITY: Final = city(NEW_YORK)


def lives(tmp_path: Path, *rows: str) -> list[SimulatedRequest]:
    """Run rows of a file; one more, closed in 2012, tells until when the file knows."""
    file = tmp_path / "requests.csv"
    last = "last,2011-12-31 00:00:00,,2012-01-01 00:00:00,ONTIME"
    file.write_text(HEADER + "\n".join((*rows, last)), encoding="utf-8")
    return replay(read(file, NEW_YORK), CITY, lambda _: None)


def reason(tmp_path: Path, row: str) -> tuple[bool, str | None]:
    """Say whether a row is breached, and why that is another thing than the city says."""
    compared = compare(lives(tmp_path, row))
    assert compared.requests == 2
    assert compared.equal + len(compared.differences) == 2
    reasons = [difference.reason for difference in compared.differences]
    return compared.breached == 1, reasons[0] if reasons else None


@pytest.mark.parametrize(
    ("row", "is_breached", "why"),
    [
        # in time, at the very second, a second late
        ("a,2011-07-01 10:00:00,2011-07-02 10:00:00,2011-07-02 09:59:59,ONTIME", False, None),
        ("a,2011-07-01 10:00:00,2011-07-02 10:00:00,2011-07-02 10:00:00,ONTIME", False, None),
        ("a,2011-07-01 10:00:00,2011-07-02 10:00:00,2011-07-02 10:00:01,OVERDUE", True, None),
        # a target that is no whole number of minutes away
        ("a,2011-07-01 10:00:03,2011-07-02 10:00:02,2011-07-02 10:00:02,ONTIME", False, None),
        ("a,2011-07-01 10:00:03,2011-07-02 10:00:02,2011-07-02 10:00:03,OVERDUE", True, None),
        # open past the target, open before it at the file's end
        ("a,2011-07-01 10:00:00,2011-12-31 23:59:59,,OVERDUE", True, None),
        ("a,2011-07-01 10:00:00,2012-01-01 00:00:01,,ONTIME", False, None),
        # over the night in which the clock is set back, and in years to come
        ("a,2011-11-05 10:00:00,2011-11-06 10:00:00,2011-11-06 10:00:01,OVERDUE", True, None),
        ("a,2011-07-01 10:00:00,2059-12-31 19:00:00,2011-07-04 10:00:00,ONTIME", False, None),
        # nothing was promised
        ("a,2011-07-01 10:00:00,,2011-09-01 10:00:00,ONTIME", False, None),
        # a target before, or at, the opening
        ("a,2011-07-01 10:00:00,2011-07-01 00:00:00,2011-07-01 11:00:00,OVERDUE", True, None),
        ("a,2011-07-01 10:00:00,2011-07-01 10:00:00,2011-07-01 11:00:00,OVERDUE", True, None),
        # where the city says another thing, or nothing
        (
            "a,2011-07-01 10:00:00,2011-07-02 10:00:00,2011-07-02 10:00:01,",
            True, "the city gives no verdict, it was closed late",
        ),
        (
            "a,2011-07-01 10:00:00,2011-07-02 10:00:00,,",
            True, "the city gives no verdict, it is open past its target",
        ),
        (
            "a,2011-07-01 10:00:00,2011-07-02 10:00:00,2011-07-01 11:00:00,",
            False, "the city gives no verdict, it was in time",
        ),
        (
            "a,2011-07-01 10:00:00,2011-07-02 10:00:00,2011-07-02 10:00:01,ONTIME",
            True, "closed late, on time for the city",
        ),
        (
            "a,2011-07-01 10:00:00,2011-07-02 10:00:00,2011-07-02 09:00:00,OVERDUE",
            False, "closed in time, overdue for the city",
        ),
        (
            "a,2011-07-01 10:00:00,2011-07-02 10:00:00,,ONTIME",
            True, "open past its target, on time for the city",
        ),
        (
            "a,2011-07-01 10:00:00,2012-07-02 10:00:00,,OVERDUE",
            False, "open before its target, overdue for the city",
        ),
        (
            "a,2011-07-01 10:00:00,2011-07-02 10:00:00,2011-06-01 10:00:00,OVERDUE",
            False, "closed before it was opened",
        ),
        ("a,2011-07-01 10:00:00,,2011-09-01 10:00:00,OVERDUE", False, "overdue without a target"),
        ("a,2011-07-01 10:00:00,tomorrow,2011-09-01 10:00:00,OVERDUE", False,
         "a time is malformed"),
        ("a,,2011-07-01 10:00:00,2011-09-01 10:00:00,OVERDUE", False, "no time of opening"),
    ],
)  # fmt: skip
def test_each_row_is_equal_or_has_its_reason(
    tmp_path: Path, row: str, why: str | None, *, is_breached: bool
) -> None:
    """Late begins one second after the target."""
    assert reason(tmp_path, row) == (is_breached, why)


def test_the_rules_find_the_target_by_counting(tmp_path: Path) -> None:
    """Deadline, breach and stop are what the rules said; a breach is detected when it is due."""
    row = "a,2011-07-01 10:00:03,2011-07-02 10:00:02,2011-07-05 10:00:00,OVERDUE"

    life = lives(tmp_path, row)[0]

    target = datetime(2011, 7, 2, 10, 0, 2, tzinfo=NEW_YORK)
    assert life.deadline == target
    assert life.breached_at == target
    assert life.on_time is False


def test_a_target_before_the_opening_is_breached_when_the_request_is_known(
    tmp_path: Path,
) -> None:
    """Not before: the timer fires late, dated by the target."""
    row = "a,2011-07-01 10:00:00,2011-07-01 00:00:00,2011-07-01 11:00:00,OVERDUE"

    life = lives(tmp_path, row)[0]

    assert life.deadline == datetime(2011, 7, 1, tzinfo=NEW_YORK)
    assert life.breached_at == datetime(2011, 7, 1, 10, tzinfo=NEW_YORK)


@given(st.integers(0, 10**8), st.integers(-(10**5), 10**8))
def test_a_promise_is_the_target_to_the_second(later: int, until: int) -> None:
    """In whole minutes from less than a minute before the opening."""
    opened = datetime(2011, 7, 1, tzinfo=UTC) + timedelta(seconds=later)
    target = opened + timedelta(seconds=until)

    start, minutes = promise(opened, target)

    assert minutes >= 1
    assert start + timedelta(minutes=minutes) == target
    if until > 0:
        assert timedelta(0) <= opened - start < timedelta(minutes=1)


def test_the_columns_of_later_years_are_known_too(tmp_path: Path) -> None:
    """Boston renamed them; a file without them is told, not guessed."""
    file = tmp_path / "later.csv"
    file.write_text(
        "case_enquiry_id,open_dt,sla_target_dt,closed_dt,on_time\n"
        "1,2024-07-01 10:00:00,2024-07-02 10:00:00,,OVERDUE\n",
        encoding="utf-8",
    )
    assert next(read(file, NEW_YORK)).target == datetime(2024, 7, 2, 10, tzinfo=NEW_YORK)

    file.write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(NotRequests, match="no column case or case_enquiry_id"):
        next(read(file, NEW_YORK))


def test_an_empty_file_agrees_with_everything(tmp_path: Path) -> None:
    """Nothing was asked."""
    file = tmp_path / "empty.csv"
    file.write_text(HEADER, encoding="utf-8")

    compared = compare(replay(read(file, NEW_YORK), CITY, lambda _: None))

    assert compared.requests == compared.breached == 0
    assert compared.is_agreed


def test_the_command_lists_differences_and_tells_by_its_exit_code(tmp_path: Path) -> None:
    """1 where the city says another thing, and a trouble is told without a traceback."""
    file = tmp_path / "requests.csv"
    file.write_text(
        HEADER + "17,2011-07-01 10:00:00,2011-07-02 10:00:00,2011-07-02 10:00:01,ONTIME\n",
        encoding="utf-8",
    )

    found = CliRunner().invoke(app, ["sla", "replay", str(file)])
    assert found.exit_code == 1
    assert "closed late, on time for the city" in found.stdout
    assert "Not agreed" in found.stdout

    found = CliRunner().invoke(app, ["sla", "replay", str(file), "--zone", "Boston"])
    assert found.exit_code == 1
    assert "no IANA time zone" in found.stderr

    file.write_text("nothing", encoding="utf-8")
    found = CliRunner().invoke(app, ["sla", "replay", str(file)])
    assert found.exit_code == 1
    assert "holds no requests" in found.stderr
