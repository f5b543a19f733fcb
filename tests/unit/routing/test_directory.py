"""The directory names the unit of the most specific rule that fits, never a unit tried."""

import pytest

from services.routing.app import directory_of
from services.routing.directory import Directory, Named, Rule
from shared.registry.load import load

KELURAHAN, KECAMATAN = "63.08.05.1001", "63.08.05"
UNITS = [f"6308-{number:03}" for number in range(1, 20)]
TOPICS = {"1397": "roads", "942": "environment"}
# Most specific first: each is what is named once the ones above were tried.
LADDER = [
    Rule("6308", "a", "6308-001", category="1397", place=KELURAHAN),
    Rule("6308", "b", "6308-002", category="1397", place=KECAMATAN),
    Rule("6308", "c", "6308-003", topic="roads", place=KELURAHAN),
    Rule("6308", "d", "6308-004", topic="roads", place="63"),
    Rule("6308", "e", "6308-005", category="1397"),
    Rule("6308", "f", "6308-006", topic="roads"),
    Rule("6308", "g", "6308-007", place=KECAMATAN),
    Rule("6308", "h", "6308-008", place="63.08"),
    Rule("6308", "i", "6308-009"),
]


@pytest.mark.parametrize("above", range(len(LADDER)))
def test_the_most_specific_rule_left_names_the_unit(above: int) -> None:
    """Category before topic within a place; a place before none; the smaller place first."""
    directory = Directory.of(reversed(LADDER), UNITS, TOPICS)
    tried = [rule.unit for rule in LADDER[:above]]

    named = directory.name_unit("6308", "1397", KELURAHAN, tried)

    assert isinstance(named, Named)
    assert (named.unit, named.rule) == (LADDER[above].unit, LADDER[above].name)


def test_nothing_fits_once_all_were_tried() -> None:
    """A unit tried is never named again."""
    directory = Directory.of(LADDER, UNITS, TOPICS)
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
    directory = Directory.of(LADDER[:2], UNITS, TOPICS)

    assert directory.name_unit(institution, category, place, ()) == "nothing_fits"


def test_of_equal_rules_the_first_given_counts() -> None:
    """The order of the registry's file breaks ties."""
    twins = [Rule("6308", "x", "6308-002"), Rule("6308", "y", "6308-001")]

    assert Directory.of(twins, UNITS, {}).name_unit("6308", None, None, ()) == Named(
        "6308-002", "x", "every report"
    )


@pytest.mark.parametrize("unit", ["6308-999", "3204-001"])
def test_a_unit_that_is_none_of_the_institutions_is_skipped(unit: str) -> None:
    """Unknown, or another institution's: the next rule is asked, and else it is said."""
    wrong = Rule("6308", "wrong", unit, category="1397")
    units = [*UNITS, "3204-001"]

    alone = Directory.of([wrong], units, TOPICS)
    followed = Directory.of([wrong, LADDER[-1]], units, TOPICS)

    assert alone.name_unit("6308", "1397", None, ()) == "unit_unknown"
    assert followed.name_unit("6308", "1397", None, ()) == Named("6308-009", "i", "every report")


def test_why_tells_what_fitted_and_the_rules_own_words() -> None:
    """A person reads why it came to them."""
    rule = Rule("6308", "n", "6308-001", "roads and bridges", category="1397", place="63.08.05")

    named = Directory.of([rule], UNITS, {}).name_unit("6308", "1397", KELURAHAN, ())

    assert named == Named("6308-001", "n", "category 1397, place 63.08.05: roads and bridges")


def test_the_registrys_own_rules_are_found_in_the_registrys_order() -> None:
    """For every category and place of the registry the same rules, in the same order."""
    registry = load()
    directory = directory_of(registry)
    places = [None, *(code for code in registry.places if code.startswith("63.08"))][:40]
    fitted = 0
    for code in registry.institutions:
        for category in [None, *registry.categories]:
            for place in places:
                ours = [rule.name for rule in directory.fitting(code, category, place)]
                theirs = registry.directory(code).matching(category, place)
                assert ours == [rule.name for rule in theirs]
                fitted += len(ours)
    assert fitted > 1_000
