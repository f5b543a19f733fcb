"""What `publish` makes of a file: the event, its records, or everything that is wrong with it."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from deploy.cli.model.change_file import decree_in, limits_in, refuse_bad, refuse_other_reach
from deploy.cli.model.registry_change import lanes_of
from deploy.cli.terminal.console import CliError
from shared.contract.envelope import parse
from shared.contract.events import CalendarAmended, PolicyChanged
from shared.registry import Change, problems_of
from tests.packaged_registry import REGISTRY

NOW = datetime(2026, 3, 10, 3, tzinfo=UTC)
DECREE = """chain = "indonesia"
[[version]]
known_from = 2026-03-10
decree = "Keputusan uji"
source = "test"
add = [["2026-08-18", "joint_leave", "Cuti Bersama uji"]]
"""
LIMITS = """institution = "6308"
[limits]
valid_from = 2026-03-10
follow_up_information = { days = 3, source = "test" }
"""


def a_file(tmp_path: Path, text: str) -> Path:
    """Write a file as an operator would."""
    file = tmp_path / "change.toml"
    file.write_text(text, encoding="utf-8")
    return file


def decree(tmp_path: Path, old: str = "", new: str = "") -> CalendarAmended:
    """Read the decree, edited, and check it."""
    assert old in DECREE
    event = decree_in(str(a_file(tmp_path, DECREE.replace(old, new, 1))), REGISTRY)
    refuse_bad(event, REGISTRY, NOW)
    return event


def test_a_file_is_read_as_the_event_it_tells(tmp_path: Path) -> None:
    """The version is named after the day it became known; one calendar needs no name."""
    event = decree(tmp_path)

    assert event.version == "id-2026-03-10"
    assert event.add == ((date(2026, 8, 18), "joint_leave", "Cuti Bersama uji"),)
    assert decree(tmp_path, 'chain = "indonesia"\n') == event


def test_a_days_second_version_is_named_so(tmp_path: Path) -> None:
    """A mistake need not wait for tomorrow."""
    event = decree(tmp_path, "decree =", "again = 2\ndecree =")
    text = LIMITS.replace("[limits]", "again = 2\n[limits]")

    assert event.version == "id-2026-03-10-2"
    assert limits_in(a_file(tmp_path, text), applies_to_open=True).version == "6308-2026-03-10-2"


@pytest.mark.parametrize("version", REGISTRY.chains["indonesia"].versions)
def test_a_version_of_the_files_may_be_named(version: object) -> None:
    """So that what was deployed as a file reaches the open cases; it is known, and no problem."""
    chain = REGISTRY.chains["indonesia"]
    name = next(chain.name_of(v) for v in chain.versions if v == version)
    event = decree_in(name, REGISTRY)

    assert event.version == name
    assert problems_of(Change(event=event, seen_at=NOW), REGISTRY) == []
    assert REGISTRY.amended((Change(event=event, seen_at=NOW),)).chains is REGISTRY.chains


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"2026-08-18"', '"2026-08-32"', "add.0.0"),
        ('"2026-08-18"', "2026-08-32", "cannot be read"),
        ('"joint_leave"', '"party"', "add.0.1"),
        ("known_from = 2026-03-10\n", "", "known_from: Field required"),
        ("[[version]]", "[[versions]]", "version: Field required"),
        ("source", "sauce", "sauce"),
        ('"Keputusan uji"', '""', "decree: Field required"),
        ('"indonesia"', '"mars"', "there is no calendar 'mars'"),
        (DECREE, DECREE + DECREE.partition("\n")[2], "holds 2 versions"),
        ('uji"]]', 'uji"], ["2026-08-18", "national", "x"]]', "day 2026-08-18 occurs 2 times"),
        ('"2026-08-18"', '"2027-08-18"', "to a year no decree decides"),
        ('"2026-08-18"', '"2026-08-17"', "which an earlier version has"),
        (
            'uji"]]\n',
            'uji"]]\nremove = [2026-08-18]\n',
            "removes 2026-08-18, which no earlier version",
        ),
        ("2026-03-10", "2026-03-11", "would not move"),
        ("2026-03-10", "2025-09-18", "is older than the newest known version, of 2025-09-19"),
        ("2026-03-10", "2025-09-19", "a version of that name with other days"),
    ],
)
def test_a_bad_decree_is_told_with_what_to_do(
    tmp_path: Path, old: str, new: str, told: str
) -> None:
    """Before anything is published."""
    with pytest.raises(CliError, match=r"(?s).*") as refused:
        decree(tmp_path, old, new)

    assert told in str(refused.value)
    assert refused.value.hint


def test_what_is_neither_file_nor_version_is_told_with_the_newest() -> None:
    """A forgotten file, a mistyped name."""
    with pytest.raises(CliError, match="no file and no version 'id-2026-01-01'") as refused:
        decree_in("id-2026-01-01", REGISTRY)

    assert "id-2025-09-19" in refused.value.hint


def limits(tmp_path: Path, old: str = "", new: str = "") -> PolicyChanged:
    """Read the limits, edited, and check them."""
    assert old in LIMITS
    file = a_file(tmp_path, LIMITS.replace(old, new, 1))
    event = limits_in(file, applies_to_open=True)
    refuse_bad(event, REGISTRY, NOW)
    return event


def test_limits_are_read_for_an_institution_or_the_nation(tmp_path: Path) -> None:
    """`00` means the nation."""
    event, nation = limits(tmp_path), limits(tmp_path, "6308", "00")

    assert (event.version, nation.version) == ("6308-2026-03-10", "national-2026-03-10")
    assert (event.limits["follow_up_information"].amount, event.applies_to_open) == (3, True)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("6308", "9999", "institution 9999 is not in institutions/"),
        ("6308", "kantor", "no institution's code"),
        ("days = 3", "days = 6", "of 6 is looser than the national 5"),
        ("days = 3", "minutes = 60", "the institution states no opening_hours"),
        ("days = 3", 'days = 3, unit = "calendar_days"', "must be in working_days"),
        ("days = 3", "days = 0", "follow_up_information.days"),
        ("follow_up_information", "follow_up_tea", "follow_up_tea"),
        ('follow_up_information = { days = 3, source = "test" }', "", "states no limit"),
        ("2026-03-10", "2023-01-01", "there is a version of that name with other limits"),
        ("2026-03-10", "2022-12-31", "older than the version in force"),
        ("2026-03-10", "2026-02-30", "cannot be read"),
        ("2026-03-10", "2026-03-11", "would not move"),
    ],
)
def test_bad_limits_are_told_with_what_to_do(tmp_path: Path, old: str, new: str, told: str) -> None:
    """Looser than the nation is never published."""
    with pytest.raises(CliError, match=r"(?s).*") as refused:
        limits(tmp_path, old, new)

    assert told in str(refused.value)
    assert refused.value.hint


def test_limits_that_leave_open_reports_alone_may_lie_ahead(tmp_path: Path) -> None:
    """They are known before they are in force."""
    text = LIMITS.replace("2026-03-10", "2026-07-01")
    refuse_bad(limits_in(a_file(tmp_path, text), applies_to_open=False), REGISTRY, NOW)


def test_limits_once_published_cannot_get_another_say_over_open_reports(tmp_path: Path) -> None:
    """The lanes would drop the repetition, and nobody would know that nothing moved."""
    event = limits(tmp_path)
    other = event.model_copy(update={"applies_to_open": False})

    refuse_other_reach(event, None)
    refuse_other_reach(event, event)
    with pytest.raises(CliError, match="was published without --apply-to-open"):
        refuse_other_reach(event, other)


def test_a_national_limit_in_minutes_is_refused(tmp_path: Path) -> None:
    """Opening hours are an institution's."""
    text = LIMITS.replace("6308", "00").replace("days = 3", "minutes = 60")
    event = limits_in(a_file(tmp_path, text), applies_to_open=False)

    with pytest.raises(CliError, match="a national limit is in days"):
        refuse_bad(event, REGISTRY, NOW)


def test_a_change_is_the_same_record_for_every_lane_each_time(tmp_path: Path) -> None:
    """Its ids are of version and partition: what a killed command repeats is dropped."""
    event = decree(tmp_path)
    lanes = lanes_of(event)
    ids = {dict(lane.headers)["ce_id"] for lane in lanes}

    assert [lane.partition for lane in lanes] == list(range(12))
    assert len(ids) == 12
    assert lanes == lanes_of(decree(tmp_path))
    assert all(parse(CalendarAmended, lane.value) == event for lane in lanes)
