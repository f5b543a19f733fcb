"""The two developers' pages say what the code does."""

import ast
from pathlib import Path

import pytest

from deploy.cli.views.inbox import EFFECT_OF, NEXT, REFUSALS
from deploy.docs.tables import (
    AGENCY_REASONS,
    CHANNEL_REASONS,
    INBOX_REASONS,
    PAGES,
    TO_REPORTERS,
    entries,
)
from services.agencies.entries import ENTRY_TYPES
from shared.contract.reasons import REASONS

DOCS = Path(__file__).parents[3] / "docs"
EXAMPLES = DOCS / "examples"


@pytest.mark.parametrize(
    ("page", "example"),
    [
        ("channel-adapter.md", "channel_adapter.py"),
        ("agency.md", "agency.py"),
        ("add-a-stage.md", "minimal_stage.py"),
    ],
)
def test_a_page_has_exactly_the_example_that_is_run(page: str, example: str) -> None:
    """`tests/integration/test_examples.py` runs the file; people copy from the page."""
    code = (EXAMPLES / example).read_text(encoding="utf-8")
    assert f"```python\n{code}```" in (DOCS / page).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "example",
    sorted({*EXAMPLES.glob("*.py")} - {EXAMPLES / "minimal_stage.py"}),  # a stage, no program
    ids=lambda file: file.stem,
)
def test_an_example_is_complete_in_twenty_lines(example: Path) -> None:
    """Of code: without blank lines, comments and docstrings."""
    tree = ast.parse(example.read_text(encoding="utf-8"))
    of_docstrings = {
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.AsyncFunctionDef | ast.FunctionDef)
        and ast.get_docstring(node)
        for line in range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1)
    }
    code = [
        line
        for number, line in enumerate(example.read_text(encoding="utf-8").splitlines(), start=1)
        if line.strip() and not line.lstrip().startswith("#") and number not in of_docstrings
    ]

    assert len(code) <= 20


def test_every_table_stands_in_a_page() -> None:
    """A generated table that no page shows is work for nobody."""
    pages = "".join(p.read_text(encoding="utf-8") for p in DOCS.glob("*.md"))
    assert [name for name in PAGES if f"<!-- {name} -->" not in pages] == []


def test_every_reason_is_told_to_somebody() -> None:
    """A new code fails here until it has a place in a page."""
    told = {*CHANNEL_REASONS, *AGENCY_REASONS, *INBOX_REASONS, *TO_REPORTERS, "too_large"}
    assert told == REASONS.keys()


def test_every_inbox_entry_stands_in_the_table() -> None:
    """Those of the facts, the two first looks at a report, and the refusals."""
    there = {entry_type.name for entry_type in ENTRY_TYPES.values()} | REFUSALS
    there |= {"report_received", "report_to_verify"}
    assert there == {*NEXT, *EFFECT_OF.values(), *there} <= there
    assert [entry for entry in sorted(there) if f"`{entry}`" not in entries()] == []
