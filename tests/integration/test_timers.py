"""The timer loop on the real parts: each level once and in order, through kills and odd clocks."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import asyncpg
from aiokafka import ConsumerRecord

from services.sla_monitor.rules import MonitoredCase
from shared.contract import events as e
from shared.contract.topics import SLA
from shared.runtime.timers import BEGINNING, Due, Look, Watermark, claim, look_for
from tests.integration.stack import Stack
from tests.integration.workers import Worker, fresh, header, read, wait_until, worker
from tests.load.bench_sla_cases import (
    SCHEMA,
    about_to_breach,
    decided_timers,
    prepared,
    rows,
    seed,
    waiting,
)

FACTORY: Final = "services.sla_monitor.app:build"
QUICK: Final = {"LAPOR_TIMER_TICK_SECONDS": "0.1", "LAPOR_TIMER_REFIRE_SECONDS": "1"}
COUNT: Final = 300
AHEAD: Final = timedelta(days=10)
SECOND: Final = timedelta(seconds=1)


class Level(NamedTuple):
    """A warning or breach, in the order said of its report."""

    sequence: int
    kind: str
    clock: str
    level: int
    due_at: datetime
    id: str


def levels(found: list[ConsumerRecord]) -> dict[str, list[Level]]:
    """Sort what was said by report; a record published again has the same id and counts once."""
    said = defaultdict(set)
    for record in found:
        kind = header(record, "ce_type")
        for event_class in (e.DeadlineApproaching, e.DeadlineBreached):
            if kind == SLA.type_of(event_class):
                event = event_class.model_validate_json(record.value)
                said[event.report_id].add(
                    Level(
                        int(header(record, "sequence")), event_class.__name__, event.clock,
                        event.level, event.due_at, header(record, "ce_id"),
                    )
                )  # fmt: skip
    return {report: sorted(each) for report, each in said.items()}


async def connect(stack: Stack) -> "asyncpg.Connection[asyncpg.Record]":
    """Open a connection to the stage's tables."""
    return await asyncpg.connect(stack.postgres, server_settings={"search_path": SCHEMA})


async def filled(stack: Stack, case: MonitoredCase, count: int) -> list[str]:
    """Make everything new, with that many cases; return their reports."""
    await fresh(stack)
    await prepared(stack.postgres)
    found = list(rows([case], count, "internal"))
    await seed(stack.postgres, found)
    return [each[0] for each in found]


@contextmanager
def monitor(stack: Stack, replica: str = "0", **env: str) -> Iterator[Worker]:
    """Start an SLA monitor whose loop looks often."""
    with worker(stack, FACTORY, {**QUICK, "LAPOR_REPLICA": replica, **env}) as started:
        yield started


def _dead(workers: dict[str, Worker]) -> list[str]:
    return [name for name, each in workers.items() if each.process.poll() is not None]


async def test_two_fire_and_one_dies_between_claim_and_decision(
    stack: Stack, tmp_path: Path
) -> None:
    """Each level once, also what a loop had claimed that died before it published."""
    reports = await filled(stack, about_to_breach(datetime.now(UTC)), COUNT)
    connection = await connect(stack)
    claimed = await claim(connection, datetime.now(UTC), 50, SECOND)  # and never published
    assert len(claimed) == 50
    await connection.close()
    (tmp_path / "sla-monitor@before_save").touch()  # whoever comes there first dies there
    told = {"LAPOR_TEST_KILL_AT": str(tmp_path)}
    with monitor(stack, "0", **told) as one, monitor(stack, "1", **told) as two:
        both = {"0": one, "1": two}
        await asyncio.to_thread(wait_until, lambda: bool(_dead(both)), "one of them has died")
        (replica,) = _dead(both)
        with monitor(stack, replica) as again:
            found = await read(
                stack, SLA.topic(), lambda records: len({r.key for r in records}) >= COUNT
            )
            assert again.process.poll() is None
        assert _dead(both) == [replica]
    said = levels(found)
    assert sorted(said) == sorted(reports)
    assert {len(each) for each in said.values()} == {1}
    assert {each[0].kind for each in said.values()} == {"DeadlineBreached"}


def ahead(by: timedelta) -> dict[str, str]:
    """Set a process's clock ahead."""
    now = datetime.now(UTC)
    return {
        "LAPOR_CLOCK_REAL_ORIGIN": now.isoformat(),
        "LAPOR_CLOCK_BUSINESS_ORIGIN": (now + by).isoformat(),
    }


def amid_its_levels(now: datetime) -> MonitoredCase:
    """Return a case with several levels behind it that were never said, and some ahead."""
    for days in range(40):
        case = waiting(now - timedelta(days=days))
        if 2 <= len(decided_timers(case, now)) < len(decided_timers(case, now + AHEAD)):
            return case
    raise AssertionError("the ladder has too few levels")


def has(count: int, found: list[ConsumerRecord]) -> bool:
    """Say whether there are that many records."""
    return len(found) >= count


async def test_missed_levels_come_in_order_and_a_clock_that_jumps_repeats_none(
    stack: Stack,
) -> None:
    """A stage that was away for days says all of it; a clock ahead says more, one back nothing."""
    now = datetime.now(UTC)
    case = amid_its_levels(now)
    reports = await filled(stack, case, 20)
    missed, early = decided_timers(case, now), decided_timers(case, now + AHEAD)

    for by, wanted in ((timedelta(0), missed), (AHEAD, early), (timedelta(0), early)):
        enough = len(wanted) * len(reports)
        with monitor(stack, **(ahead(by) if by else {})) as running:
            await asyncio.to_thread(running.wait_ready)
            found = await read(stack, SLA.topic(), partial(has, enough))
        said = levels(found)
        assert sorted(said) == sorted(reports)
        for each in said.values():
            assert [(one.kind, one.level, one.due_at) for one in each] == wanted


async def test_what_is_saved_below_the_watermark_fires_at_the_next_full_look(stack: Stack) -> None:
    """A late fact dates a timer in the past: no look with the watermark sees it, the next does."""
    now = datetime.now(UTC)
    case = about_to_breach(now)
    await filled(stack, case, 5)
    connection = await connect(stack)
    watermark = Watermark(4.0, margin=2 * SECOND)

    async def look(seconds: float) -> Look:
        since = watermark.begin(now, seconds)
        found = await look_for(connection, now, 10, timedelta(minutes=1), since)
        watermark.advance(now, found, 10)
        return found

    assert len((await look(0.0)).due) == 5
    late = next(rows([case], 1, "late"))
    await seed(stack.postgres, [late])
    assert (await look(1.0)).due == []
    assert [due.report_id for due in (await look(4.0)).due] == [late[0]]
    await connection.close()


def a_look(count: int, newest: datetime) -> Look:
    """Return a look that claimed some."""
    return Look([Due(str(n), newest) for n in range(count)], newest)


def test_the_watermark_follows_bounded_claims_and_falls_with_the_clock() -> None:
    """In a backlog it stands where the claim ended; when the clock went back it is not used."""
    now = datetime(2026, 3, 2, 8, tzinfo=UTC)
    watermark = Watermark(4.0, margin=2 * SECOND)
    assert watermark.begin(now, 0.0) == BEGINNING
    watermark.advance(now, a_look(3, now - timedelta(hours=5)), limit=3)
    assert watermark.begin(now, 1.0) == now - timedelta(hours=5), "more may be due from there on"
    watermark.advance(now, a_look(2, now - timedelta(hours=4)), limit=3)
    assert watermark.begin(now, 2.0) == now - 2 * SECOND
    assert watermark.begin(now - timedelta(days=1), 3.0) == BEGINNING
    assert watermark.begin(now, 3.5) == now - 2 * SECOND, "the full look was just done"
    assert watermark.begin(now, 7.0) == BEGINNING, "every four seconds all is read"
