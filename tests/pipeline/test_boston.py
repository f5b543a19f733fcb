"""Boston 311, third quarter of 2011: what the city marked OVERDUE is what our rules breach.

A fixed part: every sixteenth row and every odd one, in about two seconds. The whole file, 20 s:
`lapor sla replay tests/data/boston311_2011q3.csv.gz`.
"""

import csv
import gzip
import json
from pathlib import Path
from typing import Final

import pytest
from typer.testing import CliRunner

from deploy.cli.main import app

BOSTON: Final = Path(__file__).parents[1] / "data" / "boston311_2011q3.csv.gz"


@pytest.fixture(scope="module")
def part(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the part: no verdict, a target before the opening, and each sixteenth row."""
    file = tmp_path_factory.mktemp("boston") / "part.csv"
    with gzip.open(BOSTON, "rt", encoding="utf-8", newline="") as packed:
        rows = list(csv.DictReader(packed))
    chosen = [
        row for number, row in enumerate(rows)
        if number % 16 == 0 or not row["ontime"] or "" < row["target_dt"] < row["open_dt"]
    ]  # fmt: skip
    with file.open("w", encoding="utf-8", newline="") as plain:
        writer = csv.DictWriter(plain, rows[0].keys())
        writer.writeheader()
        writer.writerows(chosen)
    return file


def test_what_the_city_marked_overdue_is_what_our_rules_breach(part: Path) -> None:
    """Closed late, or open past the target: the same requests, by timer and by stop."""
    found = CliRunner().invoke(app, ["sla", "replay", str(part), "--json"])

    said = json.loads(found.stdout)
    assert found.exit_code == 0
    assert said["agreed"] is True
    assert said["both"] == said["overdue"] > 400
    assert said["breached"] == said["overdue"] + 83
    assert said["requests"] == said["equal"] + 83
    assert said["without_target"] > 300
    assert said["target_before_opening"] == 3
    assert said["reasons"] == {
        "the city gives no verdict, it was closed late": 82,
        "the city gives no verdict, it is open past its target": 1,
    }
    assert all(difference["breached"] for difference in said["differences"])
