"""Dead letters and what operators said of them, put together from the two streams."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deploy.cli.model.dead_letter_payload import difference, fault, hexadecimal
from deploy.cli.model.dead_letters import Criteria, Letters, StoredDeadLetter, short_ids
from deploy.cli.model.replay import CHUNK, chunks
from deploy.cli.terminal.console import CliError
from deploy.cli.views.dead_letters import ago
from shared.contract.envelope import Outbound, encode
from shared.contract.topics import INSTITUTION, REPLAYS
from shared.runtime.parking import Action, replay_record
from shared.runtime.writer import Writer
from tests.simulation.memory import MemoryRecord
from tests.support import builders as b

WRITER = Writer("routing", is_gateway=False, seal=lambda value, *_place: value)
NOW_MS = 1_700_000_000_000


def a_record(offset: int, topic: str = INSTITUTION.topic(), partition: int = 3) -> MemoryRecord:
    """Return a record that the stage routing reads."""
    event = b.an_acceptance()
    headers = (("ce_id", b"a%d" % offset), ("ce_type", INSTITUTION.type_of(type(event)).encode()))
    return MemoryRecord(
        topic, partition, offset, NOW_MS, b.REPORT.encode(), encode(event), headers
    )  # fmt: skip


def stored(outbound: Outbound, offset: int) -> MemoryRecord:
    """Return a record as the broker has it."""
    return MemoryRecord(
        outbound.topic, outbound.partition, offset, NOW_MS + offset, outbound.key, outbound.value,
        tuple(outbound.headers),
    )  # fmt: skip


def dead(offset: int, at: int, reason: str = "rule_raised", **where: Any) -> MemoryRecord:
    """Return the letter of a record, standing at some offset of the stream."""
    return stored(WRITER.dead_letter(a_record(offset, **where), reason, "KeyError", b.REPORT), at)


def asked(letter: MemoryRecord, action: Action, attempt: int = 1) -> MemoryRecord:
    """Return an operator's word about a letter."""
    word = replay_record(
        letter, action, seal=lambda v, *_: v, operator="siti", why="so", attempt=attempt,
        edited=b"{}" if action == "edit" else None,
    )  # fmt: skip
    return stored(word, attempt)


def only(letters: Letters) -> StoredDeadLetter:
    """Return the one letter there is."""
    (letter,) = letters.all
    return letter


@pytest.mark.parametrize(
    ("written", "words", "state", "is_open"),
    [
        (1, [], "waiting", True),
        (2, [], "waiting", True),  # published again after a crash
        (1, [("retry", 1)], "replayed", False),
        (1, [("edit", 1)], "replayed", False),
        (1, [("discard", 1)], "discarded", False),
        (2, [("retry", 1)], "failed again", True),
        (2, [("retry", 1), ("edit", 2)], "replayed", False),
        (3, [("retry", 1), ("edit", 2)], "failed again", True),
        (2, [("retry", 1), ("discard", 2)], "discarded", False),
        (2, [("retry", 2)], "replayed", False),
    ],
)
def test_a_letters_state_is_that_its_replay_is_there(
    written: int, words: list[tuple[Action, int]], state: str, *, is_open: bool
) -> None:
    """Nothing is marked: how often it was written, and what was asked, say it."""
    letters = [dead(7, at) for at in range(written)]
    found = only(Letters.of(letters, [asked(letters[0], *word) for word in words]))
    assert (found.state, found.is_open, found.attempt) == (state, is_open, written)


def test_letters_stand_in_the_order_in_which_they_failed_first() -> None:
    """Also when one failed again since; so the head of a queue is sent before what follows."""
    found = Letters.of([dead(4, 0), dead(5, 1, "parked_full"), dead(4, 2)], [])
    assert [letter.offset for letter in found.all] == [4, 5]
    assert [letter.written for letter in found.all] == [((3, 0), (3, 2)), ((3, 1),)]


def test_chunks_to_send_are_of_one_partition_and_in_order() -> None:
    """Whatever the order in which an operator named them."""
    found = Letters.of(
        [dead(n, n, partition=p) for p in (5, 2) for n in range(CHUNK + 1)], []
    )  # fmt: skip
    sent = list(chunks(list(reversed(found.all))))
    assert [(x[0].partition, len(x)) for x in sent] == [(2, CHUNK), (2, 1), (5, CHUNK), (5, 1)]
    assert [x.offset for x in sent[0]] == list(range(CHUNK))


def test_what_is_no_letter_is_left_out() -> None:
    """A record without the headers of one stops nothing."""
    assert Letters.of([a_record(1)], []).all == []


def test_a_letter_is_named_by_the_beginning_of_its_id_or_hash() -> None:
    """And told what to do when none or several begin so."""
    found = Letters.of([dead(n, n) for n in range(3)], [])
    for letter in found.all:
        assert found.named(found.short(letter)) == letter
        assert found.named(letter.id[:-1]) == letter
        assert letter.id.rpartition("-")[2].startswith(found.short(letter))
    with pytest.raises(CliError, match="no dead letter"):
        found.named("zz")
    with pytest.raises(CliError, match="3 dead letters begin"):
        found.named(found.all[0].id[:12])


def test_short_ids_are_unique_and_no_longer_than_that_needs() -> None:
    """Two that share seven characters show eight."""
    assert short_ids(["0-abcdefg1", "0-abcdefg2", "0-b0000000"]) == {
        "0-abcdefg1": "abcdefg1",
        "0-abcdefg2": "abcdefg2",
        "0-b0000000": "b00000",
    }


def test_filters_leave_out() -> None:
    """By stage, reason, state and time."""
    letter = only(Letters.of([dead(1, 0)], []))
    at = letter.dead_since
    assert Criteria("routing", "rule_raised", at, "waiting").has(letter)
    assert not Criteria(stage="intake").has(letter)
    assert not Criteria(reason="not_json").has(letter)
    assert not Criteria(state="replayed").has(letter)
    assert not Criteria(since=at + timedelta(seconds=1)).has(letter)


def test_a_replay_that_could_not_be_read_cannot_be_replayed() -> None:
    """It would say nothing to its stage."""
    letter = only(Letters.of([dead(1, 0, "invalid_replay", topic=REPLAYS.topic())], []))
    assert not letter.can_be_decided


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (encode(b.an_acceptance()), ""),
        (b"{", "not_json"),
        (b"{}", "invalid_fields"),
        (encode(b.an_acceptance()).replace(b.REPORT.encode(), b"0123456789AC"), "wrong_key"),
    ],
)
def test_edited_bytes_are_tried_on_the_stages_reader(value: bytes, said: str) -> None:
    """What it could not read would only be a letter again."""
    record = dead(1, 0)
    assert fault(only(Letters.of([record], [])), record, value).startswith(said)
    assert bool(fault(only(Letters.of([record], [])), record, value)) == bool(said)


def test_a_diff_is_of_fields_and_a_dump_of_bytes() -> None:
    """Bytes that are no JSON are compared by their lines; nothing turns the terminal."""
    assert list(difference(b'{"a":1,"b":2}', b'{"a":1,"b":3}'))[-4:] == [
        '   "a": 1,', '-  "b": 2', '+  "b": 3', " }",
    ]  # fmt: skip
    assert list(difference(b'{"a":1}', b'{ "a": 1 }')) == [
        "Only the writing differs: it says the same."
    ]
    assert "-\\xff" in list(difference(b"\xff", b"{}"))
    assert next(hexadecimal(b"a\x1b")) == f"00000000  {'61 1b':<48} a."


def test_ages_are_in_their_largest_unit() -> None:
    """Days, hours, minutes, seconds."""
    assert [ago(x) for x in (5, 61, 7_300, 200_000)] == ["5s", "1m", "2h", "2d"]
    letter = only(Letters.of([dead(1, 0)], []))
    assert letter.age(datetime.fromtimestamp(NOW_MS / 1000 + 60, UTC)) == 60
