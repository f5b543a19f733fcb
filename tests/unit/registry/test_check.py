"""A registry that contradicts itself is refused: file, entry, and what to do."""

import json
import os
import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from shared.contract.events import ReportClass
from shared.registry import PACKAGED, RegistryError, load
from shared.registry.models import REPEATS_MAX

HSU = "institutions/6308.toml"
UNITS = "units/6308.csv"
RULES = "directory/6308.toml"
HOLIDAYS = "calendars/indonesia.toml"
LAST_DECREE = "[[version]]\nknown_from = 2025-09-19"
INFORMATION = 'follow_up_information = { days = 5, source = "HSU'
MINUTES = 'follow_up_information = {{ minutes = {}, source = "HSU'
WEEK = 'keywords = ["hsu"'
RULE = '[[rule]]\nname = "hsu.uji"\nunit = "6308-001"\nwhy = "test"\n'


def a_registry(tmp_path: Path) -> Path:
    """Link the shipped files."""
    ignored = shutil.ignore_patterns("*.py", "__pycache__")
    there = tmp_path / "registry"
    return Path(shutil.copytree(PACKAGED, there, ignore=ignored, copy_function=os.symlink))


def an_opening(*times: str, day: str = "mon") -> str:
    """Return opening hours of one weekday, before the line that `WEEK` names."""
    spans = [list(span) for span in zip(times[::2], times[1::2], strict=True)]
    return f"opening_hours = {{ {day} = {json.dumps(spans)} }}\n{WEEK}"


def edited(folder: Path, file: str, old: str, new: str) -> None:
    """Replace a linked file by one with its first occurrence replaced; an empty `old` appends."""
    text = (folder / file).read_text(encoding="utf-8")
    assert old in text
    changed = text.replace(old, new, 1) if old else f"{text}\n{new}"
    (folder / file).unlink()
    (folder / file).write_text(changed, encoding="utf-8")


@pytest.mark.parametrize(
    ("file", "old", "new", "problem"),
    [
        (
            HSU,
            'time_zone = "Asia/Makassar"',
            'time_zone = "Asia/Amuntai"',
            "does not exist; use an",
        ),
        (HSU, '"mon", "tue"', '"mon", "mon"', "weekday mon occurs 2 times"),
        (HSU, '["mon", "tue", "wed", "thu", "fri"]', "[]", "working_week is empty"),
        (HSU, '"mon"', '"montag"', "6308.toml: working_week.0"),
        (HSU, 'calendars = ["indonesia"]', "calendars = []", "calendars is empty"),
        (HSU, 'calendars = ["indonesia"]', 'calendars = ["mars"]', "calendar mars is not in"),
        (HSU, 'place = "63.08"', 'place = "63.99"', "place 63.99 is not in places.csv"),
        (HSU, 'role = "head"', 'role = "admin"', "no contact with role head"),
        (HSU, 'code = "6308"', 'code = "3204"', "code 3204 occurs 2 times"),
        (HSU, 'code = "6308"', 'kode = "6308"', "6308.toml: code: Field required"),
        (HSU, "email =", "email", "6308.toml: Expected '='"),
        (
            HSU,
            "follow_up_unsupervised = { days = 5",
            "follow_up_unsupervised = { days = 15",
            "limit follow_up_unsupervised of 15 is looser than the national 14",
        ),
        (
            HSU,
            "follow_up_unsupervised = { days = 5,",
            'follow_up_unsupervised = { days = 5, unit = "calendar_days",',
            "limit follow_up_unsupervised must be in working_days",
        ),
        (HSU, INFORMATION, MINUTES.format(300), "but the institution states no opening_hours"),
        (HSU, "{ days = 5", "{ days = 5, minutes = 5", "states either days or minutes"),
        (HSU, "{ days = 5,", "{", "a limit states either days or minutes"),
        (HSU, "{ days = 5", '{ unit = "working_minutes", days = 5', "minutes are working_minutes"),
        (HSU, "{ days = 5", '{ unit = "working_days", minutes = 5', "minutes are working_minutes"),
        (HSU, "{ days = 5", "{ minutes = 0", "limits.0.follow_up_information.minutes"),
        (HSU, WEEK, an_opening("08:00", "25:00"), "'25:00' is no time from 00:00 to 24:00"),
        (HSU, WEEK, an_opening("16:00", "08:00"), "closes before it opens"),
        (HSU, WEEK, an_opening("08:00", "16:00", "15:00", "17:00"), "openings overlap"),
        (HSU, WEEK, an_opening("08:00", "16:00"), "tue works but has no opening hours"),
        (
            HSU,
            WEEK,
            an_opening("08:00", "16:00", day="sun"),
            "sun has opening hours but is not in working_week",
        ),
        (
            HSU,
            WEEK,
            an_opening("08:00", "16:00", day="montag"),
            "'montag' is none of mon, tue",
        ),
        ("policy.toml", "{ days = 3,", "{ minutes = 900,", "a national limit is in days"),
        (HSU, "{ days = 5", "{ days = 0", "limits.0.follow_up_information.days"),
        (HSU, "", "[[limits]]\nvalid_from = 2023-01-01", "valid_from 2023-01-01 occurs 2 times"),
        ("institutions/00.toml", 'code = "00"', 'code = "99"', "national admin 00 is missing"),
        ("institutions/00.toml", "ombudsman", "liaison", "no contact with role ombudsman"),
        (UNITS, "6308-002", "6308-001", "code 6308-001 occurs 2 times; keep one"),
        (UNITS, "Dinas Sosial", "Inspektorat", "name 6308 Inspektorat occurs 2 times"),
        (UNITS, "6308-201", "6308-20", "6308.csv: line"),
        (UNITS, "Inspektorat,,", "Inspektorat,6308-999,", "parent 6308-999 does not exist"),
        (UNITS, "Inspektorat,,", "Inspektorat,3204-001,", "belongs to another institution"),
        (UNITS, "Inspektorat,,", "Inspektorat,6308-007,", "6308-007: its parents lead back to it"),
        (UNITS, "Dinas Kesehatan,,", "Dinas Kesehatan,6308-005,", "break the circle"),
        (UNITS, "63.08.05.1001", "63.08.05.1099", "place 63.08.05.1099 is not in places.csv"),
        (UNITS, "6308-001,", "6399-001,", "institution 6399 is not in institutions/; add"),
        (UNITS, "# valid_from = 2023-01-01\n", "", "begin the file with '# valid_from"),
        (UNITS, "valid_from = 2023-01-01", "valid_from = 2023-02-30", "begin the file with"),
        (
            RULES,
            'unit = "6308-009"',
            'unit = "6308-999"',
            "rule hsu.jalan: unit 6308-999 is not in",
        ),
        (RULES, 'unit = "6308-009"', 'unit = "3204-002"', "unit 3204-002 is not in units/6308.csv"),
        (RULES, '["1398"]', '["4711"]', "category 4711 does not exist"),
        (RULES, '["perhubungan"]', '["ruang-angkasa"]', "topic ruang-angkasa does not exist"),
        (RULES, '"63.08.01"', '"63.08.99"', "place 63.08.99 does not exist"),
        (RULES, "", f'{RULE}categories = ["1398"]', "another rule names the same category"),
        (RULES, 'name = "hsu.guru"', 'name = "hsu.jalan"', "name hsu.jalan is used for 2 units"),
        (RULES, 'why = "teachers"', "", "rule 10: why: Field required"),
        ("categories.csv", "kesehatan", "kesehatn", "topic kesehatn is not in topics.csv"),
        ("categories.csv", "\n887,", "\n886,", "id 886 occurs 2 times"),
        ("places.csv", "\n12,", "\n11,", "code 11 occurs 2 times"),
        (HOLIDAYS, '"2026-01-01"', '"2026-01-32"', "version.8.add.0.0"),
        (HOLIDAYS, '"2026-01-16"', '"2026-01-01"', "2025-09-19: day 2026-01-01 occurs 2 times"),
        (HOLIDAYS, '"2025-08-18"', '"2025-08-17"', "adds 2025-08-17, which an earlier version has"),
        (
            HOLIDAYS,
            '"2023-04-26"]',
            '"2023-04-27"]',
            "removes 2023-04-27, which no earlier version",
        ),
        (HOLIDAYS, '"2026-12-25"', '"2027-12-25"', "adds 2027-12-25 to a year no decree decides"),
        (HOLIDAYS, LAST_DECREE, LAST_DECREE.replace("2025", "2024"), "is not newer than that of"),
        (HOLIDAYS, '"Asia/Jakarta"', '"Asia/Batavia"', "time zone Asia/Batavia does not exist"),
        (HOLIDAYS, '"08-17"', '"02-30"', "02-30 is no month and day of every year"),
        (HOLIDAYS, '"national", "Tahun', '"party", "Tahun', "every_year.0.1"),
        ("policy.toml", "level = 3", "level = 4", "ladder levels are [1, 2, 4]"),
        ("policy.toml", "value = 0.8", "value = 8", "auto_forward_confidence must be from 0 to 1"),
        ("policy.toml", "[[version]]\n", "[[versions]]\n", "policy.toml: no [[version]]; add"),
        (RULES, "source =", "sauce =", "directory/6308.toml: source: Field required"),
        ("policy.toml", "{ days = 3,", "{ days = 3.5,", "limits.national_verification.days"),
    ],
)
def test_a_contradiction_is_refused_with_file_entry_and_remedy(
    file: str, old: str, new: str, problem: str
) -> None:
    """One edit, one clear error."""
    with TemporaryDirectory() as temporary:
        folder = a_registry(Path(temporary))
        edited(folder, file, old, new)

        with pytest.raises(RegistryError) as refused:
            load(folder)

    assert any(problem in said for said in refused.value.problems), refused.value


def test_all_contradictions_are_said_at_once(tmp_path: Path) -> None:
    """An operator corrects a file once."""
    folder = a_registry(tmp_path)
    edited(folder, RULES, '["1398"]', '["4711"]')
    edited(folder, HSU, '["indonesia"]', '["mars"]')

    with pytest.raises(RegistryError) as refused:
        load(folder)

    assert len(refused.value.problems) == 2


@pytest.mark.parametrize("missing", ["policy.toml", "topics.csv", "units", "calendars"])
def test_a_missing_file_is_named(tmp_path: Path, missing: str) -> None:
    """Nothing is made up in its place."""
    folder = a_registry(tmp_path)
    gone = folder / missing
    if gone.is_dir():
        shutil.rmtree(gone)
    else:
        gone.unlink()

    with pytest.raises(RegistryError, match=missing):
        load(folder)


def test_a_rule_that_names_category_and_topic_is_refused(tmp_path: Path) -> None:
    """Its specificity would be anybody's guess."""
    folder = a_registry(tmp_path)
    edited(folder, "directory/3204.csv", ",915,,", ",915,kesehatan,")

    with pytest.raises(RegistryError, match="names a category and a topic; keep the category"):
        load(folder)


def test_an_institution_may_replace_a_level_of_the_ladder(tmp_path: Path) -> None:
    """Policy data per institution: only the level it states changes, and the version says so."""
    folder = a_registry(tmp_path)
    ladder_step = '[[ladder]]\nlevel = 2\nafter_days = 2\nto = ["head"]\nsource = "test"'
    edited(folder, "institutions/3204.toml", "", ladder_step)

    registry = load(folder)
    policy = registry.policy("3204", registry.institution("3204").valid_from)

    days = [(step.level, step.after_days) for step in policy.thresholds("follow_up")]
    assert days == [(0, -1), (1, 0), (2, 2), (3, 7)]
    assert policy.version == "national-2019-01-01+3204-2021-01-01"
    assert [c.role for c in registry.ladder("3204", 2, "follow_up")] == ["head"]


HOURS = """opening_hours.mon = [["08:00", "12:00"], ["13:00", "16:00"]]
opening_hours.tue = [["08:00", "16:00"]]
opening_hours.wed = [["08:00", "16:00"]]
opening_hours.thu = [["08:00", "16:00"]]
opening_hours.fri = [["08:00", "11:00"], ["13:00", "16:30"]]
"""


def with_minutes(tmp_path: Path, minutes: int) -> Path:
    """Give Hulu Sungai Utara opening hours, and a limit in minutes for requests of information."""
    folder = a_registry(tmp_path)
    edited(folder, HSU, INFORMATION, MINUTES.format(minutes))
    edited(folder, HSU, WEEK, HOURS + WEEK)
    return folder


def test_a_limit_in_minutes_that_may_be_looser_is_refused(tmp_path: Path) -> None:
    """Five working days hold at least five Fridays of 390 minutes, whatever days they are."""
    folder = with_minutes(tmp_path, 5 * 390 + 1)

    with pytest.raises(RegistryError, match=r"shortest open day has 390 minutes; .* 1950"):
        load(folder)


def test_a_limit_in_minutes_of_so_many_shortest_days_is_taken(tmp_path: Path) -> None:
    """A further follow-up has no more time than that."""
    minutes = 5 * 390
    folder = with_minutes(tmp_path, minutes)
    policy = load(folder).policy("6308", date(2026, 3, 2))

    limit = policy.limit("follow_up", ReportClass.INFORMATION)
    again = policy.limit("follow_up", ReportClass.INFORMATION, again=True)
    assert (limit.amount, limit.unit) == (minutes, "working_minutes")
    assert again == limit  # surely no looser than the five days of a further follow-up
    assert str(limit) == "1950 working minutes"


def test_hours_are_counted_on_the_calendar(tmp_path: Path) -> None:
    """Opening hours are of the institution, the days of its calendar; others have none."""
    folder = a_registry(tmp_path)
    edited(folder, HSU, WEEK, HOURS + WEEK)
    registry = load(folder)
    known = date(2026, 3, 2)
    hours = registry.hours("6308", known)

    assert hours is not None
    assert hours is registry.hours("6308", known)
    assert registry.hours("3204", known) is None
    start = datetime(2026, 3, 17, 7, 30, tzinfo=UTC)  # Tuesday 15:30 WITA, before four days off
    assert hours.add(start, timedelta(minutes=60)) == datetime(2026, 3, 25, 0, 30, tzinfo=UTC)


LADDER_STEP = '[[ladder]]\nlevel = {}\n{}\nto = ["head"]\nsource = "test"'


@pytest.mark.parametrize(
    ("level", "when", "problem"),
    [
        (-2, "after_days = -3", "warning levels are [0, -2]; number them 0, -1, -2 without a gap"),
        (5, "after_days = 9", "ladder levels are [1, 2, 3, 5]; number them 1, 2, 3 without a gap"),
        (0, "", "ladder level 0 needs either after_days or at_share; state one"),
        (0, "after_days = -1\nat_share = 0.5", "needs either after_days or at_share; state one"),
        (0, "after_days = 1", "ladder level 0 warns before the deadline if it is 0 or below"),
        (1, "after_days = -1", "ladder level 1 warns before the deadline if it is 0 or below"),
        (0, "at_share = 1.2", "ladder level 0 at a share: below 1 warns"),
        (2, "at_share = 1.0", "ladder level 2 at a share: below 1 warns"),
        (0, "after_days = -1\nrepeat_days = 2", "ladder level 0 is a warning and cannot repeat"),
        (2, "after_days = 3\nrepeat_days = 2", "ladder level 2 repeats but is not the last"),
        (2, "after_days = 9", "ladder levels are not in the order of their after_days; renumber"),
    ],
)
def test_a_ladder_that_contradicts_itself_is_refused(level: int, when: str, problem: str) -> None:
    """On top of the national one, with the level named."""
    with TemporaryDirectory() as temporary:
        folder = a_registry(Path(temporary))
        edited(folder, "institutions/3204.toml", "", LADDER_STEP.format(level, when))

        with pytest.raises(RegistryError) as refused:
            load(folder)

    assert any(problem in said for said in refused.value.problems), refused.value


def test_a_level_at_two_times_for_one_clock_is_refused(tmp_path: Path) -> None:
    """Each level of a clock is due once."""
    folder = a_registry(tmp_path)
    ladder_steps = "\n".join(LADDER_STEP.format(3, f"after_days = {days}") for days in (7, 8))
    edited(folder, "institutions/3204.toml", "", ladder_steps)

    with pytest.raises(RegistryError, match="ladder level 3 of a clock is due at two times"):
        load(folder)


def test_a_last_level_that_repeats_tells_its_people_again_and_not_for_ever(tmp_path: Path) -> None:
    """Levels go on counting, the recipients are those of the last level."""
    folder = a_registry(tmp_path)
    edited(
        folder, "institutions/3204.toml", "", LADDER_STEP.format(4, "at_share = 3\nrepeat_days = 5")
    )

    registry = load(folder)

    for level in (4, 5, 4 + REPEATS_MAX):
        assert [c.role for c in registry.ladder("3204", level, "follow_up")] == ["head"]
    assert not registry.ladder("3204", 5 + REPEATS_MAX, "follow_up")
    assert not registry.ladder("6308", 4, "follow_up")
