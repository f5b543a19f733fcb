"""Every reason code that code gives has advice in both languages."""

import re
from pathlib import Path

import pytest

from shared.contract.reasons import LOCALE, REASONS, advice, catalog

ROOT = Path(__file__).parents[3]
PLANNED = (
    "not_the_holder", "stale_holding", "nothing_to_decide", "too_many_waiting",
    "already_forwarded", "already_closed", "archived", "blocked", "withdrawn",
    "awaiting_information", "return_limit", "already_returned", "already_decided",
    "not_json", "invalid_fields", "missing_header", "unknown_type", "empty_value",
)  # fmt: skip


@pytest.mark.parametrize("code", PLANNED)
def test_a_promised_code_has_advice(code: str) -> None:
    """In two different languages, each a sentence."""
    assert code in REASONS


@pytest.mark.parametrize("code", REASONS)
def test_advice_is_a_sentence_in_each_language(code: str) -> None:
    """Of one line that a person can act on."""
    found = REASONS[code]
    assert found.id != found.en
    for line in found:
        assert line.endswith(".")
        assert "\n" not in line


def test_every_catalogue_has_every_code_in_the_same_order() -> None:
    """A translation that is missing, untranslated or left behind fails here."""
    languages = sorted(folder.name for folder in LOCALE.iterdir())
    assert languages == ["en", "id"]
    for messages in (catalog("en"), catalog("id")):
        assert list(messages) == list(REASONS)
        assert all(messages.values())


GIVEN = re.compile(
    r'(?:Fault|Refusal|Poison|TooEarly)\(\s*"([a-z_]+)"|'
    r'refuse\([^()]*"([a-z_]+)"\)|^ +return "([a-z_]+)"$',
    re.MULTILINE,
)
STAGES = ("agencies", "intake", "verification", "routing", "follow_up")
CORE = ("contract/envelope", "contract/text_checks", "rules/deferral", "runtime/reader")


def test_every_code_that_is_given_has_advice() -> None:
    """Read from the source: a new code fails here until somebody words it."""
    sources = [
        *(file for stage in STAGES for file in (ROOT / "services" / stage).glob("*.py")),
        *(ROOT / "shared" / f"{name}.py" for name in CORE),
    ]
    found = [
        code
        for source in sources
        for match in GIVEN.findall(source.read_text(encoding="utf-8"))
        for code in match
        if code
    ]
    assert len(set(found)) > 40
    assert (
        set(found) - REASONS.keys() - {"wrong_key", "invalid_replay"} == set()
    )  # dead letters only


def test_an_unknown_code_stands_as_it_is() -> None:
    """A reason of a newer version is better than none."""
    assert advice("brand_new", "en", "title") == "brand_new [title]"
    assert advice("blank_text", "en") == REASONS["blank_text"].en
