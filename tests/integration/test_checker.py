"""The checker of the fault runs finds each kind of damage by its name, and nothing in health.

A healthy pipeline is recorded once, from a real run; the damage is planted in the recording.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from rich.console import Console

from tests.faults.checker.findings import DOUBLED, LOST, UNEXPLAINED
from tests.faults.checker.names import ENDS, event_of
from tests.faults.checker.reading import record_all, tables
from tests.faults.checker.snapshot import Intended
from tests.faults.checker_fixtures import DAMAGE, Recording
from tests.faults.pipeline import Pipeline
from tests.faults.run import Options, Run

pytestmark = pytest.mark.integration

LOOKS_MAX = 20
DAY = 86_400.0  # the real clock: then everything stands still once everybody is silent


@pytest.fixture(scope="module")
def healthy() -> Iterator[Recording]:
    """Yield the recording of a small run: a hundred lives, poison and repeats among them."""
    options = Options(seed=11, seconds=14.0, rate=8.0, is_short=True, is_calm=True)
    with Pipeline(day_seconds=DAY) as pipeline:
        pipeline.up()
        account = asyncio.run(Run(pipeline, options, [], Console(quiet=True)).play())
        assert account.problems == []
        yield asyncio.run(_record(pipeline))


async def _record(pipeline: Pipeline) -> Recording:
    """Record the pipeline once nothing moves any more."""
    intended = Intended.read(pipeline.home.root / "intended.json")
    before, wrong = -1, dict[str, Any]()
    for _ in range(LOOKS_MAX):
        now_ms = int(time.time() * 1000)
        rows, records = await tables(pipeline.postgres), await record_all(pipeline.kafka)
        found = Recording(records, rows, intended, now_ms)
        wrong = dict(found.verdict().kinds)
        if len(records) == before and not wrong:
            return found
        before = len(records)
        await asyncio.sleep(1.5)
    raise AssertionError(f"{before} records, and still: {wrong}")


def test_in_health_nothing_is_found_and_everything_was_looked_at(healthy: Recording) -> None:
    """The recording is no empty one: it has all that damage can be planted in."""
    found = healthy.verdict()
    assert dict(found.kinds) == {}
    counts = found.table()
    for name in ("sent", "answered", "commands_answered", "republished", "dead_lettered"):
        assert (counts[name] or 0) > 0, name
    assert counts["answered"] == counts["sent"]


def test_the_same_record_again_is_counted_and_is_no_fault(healthy: Recording) -> None:
    """A stage that crashed may publish again: same id, same bytes. Readers drop it."""
    place = healthy.find("ReportClosed", "follow-up")
    found = healthy.again(place).verdict()
    assert set(found.kinds) == {"position_behind"}, "which nobody here has read yet"
    assert found.counts["republished"] == healthy.verdict().counts["republished"] + 1


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__[1:])
def test_each_kind_of_damage_is_found_by_name(
    healthy: Recording, damage: Callable[[Recording], Recording]
) -> None:
    """One thing is wrong, and the checker says what."""
    found = damage(healthy).verdict()
    assert DAMAGE[damage] in found.kinds, dict(found.kinds)


def test_no_kind_that_counts_as_lost_or_doubled_goes_without_a_test() -> None:
    """A rule that never fires would be believed for nothing."""
    assert set(DAMAGE.values()) >= {*LOST, *DOUBLED, *UNEXPLAINED}


@pytest.mark.parametrize(
    ("stage", "event"),
    [
        ("verification.national", "ReportForwarded"),
        ("verification.institution", "ReportAccepted"),
        ("routing", "ReportDispatched"),
        ("follow-up", "FollowUpGiven"),
    ],
)
@pytest.mark.parametrize("field", ["status", "holding"])
def test_a_case_that_disagrees_with_the_events_is_found_in_every_stage(
    healthy: Recording, stage: str, event: str, field: str
) -> None:
    """A wrong status, or the number of another holding, is named with what it should be."""
    ended = {
        healthy.report(n) for n, r in enumerate(healthy.records)
        if event_of(r.header("ce_type")) in ENDS
    }  # fmt: skip
    report = next(
        healthy.report(n) for n, r in enumerate(healthy.records)
        if event_of(r.header("ce_type")) == event and healthy.report(n) not in ended
    )  # fmt: skip
    wrong: dict[str, Any] = (
        {"more_status": "elsewhere"} if field == "status" else {"state": {"holding": 7}}
    )
    found = healthy.case(stage, report, **wrong).verdict()
    assert [x for x in found.kinds["case_disagrees"] if x[0] == report and stage in x[1]]


@pytest.mark.parametrize("stage", ["intake", "sla-monitor", "notifier"])
def test_the_other_stages_cases_are_compared_too(healthy: Recording, stage: str) -> None:
    """Received or not, over or not, as many messages pending as the stream says."""
    report = healthy.report(healthy.find("FollowUpGiven"))
    case = healthy.rows.cases[stage][report]
    wrong_in: dict[str, dict[str, Any]] = {
        "intake": {"state": {}},
        "sla-monitor": {"is_open": not case.is_open},
        "notifier": {"more_pending": 3},
    }
    found = healthy.case(stage, report, **wrong_in[stage]).verdict()
    assert [x for x in found.kinds["case_disagrees"] if x[0] == report and stage in x[1]]
