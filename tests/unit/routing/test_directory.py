"""The directory names the unit of the most specific rule that fits, never a unit tried."""

from collections.abc import Iterable

import pytest

from services.routing.directory import Directories, Named
from shared.registry import Directory, Rule

KELURAHAN, KECAMATAN = "63.08.05.1001", "63.08.05"
UNITS = [f"6308-{number:03}" for number in range(1, 20)]
TOPICS = {"1397": "roads", "942": "environment"}
# Most specific first: each is what is named once the ones above were tried.
LADDER = [
    Rule(name="a", unit="6308-001", why="test", category="1397", place=KELURAHAN),
    Rule(name="b", unit="6308-002", why="test", category="1397", place=KECAMATAN),
    Rule(name="c", unit="6308-003", why="test", topic="roads", place=KELURAHAN),
    Rule(name="d", unit="6308-004", why="test", topic="roads", place="63"),
    Rule(name="e", unit="6308-005", why="test", category="1397"),
    Rule(name="f", unit="6308-006", why="test", topic="roads"),
    Rule(name="g", unit="6308-007", why="test", place=KECAMATAN),
    Rule(name="h", unit="6308-008", why="test", place="63.08"),
    Rule(name="i", unit="6308-009", why="test"),
]


def directories(rules: Iterable[Rule], units: Iterable[str] = UNITS) -> Directories:
    """Return the directories of HSU alone."""
    return Directories({"6308": Directory(rules, TOPICS)}, frozenset(units))


@pytest.mark.parametrize("above", range(len(LADDER)))
def test_the_most_specific_rule_left_names_the_unit(above: int) -> None:
    """Category before topic within a place; a place before none; the smaller place first."""
    directory = directories(reversed(LADDER))
    tried = [rule.unit for rule in LADDER[:above]]

    named = directory.name_unit("6308", "1397", KELURAHAN, tried)

    assert isinstance(named, Named)
    assert (named.unit, named.rule) == (LADDER[above].unit, LADDER[above].name)


def test_nothing_fits_once_all_were_tried() -> None:
    """A unit tried is never named again."""
    directory = directories(LADDER)
    tried = [rule.unit for rule in LADDER]

    assert directory.name_unit("6308", "1397", KELURAHAN, tried) == "nothing_fits"


@pytest.mark.parametrize(
    ("institution", "category", "place"),
    [
        ("3204", "1397", KELURAHAN),  # another institution's rules
        ("6308", None, KELURAHAN),  # no category
        ("6308", "942", KELURAHAN),  # another category
        ("6308", "1397", None),  # no place
        ("6308", "1397", "63.08.0"),  # a prefix of the text, not of the place
        ("6308", "1397", "63.08"),  # a wider place than the rule's
        ("6308", "no such", "nowhere"),
    ],
)
def test_a_rule_fits_only_what_the_report_says(
    institution: str, category: str | None, place: str | None
) -> None:
    """What a rule names, the report must say."""
    directory = directories(LADDER[:2])

    assert directory.name_unit(institution, category, place, ()) == "nothing_fits"


def test_of_equal_rules_the_first_given_counts() -> None:
    """The order of the registry's file breaks ties."""
    twins = [
        Rule(name="x", unit="6308-002", why="test"),
        Rule(name="y", unit="6308-001", why="test"),
    ]

    assert directories(twins).name_unit("6308", None, None, ()) == Named(
        "6308-002", "x", "every report: test"
    )


@pytest.mark.parametrize("unit", ["6308-999", "3204-001"])
def test_a_unit_that_is_none_of_the_institutions_is_skipped(unit: str) -> None:
    """Unknown, or another institution's: the next rule is asked, and else it is published."""
    wrong = Rule(name="wrong", unit=unit, why="test", category="1397")
    units = [*UNITS, "3204-001"]

    alone = directories([wrong], units)
    followed = directories([wrong, LADDER[-1]], units)

    assert alone.name_unit("6308", "1397", None, ()) == "unit_unknown"
    assert followed.name_unit("6308", "1397", None, ()) == Named(
        "6308-009", "i", "every report: test"
    )


def test_why_tells_what_fitted_and_the_rules_own_words() -> None:
    """A person reads why it came to them."""
    rule = Rule(
        name="n", unit="6308-001", why="roads and bridges", category="1397", place="63.08.05"
    )

    named = directories([rule]).name_unit("6308", "1397", KELURAHAN, ())

    assert named == Named("6308-001", "n", "category 1397, place 63.08.05: roads and bridges")
