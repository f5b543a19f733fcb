"""`lapor calendar show`, `diff` and `import` without a stack, as people and programs meet them."""

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from deploy.cli.main import app
from shared.registry import PACKAGED, load


def said(*arguments: str) -> str:
    """Run a command of `lapor calendar` that succeeds; return what it prints."""
    found = CliRunner().invoke(app, ["calendar", *arguments])
    assert found.exit_code == 0, found.output
    return found.stdout


def document(*arguments: str) -> dict[str, Any]:
    """Return what a command says to programs."""
    found: dict[str, Any] = json.loads(said(*arguments, "--json"))
    return found


def refused(*arguments: str) -> str:
    """Run a command of `lapor calendar` that fails; return what it tells, in one line."""
    found = CliRunner().invoke(app, ["calendar", *arguments])
    assert found.exit_code == 1
    return " ".join(found.stderr.split())


def test_show_has_the_versions_the_days_and_the_working_days() -> None:
    """2025 as it was known the day before the decree of 7 August, and on that day."""
    before = document("show", "6308", "--files", "--as-of", "2025-08-06", "--year", "2025")
    since = document("show", "6308", "--files", "--as-of", "2025-08-07", "--year", "2025")

    assert (before["version"], since["version"]) == ("id-2024-11-21", "id-2025-08-07")
    assert (before["kinds"], since["kinds"]) == (
        {"national": 17, "joint_leave": 10},
        {"national": 17, "joint_leave": 11},
    )
    assert (before["working_days"]["aug"], since["working_days"]["aug"]) == (21, 20)
    assert since["versions"][-1]["known_from"] == "2025-08-07"
    assert since["time_zone"] == "Asia/Makassar"


def test_show_takes_an_instant_with_its_offset() -> None:
    """A decree is known from midnight in Jakarta."""
    before = document("show", "--files", "--as-of", "2025-08-06T23:59+07:00")
    since = document("show", "--files", "--as-of", "2025-08-07T01:00+08:00")

    assert (before["version"], since["version"]) == ("id-2024-11-21", "id-2025-08-07")


def test_show_of_a_year_without_a_decree_says_so() -> None:
    """With the days of a fixed date alone."""
    text = said("show", "indonesia", "--files", "--year", "2031", "--as-of", "2026-03-10")

    assert "2031: 5 national" in text
    assert "every deadline that touches it is flagged provisional" in text


def test_diff_says_days_and_working_days() -> None:
    """The joint leave of Idul Fitri 2023; backwards it is the other way round."""
    found = document("diff", "id-2022-10-11", "id-2023-03-29", "--files")
    back = document("diff", "id-2023-03-29", "id-2022-10-11", "--files")

    assert [day["day"] for day in found["added"]] == ["2023-04-19", "2023-04-20"]
    assert [day["day"] for day in found["removed"]] == ["2023-04-26"]
    assert found["working_days"]["2023"]["apr"] == -1
    assert (back["added"], back["removed"]) == (found["removed"], found["added"])
    assert "+  2025-08-18  mon  joint_leave" in said(
        "diff", "id-2024-11-21", "id-2025-08-07", "--files"
    )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("show", "mars", "--files"), "no institution and no calendar 'mars'"),
        (("show", "--as-of", "2026-13-01"), "'2026-13-01' is no day and no instant"),
        (("show", "--as-of", "2026-03-01T10:00"), "with the offset"),
        (("diff", "id-2022-10-11", "id-1999-01-01", "--files"), "No calendar has both"),
        (("import", "2026"), "2026 is decided by id-2025-09-19"),
        (("import", "2199"), "2199 is outside 2000 to 2099"),
        (("import", "2027", "--chain", "mars"), "There is no calendar 'mars'"),
        (("import", "2027", "--out", "/nowhere/at/all.toml"), "cannot be written"),
    ],
)
def test_what_is_wrong_is_told_with_what_to_do(arguments: tuple[str, ...], told: str) -> None:
    """One line and a remedy, no traceback."""
    assert told in refused(*arguments)


@pytest.mark.parametrize(("year", "days"), [(2027, 26), (2028, 17)])
def test_an_imported_year_loads_and_stays_provisional(tmp_path: Path, year: int, days: int) -> None:
    """Its days do not count as working days, and what rests on them is flagged."""
    folder = Path(shutil.copytree(PACKAGED, tmp_path / "registry"))
    file = tmp_path / "year.toml"
    said("import", str(year), "--out", str(file), "--known-from", "2026-11-01")
    version = file.read_text(encoding="utf-8").partition("[[version]]")[2]
    with (folder / "calendars" / "indonesia.toml").open("a", encoding="utf-8") as chain:
        chain.write(f"\n[[version]]{version}")

    calendar = load(folder).calendar("6308", datetime(2026, 11, 2, tzinfo=UTC))
    off = [day for day in calendar.days_off if day.on.year == year]
    before = datetime(year, 1, 1, tzinfo=UTC) - timedelta(days=3)

    assert calendar.version == "id-2026-11-01"
    assert {day.kind for day in off} == {"provisional"}
    assert len(off) == days
    assert calendar.reckon(before, 10).is_provisional


def test_a_year_the_package_does_not_know_well_is_said_so() -> None:
    """2028 has no joint leave in it at all, and estimates."""
    found = CliRunner().invoke(app, ["calendar", "import", "2028"])

    assert "knows no joint leave of 2028" in found.stderr
    assert "8 of the days are estimates" in found.stderr
    assert "# The package knows no joint leave of 2028" in found.stdout
