"""Migrations on the real database: once, in order, all or nothing, never under an old process."""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from pydantic import BaseModel

from shared.contract.topics import INSTITUTION
from shared.platform.migrations import (
    Migration,
    OtherSchema,
    applied_migrations,
    apply_migrations,
    pending_migrations,
    read_migrations,
)
from shared.platform.postgres import Connection, Pool, connect
from shared.runtime.case_store import (
    SHELL_MIGRATIONS,
    CaseStore,
    Conflict,
    LaneSave,
    PostgresState,
    Stored,
)
from shared.runtime.lanes import EX_CONFIG, Lane
from tests.integration.all_stages import looked
from tests.integration.stack import Stack
from tests.integration.test_shell import check, said, some
from tests.integration.workers import Worker, fresh, send, worker

pytestmark = pytest.mark.integration
SCHEMA = "routing"  # the echo stage stands in routing's place
NEW_COLUMN = "ALTER TABLE cases ADD COLUMN mood text NOT NULL DEFAULT 'calm';"
COMPATIBLE = "-- compatible: yes\n"
SLOW = "CREATE TABLE half (id int); SELECT pg_sleep(3);"


class Nothing(BaseModel, frozen=True):
    """A case that says nothing."""


STORE = CaseStore(case=Nothing, is_open=lambda _case: True)


def folder(parent: Path, *statements: str) -> Path:
    """Write the migrations of the echo stage: the first that every test has, then these."""
    made = parent / "echo" / "migrations"
    made.mkdir(parents=True)
    for number, text in enumerate(("SELECT 1;", *statements), 1):
        (made / f"{number:04}_step.sql").write_text(text)
    return made


def own(migrations: Path) -> tuple[Migration, ...]:
    """Return what the echo stage's schema is to have."""
    return read_migrations(SHELL_MIGRATIONS, migrations)


def environment(migrations: Path, **more: str) -> dict[str, str]:
    """Return the environment of an echo stage with these migrations."""
    return {"LAPOR_TEST_MIGRATIONS": str(migrations), **more}


@contextlib.asynccontextmanager
async def pool_of(stack: Stack, schema: str = SCHEMA) -> AsyncIterator[Pool]:
    """Yield connections to a schema."""
    async with await connect(stack.postgres, schema) as pool:
        yield pool


@pytest.fixture
async def pool(stack: Stack) -> AsyncIterator[Pool]:
    """Yield connections to a database without schemas."""
    await fresh(stack)
    async with pool_of(stack) as made:
        yield made


async def recorded(pool: Pool, schema: str = SCHEMA) -> list[str]:
    """Return the recorded migrations."""
    return [str(migration) for migration in await applied_migrations(pool, schema)]


async def refused(process: Worker) -> str:
    """Wait until a process refuses to run; return its log."""
    assert await asyncio.to_thread(process.process.wait, 60) == EX_CONFIG
    return process.log.read_text()


async def test_a_database_with_data_is_upgraded_and_the_stage_goes_on(
    stack: Stack, pool: Pool, tmp_path: Path
) -> None:
    """Cases and lanes stay, and nothing is lost or doubled."""
    sent = some(100, reports=10)
    await send(stack, INSTITUTION, sent[:50])
    with worker(stack, env=environment(folder(tmp_path / "old"))) as old:
        await said(stack, sent[:50])
        old.stop()
    new = folder(tmp_path / "new", NEW_COLUMN, "UPDATE cases SET mood = 'cheerful';")
    with worker(stack, env=environment(new)) as process:
        await send(stack, INSTITUTION, sent[50:])
        check(sent, await said(stack, sent))
        assert "schema_migrated" in process.log.read_text()

    assert await recorded(pool) == [
        "runtime/0001_lanes_and_cases", "echo/0001_step", "echo/0002_step", "echo/0003_step",
    ]  # fmt: skip
    assert await pool.fetchval("SELECT count(*) FROM cases WHERE mood = 'cheerful'") == 10


async def test_processes_that_start_together_apply_each_migration_once(
    stack: Stack, pool: Pool, tmp_path: Path
) -> None:
    """The second waits for the first."""
    slow = folder(tmp_path, "CREATE TABLE once (id int); SELECT pg_sleep(1);", NEW_COLUMN)
    with (
        worker(stack, env=environment(slow, LAPOR_REPLICA="0")) as one,
        worker(stack, env=environment(slow, LAPOR_REPLICA="1")) as other,
    ):
        for process in (one, other):
            await asyncio.to_thread(process.wait_ready)
        logs = [process.log.read_text() for process in (one, other)]

    assert sum("schema_migrated" in log for log in logs) == 1
    assert len(await recorded(pool)) == 4


async def test_many_callers_apply_each_migration_once(pool: Pool, tmp_path: Path) -> None:
    """Whoever comes first does all of it."""
    migrations = own(folder(tmp_path, NEW_COLUMN))
    done = await asyncio.gather(*(apply_migrations(pool, SCHEMA, migrations) for _ in range(4)))

    assert sorted(map(len, done)) == [0, 0, 0, 3]


async def test_a_changed_file_is_refused_and_a_changed_remark_is_not(
    stack: Stack, pool: Pool, tmp_path: Path
) -> None:
    """What was applied cannot be applied again otherwise."""
    migrations = folder(tmp_path, NEW_COLUMN)
    await apply_migrations(pool, SCHEMA, own(migrations))
    file = migrations / "0002_step.sql"
    file.write_text(f"-- a remark\n{NEW_COLUMN}\n")
    assert await pending_migrations(pool, SCHEMA, own(migrations)) == ()

    file.write_text(NEW_COLUMN.replace("calm", "sad"))
    with worker(stack, env=environment(migrations)) as process:
        log = await refused(process)
    assert "echo/0002_step was changed after 0.1.0 had applied it" in log


@pytest.mark.parametrize("header", [COMPATIBLE, ""], ids=["compatible", "incompatible"])
async def test_an_older_release_starts_only_if_a_newer_schema_allows_it(
    stack: Stack, pool: Pool, tmp_path: Path, header: str
) -> None:
    """Exit code 78, and which release to run instead; a compatible schema may be used."""
    await apply_migrations(pool, SCHEMA, own(folder(tmp_path / "new", header + NEW_COLUMN)))
    with worker(stack, env=environment(folder(tmp_path / "old"))) as older:
        if header:
            await asyncio.to_thread(older.wait_ready)
        else:
            assert "release 0.1.0 applied echo/0002_step" in await refused(older)


async def test_a_process_killed_in_the_middle_leaves_nothing_half_done(
    stack: Stack, pool: Pool, tmp_path: Path
) -> None:
    """Kill -9 while statements run: nothing of them is there, and the next process does it all."""
    await apply_migrations(pool, SCHEMA, own(folder(tmp_path / "old")))
    migrations = folder(tmp_path / "new", NEW_COLUMN, SLOW)
    sleeping = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    with worker(stack, env=environment(migrations)) as first:
        async with asyncio.timeout(60):
            while not await pool.fetchval(sleeping):
                await asyncio.sleep(0.05)
        first.kill()

    assert len(await recorded(pool)) == 2
    with worker(stack, env=environment(migrations)) as second:
        await asyncio.to_thread(second.wait_ready)
    assert len(await recorded(pool)) == 4
    assert await pool.fetchval("SELECT count(*) FROM half") == 0


async def test_a_failing_migration_takes_those_before_it_back(pool: Pool, tmp_path: Path) -> None:
    """All that are pending are one transaction."""
    migrations = own(folder(tmp_path, NEW_COLUMN, "ALTER TABLE nowhere ADD COLUMN x int;"))

    with pytest.raises(asyncpg.UndefinedTableError):
        await apply_migrations(pool, SCHEMA, migrations)
    assert await recorded(pool) == []


async def test_an_older_process_ends_before_it_saves_over_an_incompatible_schema(
    stack: Stack, pool: Pool, tmp_path: Path
) -> None:
    """It does not decide a record that comes after the migration; the newer process does."""
    sent = some(60, reports=6)
    await send(stack, INSTITUTION, sent[:30])
    new = folder(tmp_path / "new", "ALTER TABLE cases ADD COLUMN saved_by text;")
    with worker(stack, env=environment(folder(tmp_path / "old"))) as older:
        check(sent[:30], await said(stack, sent[:30]))
        await apply_migrations(pool, SCHEMA, own(new))
        versions = "SELECT sum(version) FROM cases"
        before = await pool.fetchval(versions)
        await send(stack, INSTITUTION, sent[30:])
        assert "may not work with" in await refused(older)
        assert await pool.fetchval(versions) == before
    with worker(stack, env=environment(new)):
        check(sent, await said(stack, sent))


async def test_an_older_process_goes_on_over_a_compatible_schema(
    stack: Stack, pool: Pool, tmp_path: Path
) -> None:
    """Nobody need stop for a column that has a default."""
    sent = some(60, reports=6)
    await send(stack, INSTITUTION, sent[:30])
    with worker(stack, env=environment(folder(tmp_path / "old"))) as older:
        await said(stack, sent[:30])
        await apply_migrations(pool, SCHEMA, own(folder(tmp_path / "new", COMPATIBLE + NEW_COLUMN)))
        await send(stack, INSTITUTION, sent[30:])
        check(sent, await said(stack, sent))
        assert older.metric("lapor_conflicts_total") == 0
        assert older.process.poll() is None


async def test_an_idle_older_process_ends_too(stack: Stack, pool: Pool, tmp_path: Path) -> None:
    """Its loops would go on without a save."""
    with worker(stack, env=environment(folder(tmp_path / "old"))) as older:
        await asyncio.to_thread(older.wait_ready)
        await apply_migrations(pool, SCHEMA, own(folder(tmp_path / "new", NEW_COLUMN)))
        assert "may not work with" in await refused(older)


@pytest.mark.parametrize("changed", ["own", "shared"])
async def test_an_incompatible_migration_makes_the_next_save_of_a_lane_a_conflict(
    stack: Stack, pool: Pool, tmp_path: Path, changed: str
) -> None:
    """Whatever was loaded before; and what is loaded after is refused."""
    before = own(folder(tmp_path / "old"))
    shared = folder(tmp_path / "shared")
    await apply_migrations(pool, SCHEMA, before)
    await apply_migrations(pool, "together", read_migrations(shared))

    async def check_schema() -> None:
        await pending_migrations(pool, SCHEMA, before)
        await pending_migrations(pool, "together", read_migrations(shared))

    state = PostgresState(pool, STORE, check_schema)  # type: ignore[arg-type]
    lane = (await state.lanes(["3"], [7]))["3"]
    new = folder(tmp_path / "new", NEW_COLUMN if changed == "own" else "CREATE TABLE keys ();")
    if changed == "own":
        await apply_migrations(pool, SCHEMA, own(new))
    else:
        async with pool_of(stack, "together") as others:
            await apply_migrations(others, "together", read_migrations(new))

    with pytest.raises(Conflict):
        await state.save(
            [LaneSave(Lane("3", {}, 8), lane.fencing_token)], {"R": Stored(1, 0, b"", None)}
        )
    with pytest.raises(OtherSchema, match="may not work with"):
        await state.lanes(["3"], [9])


async def test_a_lane_made_while_a_migration_runs_is_fenced_too(
    stack: Stack, pool: Pool, tmp_path: Path
) -> None:
    """It waits for the migration, so that the check after its loading sees that."""
    before = own(folder(tmp_path / "old"))
    await apply_migrations(pool, SCHEMA, before)

    async def check_schema() -> None:
        await pending_migrations(pool, SCHEMA, before)

    state = PostgresState(pool, STORE, check_schema)  # type: ignore[arg-type]
    async with pool_of(stack) as newer:
        migrations = own(folder(tmp_path / "new", "SELECT pg_sleep(1);"))
        migrating = asyncio.create_task(apply_migrations(newer, SCHEMA, migrations))
        async with asyncio.timeout(30):
            while not await pool.fetchval(
                "SELECT count(*) FROM pg_locks WHERE granted AND mode = 'ExclusiveLock' "
                "AND relation = to_regclass('lanes')"
            ):
                await asyncio.sleep(0.02)
        with pytest.raises(OtherSchema, match="may not work with"):
            await state.lanes(["new"], [7])
        await migrating


async def test_a_stage_told_to_leave_migrations_alone_names_the_command(
    stack: Stack, pool: Pool, tmp_path: Path
) -> None:
    """`LAPOR_MIGRATE=manual`; once they are applied, it runs."""
    migrations = folder(tmp_path)
    manual = environment(migrations, LAPOR_MIGRATE="manual")
    with worker(stack, env=manual) as process:
        log = await refused(process)
    assert "migrations are pending: routing runtime/0001_lanes_and_cases" in log
    assert "lapor schema apply" in log
    assert await recorded(pool) == []

    await apply_migrations(pool, SCHEMA, own(migrations))
    with worker(stack, env=manual) as process:
        await asyncio.to_thread(process.wait_ready)


async def test_a_schema_made_before_migrations_is_refused(pool: Pool, tmp_path: Path) -> None:
    """An empty schema that an operator made is not."""
    migrations = own(folder(tmp_path))
    await pool.execute("CREATE SCHEMA routing; CREATE SCHEMA empty; CREATE TABLE routing.cases ()")

    with pytest.raises(OtherSchema, match="begin with an empty database"):
        await apply_migrations(pool, SCHEMA, migrations)
    assert len(await apply_migrations(pool, "empty", migrations)) == 2


def test_the_command_shows_and_applies_every_schema(stack: Stack) -> None:
    """Exit code 1 while something is pending; a second time nothing is left to do."""
    asyncio.run(fresh(stack))
    env = {**os.environ, "LAPOR_POSTGRES": stack.postgres}
    before = looked("schema", "status", env=env)
    assert before.code == 1
    assert "routing: 0 applied, 2 pending" in before.out

    applied = looked("schema", "apply", env=env)
    assert applied.code == 0
    assert "intake: applied intake/0001_fingerprints" in applied.out
    assert "vault: applied vault/0001_report_keys" in applied.out
    assert "Nothing is pending." in looked("schema", "apply", env=env).out

    after = looked("schema", "status", "--json", env=env)
    assert after.code == 0
    schemas = {state["schema"]: state for state in json.loads(after.out)}
    assert len(schemas) == 10
    assert [m["migration"] for m in schemas["sla_monitor"]["applied"]] == [
        "runtime/0001_lanes_and_cases", "sla_monitor/0001_deadlines",
    ]  # fmt: skip
    assert not any(state["pending"] for state in schemas.values())


def test_the_command_says_what_is_wrong(stack: Stack) -> None:
    """No traceback."""
    asyncio.run(fresh(stack))
    asyncio.run(_without_record(stack))
    wrong = looked("schema", "apply", env={**os.environ, "LAPOR_POSTGRES": stack.postgres})
    away = looked(
        "schema", "status", env={**os.environ, "LAPOR_POSTGRES": "postgresql://127.0.0.1:1/x"}
    )

    assert (wrong.code, away.code) == (1, 1)
    assert "schema routing: it was made before migrations" in wrong.err
    assert "PostgreSQL does not answer" in away.err


async def _without_record(stack: Stack) -> None:
    connection: Connection = await asyncpg.connect(stack.postgres)
    try:
        await connection.execute("CREATE SCHEMA routing; CREATE TABLE routing.cases ()")
    finally:
        await connection.close()
