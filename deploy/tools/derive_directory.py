"""Derive Bandung's directory from its real export: `python -m deploy.tools.derive_directory`.

For each category id, and for each topic, the unit that got at least half of its reports in 2021 to
2023, with how many that were; what no unit is the usual one for has no rule and is held. Running it
again on the same export writes the same bytes.
"""

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from shared.registry import PACKAGED, Registry, Rule, load
from shared.registry.directory import Directory

EXPORT = Path(__file__).parents[1] / "registry" / "sources" / "lapor_2021_2023_metadata.csv"
INSTITUTION = "3204"

CATEGORY_SUPPORT_MIN = 2  # one report alone says nothing (guess)
TOPIC_SUPPORT_MIN = 5  # a topic also answers for categories never seen (guess)
SHARE_MIN = 0.5  # a majority; where most units share a category an officer has to look
SLUG_MAX = 48  # a rule's name is shown in events
_HEADER = """\
# valid_from = 2021-01-01
# source = majority unit per category and topic in the export 2021-2023, by python -m deploy.tools.derive_directory
"""  # noqa: E501  a header line is one line


class ExportedDispatch(NamedTuple):
    """One report of the export: its year, category and the unit that got it."""

    year: int
    category: str
    unit: str


def dispatches(export: Path, registry: Registry) -> list[ExportedDispatch]:
    """Read who got what; two spellings of a unit count as one, reports kept by the head as none."""
    head = registry.institution(INSTITUTION).name
    found = []
    with export.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            unit = registry.unit_named(INSTITUTION, row["instansi_terdisposisi"])
            if unit is None or unit.status == "external" or unit.name == head:
                continue
            found.append(
                ExportedDispatch(
                    int(row["masuk_utc"][:4]), row["id_kategori"], unit.same_as or unit.code
                )
            )
    return found


def derive(found: Iterable[ExportedDispatch], registry: Registry) -> list[Rule]:
    """Return the rules: categories by id, then topics; what has no clear majority has no rule."""
    by_category: dict[str, Counter[str]] = defaultdict(Counter)
    by_topic: dict[str, Counter[str]] = defaultdict(Counter)
    for dispatch in found:
        category = registry.category(dispatch.category)
        if category is not None:
            by_category[category.id][dispatch.unit] += 1
            by_topic[category.topic][dispatch.unit] += 1
    rules = []
    for category_id in sorted(by_category, key=int):
        name = registry.categories[category_id].name
        unit, support, total = _majority(by_category[category_id])
        if unit and support >= CATEGORY_SUPPORT_MIN and not _is_of_a_place(unit, registry):
            rules.append(
                Rule(
                    name=f"bandung.{category_id}-{_slug(name)}",
                    category=category_id,
                    unit=unit,
                    why=f"{support} of {total} reports of this category",
                )
            )
    for topic in sorted(by_topic):
        unit, support, total = _majority(by_topic[topic])
        if unit and support >= TOPIC_SUPPORT_MIN:
            rules.append(
                Rule(
                    name=f"bandung.{topic}",
                    topic=topic,
                    unit=unit,
                    why=f"{support} of {total} reports of this topic",
                )
            )
    return rules


def agreement(rules: Iterable[Rule], found: Sequence[ExportedDispatch], registry: Registry) -> str:
    """Say how many reports the rules send where they went, elsewhere, and nowhere."""
    directory = Directory(rules, {c.id: c.topic for c in registry.categories.values()})
    outcome: Counter[str] = Counter()
    for dispatch in found:
        fits = directory.matching(dispatch.category, None)
        outcome["held" if not fits else str(fits[0].unit == dispatch.unit)] += 1
    same, other, held = outcome["True"], outcome["False"], outcome["held"]
    return f"{same} of {len(found)} as in the export, {other} elsewhere, {held} held"


def write(rules: Iterable[Rule], path: Path) -> None:
    """Write the rules as the list that the registry reads."""
    with path.open("w", encoding="utf-8", newline="") as lines:
        lines.write(_HEADER)
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerow(["name", "category", "topic", "place", "unit", "why"])
        writer.writerows(
            (rule.name, rule.category, rule.topic, rule.place, rule.unit, rule.why)
            for rule in rules
        )


def main() -> None:
    """Write directory/3204.csv beside the units, and say how well it describes the export."""
    registry = load()
    found = dispatches(EXPORT, registry)
    rules = derive(found, registry)
    write(rules, PACKAGED / "directory" / f"{INSTITUTION}.csv")
    before = [dispatch for dispatch in found if dispatch.year < 2023]  # noqa: PLR2004
    after = [dispatch for dispatch in found if dispatch.year >= 2023]  # noqa: PLR2004
    print(f"{len(rules)} rules; on the reports they come from: {agreement(rules, found, registry)}")
    print(
        "rules from 2021 and 2022 alone, on the reports of 2023: "
        + agreement(derive(before, registry), after, registry)
    )


def _majority(units: Counter[str]) -> tuple[str | None, int, int]:
    """Return the unit with most reports, how many, and all; no unit without a clear majority."""
    total = units.total()
    first, *rest = units.most_common(2)
    is_tied = bool(rest) and rest[0][1] == first[1]
    return (None if is_tied or first[1] < SHARE_MIN * total else first[0]), first[1], total


def _is_of_a_place(unit: str, registry: Registry) -> bool:
    """Say whether a unit answers for a place (and the export has none), not for a category."""
    return registry.unit(unit).name.startswith("Kecamatan ")


def _slug(name: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return slug if len(slug) <= SLUG_MAX else slug[: SLUG_MAX + 1].rpartition("-")[0]


if __name__ == "__main__":
    main()
