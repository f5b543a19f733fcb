"""From decisions to records: the stream, the partition, the id, the headers, and the size."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from aiokafka.partitioner import murmur2
from pydantic import BaseModel

from shared.contract import topics
from shared.contract.envelope import Outbound, Record, derive_id, encode, event_headers, source_of
from shared.contract.events import ChannelAnswer, InboxEntry
from shared.rules.decision import Decision
from shared.runtime.parking import ORIGINAL, SEALED_HEADERS, Seal, correlation_for, sealed_headers

if TYPE_CHECKING:
    from shared.runtime.reader import Inbound

EVENT_BYTES_MAX: Final = 900_000
"""An event above this is found before the save (protocol.md section 1, V13)."""
_KEPT_HEADERS = (
    "ce_id", "ce_type", "ce_source", "ce_subject", "ce_time", "causationid", "correlationid",
    "sequence", "traceparent",
)  # fmt: skip


class TooLarge(Exception):  # noqa: N818 - says what the event is
    """An event is larger than Kafka would take."""


def partition_of(key: bytes, partitions: int = topics.PARTITIONS) -> int:
    """Return the partition of a key, as Kafka's default partitioner does."""
    return int(murmur2(key) & 0x7FFFFFFF) % partitions


class Writer:
    """Writes the events of one stage as records."""

    def __init__(
        self, stage: str, *, is_gateway: bool, seal: Seal, unseal: Seal | None = None
    ) -> None:
        self._stage = stage
        self._is_gateway = is_gateway
        self._stream = topics.writes(stage)
        self._types = {event: self._stream.type_of(event) for event in self._stream.events}
        self._topic = self._stream.topic()
        self._source = source_of(stage)
        self._seal = seal
        self._unseal = unseal

    def write(
        self, decision: Decision[object], inbound: "Inbound", sequence: int | None
    ) -> list[Outbound]:
        """Return the decision's events as records, in order.

        They are numbered on from the case's `sequence`; None is for what no case counts: 0.

        Raises:
            TooLarge: one of them would not fit. KeyError: an event is not this stage's.
        """
        written: list[Outbound] = []
        numbers: dict[tuple[str, str], int] = {}
        key = inbound.record.key if not self._is_gateway else inbound.report_id.encode()
        for outgoing in decision.events:
            cause = outgoing.cause or inbound.cause
            topic, partition, event_type = self._destination(outgoing.event, inbound)
            number = numbers[cause.id, event_type] = numbers.get((cause.id, event_type), 0) + 1
            value = encode(outgoing.event)
            if len(value) > EVENT_BYTES_MAX:
                raise TooLarge(f"{event_type}: {len(value)} bytes of at most {EVENT_BYTES_MAX}")
            sequence = None if sequence is None else sequence + 1
            correlation_id = cause.correlation_id
            if isinstance(outgoing.event, InboxEntry):
                correlation_id = self._own_correlation(outgoing.event, correlation_id)
            headers = event_headers(
                event_id=derive_id(self._stage, cause.id, cause.now, event_type, number),
                event_type=event_type,
                source=self._source,
                subject=inbound.report_id,
                time=inbound.cause.now,
                causation_id=cause.id,
                correlation_id=correlation_id or inbound.report_id,
                sequence=sequence or 0,
                traceparent=cause.traceparent,
            )
            written.append(Outbound(topic, partition, key or b"", value, headers))
        return written

    def _own_correlation(self, entry: InboxEntry, correlation_id: str) -> str:
        if self._unseal is None:
            return ""
        return correlation_for(entry.institution, correlation_id, self._unseal)

    def dead_letter(self, record: Record, reason: str, detail: str, case_id: str = "") -> Outbound:
        """Return a record as a dead letter: its bytes sealed, position and reason in headers.

        `case_id` is the case that it was decided for, if known. The headers that a producer at a
        gateway wrote may identify a person: they are sealed as the value is.
        """
        cause_id = f"{record.topic}/{record.partition}/{record.offset}"
        when = datetime.fromtimestamp(record.timestamp / 1000, UTC)
        stream = topics.DEAD_LETTERS
        headers = {
            "ce_specversion": b"1.0",
            "ce_id": derive_id(self._stage, cause_id, when, "dead-letter", 1).encode(),
            "ce_type": f"id.go.lapor.{stream.domain}.record-dead-lettered.v1".encode(),
            "ce_source": self._source.encode(),
            "stage": self._stage.encode(),
            "reason": reason.encode(),
            "detail": detail[:500].encode(),
            "report": case_id.encode(),
            "topic": record.topic.encode(),
            "partition": b"%d" % record.partition,
            "offset": b"%d" % record.offset,
            "time": when.isoformat().encode(),
        }
        position = record.topic, record.partition, record.offset
        original = [(n, v or b"") for n, v in record.headers if n in _KEPT_HEADERS][:10]
        if self._is_gateway:
            original = [(SEALED_HEADERS, sealed_headers(original, position, self._seal))]
        else:
            original = [(f"{ORIGINAL}{n}", v) for n, v in original]
        return Outbound(
            stream.topic(),
            record.partition % stream.partitions,
            case_id.partition("@")[0].encode() if self._is_gateway else (record.key or b"")[:256],
            self._seal(record.value or b"", *position),
            [*headers.items(), *original],
        )

    def _destination(self, event: BaseModel, inbound: "Inbound") -> tuple[str, int, str]:
        own = self._types.get(type(event))
        if own is not None and not isinstance(event, InboxEntry):
            partition = (
                partition_of(inbound.report_id.encode())
                if self._is_gateway
                else inbound.record.partition
            )
            return self._topic, partition, own
        if isinstance(event, ChannelAnswer):
            stream = topics.ANSWERS
            return stream.topic(inbound.cause.producer), 0, stream.type_of(ChannelAnswer)
        if isinstance(event, InboxEntry):
            stream = topics.INBOX
            return stream.topic(event.institution), 0, stream.type_of(InboxEntry)
        raise KeyError(f"{type(event).__name__} is not an event of {self._stage}")
