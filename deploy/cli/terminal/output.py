"""The one way to standard output and error: nothing from outside that a terminal would obey.

A title, a header, an officer's name may hold escape codes, turned directions, or new lines that
forge whole entries. What is written through here shows them and obeys none.
"""

import json
import re
import sys
import unicodedata
from collections.abc import Iterable
from functools import cache
from typing import Any, Final

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

NEW_LINE: Final = "\N{RETURN SYMBOL}"
UNSHOWN: Final = "\N{REPLACEMENT CHARACTER}"
JOINERS: Final = "\u200c\u200d"
"""They are spelling, in Persian and within emoji."""
_OTHER: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_TO_LOOK_AT: Final = re.compile(r"[^\x20-\x7e]")


@cache
def _is_shown(character: str) -> bool:
    return character in JOINERS or unicodedata.category(character) not in _OTHER


def plain_lines(text: str) -> str:
    """Replace all that a terminal would obey or cannot show, but new lines."""
    return _TO_LOOK_AT.sub(_shown, text)


def plain(text: str) -> str:
    """Replace all that a terminal would obey or cannot show; new lines become visible."""
    return plain_lines(text).replace("\n", NEW_LINE)


def _shown(match: re.Match[str]) -> str:
    character = match.group()
    if character == "\t":
        return "    "
    return character if character == "\n" or _is_shown(character) else UNSHOWN


class Terminal(Console):
    """A console that obeys only the styles of this program: texts cannot speak to the terminal.

    A `Text` is one line, whatever it holds.
    """

    def print(self, *objects: Any, **options: Any) -> None:
        """Print as `Console` does."""
        super().print(*map(_one_line, objects), **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Render as `Console` does; what rich itself tells the terminal passes as it is."""
        for segment in super().render(renderable, options):
            if segment.control or segment.text.isprintable():
                yield segment
            else:
                yield Segment(plain_lines(segment.text), segment.style)


def _one_line(shown: Any) -> Any:
    if isinstance(shown, Text) and "\n" in shown.plain:
        shown = shown.copy()
        shown.plain = shown.plain.replace("\n", NEW_LINE)
    return shown


def write_json(document: Any, indent: int | None = None) -> None:
    """Write a document to standard output: one line, unless indented."""
    write_written(json.dumps(document, ensure_ascii=False, indent=indent) + "\n")


def write_written(written: str) -> None:
    """Write JSON that is written already; it says the same, with more of it escaped."""
    sys.stdout.write(_TO_LOOK_AT.sub(_escaped, written))


def write_text(text: str) -> None:
    """Write text of several lines to standard output, unstyled."""
    sys.stdout.write(plain_lines(text))


def write_line(text: str) -> None:
    """Write one line of text to standard output, at once and unstyled."""
    sys.stdout.write(plain(text) + "\n")
    sys.stdout.flush()


def _escaped(match: re.Match[str]) -> str:
    character = match.group()
    is_plain = character == "\n" or _is_shown(character)
    return character if is_plain else json.dumps(character)[1:-1]
