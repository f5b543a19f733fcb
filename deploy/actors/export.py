"""The real export's facts (no texts, no names) as rows for the script."""

import csv
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from deploy.actors.script import BANDUNG, Ending, ExportRow
from shared.contract.events import ReportClass
from shared.registry import Registry

FILE: Final = Path(__file__).parents[1] / "registry" / "sources" / "lapor_2021_2023_metadata.csv"
_CLASSES: Final = {each.value: each for each in ReportClass}


def read(year: int, registry: Registry) -> tuple[ExportRow, ...]:
    """Return the year's rows in the order they came; units by the registry's codes."""
    with FILE.open(encoding="utf-8", newline="") as file:
        rows = [_row(raw, registry) for raw in csv.DictReader(file)]
    of_year = [row for row in rows if row.received_at.year == year]
    return tuple(sorted(of_year, key=lambda row: row.received_at))


def years() -> tuple[int, ...]:
    """Return the years that the export has reports of."""
    with FILE.open(encoding="utf-8", newline="") as file:
        return tuple(sorted({int(raw["masuk_utc"][:4]) for raw in csv.DictReader(file)}))


def _row(raw: dict[str, str], registry: Registry) -> ExportRow:
    unit = registry.unit_named(BANDUNG, raw["instansi_terdisposisi"])
    category = raw["id_kategori"]
    return ExportRow(
        number=raw["nomor"],
        received_at=datetime.fromisoformat(raw["masuk_utc"]).astimezone(UTC),
        report_class=_CLASSES.get(raw["klasifikasi"]),
        category_id=category if category in registry.categories else None,
        anonymous="Anonim" in raw["tipe"],
        confidential="Rahasia" in raw["tipe"],
        source=raw["sumber"],
        unit=unit.code if unit else None,
        status=Ending(raw["status"]),
    )
