"""`lapor restored STAGE`: after its database was restored or lost, decide again and compare."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer
from rich.text import Text

from deploy.cli.clients.kafka import kafka_address, run
from deploy.cli.clients.postgres import postgres_address, stage_pool
from deploy.cli.model import recovery_plan
from deploy.cli.model.recovery_plan import Behind, PartitionProgress
from deploy.cli.terminal.console import CliError, err, out
from deploy.cli.terminal.output import write_json
from deploy.cli.terminal.progress import Screen
from deploy.cli.terminal.text import columns
from shared.contract.topics import READS
from shared.runtime.lanes import Kind

SHOWN_MAX: Final = 40
WHAT: Final[dict[Kind, str]] = {
    "restored": "the database was restored from an older backup",
    "lost": "the database was lost",
    "recreated": "a topic was recreated",
    "removed": "records were removed by retention before they were decided",
}
_HEAD: Final = ("LANE", "WHY", "POSITION", "COMMITTED", "LOG", "AGAIN", "NEW", "LOST", "PARTITION")


def restored(
    stage: Annotated[str, typer.Argument(metavar="STAGE", help="The stage that refuses to run.")],
    *,
    accept_loss: Annotated[
        bool, typer.Option("--accept-loss", help="Go on without the records that are gone.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do it; without, only show what is behind.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One document, for programs.")] = False,
) -> None:
    """Have a stage decide again what its database forgot, and compare it with what it said.

    What is equal is not published twice; where it is not, the case waits among the dead letters.
    The stage does it when it starts next, before anything new.
    """
    if stage not in READS:
        raise CliError(f"There is no stage {stage!r}.", f"There are: {', '.join(READS)}")
    kafka, postgres = kafka_address(), postgres_address()
    with Screen("Reading what it said", None, as_json=as_json) as screen:
        behind, compared = run(_work(kafka, postgres, stage, screen, yes=yes, loss=accept_loss))
    if as_json:
        write_json(as_dict(behind, compared), indent=2)
        return
    for line in page(behind):
        out.print(Text(line), soft_wrap=True)
    if compared is not None:
        next_step = (
            f"Ordered, with {compared:,} events to compare with. Start {stage}: it does it first"
        )
    elif behind.ordered:
        next_step = f"Ordered, and not finished: start {stage}, it goes on where it was"
    elif behind.troubled:
        loss = " --accept-loss" if behind.has_loss else ""
        next_step = (
            f"Nothing was done. To do it: stop {stage}, then lapor restored {stage}{loss} --yes"
        )
    else:
        next_step = "Nothing to do"
    err.print(Text(next_step, style="dim"), soft_wrap=True)


async def _work(
    kafka: str, postgres: str, stage: str, screen: Screen, *, yes: bool, loss: bool
) -> tuple[Behind, int | None]:
    """Look, and order if told so; the stage is stopped before the look that is acted on."""
    async with stage_pool(postgres, stage) as pool:
        behind = await recovery_plan.look(kafka, pool, stage)
        if not yes or not behind.troubled:
            return behind, None
        await recovery_plan.require_stopped(kafka, stage)
        behind = await recovery_plan.look(kafka, pool, stage)
        if behind.has_loss and not loss:
            raise CliError(
                _loss(behind),
                "Restore what is gone; or go on without: "
                f"lapor restored {stage} --accept-loss --yes",
            )
        return behind, await recovery_plan.order(kafka, pool, behind, screen)


def page(behind: Behind) -> Iterator[str]:
    """Write what is behind, for people."""
    if not behind.troubled:
        yield f"{behind.stage}: its positions fit its logs."
        return
    kinds = dict.fromkeys(s.kind for s in behind.troubled if s.kind)
    yield f"{behind.stage}: {'; '.join(WHAT[kind] for kind in kinds)}."
    yield ""
    yield from columns([_HEAD, *(_row(s) for s in behind.troubled[:SHOWN_MAX])])
    if (more := len(behind.troubled) - SHOWN_MAX) > 0:
        yield f"and {more:,} more partitions (--json names all)"
    yield ""
    total = recovery_plan.counts(behind.partitions)
    lanes = len({s.lane for s in behind.troubled})
    yield (
        f"{total['again']:,} records to decide again in {lanes:,} lanes, then {total['new']:,} "
        "that may be new"
    )
    if behind.since_ms is not None:
        since = f"since {datetime.fromtimestamp(behind.since_ms / 1000, UTC):%F %T} UTC"
        since = since if behind.since_ms else "all there are"
        yield f"{behind.own_events:,} events of its own to compare with, {since}"
    if behind.has_loss:
        yield _loss(behind)


def _loss(behind: Behind) -> str:
    lost = recovery_plan.counts(behind.troubled)["lost"]
    sentence = f"{lost:,} records are lost for good: they can not be decided."
    if recreated := [s for s in behind.troubled if s.kind == "recreated"]:
        sentence += (
            f" Of {len(recreated):,} recreated partitions nobody can say what they held beyond the "
            "positions."
        )
    return f"{sentence} What was said because of them stays said; its cases are parked."


def _row(s: PartitionProgress) -> tuple[str, ...]:
    lost = "unknown" if s.lost is None else str(s.lost)
    return (
        s.lane, str(s.kind), "-" if s.position is None else str(s.position),
        "-" if s.bounds.committed is None else str(s.bounds.committed),
        f"{s.bounds.start} to {s.bounds.end}", str(s.again), str(s.new), lost,
        f"{s.partition.topic}/{s.partition.partition}",
    )  # fmt: skip


def as_dict(behind: Behind, compared: int | None) -> dict[str, Any]:
    """Return it for programs."""
    return {
        "stage": behind.stage,
        "counts": recovery_plan.counts(behind.partitions),
        "own_events": behind.own_events,
        "is_ordered": behind.ordered or compared is not None,
        "partitions": [
            {
                "topic": s.partition.topic, "partition": s.partition.partition, "lane": s.lane,
                "why": s.kind, "position": s.position, "committed": s.bounds.committed,
                "start": s.bounds.start, "end": s.bounds.end, "again": s.again, "new": s.new,
                "lost": s.lost,
            }
            for s in behind.troubled
        ],
    }  # fmt: skip
