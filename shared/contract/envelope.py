"""CloudEvents 1.0 over Kafka, binary mode: headers, derived ids, and the way in and out."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from pydantic import BaseModel, ValidationError

from shared.contract.topics import Reads

Headers = Sequence[tuple[str, bytes]]


class Record(Protocol):
    """What the shell needs of a record that Kafka delivered (`aiokafka.ConsumerRecord` has it)."""

    @property
    def topic(self) -> str: ...  # noqa: D102
    @property
    def partition(self) -> int: ...  # noqa: D102
    @property
    def offset(self) -> int: ...  # noqa: D102
    @property
    def timestamp(self) -> int: ...  # noqa: D102
    @property
    def key(self) -> bytes | None: ...  # noqa: D102
    @property
    def value(self) -> bytes | None: ...  # noqa: D102
    @property
    def headers(self) -> Headers: ...  # noqa: D102


class Outbound(NamedTuple):
    """A record to publish: exactly the bytes that are stored before and sent after."""

    topic: str
    partition: int
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


class Poison(Exception):  # noqa: N818 - it names the record, not the handling
    """This record can never be read: a bounded reason code, and a detail without contents."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


def derive_id(stage: str, cause_id: str, cause_time: datetime, event_type: str, number: int) -> str:
    """Return the id of the `number`-th event of a type that a stage publishes because of a cause.

    Begins with the cause's time (milliseconds, hexadecimal), so that ids sort; the rest is a hash
    of who, why, what, which: the same record decided again gives the same id (protocol.md V11).
    """
    digest = hashlib.blake2b(
        f"{stage}\0{cause_id}\0{event_type}\0{number}".encode(), digest_size=12
    ).hexdigest()
    return f"{int(cause_time.timestamp() * 1000):012x}-{digest}"


def outside_id(topic: str, message_id: str, value: bytes) -> str:
    """Return the cause id of a record at a gateway.

    Of (topic, sender's id, digest of the value): one sender cannot use up another's id, and a
    reused id with other content is another message (protocol.md V12).
    """
    inner = hashlib.blake2b(value, digest_size=16).digest()
    digest = hashlib.blake2b(f"{topic}\0{message_id}\0".encode() + inner, digest_size=12)
    return f"gateway-{digest.hexdigest()}"


def id_hash(event_id: str) -> bytes:
    """Return the 8 bytes under which a case remembers an id.

    Four would silently drop about one event per million cases of 100 (simulated).
    """
    return hashlib.blake2b(event_id.encode(), digest_size=8).digest()


def source_of(stage: str) -> str:
    """Return the `ce_source` of what a stage publishes."""
    return f"/lapor/{stage}"


def text(header: bytes | None) -> str:
    """Return a header or key as text, empty when absent; bad UTF-8 is replaced."""
    return header.decode("utf-8", "replace") if header else ""


def event_headers(
    *,
    event_id: str,
    event_type: str,
    source: str,
    subject: str,
    time: datetime,
    causation_id: str,
    correlation_id: str,
    sequence: int,
    traceparent: str = "",
) -> list[tuple[str, bytes]]:
    """Build the full CloudEvents headers of an event; `time` is UTC, in RFC 3339."""
    pairs = [
        ("ce_specversion", b"1.0"),
        ("content-type", b"application/json"),
        ("ce_id", event_id.encode()),
        ("ce_type", event_type.encode()),
        ("ce_source", source.encode()),
        ("ce_subject", subject.encode()),
        ("ce_time", time.isoformat().encode()),
        ("causationid", causation_id.encode()),
        ("correlationid", correlation_id.encode()),
        ("sequence", b"%d" % sequence),
    ]
    if traceparent:
        pairs.append(("traceparent", traceparent.encode()))
    return pairs


def encode(event: BaseModel) -> bytes:
    """Return an event's JSON, without absent fields."""
    return event.__pydantic_serializer__.to_json(event, exclude_none=True)


def type_table(reads: Reads) -> Mapping[str, Mapping[bytes, type[BaseModel]]]:
    """Return, for each stream's name, `ce_type` header -> class of what a stage reads there."""
    return {
        stream.name: {stream.type_of(event).encode(): event for event in events}
        for stream, events in reads.items()
    }


def parse(event_class: type[BaseModel], value: bytes | None) -> BaseModel:
    """Read an event's value.

    Raises:
        Poison: no value, not JSON, or not this event; the detail names fields, never contents.
    """
    if value is None:
        raise Poison("empty_value")
    try:
        return event_class.__pydantic_validator__.validate_json(value)  # type: ignore[no-any-return]
    except ValidationError as wrong:
        raise Poison(*_explain(wrong)) from None


def _explain(wrong: ValidationError) -> tuple[str, str]:
    faults = wrong.errors(include_url=False, include_input=False, include_context=False)
    if faults[0]["type"] == "json_invalid":
        return "not_json", ""
    return "invalid_fields", "; ".join(_fault(f["loc"], f["msg"]) for f in faults[:5])


def _fault(where: Iterable[object], message: str) -> str:
    return f"{'.'.join(map(str, where)) or 'body'}: {message}"
