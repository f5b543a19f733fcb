"""Follow an institution's inbox, and show each entry."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord
from pydantic import ValidationError

from deploy.cli.clients.kafka import partitions_of, reader
from deploy.cli.model.registry_names import Names
from deploy.cli.terminal.progress import Screen
from deploy.cli.terminal.text import moment
from deploy.cli.views.inbox import lines
from shared.contract.envelope import text
from shared.contract.events import InboxEntry
from shared.contract.topics import INBOX

POLL_MS: Final = 500
COLOURS: Final = {
    "command_refused": "red", "command_rejected": "red", "deadline_breached": "red",
    "deadline_approaching": "yellow",
}  # fmt: skip


@dataclass(frozen=True)
class Range:
    """Which entries of an inbox are to be shown."""

    from_start: bool
    follow: bool
    count: int | None


async def listen(bootstrap: str, code: str, extent: Range, screen: Screen, names: Names) -> None:
    """Show entries until there are enough or, if nobody waits for more, until now.

    Raises:
        KafkaError: the broker went away. CliError: there is no such inbox.
    """
    async with reader(bootstrap) as consumer:
        partitions = await partitions_of(consumer, INBOX.topic(code))
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        starts = await consumer.beginning_offsets(partitions) if extent.from_start else ends
        for partition, start in starts.items():
            consumer.seek(partition, start)
        if extent.follow:
            screen.remark(f"Listening to the inbox of {names.institution(code)}; Ctrl-C ends.")
        left = extent.count
        while left is None or left > 0:
            if not extent.follow and all([await consumer.position(p) >= ends[p] for p in ends]):
                return
            for record in await _some(consumer, left):
                screen.show(*_said(record, names))
                left = None if left is None else left - 1


async def _some(consumer: AIOKafkaConsumer, left: int | None) -> list[ConsumerRecord]:
    found = (await consumer.getmany(timeout_ms=POLL_MS, max_records=left)).values()
    return [record for records in found for record in records]


def _said(record: ConsumerRecord, names: Names) -> tuple[dict[str, Any], str | list[str], str]:
    """Return an entry for programs, for people, and its colour."""
    place = place_of(record)
    entry = entry_of(record)
    if entry is None:
        return place, f"an entry that this version cannot read, at offset {record.offset}", "red"
    head, *below = lines(entry, names)
    at = moment(_time(place["time"], record), names.zone(entry.institution))
    shown = [f"{at}  {head}", *(f"    {line}" for line in below)]
    return entry.model_dump(mode="json", exclude_none=True) | place, shown, _colour(entry)


def _colour(entry: InboxEntry) -> str:
    return COLOURS.get(entry.entry, "")


def entry_of(record: ConsumerRecord) -> InboxEntry | None:
    """Read a record of an inbox; None for what this version cannot read."""
    try:
        return InboxEntry.model_validate_json(record.value or b"")
    except ValidationError:
        return None


def place_of(record: ConsumerRecord) -> dict[str, Any]:
    """Return what a record's headers and its place say, as programs want it."""
    headers = {name: text(value) for name, value in record.headers}
    sequence = headers.get("sequence", "")
    return {
        "id": headers.get("ce_id"),
        "time": headers.get("ce_time"),
        "causation_id": headers.get("causationid"),
        "correlation_id": headers.get("correlationid"),
        "sequence": int(sequence) if sequence.isdecimal() else None,
        "offset": record.offset,
    }


def _time(given: str | None, record: ConsumerRecord) -> datetime:
    """Return business time where the entry has it, else the broker's."""
    if given:
        return datetime.fromisoformat(given)
    return datetime.fromtimestamp(record.timestamp / 1000, UTC)
