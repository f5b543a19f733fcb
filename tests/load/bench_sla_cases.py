"""Cases for the SLA monitor's benchmarks: decided by the real rule, copied into its real table."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import asyncpg

from services.sla_monitor import app
from services.sla_monitor.policy import Policy
from services.sla_monitor.rules import MonitoredCase, decide
from services.sla_monitor.store import STORE
from shared.contract import events as e
from shared.contract.tracking import report_id
from shared.platform.migrations import apply_migrations, read_migrations
from shared.platform.postgres import Connection, connect
from shared.registry import load
from shared.rules.decision import Cause
from shared.runtime.case_store import SHELL_MIGRATIONS

SCHEMA: Final = "sla_monitor"
FOLDERS: Final = (SHELL_MIGRATIONS, Path(app.__file__).with_name("migrations"))
POLICY: Final = Policy(load())
NAME: Final = "0123456789AB"  # of a template's report
ZONE: Final = ZoneInfo("Asia/Jakarta")  # of Bandung
SEEN_DAYS: Final = 40  # how far back a start is looked for

_COLUMNS: Final = (
    "report_id", "version", "sequence", "decided", "state", "is_open", "timer_at", "fire_at",
    *STORE.columns,
)  # fmt: skip


def fact(case: MonitoredCase | None, event: e.Event, when: datetime) -> MonitoredCase:
    """Decide one record of a template's life."""
    name = f"{type(event).__name__}-{when.isoformat()}"
    cause = Cause(id=name, type="", now=when, topic="", partition=0, offset=1)
    found = decide(case, event, cause, POLICY).case
    if found is None:
        raise RuntimeError("a template must have a case")
    return found


def waiting(since: datetime, institution: str = "3204") -> MonitoredCase:
    """Return a case forwarded to an institution at a time (UTC), which owes its verification."""
    received = e.ReportReceived(
        report_id=NAME, tracking_number="0123-4567-89AB-C", channel="web", message_id="m1",
        submitted_at=since, content="sealed",
    )  # fmt: skip
    forwarded = e.ReportForwarded(
        report_id=NAME, institution=institution, holding=1, by="officer", why="bench"
    )
    return fact(fact(None, received, since), forwarded, since)


def ladder_step(case: MonitoredCase, until: datetime) -> MonitoredCase:
    """Let all timers fire that are due by a time (UTC)."""
    while case.timer_at is not None and case.timer_at <= until:
        case = fact(case, e.TimerFired(report_id=NAME, due_at=case.timer_at), case.timer_at)
    return case


def decided_timers(case: MonitoredCase, until: datetime) -> list[tuple[str, int, datetime]]:
    """List the kind, level and due time of all that a case's timers say by a time (UTC)."""
    found: list[tuple[str, int, datetime]] = []
    while case.timer_at is not None and case.timer_at <= until:
        fire = e.TimerFired(report_id=NAME, due_at=case.timer_at)
        cause = Cause(id="fire", type="", now=until, topic="", partition=0, offset=1)
        decision = decide(case, fire, cause, POLICY)
        found += [
            (type(event).__name__, event.level, event.due_at)
            for event in (outgoing.event for outgoing in decision.events)
            if isinstance(event, e.DeadlineApproaching | e.DeadlineBreached)
        ]
        if decision.case is None:
            break
        case = decision.case
    return found


def about_to_breach(now: datetime) -> MonitoredCase:
    """Return a case whose newest due timer is its first breach, the second lying ahead."""
    for days in range(SEEN_DAYS):
        day = (now - timedelta(days=days)).date()
        case = waiting(datetime.combine(day, time(2), tzinfo=UTC))
        breach = case.next_deadline
        if breach is not None and breach <= now:
            return ladder_step(case, breach - timedelta(seconds=1))
    raise RuntimeError(f"no deadline passed in {SEEN_DAYS} days")


def morning(days_ago: int) -> datetime:
    """Return the morning (UTC) of the last working day that lies at least so many days back."""
    calendar = POLICY.calendar("3204", datetime.now(UTC))
    day = datetime.now(UTC).date() - timedelta(days=days_ago)
    while not calendar.is_working_day(day):
        day -= timedelta(days=1)
    return datetime.combine(day, time(2), tzinfo=UTC)


def decree(case: MonitoredCase) -> e.CalendarAmended:
    """Make the last working day of a case's running clock a day of leave, known from today."""
    if case.next_deadline is None:
        raise RuntimeError("a template whose clock runs")
    last = case.next_deadline.astimezone(ZONE).date() - timedelta(days=1)
    today = datetime.now(UTC).date()
    return e.CalendarAmended(
        version=f"id-{today}", chain="indonesia", known_from=today, decree="bench",
        source="bench", add=((last, "joint_leave", "Cuti Bersama"),),
    )  # fmt: skip


def row(case: MonitoredCase, report: str) -> tuple[Any, ...]:
    """Return a template as another report's row, in the order of the table's columns."""
    state = case.__pydantic_serializer__.to_json(case, exclude_defaults=True)
    timer_at = STORE.timer_at(case)
    beside = [value(case) for _, value in STORE.columns.values()]
    state = state.replace(NAME.encode(), report.encode())
    return (report, 1, 3, b"", state, STORE.is_open(case), timer_at, timer_at, *beside)


def rows(templates: Sequence[MonitoredCase], count: int, salt: str) -> Iterator[tuple[Any, ...]]:
    """Return that many rows of reports of their own, the templates in turns."""
    made = [row(case, NAME) for case in templates]
    for number, first in zip(range(count), itertools.cycle(made)):
        report = report_id(b"tests", salt, str(number))
        state = first[4].replace(NAME.encode(), report.encode())
        yield (report, *first[1:4], state, *first[5:])


async def copy(connection: Connection, found: Iterable[tuple[Any, ...]]) -> None:
    """Copy rows into the stage's cases, visible all at once."""
    await connection.copy_records_to_table(
        "cases", schema_name=SCHEMA, columns=_COLUMNS, records=found, timeout=600
    )


async def prepared(postgres: str) -> None:
    """Make the stage's schema as the stage does."""
    pool = await connect(postgres, SCHEMA)
    try:
        await apply_migrations(pool, SCHEMA, read_migrations(*FOLDERS))
    finally:
        await pool.close()


async def seed(postgres: str, found: Iterable[tuple[Any, ...]]) -> None:
    """Copy rows and let the planner know of them."""
    connection = await asyncpg.connect(postgres)
    try:
        await copy(connection, found)
        await connection.execute(f"ANALYZE {SCHEMA}.cases", timeout=600)
    finally:
        await connection.close()
