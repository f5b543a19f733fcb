"""What screening proposes, and why: rules by table, properties over any text."""

import json
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.classifier import Model, ModelBroken, content_digest, features
from services.intake.phrases import RULES, PhraseRule, matching_rules
from services.intake.screening import (
    MODEL_PATH,
    Claim,
    Gazetteer,
    InstitutionNames,
    Suggestions,
    suggest,
)
from services.intake.words import report_words, words
from shared.contract.events import ReportClass
from tests.unit.intake.builders import the_model

GAZETTEER = Gazetteer(
    {
        "6308": InstitutionNames(
            names=("Kabupaten Hulu Sungai Utara", "HSU", "pemkab hsu"),
            places=("Amuntai", "Amuntai Tengah", "Danau Panggang"),
            villages=("Baru", "Pasar Senin"),
            region="63.08",
        ),
        "3204": InstitutionNames(
            names=("Kabupaten Bandung",), places=("Soreang", "Baleendah"), region="32.04"
        ),
        "00": InstitutionNames(names=("Kementerian PANRB",)),
    }
)
NOTHING = Claim()
RULE_EXAMPLES = (
    "mohon informasi", "minta tolong penjelasan", "numpang tanya", "gmn cara daftarnya",
    "syaratnya apa", "apakah boleh diwakilkan", "dimana saya lapor, ke mana saya harus pergi",
    "kapan BPNT tahap dua cair", "saran saya", "sebaiknya dipindah", "lebih baik kalau dipindah",
    "pungli di pasar", "diminta uang rokok", "oknum petugas", "ada calo", "bantuan pilih kasih",
)  # fmt: skip


def a_suggestion(title: str, body: str, claim: Claim = NOTHING) -> Suggestions:
    """Screen one report with the committed model."""
    return suggest(report_words(title, body), claim, the_model(), GAZETTEER)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mohon informasi syarat membuat kartu keluarga", ReportClass.INFORMATION),
        ("mhn info jadwal truk sampah", ReportClass.INFORMATION),
        ("Bagaimana cara mengurus akta kelahiran anak?", ReportClass.INFORMATION),
        ("gmn cara daftar bansos pak", ReportClass.INFORMATION),
        ("Mau tanya apakah kantor desa buka hari Sabtu?", ReportClass.INFORMATION),
        ("Kapan bansos dicairkan dan kapan BPNT tahap dua cair?", ReportClass.INFORMATION),
        ("Sebaiknya pasar dipindah ke lahan yang lebih luas", ReportClass.ASPIRATION),
        ("Saran saya dibuat taman bermain di alun-alun", ReportClass.ASPIRATION),
        ("Kami mengusulkan pembangunan jembatan penyeberangan", ReportClass.ASPIRATION),
        ("Alangkah baiknya ada bus sekolah", ReportClass.ASPIRATION),
        ("Pungli di kantor desa, diminta uang Rp50.000", ReportClass.SUPERVISED),
        ("Oknum pegawai menyalahgunakan wewenang", ReportClass.SUPERVISED),
        ("Jalan berlubang di depan pasar, tolong ditambal", ReportClass.UNSUPERVISED),
        ("lampu jln mati sdh sebulan", ReportClass.UNSUPERVISED),
    ],
)
def test_the_class_follows_what_people_say(text: str, expected: ReportClass) -> None:
    """Phrases decide first, then words; abbreviations are read as what they mean."""
    suggestion = a_suggestion("", text).report_class

    assert suggestion is not None
    assert suggestion.value == expected
    assert suggestion.reasons


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Lampu PJU mati di sepanjang jalan, malam gelap gulita", "1398"),
        ("Jalan berlubang dan aspal mengelupas, sudah banyak motor jatuh", "1397"),
        ("Gorong-gorong mampet, selokan meluap ke jalan", "2397"),
        ("Air PDAM mati sudah seminggu", "1618"),
        ("Mohon diblokir situs judi slot", "1033"),
    ],
)
def test_the_category_follows_the_words(text: str, expected: str) -> None:
    """Plain complaints of the commonest categories are recognised, with the words that decided."""
    category = a_suggestion("Laporan", text).category

    assert category is not None
    assert category.value == expected
    assert any(reason.startswith("word:") for reason in category.reasons)


@pytest.mark.parametrize(("text", "claim", "expected", "reason"), [
        ("jalan rusak di Kab. Hulu Sungai Utara", NOTHING, "6308",
         "name:kabupaten hulu sungai utara"),
        ("jalan rusak di HSU", NOTHING, "6308", "name:hsu"),
        ("lampu mati di kec. soreang", NOTHING, "3204", "place:soreang"),
        ("banjir di Amuntai Tengah", NOTHING, "6308", "place:amuntai tengah"),
        ("banjir di desa baru", NOTHING, "6308", "place:baru"),
        ("pemkab Bandung tolong", NOTHING, "3204", "name:kabupaten bandung"),
        ("lampu mati", Claim(place_code="63.08.04.2001"), "6308", "place:63.08"),
        ("lampu mati", Claim(place_code="32.04"), "3204", "place:32.04"),
        ("lampu mati", Claim(place="dekat pasar Baleendah"), "3204", "place:baleendah"),
        ("lampu mati", Claim(institution="00"), "00", "claimed"),
        ("lampu mati di HSU", Claim(institution="3204"), "6308", "name:hsu"),
    ])  # fmt: skip
def test_the_institution_follows_names_and_places(
    text: str, claim: Claim, expected: str, reason: str
) -> None:
    """The longest name wins; a wrong address chosen by the reporter loses to a name in the text."""
    institution = a_suggestion("", text, claim).institution

    assert institution is not None
    assert institution.value == expected
    assert reason in institution.reasons


@pytest.mark.parametrize(
    ("text", "claim"),
    [
        ("jalan baru rusak lagi", NOTHING),
        ("macet di kota bandung", NOTHING),
        ("lampu mati", Claim(institution="9999")),
        ("lampu mati", Claim(place_code="63.0")),
        ("lampu mati", Claim(place_code="63.09.01")),
        ("", NOTHING),
    ],
)
def test_no_institution_is_made_up(text: str, claim: Claim) -> None:
    """Ordinary words, other regions and institutions that do not exist speak for nobody."""
    assert a_suggestion("", text, claim).institution is None


def test_agreeing_signs_make_surer_and_contradicting_ones_less() -> None:
    """Confidence is what an officer's threshold is set on."""

    def sure(text: str, claim: Claim) -> float:
        institution = a_suggestion("", text, claim).institution
        assert institution is not None
        return institution.confidence

    alone = sure("jalan rusak di HSU", NOTHING)
    assert sure("jalan rusak di HSU", Claim(institution="6308")) > alone
    assert sure("jalan rusak di HSU", Claim(institution="3204")) < alone
    assert sure("jalan rusak di HSU, HSU, HSU", NOTHING) == alone


def test_a_claimed_category_counts_but_does_not_decide_alone() -> None:
    """What the reporter chose from the list is named among the reasons."""
    text = "Jalan gelap sekali waktu malam, tolong lampu"
    agreed = a_suggestion("Laporan", text, Claim(category_id="1398")).category
    alone = a_suggestion("Laporan", text).category
    unknown = a_suggestion("Laporan", text, Claim(category_id="999999")).category

    assert agreed is not None
    assert alone is not None
    assert unknown is not None
    assert (agreed.value, agreed.reasons[0]) == ("1398", "claimed")
    assert alone.confidence < agreed.confidence < 1
    assert (unknown.value, unknown.reasons) == ("999999", ("claimed",))


@pytest.mark.parametrize(
    "text",
    [
        "Mohon qwertyx informasi jadwal",
        "kapan qwertyx qwertyx bansos cair",
        "saya qwertyx jalan qwertyx berlubang qwertyx di desa qwertyx, HSU",
        "Pungli oleh qwertyx",
    ],
)
def test_reasons_hold_no_word_that_only_the_report_has(text: str) -> None:
    """They travel in the clear: a name must not leave the gateway inside a reason."""
    found = a_suggestion("qwertyx", text, Claim(place="rumah qwertyx"))
    reasons = [
        reason
        for suggestion in (found.report_class, found.category, found.institution)
        if suggestion is not None
        for reason in suggestion.reasons
    ]

    assert reasons
    assert not any("qwert" in reason for reason in reasons)


def test_a_text_that_says_nothing_gets_no_category() -> None:
    """No reason, no suggestion: the commonest category is not a guess worth reading."""
    assert a_suggestion("", "zzz qqq").category is None


@given(st.text(max_size=300), st.text(max_size=3_000))
def test_any_text_is_screened(title: str, body: str) -> None:
    """Screening is total and gives the same answer twice; nothing is rejected for its language."""
    found = a_suggestion(title, body)

    assert found == a_suggestion(title, body)
    for suggestion in (found.report_class, found.category, found.institution):
        assert suggestion is None or 0 <= suggestion.confidence <= 1


@given(st.text())
def test_words_do_not_depend_on_case_or_punctuation(text: str) -> None:
    """Reading what was read changes nothing."""
    assert words(" ".join(words(text))) == words(text)


def test_short_forms_are_written_out() -> None:
    """SMS spelling and full spelling give the same words."""
    assert words("Jln. di kec sdh 3thn rusak, tlg pak!") == words(
        "jalan di kecamatan sudah 3 tahun rusak tolong bapak"
    )
    assert "pener~" in features("", "penerangan")


@cache
def a_small_model() -> str:
    """Write the committed model's file with a few words only, vouched for like the whole."""
    file = json.loads(MODEL_PATH.read_text(encoding="utf-8"))
    content = {
        task: {**learned, "words": {word: learned["words"][word] for word in ("lubang", "lampu")}}
        for task, learned in file["content"].items()
    }
    return json.dumps({**file, "content": content, "sha256": content_digest(content)})


def test_a_model_that_vouches_for_itself_is_loaded(tmp_path: Path) -> None:
    """Whatever its words."""
    path = tmp_path / "model.json"
    path.write_text(a_small_model(), encoding="utf-8")

    assert Model.load(path).digest == json.loads(a_small_model())["sha256"]


@pytest.mark.parametrize(
    "change",
    [
        lambda file: file["content"]["class"]["priors"].__setitem__(0, 1.0),
        lambda file: file["content"]["category"]["words"].pop("lubang"),
        lambda file: file.__setitem__("sha256", "0" * 64),
        lambda file: file.__setitem__("format", 0),
        lambda file: file.pop("content"),
    ],
)
def test_a_changed_model_is_not_loaded(tmp_path: Path, change: object) -> None:
    """The file vouches for its own content."""
    file = json.loads(a_small_model())
    assert callable(change)
    change(file)
    path = tmp_path / "model.json"
    path.write_text(json.dumps(file), encoding="utf-8")

    with pytest.raises(ModelBroken, match=r"model\.json .*train it again"):
        Model.load(path)


@pytest.mark.parametrize("content", [b"", b"[]", b'{"format": 1}', b"\xff\xfe", b'"text"'])
def test_no_other_file_is_loaded(tmp_path: Path, content: bytes) -> None:
    """What is no model says so, whatever it is."""
    path = tmp_path / "other.json"
    path.write_bytes(content)

    with pytest.raises(ModelBroken):
        Model.load(path)


def test_the_committed_model_is_small_and_vouched_for() -> None:
    """It is read at every start of intake."""
    file = json.loads(MODEL_PATH.read_text(encoding="utf-8"))

    assert MODEL_PATH.stat().st_size < 1_500_000
    assert content_digest(file["content"]) == file["sha256"] == the_model().digest
    assert set(the_model().report_class.labels) == {
        str(report_class) for report_class in ReportClass
    }


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_can_fire(rule: PhraseRule) -> None:
    """A rule's words and pattern are in the spelling that `words` gives, or it never would."""
    assert all(words(word) == (word,) for word in rule.words)
    assert any(rule in matching_rules(words(text)) for text in RULE_EXAMPLES)
