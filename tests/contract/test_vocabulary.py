"""The glossary's words are the code's words: one meaning for a name, modules are nouns."""

import ast
import re
from collections import defaultdict
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PRODUCT: Final = ("shared", "services", "deploy")
SAME_NAME: Final = {
    "Lookups": "what a stage's rule may know; each stage has its own, none imports another's",
    "Policy": "the registry's, and what each stage's rule takes of it",
    "Status": "where a report stands, as each stage sees it",
}
"""Class names that stand for several things on purpose, each with its reason."""
GERUNDS: Final = {
    "routing": "the stage's name",
    "screening": "the domain's word for suggesting category and class",
    "logging": "the standard library's word for writing log lines",
    "tracking": "tracking numbers, SP4N-LAPOR!'s term",
    "parking": "the glossary's word for keeping records behind a dead letter",
}
"""Names of modules and rooms that end like a participle and are nouns, each with its reason."""
AVOIDED: Final = {
    "alarm", "alarms", "ring", "rung", "rang", "speaker", "speakers", "mouth", "town", "door",
    "doors", "breathe", "bury", "unconfirmed", "unhurried", "waiting_room",
}  # fmt: skip
"""Words of the glossary's column Avoid that no identifier may hold."""


def files(*folders: str) -> list[Path]:
    """Return the Python files of folders."""
    return [file for folder in folders for file in sorted((ROOT / folder).rglob("*.py"))]


def test_no_class_name_stands_for_two_things() -> None:
    """A reader who knows a name knows what it is, wherever it stands."""
    places = defaultdict(list)
    for file in files(*PRODUCT):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(str(file.relative_to(ROOT)))
    twice = {name: where for name, where in places.items() if len(where) > 1}
    assert {name: where for name, where in twice.items() if name not in SAME_NAME} == {}
    assert SAME_NAME.keys() <= twice.keys()


def test_modules_are_nouns() -> None:
    """None is named by a participle."""
    names = {file.stem for file in files(*PRODUCT)}
    names |= {file.parent.name for file in files(*PRODUCT)}
    assert {name for name in names if name.endswith("ing")} <= GERUNDS.keys()


def words_of(name: str) -> set[str]:
    """Split an identifier into its words, in lower case."""
    return set(re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()))


def identifiers(tree: ast.AST) -> set[str]:
    """Return every name that a module binds or uses."""
    names: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
                names.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                names.add(name)
            case ast.ClassDef(name=name):
                names.add(name)
    return names


def test_no_identifier_holds_a_word_that_the_glossary_avoids() -> None:
    """Tests, fault runs and benchmarks speak like the product."""
    avoided = {
        f"{file.relative_to(ROOT)}: {name}"
        for file in files(*PRODUCT, "tests")
        for name in identifiers(ast.parse(file.read_text(encoding="utf-8")))
        if words_of(name) & AVOIDED
    }
    assert avoided == set()
    glossary = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    assert {word for word in AVOIDED if word.replace("_", " ").rstrip("s") not in glossary} == set()
