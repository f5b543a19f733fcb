"""What a terminal is shown of outsiders' words, whatever a command does with them."""

import io
import json
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table
from rich.text import Text

from deploy.cli.terminal.output import (
    NEW_LINE,
    Terminal,
    plain,
    plain_lines,
    write_json,
    write_line,
    write_text,
)

PWNED = (
    "\x1b]0;PWNED\x07\x9b31m\u202eevil\u2066\u200e\u200f\u061c\u2028\u2029\u200b\ufeff\U000e0041"
)
FORGED = "Jalan rusak\n2025-03-03 12:00:00  accepted   K7QF-2M9X-TD3A-9"
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
PERSIAN = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"
_OTHER = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def obeyed(written: str) -> set[str]:
    """Return the characters that no terminal should be handed."""
    return {
        c for c in written
        if unicodedata.category(c) in _OTHER and c not in "\n\u200c\u200d"
    }  # fmt: skip


@given(st.text() | st.just(PWNED))
def test_an_outsider_cannot_speak_to_the_terminal(words: str) -> None:
    """By a line, a styled text, a cell of a table, a document: none of it arrives."""
    shown = io.StringIO()
    console = Terminal(file=shown, width=200, highlight=False)
    console.print(Text(f"title {words}", style="red"), soft_wrap=True)
    console.print(words, markup=False)
    table = Table()
    table.add_column("A")
    table.add_row(Text(words))
    console.print(table)
    assert obeyed(shown.getvalue()) == set()
    assert obeyed(plain(words)) == obeyed(plain_lines(words)) == set()
    assert "\n" not in plain(words)


def test_styles_and_the_bar_still_reach_a_terminal() -> None:
    """Only what rich says itself is obeyed."""
    shown = io.StringIO()
    console = Terminal(file=shown, force_terminal=True, color_system="standard", width=80)
    console.print(Text(PWNED, style="red"))
    assert shown.getvalue().startswith("\x1b[31m")
    assert "\x1b]" not in shown.getvalue()
    assert "PWNED" in shown.getvalue()


def test_an_outsider_cannot_forge_a_line() -> None:
    """A new line in a title would begin an entry that nobody wrote."""
    shown = io.StringIO()
    Terminal(file=shown, width=200).print(Text(f"    {FORGED}"), soft_wrap=True)
    assert shown.getvalue().count("\n") == 1
    assert f"rusak{NEW_LINE}2025" in shown.getvalue()


def test_what_is_spelling_stays(capsys: pytest.CaptureFixture[str]) -> None:
    """Emoji of several people, and Persian words, are joined by characters that nobody sees."""
    for words in (FAMILY, PERSIAN):
        assert plain(words) == words
        write_line(words)
        assert capsys.readouterr().out == f"{words}\n"


@given(st.dictionaries(st.text(), st.text()))
def test_a_document_says_the_same_and_nothing_is_obeyed(said: dict[str, str]) -> None:
    """Programs read back every character; a terminal gets those that it can show."""
    shown, before = io.StringIO(), sys.stdout
    sys.stdout = shown
    try:
        write_json(said | {"title": PWNED})
        write_json(said, indent=2)
    finally:
        sys.stdout = before
    assert obeyed(shown.getvalue()) == set()
    first, _, rest = shown.getvalue().partition("\n")
    assert json.loads(first) == said | {"title": PWNED}
    assert json.loads(rest) == said


def test_lines_of_a_log_are_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """Of a file that others write too."""
    write_line(f"a\tb{PWNED}\nc")
    write_text(f"a{PWNED}\nb\n")
    written = capsys.readouterr().out
    assert obeyed(written) == set()
    assert written.count("\n") == 3
