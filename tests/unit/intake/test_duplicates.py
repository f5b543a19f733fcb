"""Texts that read alike are found; nothing else about them is kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.duplicates import (
    DISTANCE_MAX_OTHER_SENDER,
    DISTANCE_MAX_SAME_SENDER,
    SIMILAR_MAX,
    Candidate,
    distance,
    fingerprint,
    similar,
)

TITLE = "Lampu jalan mati di depan pasar"
BODY = (
    "Lampu penerangan jalan umum di depan pasar sudah tiga bulan padam. Malam hari gelap gulita "
    "dan rawan kecelakaan, kemarin seorang ibu jatuh dari motor. Kami sudah melapor ke kantor desa "
    "tetapi belum ada tindakan. Mohon segera diperbaiki."
)
FOUND = fingerprint(TITLE, BODY)
REPORT = "K7QF2M9XTD3A"


def a_candidate(
    simhash: int, *, report: str = REPORT, sender: str | None = None, words: int = 40
) -> Candidate:
    """Build an earlier report that shares a band."""
    return Candidate(report, exact=1, simhash=simhash, words=words, sender=sender)


def changed_by(bits: int) -> int:
    """Flip the lowest bits of the report's simhash."""
    return FOUND.simhash ^ ((1 << bits) - 1)


@given(st.text(max_size=200), st.text(max_size=3_000))
def test_any_text_has_a_fingerprint_that_fits_its_columns(title: str, body: str) -> None:
    """Total, deterministic, and within PostgreSQL's bigint and integer."""
    found = fingerprint(title, body)

    assert found == fingerprint(title, body)
    assert -(2**63) <= found.simhash < 2**63
    assert -(2**63) <= found.exact < 2**63
    assert len(found.bands) == 8
    assert all(-(2**31) <= band < 2**31 for band in found.bands)


def test_fingerprints_stay_what_they_were() -> None:
    """They are stored: a changed construction would find no earlier report again."""
    assert (FOUND.exact, FOUND.simhash, FOUND.bands[0], FOUND.words) == (
        -4192901651447390199,
        8102923519751538038,
        -1785361759,
        43,
    )


@pytest.mark.parametrize(
    ("title", "body", "bits_max"),
    [
        (TITLE.upper(), BODY.replace(",", "").lower(), 0),
        (TITLE, BODY.replace("jalan", "jln").replace("sudah", "sdh"), 0),
        (TITLE, f"Selamat pagi. {BODY}", DISTANCE_MAX_SAME_SENDER),
        ("Lampu mati", BODY, DISTANCE_MAX_SAME_SENDER),
        (TITLE, BODY.replace("ibu", "bapak"), DISTANCE_MAX_SAME_SENDER),
    ],
)
def test_a_changed_copy_is_near_and_a_candidate(title: str, body: str, bits_max: int) -> None:
    """As people change a text when they send it again."""
    copy = fingerprint(title, body)

    assert distance(copy.simhash, FOUND.simhash) <= bits_max
    assert set(copy.bands) & set(FOUND.bands)


def test_another_report_is_far() -> None:
    """The same words of courtesy do not make two reports one."""
    other = fingerprint(
        "KTP belum jadi",
        "Saya merekam KTP dua bulan yang lalu di kecamatan dan blangkonya selalu kosong. Petugas "
        "menyuruh kembali minggu depan. Mohon segera diperbaiki pelayanannya. Terima kasih.",
    )

    assert distance(other.simhash, FOUND.simhash) > DISTANCE_MAX_SAME_SENDER


@pytest.mark.parametrize(
    ("bits", "sender", "is_found"),
    [
        (0, "someone", True),
        (DISTANCE_MAX_OTHER_SENDER, "someone", True),
        (DISTANCE_MAX_OTHER_SENDER + 1, "someone", False),
        (DISTANCE_MAX_OTHER_SENDER + 1, "me", True),
        (DISTANCE_MAX_SAME_SENDER, "me", True),
        (DISTANCE_MAX_SAME_SENDER + 1, "me", False),
        (DISTANCE_MAX_OTHER_SENDER + 1, None, False),
    ],
)
def test_the_same_senders_reports_may_differ_more(
    bits: int, sender: str | None, *, is_found: bool
) -> None:
    """A person who writes again rewords; two people who write alike mean the same thing."""
    matches = similar(FOUND, "me", [a_candidate(changed_by(bits), sender=sender)])

    assert [(match.distance, match.same_sender) for match in matches] == (
        [(bits, sender == "me")] if is_found else []
    )


def test_nobody_is_not_the_same_sender_as_nobody() -> None:
    """Two unknown senders are two people."""
    (match,) = similar(FOUND, None, [a_candidate(FOUND.simhash, sender=None)])

    assert not match.same_sender


def test_short_texts_are_similar_only_when_equal() -> None:
    """A text like "lampu mati" says too little to be anybody's duplicate by likeness."""
    short = fingerprint("", "lampu jalan mati")
    alike = a_candidate(short.simhash, words=3)
    equal = alike._replace(exact=short.exact)

    assert similar(short, None, [alike]) == ()
    assert [match.distance for match in similar(short, None, [equal])] == [0]


def test_the_nearest_are_kept_in_order() -> None:
    """An officer reads the likeliest first, and not more than a screen of them."""
    candidates = [
        a_candidate(changed_by(bits), report=f"K7QF2M9XTD{bits:02d}") for bits in (5, 1, 3)
    ] + [a_candidate(changed_by(9), report=f"K7QF2M9XT{n:03d}") for n in range(20)]

    matches = similar(FOUND, None, candidates)

    assert [match.distance for match in matches] == [1, 3, 5, *[9] * (SIMILAR_MAX - 3)]
