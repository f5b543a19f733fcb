"""The sample texts are ours, many, varied, and hold nobody's name or number."""

import json
import re
from functools import cache
from itertools import product
from statistics import median

import pytest

from deploy.actors import texts
from shared.contract.events import ReportClass, SubmitReport


def test_every_category_seen_in_real_reports_has_texts() -> None:
    """The demo replays real rows: each needs a text of its category."""
    assert set(texts.frequencies()) == set(texts.categories())


@cache
def written_in(category_id: str) -> list[tuple[str, str]]:
    """Write a category's texts of 10 seeds, once."""
    return [texts.write(category_id, seed) for seed in range(10)]


@pytest.mark.parametrize("category_id", sorted(texts.categories()))
def test_a_text_is_made_from_its_seed_and_may_be_submitted(category_id: str) -> None:
    """The same seed gives the same text, another seed another, all within the form's limits."""
    written = written_in(category_id)

    assert written[:3] == [texts.write(category_id, seed) for seed in range(3)]
    assert len(set(written)) > 7
    for title, body in written:
        SubmitReport(title=title, body=body)
        assert not re.search(r"[{}]", title + body)


@pytest.mark.parametrize(
    ("category_id", "report_class"), [*product(["1397", "963", "1450", "2680", "110"], ReportClass)]
)
def test_a_text_of_a_wanted_class_is_written(category_id: str, report_class: ReportClass) -> None:
    """Questions and wishes are possible in every category; complaints of either kind too."""
    complaints = {ReportClass.SUPERVISED, ReportClass.UNSUPERVISED}
    for seed in range(20):
        text = texts.compose(category_id, seed, report_class=report_class)
        fits = complaints if report_class in complaints else {report_class}
        assert text.report_class in fits


def test_thousands_are_different_and_as_long_as_real_ones() -> None:
    """Real bodies: median 353 characters, 95 % below 1,476 (domain.md section 6)."""
    written = [text for category_id in texts.categories() for text in written_in(category_id)]
    lengths = sorted(len(body) for _, body in written)

    assert len(set(written)) > 0.98 * len(lengths)
    assert 280 < median(lengths) < 430
    assert 900 < lengths[int(0.95 * len(lengths))] < 1_900
    assert lengths[0] < 80


def test_a_wanted_length_is_met_roughly() -> None:
    """The demo writes bodies about as long as the real row's."""
    for aim in (300, 600, 1_200):
        found = median(len(texts.compose("928", seed, length=aim).body) for seed in range(60))
        assert 0.7 * aim < found < 1.3 * aim


def test_places_are_of_the_wanted_region() -> None:
    """HSU's reports name HSU's places."""
    hsu = json.loads((texts.FOLDER / "tempat.json").read_text(encoding="utf-8"))["6308"]
    names = [*hsu["kecamatan"], *(one for each in hsu["kecamatan"].values() for one in each)]
    seen = "\n".join(texts.compose("1397", seed, region="6308").body.lower() for seed in range(100))

    assert any(name.lower() in seen for name in names)
    assert "soreang" not in seen
    assert "baleendah" not in seen


def test_no_number_could_be_a_person() -> None:
    """No phone number, NIK, plate or account: nothing of six digits in a row, no e-mail address."""
    everything = "\n".join(
        path.read_text(encoding="utf-8")
        for path in (*texts.FOLDER.glob("kategori/*.json"), texts.FOLDER / "rangka.json")
    )

    assert not re.search(r"\d{6}|@|\bNIK \d", everything)
