"""The shell's memory and the timer claims on the real database: all or nothing, once, in turn."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from pydantic import BaseModel

from shared.platform.migrations import apply_migrations, read_migrations
from shared.platform.postgres import Pool, connect
from shared.runtime.case_store import (
    SHELL_MIGRATIONS,
    CaseStore,
    Conflict,
    LaneSave,
    PostgresState,
    Stored,
)
from shared.runtime.lanes import Lane, Partition
from shared.runtime.timers import Due, claim
from tests.integration.stack import Stack

pytestmark = pytest.mark.integration
NOON = datetime(2026, 3, 13, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
AT = Partition("topic", 3)


class Sleeper(BaseModel, frozen=True):
    """A case that wants to be woken."""

    timer_at: datetime | None = None


STORE = CaseStore(case=Sleeper, is_open=lambda _case: True, timer_at=lambda case: case.timer_at)


@pytest.fixture
async def pool(stack: Stack) -> AsyncIterator[Pool]:
    """Yield a pool on a new schema."""
    admin = await asyncpg.connect(stack.postgres)
    await admin.execute("DROP SCHEMA IF EXISTS sleeper CASCADE")
    await admin.close()
    made = await connect(stack.postgres, "sleeper")
    assert await apply_migrations(made, "sleeper", read_migrations(SHELL_MIGRATIONS))
    yield made
    await made.close()


def asleep(until: datetime | None, version: int = 1) -> Stored:
    """Build a case that sleeps."""
    return Stored(version, 0, b"", Sleeper(timer_at=until))


async def save(state: PostgresState, **cases: Stored) -> None:
    """Save cases alone."""
    await state.save([], cases)


async def fire(pool: Pool, at: datetime, limit: int = 10) -> list[Due]:
    """Claim what is due."""
    async with pool.acquire() as connection:
        return await claim(connection, at, limit, MINUTE)


async def test_cases_and_lanes_come_back_as_saved(pool: Pool) -> None:
    """State, version, sequence, ids, offsets, outbox events, token."""
    state = PostgresState(pool, STORE)  # type: ignore[arg-type]
    lanes = await state.lanes(["3"], [7])
    new = Lane("3", {AT: 42}, 8, b"events")
    stored = Stored(1, 5, b"12345678", Sleeper(timer_at=NOON))
    await state.save(
        [LaneSave(new, lanes["3"].fencing_token)], {"R": stored, "S": Stored(1, 0, b"", None)}
    )

    assert await state.cases(["R", "S", "T"]) == {"R": stored, "S": Stored(1, 0, b"", None)}
    assert await state.lanes(["3"], [99]) == {"3": new}


@pytest.mark.parametrize("lost", ["fencing_token", "version", "made_meanwhile"])
async def test_a_save_that_comes_too_late_changes_nothing(pool: Pool, lost: str) -> None:
    """One wrong token or version, and neither lanes nor cases are saved."""
    state = PostgresState(pool, STORE)  # type: ignore[arg-type]
    await state.lanes(["1", "2"], [1, 2])
    await save(state, R=asleep(NOON))
    tokens = {"1": 1, "2": 2 if lost != "fencing_token" else 99}
    lanes = [LaneSave(Lane(i, {AT: 9}, 50, b"x"), token) for i, token in tokens.items()]
    version = {"fencing_token": 2, "version": 5, "made_meanwhile": 1}[lost]

    with pytest.raises(Conflict):
        await state.save(lanes, {"R": asleep(None, version), "S": asleep(None)})

    assert (await state.cases(["R", "S"])) == {"R": asleep(NOON)}
    assert {i: lane.offsets for i, lane in (await state.lanes(["1", "2"], [0, 0])).items()} == {
        "1": {}, "2": {},
    }  # fmt: skip


async def test_a_timer_fires_again_until_the_stage_has_decided_it(pool: Pool) -> None:
    """V7, V8: it leaves the index of due ones only in the transaction that decides it."""
    state = PostgresState(pool, STORE)  # type: ignore[arg-type]
    await save(state, R=asleep(NOON))

    assert await fire(pool, NOON - MINUTE) == []
    assert await fire(pool, NOON) == [Due("R", NOON)]
    assert await fire(pool, NOON) == [], "a pause of a minute"
    assert await fire(pool, NOON + MINUTE) == [Due("R", NOON)], "not decided: again"

    await save(state, R=asleep(NOON, version=2))
    assert await fire(pool, NOON + MINUTE) == [], "another save with the same timer stays fired"

    await save(state, R=asleep(NOON + MINUTE, version=3))
    assert await fire(pool, NOON + MINUTE) == [Due("R", NOON + MINUTE)], "a moved one fires anew"

    await save(state, R=asleep(None, version=4))
    assert await fire(pool, NOON + 99 * MINUTE) == []


async def test_timer_claims_are_bounded_and_come_in_order(pool: Pool) -> None:
    """A morning when everything is due is worked off piece by piece."""
    state = PostgresState(pool, STORE)  # type: ignore[arg-type]
    await save(state, **{f"R{n}": asleep(NOON + n * MINUTE) for n in range(9)})
    later = NOON + 100 * MINUTE

    first = await fire(pool, later, limit=4)
    second = await fire(pool, later, limit=4)
    third = await fire(pool, later, limit=4)

    assert [sorted(d.report_id for d in found) for found in (first, second, third)] == [
        ["R0", "R1", "R2", "R3"], ["R4", "R5", "R6", "R7"], ["R8"],
    ]  # fmt: skip


async def test_two_timer_loops_claim_different_cases(pool: Pool) -> None:
    """The second passes over what the first holds, without waiting."""
    state = PostgresState(pool, STORE)  # type: ignore[arg-type]
    await save(state, **{f"R{n}": asleep(NOON) for n in range(6)})
    async with pool.acquire() as one, one.transaction():
        first = await claim(one, NOON, 3, MINUTE)
        async with asyncio.timeout(5):
            second = await fire(pool, NOON, limit=10)

    assert len(first) == len(second) == 3
    assert {d.report_id for d in first} | {d.report_id for d in second} == {
        f"R{n}" for n in range(6)
    }
