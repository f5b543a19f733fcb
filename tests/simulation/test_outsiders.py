"""What one report or one replay does to a stage on the real shell: nothing to anybody else."""

from typing import Any

from shared.contract.events import Dispatch, ReportClass, ReportDispatched
from shared.contract.topics import AGENCIES, REPLAYS
from shared.rules.decision import Cause, Decision, decided
from shared.runtime.reader import memory_of
from shared.runtime.stage import ShellLimits
from tests.integration.echo import Echo
from tests.integration.echo import decide as echo
from tests.simulation.memory import MemoryRecord
from tests.simulation.single_stage import LANE, REPORT, SingleStage

OTHER = "0123456789AG"  # in the same lane
STRANGER, HOLDER = "3204", "6308"


def holder_only(case: Echo | None, event: Any, cause: Cause, policy: object) -> Decision[Echo]:
    """Refuse a stranger's commands, as the real rules do: the case stays as it is."""
    if isinstance(event, Dispatch) and event.institution == STRANGER:
        said = ReportDispatched(
            report_id=event.report_id, institution=STRANGER, holding=1, dispatch=1,
            unit="3204-001", rule="", why="refused", by="auto", report_class=ReportClass.ASPIRATION,
        )  # fmt: skip
        return decided(case, said)
    return echo(case, event, cause, policy)


def command(stage: SingleStage, number: int, institution: str) -> MemoryRecord:
    """Append a command of an institution."""
    event = Dispatch(
        report_id=REPORT, holding=1, by="officer", unit="6308-001", institution=institution
    )
    return stage.append(AGENCIES, event, f"{institution}-{number}")


async def test_an_outsider_cannot_fill_somebody_elses_case() -> None:
    """What changes nothing is remembered under its sender: the holder's room stays the holder's."""
    stage = SingleStage(limits=ShellLimits(decided_bytes_max=16 * 8, dead_letter_count_max=1))
    stage.rule = holder_only
    worker = await stage.started()
    flood = [command(stage, n, STRANGER) for n in range(40)]

    await worker.shell.batch(flood[:30])
    await worker.shell.batch([*flood[30:], command(stage, 1, HOLDER), stage.accepted("a0")])

    aside, own = stage.state.kept[memory_of(REPORT, STRANGER)], stage.state.kept[REPORT]
    assert (len(aside.decided), aside.case, aside.sequence) == (16 * 8, None, 0)
    assert (len(own.decided), own.sequence) == (2 * 8, 2)
    assert stage.published()[-2:] == ["6308-1", "a0"]
    assert {d["reason"] for d in stage.dead_letters()} == {b"case_full"}
    assert len(stage.dead_letters()) == 40 - 16


async def test_a_strangers_repeat_has_no_second_effect() -> None:
    """Its id is looked for where it is remembered, over a crash as well."""
    stage = SingleStage(rule=holder_only)
    worker = await stage.started()
    first, own = command(stage, 1, STRANGER), command(stage, 1, HOLDER)
    await worker.shell.batch([first, own])
    again = await stage.started()

    await again.shell.batch([command(stage, 1, STRANGER), command(stage, 1, HOLDER)])

    assert stage.published() == ["3204-1", "6308-1"]
    assert len(stage.state.kept[memory_of(REPORT, STRANGER)].decided) == 8


async def test_an_outsider_cannot_stop_a_stage_by_one_report() -> None:
    """A thousand records of one report that cannot be decided, and the next report is decided."""
    stage = SingleStage()
    worker = await stage.started()

    for start in range(0, 1_000, 250):
        large = [stage.accepted(f"a{start + n}", by="large") for n in range(250)]
        await worker.shell.batch([*large, stage.accepted(f"b{start}", report=OTHER)])

    assert stage.published() == ["b0", "b250", "b500", "b750"]
    assert {d["reason"] for d in stage.dead_letters()} == {b"event_too_large"}


def garbage(stage: SingleStage, number: int, **headers: bytes) -> MemoryRecord:
    """Append what looks like a replay for the stage and is none."""
    said = {
        "ce_id": b"g%d" % number, "stage": b"routing", "action": b"retry",
        "topic": b"lapor.agencies.v1", "partition": b"%d" % LANE, "offset": b"1",
        "time": b"2023-05-02T05:00:00+00:00", **headers,
    }  # fmt: skip
    place = REPLAYS.topic(), LANE, 10 + number
    return MemoryRecord(*place, stage.broker.now_ms, b"", b"\xff\x00", tuple(said.items()))


WRONG: tuple[dict[str, bytes], ...] = (
    {"action": b"explode"},
    {"topic": b"lapor.replays.v1"},
    {"topic": b"lapor.nobody.v1"},
    {"partition": b"-1"},
    {"offset": b"1" * 40},
    {"time": b"0001-01-01T00:00:00"},
    {"time": b"9999-12-31T23:59:59+00:00"},
    {"time": b"noon"},
)


async def test_an_outsider_cannot_stop_a_stage_by_replays() -> None:
    """Sixty of each kind of garbage: each is told of, none counts, nothing raises."""
    stage = SingleStage()
    worker = await stage.started()
    asked = [garbage(stage, n, **WRONG[n % len(WRONG)]) for n in range(60 * len(WRONG))]
    for n, record in enumerate(asked):
        asked[n] = record._replace(offset=n)

    await worker.shell.batch([*asked, stage.accepted("a0")])

    assert stage.published() == ["a0"]
    assert {d["reason"] for d in stage.dead_letters()} == {b"invalid_replay"}
    assert len(stage.dead_letters()) == len(asked)
