"""A decree reaches the open cases of a real SLA monitor: each once, none for nothing."""

import asyncio
from collections import defaultdict
from typing import Any, Final

import asyncpg
import pytest

from deploy.cli.model.registry_change import publish
from services.sla_monitor.recompute import BATCH_MAX
from services.sla_monitor.rules import MonitoredCase
from shared.contract.events import DeadlineMoved
from shared.contract.topics import SLA
from tests.integration.stack import Stack
from tests.integration.workers import Worker, fresh, header, read, worker
from tests.load.bench_sla_cases import (
    SCHEMA,
    decree,
    morning,
    prepared,
    rows,
    seed,
    waiting,
)

FACTORY: Final = "services.sla_monitor.app:build"
TOUCHED, UNTOUCHED = 2 * BATCH_MAX + 100, 100


async def row(stack: Stack, statement: str, *arguments: object) -> Any:
    """Read one row of the stage's tables."""
    connection = await asyncpg.connect(stack.postgres, server_settings={"search_path": SCHEMA})
    try:
        return await connection.fetchrow(statement, *arguments)
    finally:
        await connection.close()


async def seeded(stack: Stack) -> tuple[set[str], MonitoredCase]:
    """Fill the table: cases whose clock runs over the decree's day, and cases of long ago."""
    await fresh(stack)
    await prepared(stack.postgres)
    touched = waiting(morning(1))
    # Its levels fired long ago or lie ahead; what a decree of this week says is not about it.
    early = waiting(morning(200))
    early = early.model_copy(update={"timer_at": None})
    mine = list(rows([touched], TOUCHED, "touched"))
    await seed(stack.postgres, [*mine, *rows([early], UNTOUCHED, "untouched")])
    return {each[0] for each in mine}, touched


async def wait_for(stack: Stack, condition: str, worker: Worker) -> None:
    """Wait until the recompute's row says so, while the worker lives."""
    async with asyncio.timeout(40):
        while True:
            found = await row(stack, f"SELECT {condition} FROM recomputes")
            if found is not None and found[0]:
                return
            assert worker.process.poll() is None, worker.log.read_text()[-2000:]
            await asyncio.sleep(0.05)


async def check(stack: Stack, touched: set[str], before: MonitoredCase) -> None:
    """Each touched case moved under one id, with both versions; the others are as they were."""
    found = await read(stack, SLA.topic(), lambda records: len(records) >= TOUCHED)
    ids = defaultdict(set)
    for record in found:
        assert header(record, "ce_type") == SLA.type_of(DeadlineMoved)
        moved = DeadlineMoved.model_validate_json(record.value)
        ids[moved.report_id].add(header(record, "ce_id"))
        assert moved.deadline_before == before.next_deadline
        assert moved.deadline_before is not None
        assert moved.deadline_before < moved.deadline
        assert moved.calendar_version == decree(before).version != moved.calendar_version_before
    assert set(ids) == touched
    assert {len(each) for each in ids.values()} == {1}, "each move once"
    changed = await row(
        stack, "SELECT count(*) FROM cases WHERE version > 1 AND report_id NOT LIKE 'registry%'"
    )
    assert changed[0] == TOUCHED, "what the decree does not touch is not written"
    left = await row(stack, "SELECT count(*) FROM recompute_cases")
    assert left[0] == 0


@pytest.mark.parametrize("ends", ["by itself", "by a kill"])
async def test_a_decree_moves_each_case_it_touches_once(stack: Stack, ends: str) -> None:
    """Published to all partitions; killed amid the recompute, the next process finishes it.

    The kill falls in the middle for certain: a lock on one case holds the stage there.
    """
    is_killed = ends == "by a kill"
    touched, before = await seeded(stack)
    holder = await asyncpg.connect(stack.postgres, server_settings={"search_path": SCHEMA})
    with worker(stack, FACTORY) as first:
        await asyncio.to_thread(first.wait_ready)
        held = holder.transaction()
        if is_killed:
            await held.start()
            middle = sorted(touched)[len(touched) // 2]
            await holder.execute("SELECT 1 FROM cases WHERE report_id = $1 FOR UPDATE", middle)
        await publish(stack.kafka, decree(before))
        if not is_killed:
            await wait_for(stack, "finished_at IS NOT NULL", first)
        else:
            await wait_for(stack, f"asked >= {BATCH_MAX} AND finished_at IS NULL", first)
            first.kill()
            await held.rollback()
    if is_killed:
        with worker(stack, FACTORY) as second:
            await wait_for(stack, "finished_at IS NOT NULL", second)
    await holder.close()
    asked = await row(stack, "SELECT asked, total FROM recomputes")
    assert asked["asked"] == asked["total"] == TOUCHED
    await check(stack, touched, before)
