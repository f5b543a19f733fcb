"""What `calendar publish` shows before it does anything: the stage's rule over its real table."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import reduce
from pathlib import Path

import asyncpg
import pytest

import services.sla_monitor
from deploy.cli.model.change_file import decree_in
from deploy.cli.model.change_preview import SHOWN_MAX, PreviewedMove, preview
from services.sla_monitor.policy import Policy
from services.sla_monitor.rules import MonitoredCase, decide
from services.sla_monitor.store import STORE
from shared.contract.events import PolicyChanged, ReportClass
from shared.platform.migrations import apply_migrations, read_migrations
from shared.platform.postgres import Pool, connect
from shared.registry import Change, Registry, load
from shared.runtime.case_store import SHELL_MIGRATIONS, PostgresState, Stored
from shared.runtime.writer import partition_of
from tests.integration.stack import Stack
from tests.unit.sla_monitor.builders import (
    BANDUNG,
    REPORT,
    Step,
    accepted,
    archived,
    at,
    dispatched,
    forwarded,
    received,
    timer_fired,
)
from tests.unit.sla_monitor.test_registry import DECREE, before_the_decree

pytestmark = pytest.mark.integration
SCHEMA = "sla_monitor"
PUBLISHED = datetime(2025, 8, 14, 3, tzinfo=UTC)
CLASS = ReportClass.INFORMATION
LIFE = (
    received("2025-08-12 09:00"),
    forwarded("2025-08-12 10:00"),
    accepted("2025-08-13 08:00", report_class=CLASS),
    dispatched("2025-08-13 09:00", report_class=CLASS),
)
OVER = (*LIFE, archived("2025-08-13 10:00"))
OLD = (received("2025-07-01 09:00"),)


@pytest.fixture
async def pool(stack: Stack) -> AsyncIterator[Pool]:
    """Yield a pool on the stage's schema, empty."""
    admin = await asyncpg.connect(stack.postgres)
    await admin.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
    await admin.close()
    made = await connect(stack.postgres, SCHEMA)
    own = Path(services.sla_monitor.__file__).with_name("migrations")
    assert await apply_migrations(made, SCHEMA, read_migrations(SHELL_MIGRATIONS, own))
    yield made
    await made.close()


def a_case(report_id: str, *steps: Step, known: Registry | None = None) -> MonitoredCase:
    """Return a report's case after some records, by the registry without the decree."""
    policy = Policy(known or before_the_decree())

    def then(case: MonitoredCase | None, step: Step) -> MonitoredCase | None:
        event = step.event.model_copy(update={"report_id": report_id})
        return decide(case, event, step.cause, policy).case

    case = reduce(then, steps, None)
    assert case is not None
    return case


async def save(pool: Pool, *cases: MonitoredCase) -> None:
    """Save cases as the shell does."""
    stored: dict[str, Stored] = {case.report_id: Stored(1, 0, b"", case) for case in cases}
    await PostgresState(pool, STORE).save([], stored)  # type: ignore[arg-type]


async def test_the_case_of_13_august_2025_would_move_and_nothing_is_written(pool: Pool) -> None:
    """domain.md section 2: five working days end on the 21st in place of the 20th."""
    await save(pool, a_case(REPORT, *LIFE), a_case("1" * 12, *OVER), a_case("2" * 12, *OLD))
    before = await pool.fetch("SELECT * FROM cases ORDER BY report_id")
    told: list[tuple[int, int]] = []

    found = await preview(
        pool, before_the_decree(), Change(event=DECREE, seen_at=PUBLISHED),
        lambda done, total: told.append((done, total)),
    )  # fmt: skip

    move = PreviewedMove(
        REPORT, "follow_up", BANDUNG, at("2025-08-21 00:00"), at("2025-08-22 00:00")
    )
    assert found.first == [move]
    assert (found.open, found.reports, found.moves) == (2, 1, 1)
    assert found.by == {timedelta(days=1): 1}
    assert (found.withdrawn, found.appearing) == (0, 0)
    assert found.as_dict()["moved_by_days"] == {"1": 1}
    assert await pool.fetch("SELECT * FROM cases ORDER BY report_id") == before


async def test_a_breach_that_was_said_would_be_withdrawn(pool: Pool) -> None:
    """The decree is published on the day after the old date, before the new one."""
    case = a_case(REPORT, *LIFE)
    while case.timer_at is not None and case.timer_at <= at("2025-08-21 00:00"):
        firing = timer_fired(case.timer_at)
        after = decide(case, firing.event, firing.cause, Policy(before_the_decree())).case
        assert after is not None
        case = after
    await save(pool, case)

    late = Change(event=DECREE, seen_at=at("2025-08-21 10:00"))
    found = await preview(pool, before_the_decree(), late)

    assert (found.moves, found.withdrawn, found.appearing) == (1, 1, 0)


TO_OPEN = PolicyChanged.model_validate(
    {
        "version": "3204-2025-08-18", "institution": BANDUNG, "valid_from": "2025-08-18",
        "limits": {"follow_up_information": {"amount": 2, "source": "test"}},
        "applies_to_open": True,
    }
)  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "moves", "appearing"),
    [
        ({}, 1, 1),
        ({"applies_to_open": False}, 0, 0),
        ({"institution": "6308", "version": "6308-2025-08-18"}, 0, 0),
    ],
)
async def test_limits_move_what_they_apply_to_and_breaches_appear(
    pool: Pool, changes: dict[str, object], moves: int, appearing: int
) -> None:
    """Two days from 13 August are the 15th: on the 18th level 1 is due, which nobody was told."""
    await save(pool, a_case(REPORT, *LIFE))
    event = TO_OPEN.model_copy(update=changes)

    found = await preview(
        pool, before_the_decree(), Change(event=event, seen_at=at("2025-08-18 10:00"))
    )

    assert (found.moves, found.appearing) == (moves, appearing)


async def test_what_a_lane_saw_already_moves_nothing_again(pool: Pool) -> None:
    """Each case is decided by what its own lane knows."""
    seen = Change(event=DECREE, seen_at=PUBLISHED)
    lane = MonitoredCase(
        report_id=f"registry.{partition_of(REPORT.encode())}", is_over=True, changes=(seen,)
    )
    amended = before_the_decree().amended((seen,))
    await save(pool, lane, a_case(REPORT, *LIFE, known=amended))

    later = Change(event=DECREE, seen_at=PUBLISHED + timedelta(hours=1))
    found = await preview(pool, before_the_decree(), later)

    assert (found.looked_at, found.moves) == (1, 0)


async def test_a_decree_deployed_with_the_files_reaches_open_cases_when_it_is_published(
    pool: Pool,
) -> None:
    """Their facts are of the day before it was known, so until then they keep the old date."""
    life = (
        received("2025-08-05 09:00"),
        forwarded("2025-08-05 10:00"),
        accepted("2025-08-06 08:00"),
        dispatched("2025-08-06 09:00"),
    )
    files = load()
    case = a_case(REPORT, *life, known=files)
    await save(pool, case)

    found = await preview(
        pool, files, Change(event=decree_in("id-2025-08-07", files), seen_at=PUBLISHED)
    )

    (move,) = found.first
    assert (move.before, move.after) == (at("2025-08-27 00:00"), at("2025-08-28 00:00"))


async def test_a_decree_of_a_calendar_that_nobody_keeps_looks_at_nothing(pool: Pool) -> None:
    """Candidates are those that the stage itself would ask."""
    await save(pool, a_case(REPORT, *LIFE))
    event = DECREE.model_copy(update={"chain": "mars"})

    found = await preview(pool, before_the_decree(), Change(event=event, seen_at=PUBLISHED))

    assert (found.open, found.looked_at) == (1, 0)


async def test_many_are_counted_and_the_first_are_shown(pool: Pool) -> None:
    """The list is bounded, the counts are whole."""
    await save(pool, *(a_case(f"{n:012d}", *LIFE) for n in range(1_200)))

    found = await preview(pool, before_the_decree(), Change(event=DECREE, seen_at=PUBLISHED))

    assert (found.reports, found.moves, len(found.first)) == (1_200, 1_200, SHOWN_MAX)
