"""What the documents say of the code is what the code says, and what the code cites exists."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from deploy.docs.generate import ROOT, renewed

README = ROOT / "README.md"
DOCUMENTS = [README, ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
ALL_DOCUMENTS = [*DOCUMENTS, *(ROOT / "deploy").rglob("*.md"), *(ROOT / "tests").rglob("*.md")]
SUFFIXES = {".py", ".md", ".sql", ".toml", ".yml", ".sh"}
of_each_document = pytest.mark.parametrize(
    "document", ALL_DOCUMENTS, ids=lambda d: str(d.relative_to(ROOT))
)


def files() -> list[Path]:
    """Return the project's own text files."""
    folders = [ROOT / name for name in ("services", "shared", "deploy", "tests", "docs", ".ci")]
    own = [*ROOT.glob("*"), *(file for folder in folders for file in folder.rglob("*"))]
    return [file for file in own if file.suffix in SUFFIXES]


@cache
def names_defined_in(file: Path) -> set[str]:
    """Return the functions, classes, methods and module constants of a file."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


@cache
def names_of_tests() -> set[str]:
    """Return the names of all files of tests, and of what they define."""
    every = set((ROOT / "tests").rglob("*.py"))
    return {file.name for file in every}.union(*(names_defined_in(file) for file in every))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: str(d.relative_to(ROOT)))
def test_generated_tables_are_current(document: Path) -> None:
    """Otherwise: `uv run python -m deploy.docs.generate`."""
    text = document.read_text(encoding="utf-8")
    assert renewed(text) == text


@of_each_document
def test_every_link_and_every_named_test_exists(document: Path) -> None:
    """Relative links stay in the project; `tests/….py::test_…` names a test that is there."""
    text = document.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
        there = (document.parent / target).resolve()
        assert there.exists(), target
        assert there.is_relative_to(ROOT), f"{target} lies outside the project"
    for file, name in re.findall(r"(tests/[\w/]+\.py)(?:::(\w+))?", text):
        assert (ROOT / file).exists(), file
        assert not name or name in names_defined_in(ROOT / file), f"{file}::{name}"
    for file, name in re.findall(r"`…?(test_\w+\.py)?(?:::(\w+))?[`:]", text):
        assert not file or file in names_of_tests(), file
        assert not name or name in names_of_tests(), name


@of_each_document
def test_every_function_named_behind_a_file_is_defined_there(document: Path) -> None:
    """Both ways: `services/….py` `decide`, and `decide` in `services/….py`."""
    text = document.read_text(encoding="utf-8")
    python = r"((?:services|shared|deploy|docs)/[\w/]+\.py)"
    named = re.findall(rf"`{python}`\)? `(\w+)`", text)
    named += [(file, name) for name, file in re.findall(rf"`(\w+)` in `{python}`", text)]
    for file, name in named:
        assert name in names_defined_in(ROOT / file), f"{file}: {name}"


def test_the_readme_answers_where_a_rule_lives() -> None:
    """A dozen questions, each with a file that exists."""
    section = README.read_text(encoding="utf-8").split("## Where a rule lives")[1]
    table = section.split("| Question | Answer |")[1].split("\n\n")[0]
    rows = [line for line in table.splitlines() if line.startswith("|")][1:]
    assert len(rows) >= 12
    for row in rows:
        places = re.findall(r"`((?:services|shared|deploy)/[\w/.-]+)`", row)
        assert places, row
        assert [place for place in places if not (ROOT / place).exists()] == []


def test_the_index_of_decisions_names_each() -> None:
    """And nothing else."""
    folder = ROOT / "docs" / "decisions"
    named = re.findall(r"\]\((\d{4}-[\w-]+\.md)\)", (folder / "README.md").read_text("utf-8"))
    assert named == sorted(file.name for file in folder.glob("[0-9]*.md"))


def test_every_document_and_section_that_is_cited_exists() -> None:
    """`domain.md section 2` names a document of the project and a heading `## 2. …` of it."""
    cited = r"([\w./-]+\.md)(?:\)? sections? (\d+)(?: and (\d+))?)?"
    missing: list[tuple[str, str, str]] = []
    for file in files():
        for name, *sections in re.findall(cited, file.read_text(encoding="utf-8")):
            places = [file.parent / name, ROOT / name, ROOT / "docs" / name]
            places += [d for d in ALL_DOCUMENTS if d.name == name]
            text = next((p.read_text(encoding="utf-8") for p in places if p.is_file()), None)
            for number in ["", *filter(None, sections)]:
                heading = rf"^##+ {number}\. " if number else ""
                if text is None or not re.search(heading, text, re.MULTILINE):
                    missing.append((str(file.relative_to(ROOT)), name, number))
    assert missing == []
