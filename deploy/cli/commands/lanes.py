"""`lapor lanes skip`: have a stage go on behind a record that no code of it gets past."""

import re
import secrets
from dataclasses import dataclass
from typing import Annotated, Final

import typer
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from rich.text import Text

from deploy.cli.clients.kafka import kafka_address, partitions_of, reader, run, writer
from deploy.cli.clients.postgres import postgres_address, stage_pool
from deploy.cli.model.dead_letter_payload import dead_letter_key
from deploy.cli.terminal.console import CliError, err, out
from shared.contract.topics import READS, STREAM_BYTES_MAX
from shared.platform.postgres import Pool
from shared.runtime.kafka import record_batches
from shared.runtime.lanes import Partition, core_lane, gateway_lane, load_offsets
from shared.runtime.writer import Writer

SKIPPED_MAX: Final = 20_000  # offsets of one call: no more than a batch that is answered as one
READ_MS_MAX: Final = 3_000
REASON: Final = "skipped"
_PLACE: Final = re.compile(r"([A-Za-z0-9._-]+)/(\d+)/(\d+)")

group = typer.Typer(no_args_is_help=True, help="How far stages decided each partition.")


@dataclass(frozen=True, slots=True)
class Skip:
    """What is passed over: offsets of one partition, before `end`, by one stage."""

    stage: str
    partition: Partition
    offset: int
    end: int

    @property
    def is_gateway(self) -> bool:
        """Say whether people or institutions write to the topic themselves."""
        return any(stream.is_family for stream in READS[self.stage])

    @property
    def lane(self) -> str:
        """Return the stage's lane of the partition."""
        return (gateway_lane if self.is_gateway else core_lane)(self.partition)

    def __str__(self) -> str:
        last = f" to {self.end - 1}" if self.end > self.offset + 1 else ""
        return f"{self.partition.topic}/{self.partition.partition}, offset {self.offset}{last}"


@group.command()
def skip(
    place: Annotated[
        str, typer.Argument(metavar="TOPIC/PARTITION/OFFSET", help="The next one to be decided.")
    ],
    *,
    why: Annotated[str, typer.Option(metavar="TEXT", help="Kept beside it.")],
    to: Annotated[
        int, typer.Option(metavar="OFFSET", help="Go on there; without, one offset is passed.")
    ] = 0,
    stage: Annotated[
        str, typer.Option(metavar="STAGE", help="Where several stages read the topic.")
    ] = "",
    operator: Annotated[
        str, typer.Option(envvar="USER", metavar="NAME", help="Who says so; kept beside it.")
    ] = "",
    yes: Annotated[
        bool, typer.Option("--yes", help="Do it; without, only show what would be done.")
    ] = False,
) -> None:
    """Pass over what a stage can neither decide nor answer, and keep it as a dead letter.

    The stage goes on within 15 s; it need not be stopped, and may be.
    """
    if not why.strip() or not operator.strip():
        raise CliError("Nobody is named, or no reason.", "Say who and why: --operator, --why")
    skipped = _skipped(place, to, stage)
    kafka, postgres = kafka_address(), postgres_address()
    passed = run(_work(kafka, postgres, skipped, f"{operator}: {why}", yes=yes))
    out.print(Text(f"{skipped.stage}: {passed} {skipped}"), soft_wrap=True)
    if not yes:
        err.print(Text("Nothing was done. To do it: the same with --yes", style="dim"))


def _skipped(place: str, to: int, stage: str) -> Skip:
    match = _PLACE.fullmatch(place)
    if match is None:
        raise CliError(
            f"{place!r} is no place in a log.",
            "Write TOPIC/PARTITION/OFFSET, as the stage's log names it",
        )
    partition, offset = Partition(match[1], int(match[2])), int(match[3])
    readers = [
        name
        for name, reads in READS.items()
        if any(re.fullmatch(stream.pattern, partition.topic) for stream in reads)
    ]
    if stage not in readers and (stage or len(readers) != 1):
        raise CliError(
            f"{partition.topic} is read by {', '.join(readers) or 'no stage'}.",
            "Name one of them: --stage" if readers else "See the topics: lapor topics list",
        )
    end = to or offset + 1
    if not offset < end <= offset + SKIPPED_MAX:
        raise CliError(
            f"From {offset} to {end} is no way on.",
            f"Name with --to an offset above {offset}, by at most {SKIPPED_MAX:,}",
        )
    return Skip(stage or readers[0], partition, offset, end)


async def _work(kafka: str, postgres: str, skipped: Skip, why: str, *, yes: bool) -> str:
    async with stage_pool(postgres, skipped.stage) as pool, reader(kafka) as consumer:
        places = await partitions_of(consumer, skipped.partition.topic)
        log = TopicPartition(*skipped.partition)
        if log not in places:
            raise CliError(f"There is no partition {log.partition}.", "See: lapor topics list")
        ends = await consumer.end_offsets([log])
        if skipped.end > ends[log]:
            raise CliError(f"The log ends at {ends[log]}.", "There is nothing there to pass over")
        token = await _token(pool, skipped)
        if not yes:
            return "would pass over"
        await _keep(kafka, skipped, await _lies_there(consumer, skipped), why)
        await _move(pool, skipped, token)
        return "passed over"


async def _token(pool: Pool, skipped: Skip) -> int:
    row = await pool.fetchrow(
        "SELECT offsets, fencing_token FROM lanes WHERE id = $1", skipped.lane
    )
    if row is None:
        raise CliError(
            f"{skipped.stage} has not begun with that partition.", "Does it run? See: lapor status"
        )
    at = load_offsets(row["offsets"]).get(skipped.partition, 0)
    if at != skipped.offset:
        raise CliError(
            f"{skipped.stage} goes on at offset {at} there, not at {skipped.offset}.",
            "Only the next one can be passed over, so that nothing is lost by a slip",
        )
    return int(row["fencing_token"])


async def _lies_there(consumer: AIOKafkaConsumer, skipped: Skip) -> ConsumerRecord:
    """Return what can be read there; a record without value where nothing can."""
    log = TopicPartition(*skipped.partition)
    record_batches.install()
    consumer.assign([log])
    consumer.seek(log, skipped.offset)
    records: list[ConsumerRecord] = []
    try:
        records = (await consumer.getmany(log, timeout_ms=READ_MS_MAX, max_records=1)).get(log, [])
    except KafkaError as broken:
        err.print(Text(f"It cannot be read: {type(broken).__name__}", style="dim"))
    if records and records[0].offset < skipped.end:
        return records[0]
    return ConsumerRecord(*log, skipped.offset, 0, 1, None, None, None, -1, -1, ())


async def _keep(kafka: str, skipped: Skip, record: ConsumerRecord, why: str) -> None:
    """Publish the dead letter first: nothing is passed over without a trace."""
    sealing = Writer(
        skipped.stage, is_gateway=skipped.is_gateway, seal=dead_letter_key().seal_bytes
    )
    letter = sealing.dead_letter(
        record, REASON, f"offsets {skipped.offset} to {skipped.end - 1}; {why}"
    )
    async with writer(kafka, bytes_max=STREAM_BYTES_MAX) as sender:
        await sender.send_and_wait(
            letter.topic, letter.value, key=letter.key, partition=letter.partition,
            headers=letter.headers,
        )  # fmt: skip


async def _move(pool: Pool, skipped: Skip, token: int) -> None:
    """Move the lane's position; a stage that holds the lane finds that it has to read it anew."""
    name = f"{skipped.partition.topic}/{skipped.partition.partition}"
    moved = await pool.execute(
        "UPDATE lanes SET offsets = offsets || jsonb_build_object($3::text, $4::bigint), "
        "fencing_token = $5 WHERE id = $1 AND fencing_token = $2",
        skipped.lane, token, name, skipped.end, secrets.randbits(62),
    )  # fmt: skip
    if moved != "UPDATE 1":
        raise CliError(
            f"{skipped.stage} saved something meanwhile.", "Look at its log, and try again"
        )
