"""Tracking numbers survive people: every single slip and every swap is found."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contract.tracking import (
    ALPHABET,
    TrackingNumberInvalid,
    is_report_id,
    parse_tracking_number,
    quasigroup,
    record_id,
    report_id,
    tracking_number,
)
from shared.vault.crypto import Vault

KEY = b"k" * 32
VALUES = range(32)
REPORT_IDS = st.text(alphabet=ALPHABET, min_size=12, max_size=12)


@given(st.text(), st.text())
def test_a_report_id_is_derived_and_well_formed(channel: str, message_id: str) -> None:
    """The same message gives the same id, whatever its texts hold."""
    made = report_id(KEY, channel, message_id)

    assert is_report_id(made)
    assert report_id(KEY, channel, message_id) == made


def test_report_ids_stay_what_they_were() -> None:
    """A changed derivation would give every report of a channel a second id."""
    assert report_id(KEY, "web", "42") == "026M6FNDXXYS"
    assert report_id(KEY, "sms", "42") != report_id(KEY, "web", "42")


def test_the_border_between_channel_and_message_counts() -> None:
    """No channel can name a message so that it takes another channel's report id."""
    assert report_id(KEY, "a", "bc") != report_id(KEY, "ab", "c")


def test_an_outsider_cannot_foretell_a_tracking_number() -> None:
    """Channels count their tickets; without the installation's key the ids of them are unknown."""
    guessed = report_id(b"", "website", "ticket-2041")
    made = {Vault(byte * 32).report_id("website", "ticket-2041") for byte in (b"a", b"b")}
    assert len(made | {guessed, record_id("ticket-2041")}) == 4


def test_a_rotation_of_the_master_key_names_every_report_as_before() -> None:
    """A submission sent again across it is the same report."""
    old, new = b"a" * 32, b"b" * 32
    before, after = Vault(old), Vault(new, old)
    assert after.report_id("website", "1") == before.report_id("website", "1")
    assert after.message_digest("website", "1") == before.message_digest("website", "1")
    assert before.message_digest("a", "bc") != before.message_digest("ab", "c")


@given(REPORT_IDS)
def test_a_tracking_number_reads_back(identity: str) -> None:
    """What is printed is read."""
    printed = tracking_number(identity)

    assert [len(group) for group in printed.split("-")] == [4, 4, 4, 1]
    assert parse_tracking_number(printed) == identity


@given(REPORT_IDS, st.data())
def test_spelling_does_not_matter(identity: str, data: st.DataObject) -> None:
    """Lower case, other separators, and O, I, L for 0 and 1 are read as meant."""
    spelled = []
    for character in tracking_number(identity):
        choices = {"0": "0Oo", "1": "1IiLl", "-": ["-", " ", "", "\u2013", " - "]}.get(
            character, [character, character.lower()]
        )
        spelled.append(data.draw(st.sampled_from(list(choices))))

    assert parse_tracking_number(" " + "".join(spelled) + " ") == identity


def test_each_value_stands_once_in_every_row_and_column_of_the_quasigroup() -> None:
    """So every single wrong character changes the result, whatever stands before and after it."""
    for one in VALUES:
        assert {quasigroup(one, other) for other in VALUES} == set(VALUES)
        assert {quasigroup(other, one) for other in VALUES} == set(VALUES)


def test_the_quasigroup_is_totally_anti_symmetric() -> None:
    """So every swap of neighbours changes the result, at the beginning as after any other."""
    for x, y in itertools.permutations(VALUES, 2):
        assert quasigroup(x, y) != quasigroup(y, x)
        for before in VALUES:
            one = quasigroup(quasigroup(before, x), y)
            other = quasigroup(quasigroup(before, y), x)
            assert one != other


@given(REPORT_IDS, st.integers(0, 12), st.sampled_from(ALPHABET))
def test_every_single_wrong_character_is_found(identity: str, position: int, other: str) -> None:
    """One mistyped character, the check character included."""
    right = tracking_number(identity).replace("-", "")
    wrong = right[:position] + other + right[position + 1 :]
    if wrong == right:
        assert parse_tracking_number(wrong) == identity
        return

    with pytest.raises(TrackingNumberInvalid):
        parse_tracking_number(wrong)


@given(REPORT_IDS, st.integers(0, 12), st.integers(0, 12))
def test_every_swap_is_found(identity: str, one: int, other: int) -> None:
    """Two characters swapped, neighbours or not, the check character included."""
    right = tracking_number(identity).replace("-", "")
    wrong = list(right)
    wrong[one], wrong[other] = wrong[other], wrong[one]
    if "".join(wrong) == right:
        return

    with pytest.raises(TrackingNumberInvalid):
        parse_tracking_number("".join(wrong))


def test_a_tracking_number_has_nothing_but_letters_and_digits() -> None:
    """Which people can read aloud and type; the letters of base32, so no I, L, O and U."""
    checks = {tracking_number(record_id(str(n)))[-1] for n in range(1000)}
    assert checks == set(ALPHABET)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "wrong_length"),
        ("K7QF-2M9X-TD3A", "wrong_length"),
        ("K7QF-2M9X-TD3A-9R", "wrong_length"),
        ("K7QF-2M9X-TU3A-R", "unknown_character"),
        ("K7QF-2M9X-TD3A-?", "unknown_character"),
        ("K7QF-2M9X-TD\u06633A", "unknown_character"),
        ("0000-0000-0000-1", "wrong_check_character"),
        ("K7QF-2M9X-TD3A-$", "unknown_character"),
        ("K7QF-2M9X-TD3A-U", "unknown_character"),
    ],
)
def test_a_wrong_number_says_what_is_wrong(text: str, fault: str) -> None:
    """The code is for programs, the sentence for people."""
    with pytest.raises(TrackingNumberInvalid, match=r"\w+ \w+") as raised:
        parse_tracking_number(text)

    assert raised.value.fault == fault


@pytest.mark.parametrize("text", ["", "K7QF", "k7qf2m9xtd3a", "K7QF2M9XTD3U", "K7QF2M9XTD3A\n"])
def test_only_a_report_id_gets_a_tracking_number(text: str) -> None:
    """An id is exact; only what people type is read with tolerance."""
    assert not is_report_id(text)
    with pytest.raises(TrackingNumberInvalid):
        tracking_number(text)
