"""What will happen in the demo: decided by the rows and the seed, and true to the export."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from deploy.actors import export
from deploy.actors.script import (
    BANDUNG,
    HSU,
    LIMIT_DAYS,
    Completion,
    Ending,
    ReportScript,
    World,
    act_at,
    channel_of,
    extras,
    lives,
    repeated,
    thinned,
)
from shared.registry import NATIONAL, Registry, load

ENDS_AT = datetime(2024, 2, 24, tzinfo=UTC)


@pytest.fixture(scope="module")
def registry() -> Registry:
    """Load the operators' files."""
    return load()


@pytest.fixture(scope="module")
def world(registry: Registry) -> World:
    """Return a calendar that knows both years, and two categories."""
    calendar = registry.calendar(BANDUNG, datetime(2024, 4, 1, tzinfo=UTC))
    return World(calendar, ENDS_AT, {"928": 3, "915": 1})


@pytest.fixture(scope="module")
def year(registry: Registry, world: World) -> tuple[ReportScript, ...]:
    """Return the lives of 2023."""
    return lives(export.read(2023, registry), world, seed=1)


def test_the_year_has_the_exports_reports_with_their_final_statuses(
    year: tuple[ReportScript, ...],
) -> None:
    """463 reports of 2023, each with the status that the export ends with."""
    assert len(year) == 463
    assert Counter(life.ending for life in year) == {
        Ending.SYSTEM: 323,
        Ending.REPORTER: 41,
        Ending.ADMIN: 6,
        Ending.ARCHIVED_ADMIN: 36,
        Ending.ARCHIVED_SYSTEM: 23,
        Ending.ARCHIVED_REPORTER: 3,
        Ending.INCOMPLETE: 31,
    }


def test_the_same_seed_gives_the_same_lives_and_another_gives_others(
    registry: Registry, world: World, year: tuple[ReportScript, ...]
) -> None:
    """Chance comes from the seed alone."""
    rows = export.read(2023, registry)

    assert lives(rows, world, seed=1) == year
    assert lives(rows, world, seed=2) != year
    assert lives(rows[:50], world, seed=1) == year[:50]


def test_officers_mostly_take_one_to_three_days_and_some_far_too_long(
    year: tuple[ReportScript, ...],
) -> None:
    """Without late ones there would be no breach to show, with many no kabupaten to believe."""
    quick = sum(life.pace.follow_up <= 3 for life in year)
    late = sum(life.pace.follow_up > LIMIT_DAYS[life.report_class] for life in year)

    assert quick > 0.7 * len(year)
    assert 0.04 * len(year) < late < 0.15 * len(year)


def test_whoever_never_completes_is_asked_and_stays_silent(year: tuple[ReportScript, ...]) -> None:
    """The export's incomplete reports, and those archived by its system, were asked."""
    silent = [life for life in year if life.asked is Completion.SILENT]

    assert {life.ending for life in silent} == {Ending.INCOMPLETE, Ending.ARCHIVED_SYSTEM}
    assert len(silent) == 54


def test_no_follow_up_outlasts_the_demo(year: tuple[ReportScript, ...], world: World) -> None:
    """A late follow-up of December would be cut off by the end and look like a loss."""
    for life in year:
        at = world.calendar.reckon(life.submitted_at, 8 + life.pace.follow_up).at
        assert at + timedelta(days=20) < ENDS_AT


def test_some_reports_are_wrongly_addressed_so_that_the_national_admin_has_work(
    year: tuple[ReportScript, ...],
) -> None:
    """Reporters often choose the wrong address (domain.md section 6)."""
    addressed = Counter(life.addressed for life in year)

    assert addressed[BANDUNG] > 350
    assert addressed[None] > 20
    assert addressed[HSU] > 5
    assert NATIONAL not in addressed


def test_extras_are_of_hsu_and_duplicates_and_count_apart(
    year: tuple[ReportScript, ...], world: World
) -> None:
    """Beside the export: HSU (WITA) with its own endings, and reports sent again."""
    beside = extras(year, world, seed=1)
    ours = [life for life in beside if life.owner == HSU]
    again = [life for life in beside if life.ending is Ending.DUPLICATE]

    assert all(life.is_extra for life in beside)
    assert len(ours) == 12
    assert {Ending.BLOCKED, Ending.ARCHIVED_SYSTEM} <= {life.ending for life in ours}
    assert any(life.reopens for life in ours)
    assert len(again) == 4
    by_id = {life.message_id: life for life in year}
    for life in again:
        first = by_id[life.duplicate_of or ""]
        assert life.author == first.author
        assert life.text_seed == first.text_seed
        assert life.report_id != first.report_id
        assert life.submitted_at > first.submitted_at


def test_every_report_has_an_id_of_its_own(year: tuple[ReportScript, ...], world: World) -> None:
    """Ids are derived from channel and message id; none is used twice."""
    every = (*year, *extras(year, world, seed=1))

    assert len({life.report_id for life in every}) == len(every)
    assert repeated(year, seed=1) <= {life.message_id for life in year}


@pytest.mark.parametrize(
    ("source", "channel"),
    [
        ("Website", "website"),
        ("Android", "android"),
        ("SMS", "sms-1708"),
        ("Website - pemerintah-kabupaten-Bandung", "institution-page"),
        ("Hotline Service", "counter"),
        ("Instagram", "counter"),
    ],
)
def test_a_source_of_the_export_is_a_channel(source: str, channel: str) -> None:
    """What officers typed in came by the counter."""
    assert channel_of(source) == channel


def test_thinned_rows_are_spread_over_the_year(registry: Registry) -> None:
    """A short demo still has a whole year."""
    rows = thinned(export.read(2023, registry), 12)

    assert len(rows) == 12
    assert rows[0].received_at.month == 1
    assert rows[-1].received_at.month == 12


def test_an_officer_acts_in_office_hours_of_a_working_day_after_the_fact(world: World) -> None:
    """Friday evening plus one working day is Monday morning; nobody acts before the fact."""
    friday = datetime(2023, 5, 12, 12, 0, tzinfo=UTC)  # 19:00 WIB

    assert act_at(world.calendar, friday, 1, 9.0) == datetime(2023, 5, 15, 2, 0, tzinfo=UTC)
    assert act_at(world.calendar, friday, 0, 9.0) == friday
