"""What the documents say of the code is what the code says."""

import re
from pathlib import Path

import pytest

from deploy.docs.generate import ROOT, renewed

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: d.name)
def test_generated_tables_are_current(document: Path) -> None:
    """Otherwise: `uv run python -m deploy.docs.generate`."""
    text = document.read_text(encoding="utf-8")
    assert renewed(text) == text


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: d.name)
def test_every_link_and_every_named_test_exists(document: Path) -> None:
    """Relative links lead to files; `tests/….py::test_…` names a test that is there."""
    text = document.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
        assert (document.parent / target).exists(), target
    for file, name in re.findall(r"(tests/[\w/]+\.py)::(test_\w+)", text):
        assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8"), f"{file}::{name}"
