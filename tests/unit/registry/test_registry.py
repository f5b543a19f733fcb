"""What the shipped registry says: units, directories, policy, ladder."""

import csv
from datetime import UTC, date, datetime
from time import perf_counter
from typing import get_args

import pytest

from deploy.tools.derive_directory import EXPORT, agreement, derive, dispatches
from shared.contract.events import Clock, ReportClass
from shared.registry import NATIONAL, Directory, Registry, Rule, UnknownCode, load
from tests.packaged_registry import REGISTRY

HSU, BANDUNG = "6308", "3204"
TODAY = date(2026, 11, 24)


def test_it_loads_in_half_a_second() -> None:
    """A stage starts quickly."""
    assert min(_seconds_to_load() for _ in range(3)) < 0.5


def _seconds_to_load() -> float:
    began = perf_counter()
    load()
    return perf_counter() - began


def test_the_institutions_have_their_zones() -> None:
    """WIB for the national admin and Bandung, WITA for Hulu Sungai Utara."""
    zones = {code: REGISTRY.institution(code).time_zone for code in REGISTRY.institutions}

    assert zones == {NATIONAL: "Asia/Jakarta", HSU: "Asia/Makassar", BANDUNG: "Asia/Jakarta"}


def test_hsu_has_its_skpd_kecamatan_and_kelurahan() -> None:
    """27 SKPD, 10 kecamatan, 5 kelurahan; the desa are places."""
    units = REGISTRY.units_of(HSU)
    first_words = [unit.name.split()[0] for unit in units]

    assert len(units) == 27 + 10 + 5
    assert first_words.count("Kecamatan") == 10
    assert first_words.count("Kelurahan") == 5
    assert sum(place.level == "desa" for place in REGISTRY.places.values()) == 214


def test_a_kelurahan_is_below_its_kecamatan() -> None:
    """The tree has three levels: institution, kecamatan, kelurahan."""
    kelurahan = REGISTRY.unit_named(HSU, "Kelurahan Murung Sari")

    assert kelurahan is not None
    assert kelurahan.parent is not None
    assert REGISTRY.unit(kelurahan.parent).name == "Kecamatan Amuntai Tengah"


def test_confirmed_units_of_hsu_are_told_from_expected_ones() -> None:
    """An operator sees what has to be looked at."""
    status = {unit.name: unit.status for unit in REGISTRY.units_of(HSU)}

    assert status["Dinas Perhubungan"] == "confirmed"
    assert status["Dinas Sosial"] == "expected"


def test_every_unit_of_the_export_is_known_by_its_exact_name() -> None:
    """The demo dispatches to the units of the real export."""
    with EXPORT.open(encoding="utf-8", newline="") as lines:
        names = {row["instansi_terdisposisi"] for row in csv.DictReader(lines)} - {""}

    assert len(names) == 64
    assert all(REGISTRY.unit_named(BANDUNG, name) for name in names)
    assert len(REGISTRY.units_of(BANDUNG)) == len(names)


def test_every_category_of_the_export_is_known() -> None:
    """211 ids in 38 topics, with the counts of 2,367 reports."""
    with EXPORT.open(encoding="utf-8", newline="") as lines:
        ids = {row["id_kategori"] for row in csv.DictReader(lines)} - {""}

    assert ids <= set(REGISTRY.categories)
    assert (len(REGISTRY.categories), len(REGISTRY.topics)) == (211, 38)


def test_unknown_codes_are_said_to_be_unknown() -> None:
    """A rule may ask for anything; the answer names what is missing."""
    assert REGISTRY.category("0") is None
    for ask in (REGISTRY.institution, REGISTRY.directory, REGISTRY.unit):
        with pytest.raises(UnknownCode, match="7777"):
            ask("7777")


# ---- directories


@pytest.mark.parametrize(
    ("category", "place", "rules"),
    [
        ("1397", None, ["hsu.jalan"]),
        ("1398", None, ["hsu.penerangan-jalan", "hsu.jalan"]),
        ("915", "63.08.05.1001", ["hsu.pendidikan"]),
        ("110", "63.08.05.1001", ["hsu.kelurahan.antasari", "hsu.kecamatan.amuntai-tengah"]),
        ("110", "63.08.05.2010", ["hsu.kecamatan.amuntai-tengah"]),
        ("1439", "63.08.01", ["hsu.kecamatan.danau-panggang", "hsu.ketertiban"]),
        ("1439", None, ["hsu.ketertiban"]),
        ("110", "63.08", []),
        ("949", "63.08.05.1001", []),
        ("999999", None, []),
        (None, "63.08.05", []),
        (None, None, []),
    ],
)
def test_the_most_specific_rule_comes_first(
    category: str | None, place: str | None, rules: list[str]
) -> None:
    """Category with place before category, category before topic; nothing may fit."""
    found = REGISTRY.directory(HSU).matching(category, place)

    assert [rule.name for rule in found] == rules


def test_every_kind_of_rule_has_its_rank() -> None:
    """Category and place, topic and place, category, topic, place alone, and the catch-all."""
    keys: list[dict[str, str]] = [
        {},
        {"place": "63.08"},
        {"topic": "perhubungan"},
        {"category": "936"},
        {"topic": "perhubungan", "place": "63.08"},
        {"category": "936", "place": "63"},
        {"category": "936", "place": "63.08.05"},
        {"category": "937"},
        {"place": "63.09"},
    ]
    rules = [
        Rule(name=f"rule-{rank}", unit="6308-001", why="test", **key)
        for rank, key in enumerate(keys)
    ]
    directory = Directory(rules, {"936": "perhubungan"})

    found = directory.matching("936", "63.08.05.1001")

    assert [rule.name for rule in found] == [f"rule-{rank}" for rank in (6, 5, 4, 3, 2, 1, 0)]
    assert [rule.name for rule in directory.matching(None, None)] == ["rule-0"]


def test_a_rule_that_fits_names_a_unit_of_its_institution() -> None:
    """No rule leads out of its institution."""
    for code in REGISTRY.institutions:
        for rule in REGISTRY.directory(code).rules:
            assert REGISTRY.unit(rule.unit).institution == code


def test_bandungs_directory_is_what_its_export_derives() -> None:
    """The derived file is reproducible and was not edited by hand."""
    found = dispatches(EXPORT, REGISTRY)
    rules = derive(found, REGISTRY)

    assert list(REGISTRY.directory(BANDUNG).rules) == rules
    assert agreement(rules, found, REGISTRY) == (
        "509 of 1060 as in the export, 216 elsewhere, 335 held"
    )


# ---- policy and ladder


@pytest.mark.parametrize(
    ("clock", "report_class", "again", "days", "unit"),
    [
        ("national_verification", None, False, 3, "working_days"),
        ("institution_verification", None, False, 3, "working_days"),
        ("dispatch", None, False, 3, "working_days"),
        ("follow_up", ReportClass.INFORMATION, False, 5, "working_days"),
        ("follow_up", ReportClass.UNSUPERVISED, False, 14, "working_days"),
        ("follow_up", ReportClass.SUPERVISED, False, 60, "working_days"),
        ("follow_up", ReportClass.ASPIRATION, False, 14, "working_days"),
        ("follow_up", None, False, 14, "working_days"),
        ("follow_up", ReportClass.SUPERVISED, True, 5, "working_days"),
        ("completion", None, False, 10, "working_days"),
        ("reply", None, False, 10, "calendar_days"),
    ],
)
def test_the_national_limits(
    clock: Clock, report_class: ReportClass | None, *, again: bool, days: int, unit: str
) -> None:
    """Those of SP4N-LAPOR!; what is open has the default named in policy.toml."""
    limit = REGISTRY.policy(BANDUNG, TODAY).limit(clock, report_class, again=again)

    assert (limit.days, limit.unit) == (days, unit)
    assert limit.source


def test_hsus_own_target_tightens_the_follow_up_from_its_day_on() -> None:
    """Five working days from 2023; before that, and for the other clocks, the national limit."""
    before = REGISTRY.policy(HSU, date(2022, 12, 31))
    since = REGISTRY.policy(HSU, date(2023, 1, 1))

    assert before.limit("follow_up", ReportClass.SUPERVISED).days == 60
    assert since.limit("follow_up", ReportClass.SUPERVISED).days == 5
    assert since.limit("institution_verification").days == 3
    assert (before.version, since.version) == (
        "national-2019-01-01",
        "national-2019-01-01+6308-2023-01-01",
    )


def test_an_instant_counts_as_the_institutions_local_day() -> None:
    """16:30 UTC on New Year's Eve is already the new year in WITA."""
    at = datetime(2022, 12, 31, 16, 30, tzinfo=UTC)

    assert REGISTRY.policy(HSU, at).version.endswith("+6308-2023-01-01")


def test_a_day_before_the_first_policy_gets_the_first() -> None:
    """A report backfilled from long ago still has limits."""
    assert REGISTRY.policy(BANDUNG, date(1999, 1, 1)) == REGISTRY.policy(BANDUNG, TODAY)


def test_the_policys_numbers() -> None:
    """Returns, windows and thresholds of domain facts and open defaults."""
    policy = REGISTRY.policy(NATIONAL, TODAY)

    assert (policy.returns_max, policy.unit_returns_max, policy.command_wait_days) == (2, 2, 1)
    assert policy.reopen_days == 30
    assert policy.auto_forward_confidence == 0.8
    for clock in ("follow_up", "national_verification", "dispatch", "institution_verification"):
        days = [(step.level, step.after_days) for step in policy.thresholds(clock)]
        assert days == [(0, -1), (1, 0), (2, 3), (3, 7)]


@pytest.mark.parametrize(
    ("institution", "level", "clock", "titles"),
    [
        (HSU, 0, "follow_up", ["Penghubung Dinas Perhubungan"]),
        (HSU, 0, "dispatch", ["Admin Instansi Kab. Hulu Sungai Utara"]),
        (NATIONAL, 0, "national_verification", ["Admin Nasional"]),
        (
            HSU,
            1,
            "follow_up",
            ["Admin Instansi Kab. Hulu Sungai Utara", "Kepala Dinas Perhubungan"],
        ),
        (HSU, 1, "institution_verification", ["Admin Instansi Kab. Hulu Sungai Utara"]),
        (NATIONAL, 1, "national_verification", ["Kepala Admin Nasional"]),
        (
            HSU,
            2,
            "follow_up",
            ["Sekretaris Daerah Kab. Hulu Sungai Utara", "Inspektorat Kab. Hulu Sungai Utara"],
        ),
        (NATIONAL, 2, "national_verification", ["Inspektorat KemenPANRB"]),
        (HSU, 3, "follow_up", ["Admin Nasional", "Ombudsman Republik Indonesia"]),
        (HSU, 4, "follow_up", []),
        (HSU, 0, "reply", []),
    ],
)
def test_the_ladder_tells_whoever_the_level_names(
    institution: str, level: int, clock: Clock, titles: list[str]
) -> None:
    """The unit's people only where a unit owes the step."""
    told = REGISTRY.ladder(institution, level, clock, unit="6308-004")

    assert [contact.title for contact in told] == titles


def test_every_level_of_every_institutions_clock_reaches_somebody() -> None:
    """No escalation goes nowhere; completion and reply are the reporter's own."""
    for institution in REGISTRY.institutions:
        for clock in set(get_args(Clock)) - {"completion", "reply"}:
            for level in range(4):
                if (clock == "national_verification") == (institution == NATIONAL):
                    assert REGISTRY.ladder(institution, level, clock)


def test_addresses_are_examples() -> None:
    """No real person's or office's address is in the project."""
    addresses = [contact.email for i in REGISTRY.institutions.values() for contact in i.contacts]
    addresses += [unit.liaison_email for unit in REGISTRY.units.values()]
    addresses += [unit.head_email for unit in REGISTRY.units.values()]

    assert all(address.endswith(".example") for address in addresses)


def test_what_the_registry_returns_cannot_be_changed() -> None:
    """Rules may keep what they are given."""
    policy = REGISTRY.policy(HSU, TODAY)

    with pytest.raises(ValueError, match="frozen"):
        policy.reopen_days = 1  # type: ignore[misc]
    assert isinstance(hash(policy), int)
    assert isinstance(hash(REGISTRY.calendar(HSU, TODAY)), int)
    assert isinstance(REGISTRY, Registry)
