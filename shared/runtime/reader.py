"""Reads records as events and their causes: type header first, then parsed one by one."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Final, NamedTuple

from pydantic import BaseModel

from shared.contract.envelope import Poison, Record, id_hash, outside_id, parse, text, type_table
from shared.contract.events import Command, CommandRefused, RegistryChange
from shared.contract.text_checks import message_id_fault
from shared.contract.topics import OUTBOX, READS, RECORD_BYTES_MAX, REPLAYS, Stream, lane_case
from shared.platform.clock import Clock
from shared.rules.decision import Cause, Unreadable
from shared.runtime.kafka.record_batches import Span, UnreadBatch
from shared.runtime.parking import Parking, Replay, replay_of, sealed_correlation
from shared.vault.crypto import SealBroken

_REPLAYS: Final = REPLAYS.topic()
CLOCK_BACK_MAX_MS: Final = 86_400_000  # a broker's clock may be put back; a day is far above that
_NOTHING: Final[Mapping[bytes, type[BaseModel]]] = MappingProxyType({})


class Inbound(NamedTuple):
    """A record that a rule will decide.

    `own_case` names the case that remembers it where that is not the report's: at the
    institutions' gateway each producer has its own, which nobody else can fill.
    """

    record: Record
    event: BaseModel
    cause: Cause
    report_id: str
    id_hash: bytes
    own_case: str = ""

    @property
    def case_id(self) -> str:
        """Return the name of the case that it is decided for."""
        return self.own_case or self.report_id

    @property
    def aside_id(self) -> str:
        """Return the row that remembers a command, or an answer to one, that changed no case."""
        if self.cause.producer or not isinstance(self.event, Command | CommandRefused):
            return ""
        return memory_of(self.report_id, self.event.institution)

    def at_its_offset(self) -> "Inbound":
        """Return the record under an id of its own offset, since no case remembers its message."""
        cause = self.cause
        if cause.is_repeat:
            return self
        own = cause._replace(id=f"{cause.id}@{cause.partition}.{cause.offset}")
        return self._replace(cause=own, id_hash=id_hash(own.id))

    def as_repeat(self) -> "Inbound":
        """Return the record as a repeat at a gateway: its answer is one of its own."""
        placed = self.at_its_offset()
        return placed._replace(cause=placed.cause._replace(is_repeat=True))

    def at_full_case(self) -> "Inbound":
        """Return the record of a gateway as one for a case at its limit."""
        return self._replace(cause=self.cause._replace(is_full=True))


class Replayed(NamedTuple):
    """A replay command for a dead letter of this stage."""

    record: Record
    replay: Replay
    case_id: str
    id_hash: bytes


class DeadLetter(NamedTuple):
    """A record that can never be read, with a reason code and a detail without contents."""

    record: Record
    reason: str
    detail: str


class Reader:
    """Reads what one stage reads, and nothing else: the rest is skipped.

    In the core a type that the stage does not read is skipped unparsed and what cannot be read is
    a dead letter. At a gateway everything is answered, so what cannot be read becomes `Unreadable`.
    """

    def __init__(
        self,
        stage: str,
        clock: Clock,
        parking: Parking,
        identify: Callable[[BaseModel, Cause], str] | None = None,
    ) -> None:
        reads = READS[stage]
        self.parking = parking
        self._stage = stage
        self._types = type_table(reads)
        self._families = [(re.compile(s.pattern), s) for s in reads if s.is_family]
        self._clock = clock
        self._identify = identify
        self._producers: dict[str, tuple[Stream, str]] = {}

    def now(self, record: Record) -> datetime:
        """Return the time at which a record is decided, UTC: the broker's."""
        return self._clock.of_record(record.timestamp)

    def read(self, records: Sequence[Record]) -> list[Inbound | Replayed | DeadLetter]:
        """Return, in order, what is to be decided and what cannot be read."""
        items: list[Inbound | Replayed | DeadLetter] = []
        for record in records:
            item = self._read(record)
            if item is not None:
                items.append(item)
        return items

    def _read(self, record: Record) -> Inbound | Replayed | DeadLetter | None:
        if isinstance(record, Span) and not isinstance(record, UnreadBatch):
            return None  # holds no record
        if isinstance(record, UnreadBatch) and self._identify is None:
            return DeadLetter(record, record.reason, f"offset {record.first} to {record.offset}")
        try:
            if record.topic == _REPLAYS:
                return self._replayed(record)
            return self._core(record) if self._identify is None else self._gateway(record)
        except Poison as poison:
            return DeadLetter(record, poison.reason, poison.detail)

    def _replayed(self, record: Record) -> Replayed | None:
        """Read a replay command; those for other stages are ignored."""
        headers = dict(record.headers)
        if text(headers.get("stage")) != self._stage:
            return None
        unseal = self.parking.unseal
        try:
            replay = replay_of(record.headers, record.key, record.value or b"", unseal)
        except SealBroken as broken:
            raise Poison("seal_broken", str(broken)) from broken
        if replay.original.timestamp > record.timestamp + CLOCK_BACK_MAX_MS:
            raise Poison("invalid_replay", "time: its record came long after it")
        case_id = self._case_of(replay) or text(record.key)
        return Replayed(record, replay, case_id, id_hash(text(headers.get("ce_id"))))

    def _case_of(self, replay: Replay) -> str:
        """Return the case that a replay is about; empty where its record never had one.

        Raises:
            Poison: the letter names no record of this stage's, or another case than its record.
        """
        if not replay.case_id and not self._reads(replay.original.topic):
            raise Poison("invalid_replay", "this stage reads nothing from there")
        read = self._read(replay.original)
        own = read.case_id if isinstance(read, Inbound) else ""
        if own and replay.case_id not in ("", own) and replay.action != "edit":
            raise Poison("invalid_replay", "report: its record is about another")
        return replay.case_id or own

    def _reads(self, topic: str) -> bool:
        is_read = topic in self._types or self._producer_of(topic) is not None
        return is_read and topic != _REPLAYS

    def _core(self, record: Record) -> Inbound | None:
        headers = dict(record.headers)
        event_type = headers.get("ce_type")
        if event_type is None:
            raise Poison("missing_header", "ce_type")
        event_class = self._types.get(record.topic, _NOTHING).get(event_type)
        if event_class is None:
            return None
        event_id = text(headers.get("ce_id"))
        if not event_id:
            raise Poison("missing_header", "ce_id")
        event = parse(event_class, record.value)
        report_id = text(record.key)
        if isinstance(event, RegistryChange):
            report_id = lane_case(record.partition)
        elif report_id != getattr(event, "report_id", None):
            raise Poison("wrong_key", "the record's key is not the event's report_id")
        return Inbound(
            record,
            event,
            self._cause(record, event_id, headers, message_id=event_id),
            report_id,
            id_hash(event_id),
        )

    def _cause(
        self,
        record: Record,
        event_id: str,
        headers: Mapping[str, bytes],
        *,
        message_id: str,
        producer: str = "",
    ) -> Cause:
        return Cause(
            event_id,
            text(headers.get("ce_type")),
            self.now(record),
            record.topic,
            record.partition,
            record.offset,
            producer,
            message_id,
            text(headers.get("causationid")),
            text(headers.get("correlationid")),
            text(headers.get("traceparent")),
        )

    def _gateway(self, record: Record) -> Inbound | None:
        headers = dict(record.headers)
        source = self._producer_of(record.topic)
        if source is None:
            return None
        stream, producer = source
        message_id = text(headers.get("ce_id"))
        own = message_id or f"@{record.partition}/{record.offset}"
        cause = self._cause(
            record,
            outside_id(record.topic, own, record.value or b""),
            self._passed_headers(headers, stream, producer),
            message_id=message_id,
            producer=producer,
        )
        event = self._event(stream, record, headers.get("ce_type"))
        if self._identify is None:
            raise TypeError("a gateway must identify the report of a record")
        report_id = self._identify(event, cause)
        cause = cause._replace(report_id=report_id)
        own = memory_of(report_id, producer) if stream == OUTBOX else ""
        return Inbound(record, event, cause, report_id, id_hash(cause.id), own)

    def _event(self, stream: Stream, record: Record, event_type: bytes | None) -> BaseModel:
        """Parse a record at a gateway; `Unreadable` says why it cannot be."""
        if isinstance(record, UnreadBatch):
            return Unreadable(
                reason=record.reason, detail=f"offset {record.first} to {record.offset}"
            )
        if _bytes_of(record) > RECORD_BYTES_MAX:
            return Unreadable(reason="too_large")
        value = record.value
        if not event_type:
            return Unreadable(reason="missing_header", detail="ce_type")
        event_class = self._types[stream.name].get(event_type)
        if event_class is None:
            return Unreadable(reason="unknown_type")
        try:
            return parse(event_class, value)
        except Poison as poison:
            return Unreadable(reason=poison.reason, detail=poison.detail or None)

    def _producer_of(self, topic: str) -> tuple[Stream, str] | None:
        source = self._producers.get(topic)
        if source is None:
            for pattern, stream in self._families:
                if match := pattern.match(topic):
                    source = self._producers[topic] = stream, match.group(1)
        return source

    def _passed_headers(
        self, headers: Mapping[str, bytes], stream: Stream, producer: str
    ) -> dict[str, bytes]:
        """Return the headers of a producer that pass the gateway: type and correlation id only.

        Every later event carries them, to other institutions too. A session, a trace or an address
        would identify an anonymous reporter, so a channel's headers stay at the gateway, and the
        report's id correlates its events. An institution's own correlation id travels sealed to the
        outbound gateway, which shows it to nobody else.
        """
        passed = {"ce_type": headers.get("ce_type", b"")}
        own = text(headers.get("correlationid"))
        if stream is OUTBOX and message_id_fault(own) is None:
            sealed = sealed_correlation(producer, own, self.parking.seal)
            passed["correlationid"] = sealed.encode()
        return passed


def _bytes_of(record: Record) -> int:
    """Return a record's size; unpacked, it may be larger than what the broker takes."""
    headers = sum(len(name) + len(value or b"") for name, value in record.headers)
    return len(record.key or b"") + len(record.value or b"") + headers


def memory_of(report_id: str, institution: str) -> str:
    """Return the name of the row that remembers one institution's messages about a report."""
    return f"{report_id}@{institution}"
