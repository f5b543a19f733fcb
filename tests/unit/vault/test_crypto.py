"""What is sealed opens only with its key, in its report, in its field; and leaks nothing else."""

import base64
import os
import pickle
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.vault.crypto import DeadLetterKey, ReportKey, SealBroken, Vault, same_digest
from shared.vault.key_text import KeyUnusable, new_key_text

MASTER = bytes(range(32))
OTHER_MASTER = bytes(range(1, 33))
REPORT = "K7QF2M9XTD3A"
OTHER_REPORT = "K7QF2M9XTD3B"
KEY = bytes(range(100, 132))

ANY_TEXT = st.text(alphabet=st.characters())  # surrogates and NUL included


def a_report_key(key: bytes = KEY, report: str = REPORT) -> ReportKey:
    """Build a report key that is the same in every run."""
    return ReportKey(key, report)


@given(st.text(), ANY_TEXT)
def test_what_is_sealed_opens(field: str, text: str) -> None:
    """Any text, empty and malformed ones included, survives."""
    sealed = a_report_key().seal(field, text)

    assert a_report_key().open(field, sealed) == text
    assert set(sealed) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@given(ANY_TEXT)
def test_sealing_again_gives_the_same_bytes(text: str) -> None:
    """Law 1: the same record decided again gives the same bytes."""
    assert a_report_key().seal("body", text) == a_report_key().seal("body", text)


@given(ANY_TEXT, ANY_TEXT)
def test_a_synthetic_iv_comes_back_only_with_its_text_and_field(one: str, other: str) -> None:
    """Never one IV for two messages, nor for one message in two fields."""
    key = a_report_key()

    def iv(field: str, text: str) -> bytes:
        return base64.urlsafe_b64decode(key.seal(field, text)[:23] + "=")[1:17]

    assert (iv("body", one) == iv("body", other)) == (one == other)
    assert iv("body", one) != iv("title", one)


def test_the_sealed_form_stays_what_it_was() -> None:
    """Streams keep sealed fields for years: a changed construction must show here."""
    assert (
        a_report_key().seal("body", "jalan berlubang")
        == "AiLveh3DaV8H2PwpNG9OmWAEtncq6585HhNUOE3tjiM"
    )


@pytest.mark.parametrize(
    ("key", "field"),
    [
        pytest.param(a_report_key(), "title", id="another field"),
        pytest.param(a_report_key(report=OTHER_REPORT), "body", id="another report"),
        pytest.param(a_report_key(key=MASTER), "body", id="another key"),
    ],
)
def test_nothing_opens_out_of_its_place(key: ReportKey, field: str) -> None:
    """A sealed field moved to another field, report or key does not open."""
    sealed = a_report_key().seal("body", "rahasia sekali")

    with pytest.raises(SealBroken) as raised:
        key.open(field, sealed)

    assert "rahasia" not in str(raised.value)


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_changed_byte_does_not_open(position: int, change: int) -> None:
    """Every byte counts: format, IV and text."""
    text = a_report_key().seal("body", "parit mampet")
    sealed = bytearray(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    sealed[position % len(sealed)] ^= change

    with pytest.raises(SealBroken):
        a_report_key().open("body", base64.urlsafe_b64encode(sealed).decode())


@pytest.mark.parametrize("format_byte", [b"\x01", b"\x03", b"\x00"])
def test_another_format_is_an_error_that_names_it(format_byte: bytes) -> None:
    """What another release sealed is not mistaken for a damaged text."""
    wrapped = format_byte + Vault(MASTER).new_key(REPORT)[1:]
    sealed = format_byte + DeadLetterKey(MASTER).seal_bytes(b"x", "topic", 0, 0)[1:]

    says = f"begin with format {format_byte.hex()}, this release opens 02"
    with pytest.raises(SealBroken, match=says):
        a_report_key().open("body", base64.urlsafe_b64encode(sealed).decode())
    with pytest.raises(SealBroken, match=says):
        DeadLetterKey(MASTER).open_bytes(sealed, "topic", 0, 0)
    with pytest.raises(SealBroken, match=says):
        Vault(MASTER).unwrap(wrapped, REPORT)


@given(ANY_TEXT)
def test_whatever_was_not_sealed_is_refused(text: str) -> None:
    """Opening is total: SealBroken and nothing else."""
    with pytest.raises(SealBroken):
        a_report_key().open("body", text)


@given(st.binary())
def test_whatever_was_not_wrapped_is_refused(wrapped: bytes) -> None:
    """Unwrapping is total: SealBroken and nothing else."""
    with pytest.raises(SealBroken):
        Vault(MASTER).unwrap(wrapped, REPORT)


def test_a_wrapped_key_is_its_reports_alone() -> None:
    """A row copied to another report's id opens nothing."""
    vault = Vault(MASTER)
    wrapped = vault.new_key(REPORT)
    sealed = vault.unwrap(wrapped, REPORT).seal("body", "banjir")

    assert Vault(MASTER).unwrap(wrapped, REPORT).open("body", sealed) == "banjir"
    with pytest.raises(SealBroken):
        vault.unwrap(wrapped, OTHER_REPORT)
    with pytest.raises(SealBroken):
        vault.unwrap(wrapped[:-1] + bytes([wrapped[-1] ^ 1]), REPORT)


def test_every_new_key_is_another() -> None:
    """Keys are drawn, so that destroying one cannot be undone by deriving it again."""
    vault = Vault(MASTER)
    sealed = {vault.unwrap(vault.new_key(REPORT), REPORT).seal("body", "x") for _ in range(20)}

    assert len(sealed) == 20


def test_a_master_key_rotates() -> None:
    """The new key wraps, the retired one still opens, and after rewrapping it may go."""
    wrapped = Vault(MASTER).new_key(REPORT)
    secret = Vault(MASTER).unwrap(wrapped, REPORT).reporter_secret()
    rotated = Vault(OTHER_MASTER, MASTER)

    assert rotated.unwrap(wrapped, REPORT).reporter_secret() == secret
    rewrapped = rotated.rewrap(wrapped, REPORT)
    assert rewrapped[1:5] == rotated.master_id != wrapped[1:5]
    assert rotated.rewrap(rewrapped, REPORT) == rewrapped
    assert Vault(OTHER_MASTER).unwrap(rewrapped, REPORT).reporter_secret() == secret
    with pytest.raises(KeyUnusable, match="LAPOR_MASTER_KEY"):
        Vault(OTHER_MASTER).unwrap(wrapped, REPORT)
    assert rotated.keyed_digest("x") == Vault(MASTER).keyed_digest("x")


@pytest.mark.parametrize(
    ("value", "says"),
    [
        pytest.param("", "is not set", id="empty"),
        pytest.param("  ", "is not set", id="blank"),
        pytest.param("b3BlbiBzZXNhbWU=", "holds 11 bytes", id="short"),
        pytest.param("buka pintu!", "is not base64", id="words"),
        pytest.param("kunci-\u00e9", "is not base64", id="not ASCII"),
        pytest.param(
            "q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k=,", "is not set", id="a comma too many"
        ),
    ],
)
def test_an_unusable_key_says_which_variable_and_not_its_value(value: str, says: str) -> None:
    """An operator reads what to do; a log reader reads no key."""
    with pytest.raises(KeyUnusable, match=f"LAPOR_MASTER_KEY {says}") as raised:
        Vault.from_text(value)
    with pytest.raises(KeyUnusable, match="LAPOR_DEAD_LETTER_KEY is not"):
        DeadLetterKey.from_text("")

    assert not value.strip(" ,") or value.strip(" ,") not in str(raised.value)


def test_keys_come_from_the_environment_as_text() -> None:
    """Both base64 alphabets are read; several keys are separated by commas."""
    high = bytes([255] * 32)
    for text in (base64.b64encode(high), base64.urlsafe_b64encode(high)):
        assert Vault.from_text(text.decode()).keyed_digest("x") == Vault(high).keyed_digest("x")
    assert repr(Vault.from_text(f"{new_key_text()}, {new_key_text()}")).endswith("keys=2)")


def test_a_secret_is_the_reports_and_short() -> None:
    """Ten characters to read out; the same each time, another for another report."""
    secret = a_report_key().reporter_secret()

    assert secret == a_report_key().reporter_secret() == "Z6N6WSY0TD"
    assert a_report_key(key=MASTER).reporter_secret() != secret
    assert a_report_key().is_secret(f" {secret[:5].lower()}-{secret[5:]} ")
    assert not a_report_key().is_secret(secret[:-1])
    assert not a_report_key().is_secret("")
    assert not a_report_key(key=MASTER).is_secret(secret)


@given(ANY_TEXT)
def test_no_other_text_is_the_secret(text: str) -> None:
    """Whatever is typed, the answer is yes or no."""
    assert not a_report_key().is_secret(text)


@pytest.mark.parametrize(
    ("kind", "spellings"),
    [
        ("phone", ["0815-5500-0000", "+62 815 5500 0000", "6281555000000", "(0815) 55000000"]),
        ("email", ["Warga@Contoh.test", " warga@contoh.test", "\uff57arga@contoh.test"]),
        ("nik", ["0000 0000 0000 0000", "0000.0000.0000.0000", "0000000000000000"]),
    ],
)
def test_one_senders_spellings_give_one_digest(kind: str, spellings: list[str]) -> None:
    """A sender is recognised however the number or address is written."""
    digests = {Vault(MASTER).sender_digest(kind, text) for text in spellings}  # type: ignore[arg-type]

    assert len(digests) == 1
    assert None not in digests


@pytest.mark.parametrize(
    ("kind", "contact"),
    [
        ("phone", "62815772xxxx"),
        ("phone", "warga"),
        ("phone", ""),
        ("phone", "1"),
        ("email", "bukan alamat"),
        ("email", "a@b@c"),
        ("nik", "123"),
        ("nik", ""),
    ],
)
def test_what_identifies_nobody_has_no_digest(kind: str, contact: str) -> None:
    """Two masked numbers that look the same are not the same person."""
    assert Vault(MASTER).sender_digest(kind, contact) is None  # type: ignore[arg-type]


@given(st.sampled_from(["phone", "email", "nik"]), ANY_TEXT)
def test_any_contact_gets_an_answer(kind: str, contact: str) -> None:
    """Hashing a sender never raises."""
    digest = Vault(MASTER).sender_digest(kind, contact)  # type: ignore[arg-type]

    assert digest is None or len(digest) == 32


def test_a_sender_digest_needs_the_key() -> None:
    """A NIK has few possible values: a bare hash of it would be no protection."""
    nik = "0000000000000000"

    assert Vault(MASTER).sender_digest("nik", nik) != Vault(OTHER_MASTER).sender_digest("nik", nik)


@given(st.binary(), st.integers(0, 11), st.integers(0, 2**62))
def test_a_dead_letter_opens_only_at_its_position(
    original: bytes, partition: int, offset: int
) -> None:
    """Raw bytes in, raw bytes out, the same each time, bound to topic, partition and offset."""
    key = DeadLetterKey(MASTER)
    sealed = key.seal_bytes(original, "lapor.intake.v1", partition, offset)

    assert sealed == key.seal_bytes(original, "lapor.intake.v1", partition, offset)
    assert key.open_bytes(sealed, "lapor.intake.v1", partition, offset) == original
    for position in (
        ("lapor.sla.v1", partition, offset),
        ("lapor.intake.v1", partition + 1, offset),
        ("lapor.intake.v1", partition, offset + 1),
    ):
        with pytest.raises(SealBroken):
            key.open_bytes(sealed, *position)
    with pytest.raises(SealBroken):
        DeadLetterKey(OTHER_MASTER).open_bytes(sealed, "lapor.intake.v1", partition, offset)


@pytest.mark.parametrize("holder", [Vault(MASTER), a_report_key(), DeadLetterKey(MASTER)])
def test_no_key_is_shown_or_written(holder: object) -> None:
    """Not in repr, str, pickle or vars: a log or a crash dump of values shows no key."""
    shown = f"{holder!r} {holder}"

    for key in (MASTER, KEY):
        assert key.hex() not in shown
        assert repr(key)[2:-1] not in shown
        assert base64.b64encode(key).decode() not in shown
    assert not hasattr(holder, "__dict__")
    with pytest.raises(TypeError):
        pickle.dumps(holder)


def test_another_process_makes_the_same_bytes() -> None:
    """Determinism does not rest on this process's hash seed or state."""
    code = (
        "from shared.vault.crypto import ReportKey, Vault\n"
        f"print(ReportKey({KEY!r}, {REPORT!r}).seal('body', 'sama'),"
        f" Vault({MASTER!r}).keyed_digest('sama'))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "1"},
    )

    assert ran.stdout.split() == [
        a_report_key().seal("body", "sama"),
        Vault(MASTER).keyed_digest("sama"),
    ]


def test_digests_are_compared_whole() -> None:
    """Equal is equal, any difference is a difference."""
    assert same_digest("ab", "ab")
    assert not same_digest("ab", "ac")
    assert not same_digest("ab", "abc")
    assert not same_digest("\ud800", "ab")
