"""What cannot be read or decided, on the real shell: kept with a reason, and it stops nothing."""

import asyncpg

from shared.contract.envelope import Outbound
from shared.contract.topics import INSTITUTION
from shared.runtime.case_store import LaneSave, Stored
from shared.runtime.stage import ShellLimits
from tests.simulation.single_stage import LANE, REPORT, A, SingleStage


async def test_a_few_dead_letters_stop_nothing() -> None:
    """One poison record among many is isolated."""
    stage = SingleStage(limits=ShellLimits(dead_letter_count_max=5, dead_letter_share_max=0.1))
    worker = await stage.started()
    records = [stage.accepted(f"a{i}") for i in range(99)]
    records.insert(7, stage.accepted("b0", by="bug", report="0123456789AC"))

    await worker.shell.batch(records)

    assert len(stage.published()) == 99
    assert len(stage.dead_letters()) == 1


async def test_unreadable_records_are_dead_letters_with_a_reason_and_stop_nothing() -> None:
    """Bytes, JSON, headers, key: each has its code, and the next record is decided."""
    stage = SingleStage()
    worker = await stage.started()
    good = stage.accepted("a0")
    other = (good.value or b"").replace(REPORT.encode(), b"0123456789AC")
    bad: dict[bytes, tuple[bytes, tuple[tuple[str, bytes], ...]]] = {
        b"not_json": (b"\xff\xfe", good.headers),
        b"invalid_fields": (b'{"report_id":"0123456789AB","holding":-1}', good.headers),
        b"missing_header": (good.value or b"", ()),
        b"wrong_key": (other, good.headers),
    }
    records = [good]
    for value, headers in bad.values():
        records.append(
            stage.broker.append(
                Outbound(INSTITUTION.name, LANE, REPORT.encode(), value, list(headers))
            )
        )
    records.append(stage.accepted("a9"))

    await worker.shell.batch(records)

    assert stage.published() == ["a0", "a9"]
    assert [d["reason"] for d in stage.dead_letters()] == list(bad)


async def test_a_type_that_the_stage_does_not_read_moves_only_the_position() -> None:
    """The header is enough: not even its JSON is looked at."""
    stage = SingleStage()
    worker = await stage.started()
    record = stage.broker.append(
        Outbound(
            INSTITUTION.name, LANE, b"k", b"not json",
            [("ce_type", b"id.go.lapor.verification.something-new.v9"), ("ce_id", b"x")],
        )
    )  # fmt: skip

    await worker.shell.batch([record])

    assert stage.dead_letters() == []
    assert stage.state.rows[str(LANE)].offsets[A] == 1


async def test_a_dead_letter_counts_once_however_often_its_batch_is_tried() -> None:
    """A disk full for an hour makes no stage refuse to run for one poison record."""
    limits = ShellLimits(
        backoff_seconds_max=0.001, dead_letter_count_max=5, dead_letter_share_max=0.1
    )
    stage = SingleStage(limits=limits)
    worker = await stage.started()
    save, tries = stage.state.save, 0

    async def full(lanes: list[LaneSave], cases: dict[str, Stored]) -> None:
        nonlocal tries
        tries += 1
        if tries < 10:
            raise asyncpg.DiskFullError
        await save(lanes, cases)

    stage.state.save = full  # type: ignore[method-assign, assignment]
    await worker.shell.batch([stage.accepted("a0", by="bug")])

    assert tries == 10
    assert [d["reason"] for d in stage.dead_letters()] == [b"rule_raised"]
    labels = {"stage": "routing", "reason": "rule_raised"}
    counted = worker.meters.registry.get_sample_value("lapor_dead_letters_total", labels)
    assert counted == 1
