"""What people read, compared with golden files.

`python -m tests.unit.notifier.test_renderer` writes them anew, for a person to read the change.
"""

import re
import unicodedata
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import Environment, UndefinedError, nodes

from services.notifier import renderer
from services.notifier.rules import decide
from shared.contract.events import Language, NotificationRequested, ReportReceived
from shared.contract.topics import READS
from tests.unit.notifier.builders import (
    NOON,
    POLICY,
    RENDER,
    a_cause,
    a_report,
    announced_before,
    every_fact,
    lookups,
    message_of,
)

if TYPE_CHECKING:
    from services.notifier.case import NotificationCase

GOLDEN = Path(__file__).parents[2] / "golden" / "notifications"
FACTS = every_fact()
CASES = [(language, name) for language in renderer.LANGUAGES for name in FACTS]


def rendered(language: Language, name: str) -> str:
    """Return a message as its golden file holds it: the subject, an empty line, the body."""
    told = lookups(replace(POLICY, role_language=language))
    report, fact = a_report(language=language), FACTS[name]
    case: NotificationCase | None = None
    if not isinstance(fact, ReportReceived):
        case = decide(case, report, a_cause("report"), told).case
    for before in announced_before(name):
        case = decide(case, before, a_cause("before"), told).case
    (outgoing,) = decide(case, report if case is None else fact, a_cause(), told).events
    assert isinstance(outgoing.event, NotificationRequested)
    message = message_of(outgoing.event)
    return f"{message['subject']}\n\n{message['body']}"


@pytest.mark.parametrize(("language", "name"), CASES)
def test_a_message_reads_as_its_golden_file(language: Language, name: str) -> None:
    """Every fact in both languages, as people get it."""
    assert rendered(language, name) == (GOLDEN / language / f"{name}.txt").read_text("utf-8")


def test_every_golden_file_is_of_a_message() -> None:
    """No file is left behind by a message that is gone."""
    files = {(p.parent.name, p.stem) for p in GOLDEN.glob("*/*.txt")}
    assert files == set(CASES)


def test_every_event_that_the_notifier_reads_has_a_message() -> None:
    """A new fact in the table of streams without a text fails here."""
    read = {event for events in READS["notifier"].values() for event in events}
    assert {e.__name__ for e in read} - {type(f).__name__ for f in FACTS.values()} == {
        "DeliveryReported"
    }


def used_messages() -> set[tuple[str, str]]:
    """Return (context, message) of every literal call in a template."""
    environment = Environment(autoescape=True)
    used = set()
    for file in renderer.FOLDER.iterdir():
        for call in environment.parse(file.read_text("utf-8")).find_all(nodes.Call):
            texts = [arg.value for arg in call.args if isinstance(arg, nodes.Const)]
            match call.node:
                case nodes.Name(name="_"):
                    used.add(("", *texts))
                case nodes.Name(name="pgettext") if len(texts) == len(call.args):
                    used.add(tuple(texts))
    return used


def test_both_languages_translate_every_message() -> None:
    """The same messages in both, each with words and the same placeholders; none is left behind."""
    indonesian, english = renderer.catalog("id"), renderer.catalog("en")
    assert list(indonesian) == list(english)
    assert used_messages() <= indonesian.keys()
    assert {key for key in indonesian if not key[0]} <= used_messages()
    for key in indonesian:
        assert indonesian[key]
        assert english[key]
        assert placeholders(indonesian[key]) == placeholders(english[key]), key


def placeholders(text: str) -> set[str]:
    """Return the values that a message names."""
    return set(re.findall(r"%\(\w+\)s|%[sd]", text))


def test_a_template_that_misses_a_value_says_so() -> None:
    """A gap in a message is a bug that shows at once."""
    with pytest.raises(UndefinedError):
        RENDER("received", "id", "Asia/Jakarta", {"tracking_number": "X"})


@pytest.mark.parametrize(
    ("zone", "says"),
    [
        ("Asia/Jakarta", "Rabu, 14 Juni 2023 pukul 23.30 WIB"),
        ("Asia/Makassar", "Kamis, 15 Juni 2023 pukul 00.30 WITA"),
        ("Asia/Jayapura", "Kamis, 15 Juni 2023 pukul 01.30 WIT"),
        ("Asia/Kathmandu", "Rabu, 14 Juni 2023 pukul 22.15 UTC+0545"),
    ],
)
def test_a_moment_is_written_in_its_zone(zone: str, says: str) -> None:
    """The three zones of Indonesia by their names, another by its offset."""
    at = datetime(2023, 6, 14, 16, 30, tzinfo=UTC)
    assert renderer.moment(at, language="id", zone=zone) == says


def test_midnight_belongs_to_the_day_that_ends() -> None:
    """A deadline is the end of a working day: 24:00, not the next day; another has its minute."""
    midnight = datetime(2023, 4, 28, 16, 0, tzinfo=UTC)
    until = partial(renderer.until, zone="Asia/Makassar")
    assert until(midnight, language="id") == "akhir hari Jumat, 28 April 2023 (WITA)"
    assert until(midnight, language="en") == "the end of Friday, 28 April 2023 (WITA)"
    afternoon = midnight - timedelta(hours=9, minutes=30)
    assert until(afternoon, language="id") == "Jumat, 28 April 2023 pukul 14.30 WITA"


@settings(deadline=None)
@given(st.text())
def test_a_subject_is_one_line_whatever_a_value_holds(name: str) -> None:
    """No name starts another header."""
    values = {"tracking_number": "X", "institution": name, "deadline": NOON}
    subject = RENDER("forwarded", "id", "Asia/Jakarta", values).subject
    assert len(subject) <= renderer.SUBJECT_CHARACTERS_MAX
    assert not any(unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for c in subject)


@settings(deadline=None)
@given(st.text())
def test_quoted_words_cannot_pass_for_ours(text: str) -> None:
    """Each line of somebody's text is marked as theirs; nothing invisible is left."""
    values = {"tracking_number": "X", "unit": "U", "text": text}
    body = RENDER("initial_response", "id", "Asia/Jakarta", values).body
    start = body.index("tanggapan awal:\n\n") + len("tanggapan awal:\n\n")
    quote = body[start : body.rindex("\n\nYang terjadi selanjutnya:")]
    assert all(line.startswith(">") for line in quote.splitlines())
    assert not any(unicodedata.category(c) in {"Cc", "Cf", "Cs"} for c in quote if c not in "\n\t")


def test_template_code_in_a_text_stays_text() -> None:
    """What people write is never run."""
    values = {"tracking_number": "X", "unit": "U", "text": "{{ 7 * 7 }}{% raw %}"}
    assert "> {{ 7 * 7 }}{% raw %}" in RENDER("initial_response", "id", "UTC", values).body


def test_a_very_long_text_is_cut_and_says_so() -> None:
    """A message always fits a sealed field."""
    quoted = renderer.quoted("€" * 50_000)
    assert len(quoted) < renderer.QUOTED_CHARACTERS_MAX + 20
    assert quoted.endswith("[…]")


def write_golden_files() -> None:
    """Write every message anew."""
    for language, name in CASES:
        (GOLDEN / language).mkdir(parents=True, exist_ok=True)
        (GOLDEN / language / f"{name}.txt").write_text(rendered(language, name), "utf-8")


if __name__ == "__main__":
    write_golden_files()
