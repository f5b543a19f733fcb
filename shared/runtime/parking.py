"""Records that wait behind one that could not be decided, and the replay that releases them.

A rule that raises is a bug: its record is a dead letter, and what comes after it for the same
report is parked in the case, sealed, in order (law 4). A replay is the dead letter sent back to its
stage in `lapor.replays.v1`, to be decided again as it was, edited, or discarded.
"""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple, get_args

import msgpack

from shared.contract import topics
from shared.contract.envelope import Headers, Outbound, Poison, Record, derive_id, text
from shared.vault.crypto import SealBroken

Action = Literal["retry", "edit", "discard", "accept"]
"""`accept`: decide, although other events were published before a restore; those stay."""
Seal = Callable[[bytes, str, int, int], bytes]
NUMBER_MAX = 2**63  # of a partition or an offset, as Kafka counts them
ORIGINAL = "original."
"""Begins the name of a header that the original record had."""
SEALED_HEADERS = "original"
"""The header that seals all headers of a record at a gateway, since the producer wrote them."""
_CORRELATION = "#correlation/"
_HEADERS = "#headers"  # appended to the topic: seals of headers and values are not exchangeable


class ParkedRecord(NamedTuple):
    """A record kept to be decided later; the shell reads it like any other."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]

    @property
    def position(self) -> tuple[str, int, int]:
        """Return the record's topic, partition and offset."""
        return self.topic, self.partition, self.offset


def parked_record(record: Record) -> ParkedRecord:
    """Copy what a decision needs of a record."""
    return ParkedRecord(
        record.topic, record.partition, record.offset, record.timestamp, record.key, record.value,
        list(record.headers),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Parking:
    """Writes and reads a case's queue; values are sealed, each bound to its record's position."""

    seal: Seal
    unseal: Seal

    def add(self, parked: bytes, record: Record) -> bytes:
        """Return the queue with a record at its end."""
        entry = parked_record(record)
        sealed = self.seal(entry.value or b"", *entry.position)
        return parked + msgpack.packb(entry._replace(value=sealed))

    def read(self, parked: bytes) -> list[ParkedRecord]:
        """Return the queue; its head is the record that could not be decided.

        Raises:
            SealBroken: it was sealed with another key.
        """
        unpacker = msgpack.Unpacker(max_buffer_size=0)
        unpacker.feed(parked)
        return [self._opened(entry) for entry in unpacker]

    def _opened(self, entry: Sequence[Any]) -> ParkedRecord:
        read = ParkedRecord._make(entry)
        return read._replace(
            value=self.unseal(read.value or b"", *read.position),
            headers=[(name, bytes(value)) for name, value in read.headers],
        )


class Replay(NamedTuple):
    """An operator's request: decide `original` for its case, or discard it."""

    action: Action
    original: ParkedRecord
    case_id: str


def sealed_headers(headers: Headers, position: tuple[str, int, int], seal: Seal) -> bytes:
    """Seal headers, bound to their record's position and apart from its value."""
    topic, partition, offset = position
    return seal(msgpack.packb([list(h) for h in headers]), topic + _HEADERS, partition, offset)


def headers_of_original(headers: Headers, position: tuple[str, int, int], unseal: Seal) -> Headers:
    """Return the headers of its record that a dead letter or replay kept.

    Raises:
        SealBroken: they belong to another record or key.
    """
    original = [(n.removeprefix(ORIGINAL), v) for n, v in headers if n.startswith(ORIGINAL)]
    sealed = dict(headers).get(SEALED_HEADERS)
    if sealed:
        topic, partition, offset = position
        packed = unseal(sealed, topic + _HEADERS, partition, offset)
        original += [(name, bytes(value)) for name, value in msgpack.unpackb(packed)]
    return original


def sealed_correlation(institution: str, own: str, seal: Seal) -> str:
    """Write an institution's own correlation id for the streams behind the gateways."""
    sealed = seal(own.encode(), _CORRELATION + institution, 0, 0)
    return f"{institution}/{base64.urlsafe_b64encode(sealed).decode()}"


def correlation_for(institution: str, correlation_id: str, unseal: Seal) -> str:
    """Return a correlation id as this institution may see it: its own, or none."""
    owner, _, sealed = correlation_id.partition("/")
    if owner != institution or not sealed:
        return ""
    try:
        opened = unseal(base64.urlsafe_b64decode(sealed), _CORRELATION + institution, 0, 0)
    except (SealBroken, ValueError):  # of another key, or from before it was sealed
        return ""
    return opened.decode("utf-8", "replace")


def replay_of(headers: Headers, key: bytes | None, sealed: bytes, unseal: Seal) -> Replay:
    """Read a replay: the headers of a dead letter with `action` beside them.

    Raises:
        Poison: it is not one. SealBroken: its bytes belong to another record or key.
    """
    by_name = dict(headers)
    action = text(by_name.get("action"))
    if action not in get_args(Action):
        raise Poison("invalid_replay", "action")
    try:
        position = text(by_name["topic"]), int(by_name["partition"]), int(by_name["offset"])
        at = datetime.fromisoformat(text(by_name["time"])).timestamp()
    except (KeyError, TypeError, ValueError, OverflowError) as wrong:  # a header may be null
        raise Poison("invalid_replay", "topic, partition, offset or time") from wrong
    if not all(0 <= number < NUMBER_MAX for number in (*position[1:], at)):
        raise Poison("invalid_replay", "no record lies there")
    original = ParkedRecord(
        *position, round(at * 1000), key, unseal(sealed, *position),
        list(headers_of_original(headers, position, unseal)),
    )  # fmt: skip
    return Replay(action, original, text(by_name.get("report")))  # type: ignore[arg-type]


def replay_record(
    letter: Record,
    action: Action,
    *,
    seal: Seal,
    operator: str,
    why: str,
    attempt: int,
    edited: bytes | None = None,
) -> Outbound:
    """Return the record that asks a dead letter's stage to decide it again, or to discard it.

    `attempt` is how often the letter was written so far: asked twice for the same attempt, a
    replay has the same id and is decided once. It lies in the lane of the original record.
    """
    headers = dict(letter.headers)
    position = text(headers["topic"]), int(headers["partition"]), int(headers["offset"])
    value = letter.value or b"" if edited is None else seal(edited, *position)
    when = datetime.fromisoformat(text(headers["time"]))
    cause = f"{text(headers['ce_id'])}#{attempt}#{action}#{'' if edited is None else value.hex()}"
    new = {
        "ce_id": derive_id("operators", cause, when, "replay-asked", 1).encode(),
        "ce_type": f"id.go.lapor.{topics.REPLAYS.domain}.replay-asked.v1".encode(),
        "ce_source": b"/lapor/operators",
        "letter": headers["ce_id"],
        "attempt": b"%d" % attempt,
        "action": action.encode(),
        "operator": operator.encode(),
        "why": why[:500].encode(),
    }
    return Outbound(
        topics.REPLAYS.topic(), position[1] % topics.REPLAYS.partitions, letter.key or b"", value,
        [*(headers | new).items()],
    )  # fmt: skip
