"""What a reason code asks of the person who gets it: Indonesian and English, one line each.

A code is for programs and never changes; its advice may be worded better at any time. Translators
edit the gettext catalogues, `locale/<language>/LC_MESSAGES/reasons.po`, read when this is imported.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

from babel.messages.pofile import read_po

from shared.contract.events import Language

LOCALE: Final = Path(__file__).with_name("locale")


class Fault(NamedTuple):
    """Why a gateway says no: a reason code, and the fields concerned, never their contents."""

    reason: str
    fields: str | None = None


class Advice(NamedTuple):
    """One line in each of the two languages, that says what to do next."""

    id: str
    en: str


def catalog(language: Language, folder: Path = LOCALE) -> dict[str, str]:
    """Return code -> advice of a language, in the file's order.

    Raises:
        OSError: no such catalogue. babel.messages.pofile.PoFileError: it is malformed.
    """
    with (folder / language / "LC_MESSAGES" / "reasons.po").open("rb") as file:
        messages = read_po(file, locale=language, abort_invalid=True)
    return {str(m.id): str(m.string) for m in messages if m.id}


def _load() -> dict[str, Advice]:
    english = catalog("en")
    return {code: Advice(text, english[code]) for code, text in catalog("id").items()}


REASONS: Final[Mapping[str, Advice]] = MappingProxyType(_load())
"""Advice for every reason code that a sender can get."""


def advice(code: str, language: Language = "id", fields: str | None = None) -> str:
    """Say what to do about a reason, then the fields concerned; an unknown code stands as it is."""
    translated = REASONS.get(code)
    text = code if translated is None else getattr(translated, language)
    return f"{text} [{fields}]" if fields else text
