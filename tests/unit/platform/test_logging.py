"""What a log line tells of an exception: what it is and where, and nothing of what it says."""

import json
import logging
import subprocess
import sys
from collections.abc import Callable

import asyncpg
import pytest

from shared.contract import events as e
from shared.platform.logging import without_messages
from shared.platform.settings import Settings

WORDS = "Maryam Binti Dullah, 081255501234"


def raised_by(action: Callable[[], object]) -> BaseException:
    """Return what an action raises."""
    with pytest.raises(Exception) as raised:  # noqa: PT011  whatever it is
        action()
    return raised.value


def a_bug() -> None:
    """Stumble over what somebody wrote, and say so."""
    try:
        int(WORDS)
    except ValueError as wrong:
        raise RuntimeError(WORDS) from wrong


def a_row_twice() -> None:
    """Raise what PostgreSQL says of a row that is there already."""
    twice = asyncpg.UniqueViolationError(f'duplicate key "{WORDS}"')
    twice.detail = f"Key (sender)=({WORDS}) already exists."
    raise twice


CASES: dict[str, Callable[[], object]] = {
    "a bug of a rule": a_bug,
    "a text that a model refuses": lambda: e.SubmitReport(title=WORDS * 20, body=WORDS),
    "a row that is there already": a_row_twice,
}


@pytest.mark.parametrize("action", CASES.values(), ids=list(CASES))
def test_an_outsider_cannot_be_read_in_a_log_line(action: Callable[[], object]) -> None:
    """Neither by what it says nor by what it stumbled over, but its place is told."""
    line = without_messages(None, "error", {"event": "x", "exc_info": raised_by(action)})
    said = json.dumps(line)
    assert "Maryam" not in said
    assert "081255501234" not in said
    assert "test_logging.py" in said


def test_the_place_is_the_whole_way_to_it() -> None:
    """Type and place of each in the chain, the last raised first."""
    line = without_messages(None, "error", {"event": "x", "exc_info": raised_by(a_bug)})
    last, first = line["raised"]
    assert (last["type"], first["type"]) == ("RuntimeError", "ValueError")
    assert last["at"][-1].startswith("tests/unit/platform/test_logging.py:")
    assert last["at"][-1].endswith(" a_bug")
    state = without_messages(None, "error", {"event": "x", "exc_info": raised_by(a_row_twice)})
    assert state["raised"][0]["sqlstate"] == "23505"


SCRIPT = f"""
import asyncio, gc, logging
from shared.platform.logging import setup
logger = setup("intake")
try:
    raise ValueError({WORDS!r})
except ValueError:
    logger.exception("rule_raised")
    logging.getLogger("aiokafka.consumer").exception("Unexpected error in fetcher routine")
async def forgotten():
    raise ValueError({WORDS!r})
async def main():
    task = asyncio.get_running_loop().create_task(forgotten())
    await asyncio.sleep(0)
    del task
asyncio.run(main())
gc.collect()
"""


def test_neither_ours_nor_a_librarys_line_has_the_words() -> None:
    """In a process of its own, with all that `setup` sets up."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True
    )
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"] for line in lines] == [
        "rule_raised", "Unexpected error in fetcher routine", "Task exception was never retrieved",
    ]  # fmt: skip
    assert {line["raised"][0]["type"] for line in lines} == {"ValueError"}
    assert "Maryam" not in done.stderr


def test_a_setting_that_is_wrong_does_not_show_the_others() -> None:
    """A key in an error would stand in the log of the supervisor."""
    wrong = raised_by(lambda: Settings.model_validate({"master_key": 17, "http_port": "words"}))
    assert "words" not in str(wrong)
    assert "http_port" in str(wrong)


def test_what_has_no_exception_stays_as_it_is() -> None:
    """And a record that is no library's."""
    line = {"event": "stage_started", "exc_info": None, "_record": logging.makeLogRecord({})}
    assert without_messages(None, "info", dict(line))["event"] == "stage_started"
