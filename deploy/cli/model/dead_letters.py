"""The dead letters and what operators said of them, read from their two streams.

Nothing is ever marked or deleted: that a letter was dealt with is that its replay lies in
`lapor.replays.v1`.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal, NamedTuple, Self, get_args

from aiokafka import ConsumerRecord, TopicPartition

from deploy.cli.clients.kafka import reader, require
from deploy.cli.clients.topic_reader import headers_of, whole
from deploy.cli.terminal.console import CliError
from deploy.cli.terminal.progress import Screen
from shared.contract.envelope import Record, text
from shared.contract.topics import DEAD_LETTERS, REPLAYS, Stream

State = Literal["waiting", "replayed", "discarded", "failed again"]
STATES: Final[tuple[State, ...]] = get_args(State)
SHORT_MIN: Final = 6
SAID_MAX: Final = 500  # characters of a detail that are shown

Place = tuple[int, int]
"""Partition and offset within the stream of dead letters."""


class ReplayRequest(NamedTuple):
    """An operator's replay of a letter."""

    attempt: int
    action: str
    operator: str
    why: str
    at: datetime


@dataclass(frozen=True)
class StoredDeadLetter:
    """A record that a stage could not decide; each time it failed it was written again."""

    id: str
    stage: str
    reason: str
    detail: str
    topic: str
    partition: int
    offset: int
    report: str
    time: datetime  # when the record came, UTC
    written: tuple[Place, ...]  # where the letter stands, oldest first
    dead_since: datetime
    asked: tuple[ReplayRequest, ...] = ()

    @property
    def place(self) -> str:
        """Say where the record itself lies."""
        return f"{self.topic}/{self.partition}/{self.offset}"

    @property
    def attempt(self) -> int:
        """Return how often the letter was written: the number of the next replay."""
        return len(self.written)

    @property
    def state(self) -> State:
        """Say what became of it; a replay that was asked may still be on its way to its stage."""
        if not self.asked:
            return "waiting"
        last = max(self.asked)
        if last.action == "discard":
            return "discarded"
        return "failed again" if self.attempt > last.attempt else "replayed"

    @property
    def is_open(self) -> bool:
        """Say whether somebody has to act."""
        return self.state in ("waiting", "failed again")

    @property
    def can_be_decided(self) -> bool:
        """Say whether its stage could decide it: an operator's own bad replay it could not."""
        return self.topic != REPLAYS.topic()

    def age(self, now: datetime) -> float:
        """Return for how many seconds it has been dead."""
        return max(0.0, (now - self.dead_since).total_seconds())


@dataclass(frozen=True)
class Criteria:
    """Which letters are meant; an empty field leaves nothing out."""

    stage: str = ""
    reason: str = ""
    since: datetime | None = None
    state: str = ""

    def has(self, letter: StoredDeadLetter) -> bool:
        """Say whether a letter is meant."""
        return (
            self.stage in ("", letter.stage)
            and self.reason in ("", letter.reason)
            and self.state in ("", letter.state)
            and (self.since is None or letter.dead_since >= self.since)
        )


class Letters:
    """All dead letters, in the order in which the records of one partition failed first."""

    def __init__(self, letters: Iterable[StoredDeadLetter]) -> None:
        self.all = sorted(letters, key=lambda letter: letter.written[0])
        self._short = short_ids([letter.id for letter in self.all])

    @classmethod
    def of(cls, dead: Iterable[Record], replays: Iterable[Record]) -> Self:
        """Put both streams together; a record that is no letter is left out."""
        written: dict[str, list[Record]] = {}
        for record in sorted(dead, key=lambda r: (r.partition, r.offset)):
            written.setdefault(_id(record, "ce_id"), []).append(record)
        asked: dict[str, set[ReplayRequest]] = {}
        for record in replays:
            if (said := _asked(record)) is not None:
                asked.setdefault(_id(record, "letter"), set()).add(said)
        read = (
            _letter(records, tuple(sorted(asked.get(letter_id, ()))))
            for letter_id, records in written.items()
        )
        return cls(letter for letter in read if letter is not None)

    def short(self, letter: StoredDeadLetter) -> str:
        """Return the fewest characters that name a letter among all."""
        return self._short[letter.id]

    def named(self, typed: str) -> StoredDeadLetter:
        """Return the letter that begins so: its id, or the part of it that is shown.

        Raises:
            CliError: none does, or several do.
        """
        key = typed.strip().lower()
        matching = [
            x for x in self.all if key and (x.id.startswith(key) or _hash(x.id).startswith(key))
        ]
        if len(matching) == 1:
            return matching[0]
        if not matching:
            raise CliError(
                f"There is no dead letter {typed!r}.", "See them all: lapor dead-letters list"
            )
        several = ", ".join(self.short(letter) for letter in matching[:5])
        raise CliError(
            f"{len(matching)} dead letters begin with {typed!r}.", f"Write more: {several}"
        )


def short_ids(ids: Sequence[str]) -> dict[str, str]:
    """Return for each id the shortest beginning of its hash that no other shares.

    Letters of one day share the beginning of the id itself, which is a time.
    """
    ordered = sorted(ids, key=_hash)
    short: dict[str, str] = {}
    for at, letter_id in enumerate(ordered):
        beside = (ordered[at - 1] if at else "", ordered[at + 1] if at + 1 < len(ordered) else "")
        shared = max(_common(_hash(letter_id), _hash(other)) for other in beside)
        short[letter_id] = _hash(letter_id)[: max(SHORT_MIN, shared + 1)]
    return short


def counts(letters: Iterable[StoredDeadLetter]) -> dict[tuple[str, str, State], int]:
    """Count by stage, reason and state."""
    return dict(sorted(Counter((x.stage, x.reason, x.state) for x in letters).items()))


async def all_letters(bootstrap: str, screen: Screen) -> Letters:
    """Read both streams to their ends; only headers are kept in memory.

    Raises:
        KafkaError: the broker went away. CliError: the topics do not exist.
    """
    topics = [DEAD_LETTERS.topic(), REPLAYS.topic()]
    async with reader(bootstrap) as consumer:
        await require(consumer, topics)
        headers_read = await headers_of(
            consumer, [*_partitions(DEAD_LETTERS), *_partitions(REPLAYS)], screen
        )
    dead, replays = ([r for r in headers_read if r.topic == topic] for topic in topics)
    return Letters.of(dead, replays)


async def records_at(
    bootstrap: str, letters: Sequence[StoredDeadLetter], *, first: bool = False
) -> dict[str, ConsumerRecord]:
    """Return whole letters of one partition by id, as written last: with what was edited since.

    Raises:
        KafkaError: the broker went away. CliError: a letter is gone.
    """
    places = {letter.id: letter.written[0 if first else -1] for letter in letters}
    partition = TopicPartition(DEAD_LETTERS.topic(), next(iter(places.values()))[0])
    async with reader(bootstrap) as consumer:
        records = await whole(consumer, partition, [offset for _, offset in places.values()])
    if gone := sorted(offset for _, offset in places.values() if offset not in records):
        raise CliError(
            f"The letter at {partition.topic}/{partition.partition}/{gone[0]} is gone.",
            "The stream is to be kept for ever: lapor topics diff shows what differs",
        )
    return {letter_id: records[offset] for letter_id, (_, offset) in places.items()}


def _partitions(stream: Stream) -> list[TopicPartition]:
    return [TopicPartition(stream.topic(), number) for number in range(stream.partitions)]


def _letter(written: Sequence[Record], asked: tuple[ReplayRequest, ...]) -> StoredDeadLetter | None:
    first, last = written[0], written[-1]
    headers = {name: text(value) for name, value in last.headers}
    try:
        return StoredDeadLetter(
            id=headers["ce_id"],
            stage=headers["stage"],
            reason=headers["reason"],
            detail=headers.get("detail", "")[:SAID_MAX],
            topic=headers["topic"],
            partition=int(headers["partition"]),
            offset=int(headers["offset"]),
            report=headers.get("report", ""),
            time=datetime.fromisoformat(headers["time"]),
            written=tuple((record.partition, record.offset) for record in written),
            dead_since=_instant(first.timestamp),
            asked=asked,
        )
    except (KeyError, ValueError):
        return None


def _asked(record: Record) -> ReplayRequest | None:
    said = {name: text(value) for name, value in record.headers}
    try:
        return ReplayRequest(
            int(said["attempt"]), said["action"], said.get("operator", ""), said.get("why", ""),
            _instant(record.timestamp),
        )  # fmt: skip
    except (KeyError, ValueError):
        return None


def _instant(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _id(record: Record, header: str) -> str:
    return text(dict(record.headers).get(header))


def _hash(letter_id: str) -> str:
    return letter_id.rpartition("-")[2]


def _common(one: str, other: str) -> int:
    return next(
        (n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b),
        min(len(one), len(other)),
    )
