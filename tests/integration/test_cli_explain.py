"""Deadlines explained and verified on every stage, a real Kafka and a real PostgreSQL."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from shared.contract.tracking import tracking_number
from shared.registry import load
from tests.integration.all_stages import Pipeline, Ran, looked, ran, whole_pipeline
from tests.integration.stack import Stack
from tests.integration.workers import wait_until

pytestmark = pytest.mark.integration

UNADDRESSED = {"title": "Tanaman saya layu", "body": "Tanaman di pekarangan layu semua."}
UNKNOWN = "K7QF2M9XTD3B"


@pytest.fixture(scope="module")
def pipeline(stack: Stack) -> Iterator[Pipeline]:
    """Yield the whole pipeline, once for this module."""
    with whole_pipeline(stack) as running:
        yield running
        assert running.process.poll() is None, running.log.read_text()[-3000:]


def lapor(pipeline: Pipeline, *arguments: str) -> Ran:
    """Run a command that reaches the broker and the database."""
    return looked(*arguments, env={**pipeline.env, "LAPOR_POSTGRES": pipeline.stack.postgres})


def a_report(pipeline: Pipeline, message_id: str) -> str:
    """Hand in a report and wait until the SLA monitor has set its first deadline."""
    line = json.dumps({"id": message_id, **UNADDRESSED}).encode()
    said = pipeline.lapor("submit", "-", "--json", stdin=line)
    assert said.code == 0, said.err + said.out
    report = str(said.lines[0]["report_id"])
    wait_until(lambda: lapor(pipeline, "deadline", "explain", report).code == 0, "a deadline")
    return report


def document(pipeline: Pipeline, report: str, *options: str) -> dict[str, Any]:
    """Explain a report for programs."""
    return dict(json.loads(lapor(pipeline, "deadline", "explain", report, "--json", *options).out))


async def _execute(stack: Stack, statement: str, *values: object) -> str:
    connection = await asyncpg.connect(stack.postgres)
    try:
        return str(await connection.execute(statement, *values))
    finally:
        await connection.close()


def damage(stack: Stack, report: str, before: str, after: str) -> None:
    """Replace a text within a stored case."""
    done = asyncio.run(
        _execute(
            stack,
            "UPDATE sla_monitor.cases SET state = convert_to(replace(convert_from(state, 'UTF8'), "
            "$2, $3), 'UTF8') WHERE report_id = $1",
            report, before, after,
        )
    )  # fmt: skip
    assert done == "UPDATE 1"


def test_a_report_is_explained_and_verified(pipeline: Pipeline) -> None:
    """By its number as people write it, for people and for programs."""
    report = a_report(pipeline, "why-1")
    told = document(pipeline, report, "--verify")
    shown = lapor(pipeline, "deadline", "explain", tracking_number(report).lower(), "--verify")

    (run,) = told["runs"]
    assert (run["clock"], run["limit"], run["state"]) == ("national_verification", 3, "running")
    assert [day["number"] for day in run["days"] if day["number"]] == [1, 2, 3]
    assert run["deadline"].endswith("Z")
    assert told["is_verified"] is True
    assert told["differences"] == []
    assert shown.code == 0, shown.out
    assert "hari kerja 3" in shown.out
    assert "24:00 WIB" in shown.out
    assert "✓ Verified" in shown.out
    none = lapor(pipeline, "deadline", "explain", report, "--clock", "reply", "--json")
    assert json.loads(none.out)["runs"] == []


def test_a_damaged_deadline_is_found_by_name(pipeline: Pipeline) -> None:
    """Exit 1, what is stored and what follows from the facts; mended, it verifies again."""
    report = a_report(pipeline, "why-2")
    stored = document(pipeline, report)["runs"][0]["deadline"]
    wrong = "2031-01-01T17:00:00Z"
    damage(pipeline.stack, report, f'"deadline":"{stored}"', f'"deadline":"{wrong}"')

    found = lapor(pipeline, "deadline", "explain", report, "--verify")
    every = lapor(pipeline, "deadline", "verify", "--all", "--json")

    assert found.code == every.code == 1
    assert "✗ deadline of national_verification:0: stored 2031-01-01T17:00:00" in found.out
    differing = {each["report_id"] for each in json.loads(every.out)["differences"]}
    assert differing == {report}
    damage(pipeline.stack, report, f'"deadline":"{wrong}"', f'"deadline":"{stored}"')
    mended = lapor(pipeline, "deadline", "verify", report)
    assert mended.code == 0, mended.out


def test_a_row_that_is_gone_is_found(pipeline: Pipeline) -> None:
    """The streams know the report, the table does not."""
    report = a_report(pipeline, "why-3")
    asyncio.run(
        _execute(pipeline.stack, "UPDATE sla_monitor.cases SET report_id = $2 WHERE report_id = $1",
                 report, UNKNOWN)
    )  # fmt: skip
    found = lapor(pipeline, "deadline", "verify", report)
    asyncio.run(
        _execute(pipeline.stack, "UPDATE sla_monitor.cases SET report_id = $2 WHERE report_id = $1",
                 UNKNOWN, report)
    )  # fmt: skip
    assert found.code == 1
    assert "case as a whole: stored nothing, derived 1 facts" in found.out


def test_a_published_decree_moves_a_deadline_and_all_of_it_verifies(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    """The move is told with both versions, the new holiday with its decree."""
    report = a_report(pipeline, "why-4")
    before = document(pipeline, report)["runs"][0]
    today = datetime.now(UTC).astimezone(ZoneInfo("Asia/Jakarta")).date()
    holiday = load().calendar("00", today).add_working_days(today, 2)
    file = tmp_path / "decree.toml"
    file.write_text(
        f'chain = "indonesia"\n[[version]]\nknown_from = {today}\ndecree = "Keputusan uji"\n'
        f'source = "test"\nadd = [["{holiday}", "joint_leave", "Cuti Bersama uji"]]\n'
    )
    env = {**pipeline.env, "LAPOR_POSTGRES": pipeline.stack.postgres}
    done = ran("calendar", "publish", str(file), "--yes", env=env)
    assert done.code == 0, done.out + done.err

    wait_until(
        lambda: (
            document(pipeline, report)["runs"][0]["deadline"] != before["deadline"]
            and bool(document(pipeline, report)["runs"][0]["moves"])
        ),
        "the deadline moved",
    )
    (run,) = document(pipeline, report, "--verify")["runs"]
    (move,) = run["moves"]
    assert (move["why"], move["deadline_before"]) == ("calendar", before["deadline"])
    assert move["calendar_version_before"] == before["calendar_version"]
    assert run["calendar_version"] == move["calendar_version"] != before["calendar_version"]
    (leave,) = [day for day in run["days"] if day["name"] == "Cuti Bersama uji"]
    assert (leave["on"], leave["decree"]) == (str(holiday), "Keputusan uji")
    every = lapor(pipeline, "deadline", "verify", "--all")
    assert every.code == 0, every.out
    assert "Reports verified: " in every.out


def test_what_is_not_there_is_told(pipeline: Pipeline) -> None:
    """Exit 1, nothing on standard output, and what to do."""
    a_report(pipeline, "why-5")
    unknown = lapor(pipeline, "deadline", "explain", UNKNOWN)
    mistyped = lapor(pipeline, "deadline", "explain", "K7QF-2M9X-TD3A-0")
    nothing = lapor(pipeline, "deadline", "verify")

    assert (unknown.code, unknown.out) == (1, "")
    assert "has nothing of K7QF-2M9X-TD3B" in unknown.err
    assert f"lapor case show {UNKNOWN}" in unknown.err
    assert (mistyped.code, mistyped.out) == (1, "")
    assert "mistyped" in mistyped.err
    assert (nothing.code, nothing.out) == (1, "")
    assert "--all" in nothing.err
