"""Render an event's message as plain text in Indonesian or English, dates in the local zone.

Pure once built: templates and catalogues are read once, and no value is ever taken as a template.
A template calls `_("… %(name)s …")`, gettext; the values that it does not pass are its own.
"""

import re
import unicodedata
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from functools import lru_cache, partial
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from babel.dates import format_date
from babel.messages.pofile import read_po
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.notifier.rules import Rendered
from shared.contract.events import Language
from shared.contract.tracking import tracking_number

FOLDER: Final = Path(__file__).with_name("templates")
LOCALE: Final = Path(__file__).with_name("locale")
LANGUAGES: Final[tuple[Language, ...]] = ("id", "en")
# In UTF-8, base64 and sealed, so many characters of any script stay below the limit of a sealed
# field (events.Sealed, 60,000); institutions' texts are far shorter (domain.md section 6).
QUOTED_CHARACTERS_MAX: Final = 10_000
SUBJECT_CHARACTERS_MAX: Final = 200
# The offsets of Indonesia's zones; none has daylight saving (domain.md section 2).
_ZONE_LABELS: Final[Mapping[timedelta | None, str]] = {
    timedelta(hours=7): "WIB",
    timedelta(hours=8): "WITA",
    timedelta(hours=9): "WIT",
}
_LINE_ENDS: Final = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_AT: Final[Mapping[Language, str]] = {"id": " pukul ", "en": " at "}
_END_OF: Final[Mapping[Language, str]] = {"id": "akhir hari ", "en": "the end of "}


def catalog(language: Language, folder: Path = LOCALE) -> dict[tuple[str, str], str]:
    """Return (context, message) -> translation; no context is the empty one.

    Raises:
        OSError: no such catalogue. babel.messages.pofile.PoFileError: it is malformed.
    """
    with (folder / language / "LC_MESSAGES" / "messages.po").open("rb") as file:
        messages = read_po(file, locale=language, abort_invalid=True)
    return {(m.context or "", str(m.id)): str(m.string) for m in messages if m.id}


class Templates:
    """The messages, one template per event; their sentences are in a catalogue per language."""

    def __init__(self, folder: Path = FOLDER, locale: Path = LOCALE) -> None:
        environment = Environment(
            loader=FileSystemLoader(folder),
            autoescape=False,  # noqa: S701 - plain text, never a page
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            auto_reload=False,
        )
        environment.filters |= {"quoted": quoted, "grouped": tracking_number}
        self._templates = {
            name: environment.get_template(name) for name in environment.list_templates()
        }
        self._catalogs = {language: catalog(language, locale) for language in LANGUAGES}

    def __call__(
        self, template: str, language: Language, zone: str, values: Mapping[str, object], /
    ) -> Rendered:
        """Render a message; the subject is one line whatever the values hold.

        Raises:
            KeyError: no such template or message, or a value of it is missing.
            jinja2.UndefinedError: a value that the template needs is missing.
        """
        loaded = self._templates[f"{template}.txt"]
        messages = self._catalogs[language]
        cleaned_values = {n: cleaned(v) if type(v) is str else v for n, v in values.items()}

        def pgettext(where: str, message: str, default: str = "", /, **named: object) -> str:
            text = messages.get((where, message), default) or messages[where, message]
            if "%(" not in text:
                return text
            return text % ({**cleaned_values, **named} if named else cleaned_values)

        context = loaded.new_context(
            {
                **cleaned_values,
                "_": partial(pgettext, ""),
                "pgettext": pgettext,
                "moment": partial(moment, language=language, zone=zone),
                "day": partial(day, language=language, zone=zone),
                "until": partial(until, language=language, zone=zone),
            }
        )
        subject = "".join(loaded.blocks["subject"](context))
        body = "".join(loaded.root_render_func(context))
        return Rendered(one_line(subject), body.strip() + "\n")


def cleaned(text: str) -> str:
    """Drop what is no text: controls but tab and newline, direction marks, lone surrogates."""
    if text.isprintable():
        return text
    return "".join(
        c
        for c in _LINE_ENDS.sub("\n", text)
        if c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cf", "Cs"}
    )


def one_line(text: str) -> str:
    """Make a text one line of bounded length, so that it cannot start another header."""
    return " ".join(cleaned(text).split())[:SUBJECT_CHARACTERS_MAX]


def quoted(text: str) -> str:
    """Set off somebody's words, so that they cannot pass for ours; a very long text is cut."""
    text = text.strip()
    if len(text) > QUOTED_CHARACTERS_MAX:
        text = text[:QUOTED_CHARACTERS_MAX].rstrip() + " […]"
    return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))


def moment(at: datetime, *, language: Language, zone: str) -> str:
    """Write a time, as in `Rabu, 14 Juni 2023 pukul 10.15 WITA`."""
    local = at.astimezone(ZoneInfo(zone))
    clock = f"{local:%H.%M}" if language == "id" else f"{local:%H:%M}"
    return f"{_date(local.date(), language)}{_AT[language]}{clock} {zone_label(local)}"


def day(at: datetime, *, language: Language, zone: str) -> str:
    """Write the local date of a time, as in `Rabu, 14 Juni 2023`."""
    return _date(at.astimezone(ZoneInfo(zone)).date(), language)


def until(deadline: datetime, *, language: Language, zone: str) -> str:
    """Write a deadline with its zone; midnight is the end of the day before: `akhir hari …`."""
    local = deadline.astimezone(ZoneInfo(zone))
    if local.time() != time():
        return moment(deadline, language=language, zone=zone)
    last = local.date() - timedelta(days=1)
    return f"{_END_OF[language]}{_date(last, language)} ({zone_label(local)})"


def zone_label(local: datetime) -> str:
    """Name the zone of a local time as people in Indonesia do; elsewhere by its offset."""
    return _ZONE_LABELS.get(local.utcoffset(), local.strftime("UTC%z"))


@lru_cache(maxsize=1_000)
def _date(on: date, language: Language) -> str:
    return format_date(on, "EEEE, d MMMM y", locale=language)
