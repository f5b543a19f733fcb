"""What a dead letter of a gateway says of its sender: nothing to whoever has no key."""

import pytest

from shared.contract.topics import SUBMISSIONS
from shared.runtime.parking import replay_of, replay_record
from shared.runtime.writer import Writer
from shared.vault.crypto import DeadLetterKey, SealBroken
from tests.simulation.memory import MemoryRecord

KEY = DeadLetterKey(b"d" * 32)
HEADERS = (
    ("ce_id", b"WA-6281255501234-3EB0F1"),
    ("ce_type", b"id.go.lapor.channel.submit-report.v1"),
    ("correlationid", b"session-of-akun-17"),
    ("traceparent", b"00-c0ffee-17-01"),
)
RECORD = MemoryRecord(SUBMISSIONS.topic("website"), 0, 7, 1_000, b"6281255501234", b"{}", HEADERS)


def test_an_outsider_cannot_read_a_sender_in_a_dead_letter() -> None:
    """Dead letters are kept for ever; ids, keys and headers at a gateway are the sender's words."""
    writer = Writer("intake", is_gateway=True, seal=KEY.seal_bytes)
    letter = writer.dead_letter(RECORD, "rule_raised", "ValueError", "K7QF2M9XTD3A")
    assert letter.key == b"K7QF2M9XTD3A"
    everything = letter.key + letter.value + b"".join(n.encode() + v for n, v in letter.headers)
    for word in (b"6281255501234", b"session-of", b"c0ffee"):
        assert word not in everything


def test_a_replay_of_it_has_the_record_as_it_came() -> None:
    """Its id and its type decide what it is; with another key it does not open."""
    writer = Writer("intake", is_gateway=True, seal=KEY.seal_bytes)
    letter = writer.dead_letter(RECORD, "rule_raised", "ValueError", "K7QF2M9XTD3A")
    stored = MemoryRecord("letters", 0, 0, 0, letter.key, letter.value, tuple(letter.headers))
    asked = replay_record(stored, "retry", seal=KEY.seal_bytes, operator="o", why="w", attempt=1)
    found = replay_of(asked.headers, asked.key, asked.value, KEY.open_bytes)
    assert tuple(found.original.headers) == HEADERS
    assert (found.case_id, found.original.position) == ("K7QF2M9XTD3A", (RECORD.topic, 0, 7))
    with pytest.raises(SealBroken):
        replay_of(asked.headers, asked.key, asked.value, DeadLetterKey(b"e" * 32).open_bytes)


def test_in_the_core_a_letter_shows_the_headers_that_stages_wrote() -> None:
    """They are derived ids: an operator follows them without a key."""
    writer = Writer("routing", is_gateway=False, seal=KEY.seal_bytes)
    letter = writer.dead_letter(RECORD, "not_json", "")
    assert ("original.ce_id", HEADERS[0][1]) in letter.headers
