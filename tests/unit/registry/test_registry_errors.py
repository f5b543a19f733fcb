"""A registry that contradicts itself is refused: file, entry, and what to do."""

import shutil
from pathlib import Path

import pytest

from shared.registry import PACKAGED, RegistryError, load
from shared.registry.models import REPEATS_MAX

HSU = "institutions/6308.toml"
UNITS = "units/6308.csv"
RULES = "directory/6308.toml"
HOLIDAYS = "calendars/indonesia.toml"
LAST_DECREE = "[[version]]\nknown_from = 2025-09-19"
RULE = '[[rule]]\nname = "hsu.uji"\nunit = "6308-001"\nwhy = "test"\n'


def a_registry(tmp_path: Path) -> Path:
    """Copy the shipped files."""
    ignored = shutil.ignore_patterns("*.py", "__pycache__")
    return Path(shutil.copytree(PACKAGED, tmp_path / "registry", ignore=ignored))


def edited(folder: Path, file: str, old: str, new: str) -> None:
    """Replace the first occurrence in a file; an empty `old` appends."""
    text = (folder / file).read_text(encoding="utf-8")
    assert old in text
    changed = text.replace(old, new, 1) if old else f"{text}\n{new}"
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
    tmp_path: Path, file: str, old: str, new: str, problem: str
) -> None:
    """One edit, one clear error."""
    folder = a_registry(tmp_path)
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
    rung = '[[ladder]]\nlevel = 2\nafter_days = 2\nto = ["head"]\nsource = "test"'
    edited(folder, "institutions/3204.toml", "", rung)

    registry = load(folder)
    policy = registry.policy("3204", registry.institution("3204").valid_from)

    days = [(step.level, step.after_days) for step in policy.thresholds("follow_up")]
    assert days == [(0, -1), (1, 0), (2, 2), (3, 7)]
    assert policy.version == "national-2019-01-01+3204-2021-01-01"
    assert [c.role for c in registry.ladder("3204", 2, "follow_up")] == ["head"]


RUNG = '[[ladder]]\nlevel = {}\n{}\nto = ["head"]\nsource = "test"'


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
def test_a_ladder_that_contradicts_itself_is_refused(
    tmp_path: Path, level: int, when: str, problem: str
) -> None:
    """On top of the national one, with the level named."""
    folder = a_registry(tmp_path)
    edited(folder, "institutions/3204.toml", "", RUNG.format(level, when))

    with pytest.raises(RegistryError) as refused:
        load(folder)

    assert any(problem in said for said in refused.value.problems), refused.value


def test_a_level_at_two_times_for_one_clock_is_refused(tmp_path: Path) -> None:
    """Each level of a clock is due once."""
    folder = a_registry(tmp_path)
    rungs = "\n".join(RUNG.format(3, f"after_days = {days}") for days in (7, 8))
    edited(folder, "institutions/3204.toml", "", rungs)

    with pytest.raises(RegistryError, match="ladder level 3 of a clock is due at two times"):
        load(folder)


def test_a_last_level_that_repeats_tells_its_people_again_and_not_for_ever(tmp_path: Path) -> None:
    """Levels go on counting, the recipients are those of the last level."""
    folder = a_registry(tmp_path)
    edited(folder, "institutions/3204.toml", "", RUNG.format(4, "at_share = 3\nrepeat_days = 5"))

    registry = load(folder)

    for level in (4, 5, 4 + REPEATS_MAX):
        assert [c.role for c in registry.ladder("3204", level, "follow_up")] == ["head"]
    assert not registry.ladder("3204", 5 + REPEATS_MAX, "follow_up")
    assert not registry.ladder("6308", 4, "follow_up")
