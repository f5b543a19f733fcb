"""Read a folder of registry files and build the registry from them, or say what is wrong."""

import os
from datetime import date
from itertools import product
from pathlib import Path
from typing import Any

from shared.registry.check import problems_in
from shared.registry.files import Model, RegistryError, parse, read_csv, read_toml
from shared.registry.limit import DataEntry
from shared.registry.models import (
    CalendarChain,
    Category,
    Channel,
    Contents,
    Institution,
    NationalPolicy,
    Place,
    Rule,
    Topic,
    Unit,
)
from shared.registry.registry import Registry

PACKAGED = Path(__file__).parents[2] / "deploy" / "registry"


def folder() -> Path:
    """Return where the registry's files are: `LAPOR_REGISTRY`, or those of this release."""
    return Path(os.environ.get("LAPOR_REGISTRY") or PACKAGED)


def load(path: Path | None = None) -> Registry:
    """Build the registry from a folder; RegistryError says file, entry and what to do."""
    contents = read(path or folder())
    problems = problems_in(contents)
    if problems:
        raise RegistryError(problems)
    return Registry.of(contents)


def read(path: Path) -> Contents:
    """Read all files of a folder, each entry in its form; together they are not yet checked."""
    return Contents(
        policies=_policies(path / "policy.toml"),
        institutions=tuple(
            parse(Institution, read_toml(file), f"institutions/{file.name}")
            for file in _all(path / "institutions", "*.toml")
        ),
        units=tuple(
            unit for file in _all(path / "units", "*.csv") for unit in _rows(Unit, file, "units/")
        ),
        topics=_rows(Topic, path / "topics.csv"),
        categories=_rows(Category, path / "categories.csv"),
        places=_rows(Place, path / "places.csv"),
        rules=tuple(
            (file.stem, rule)
            for file in _all(path / "directory", "*.*")
            for rule in (
                _rules(file) if file.suffix == ".toml" else _rows(Rule, file, "directory/")
            )
        ),
        calendars=tuple(
            parse(
                CalendarChain,
                {"name": file.stem, **read_toml(file)},
                f"calendars/{file.name}",
            )
            for file in _all(path / "calendars", "*.toml")
        ),
        channels=_channels(path / "channels.toml"),
    )


class _Stamp(DataEntry):
    """What every file says of itself."""

    valid_from: date
    source: str


class _RuleGroup(DataEntry):
    """A hand-written rule: it stands for every combination of what it lists."""

    name: str
    categories: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    unit: str
    why: str


def _all(folder: Path, pattern: str) -> list[Path]:
    if not folder.is_dir():
        raise RegistryError([f"{folder.name}/: missing in {folder.parent}; restore the folder"])
    return sorted(folder.glob(pattern))


def _entries(table: dict[str, Any], key: str, file: str) -> list[dict[str, Any]]:
    entries = table.get(key)
    if not isinstance(entries, list) or not entries:
        raise RegistryError([f"{file}: no [[{key}]]; add at least one"])
    return entries


def _policies(file: Path) -> tuple[NationalPolicy, ...]:
    versions = _entries(read_toml(file), "version", file.name)
    return tuple(
        parse(NationalPolicy, version, f"{file.name}: version {number}")
        for number, version in enumerate(versions, start=1)
    )


def _channels(file: Path) -> tuple[Channel, ...]:
    entries = _entries(read_toml(file), "channel", file.name)
    return tuple(
        parse(Channel, entry, f"{file.name} channel {number}")
        for number, entry in enumerate(entries, start=1)
    )


def _rows(model: type[Model], file: Path, folder: str = "") -> tuple[Model, ...]:
    where = f"{folder}{file.name}"
    return tuple(parse(model, row, f"{where}: line {line}") for line, row in read_csv(file).rows)


def _rules(file: Path) -> list[Rule]:
    where = f"directory/{file.name}"
    rules: list[Rule] = []
    content = read_toml(file)
    parse(_Stamp, {key: value for key, value in content.items() if key != "rule"}, where)
    for number, entry in enumerate(_entries(content, "rule", where), start=1):
        group = parse(_RuleGroup, entry, f"{where}: rule {number}")
        what = [{"category": category} for category in group.categories]
        what += [{"topic": topic} for topic in group.topics]
        rules += [
            parse(
                Rule,
                {"name": group.name, "unit": group.unit, "why": group.why, **chosen, **place},
                f"{where}: rule {number} ({group.name})",
            )
            for chosen, place in product(
                what or [{}], [{"place": place} for place in group.places] or [{}]
            )
        ]
    return rules
