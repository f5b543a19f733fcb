"""`lapor topics list`, `diff` and `apply`: the table of streams, and the cluster beside it."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.padding import Padding
from rich.text import Text

from deploy.cli.clients import topic_admin
from deploy.cli.clients.kafka import kafka_address, run
from deploy.cli.clients.topic_admin import Drift
from deploy.cli.terminal.console import err, out
from deploy.cli.terminal.output import write_json
from deploy.cli.terminal.text import columns
from shared.contract.topics import ANSWERS, DEAD_LETTERS, FOREVER, INBOX, READS, STREAMS, Stream

_OUTSIDE = {ANSWERS: "that channel", INBOX: "that institution", DEAD_LETTERS: "operators"}

JSON = Annotated[bool, typer.Option("--json", help="For programs.")]

group = typer.Typer(no_args_is_help=True, help="The streams: what they are, and their topics.")


@group.command("list")
def list_streams(*, as_json: JSON = False) -> None:
    """Show every stream: who speaks, who reads, what is said, for how long it is kept."""
    if as_json:
        write_json([row(stream) for stream in STREAMS], indent=2)
        return
    for stream in STREAMS:
        document = row(stream)
        many = "" if stream.partitions == 1 else "s"
        out.print(Text(stream.name, style="bold"), soft_wrap=True)
        _below(
            f"{document['about']}; {stream.partitions} partition{many}, kept {retention(stream)}"
        )
        _below(f"speaks: {stream.producer}; reads: {', '.join(document['readers']) or 'nobody'}")
        _below(f"says: {', '.join(document['events']) or 'any record, sealed'}")
    out.print("{producer} is a channel's name or an institution's code.", markup=False)


def _below(line: str) -> None:
    """Print a line below a heading: wrapped for a terminal, whole for another program."""
    if out.is_terminal:
        out.print(Padding(Text(line), (0, 0, 0, 4)))
    else:
        out.print(Text(f"    {line}"), soft_wrap=True)


def row(stream: Stream) -> dict[str, Any]:
    """Return a stream as programs want it; retention in days, null for ever."""
    return {
        "stream": stream.name,
        "about": stream.about,
        "producer": stream.producer,
        "readers": readers(stream),
        "events": [event.__name__ for event in stream.events],
        "types": [stream.type_of(event) for event in stream.events],
        "partitions": stream.partitions,
        "retention_days": None if stream.retention_days == FOREVER else stream.retention_days,
        "record_bytes_max": stream.bytes_max,
    }


def readers(stream: Stream) -> list[str]:
    """Name who reads a stream: stages, or the outside party it is for."""
    stages = [stage for stage, reads in READS.items() if stream in reads]
    outside = _OUTSIDE.get(stream)
    return stages + ([outside] if outside else [])


def retention(stream: Stream) -> str:
    """Say for how long a record is kept."""
    days = stream.retention_days
    return "for ever" if days == FOREVER else f"{days} days"


@group.command()
def diff(*, as_json: JSON = False) -> None:
    """Show where the cluster differs from the table; exit with 1 if it does.

    Also named are topics that look like ours and belong to no channel or institution of the
    registry: nobody reads them, and nobody removes them.
    """
    bootstrap = kafka_address()
    drifts = run(topic_admin.diff(bootstrap))
    if as_json:
        write_json([_as_dict(drift) for drift in drifts], indent=2)
    elif drifts:
        _print(drifts)
        if any(drift.can_be_mended for drift in drifts):
            err.print("Mend it: lapor topics apply")
        if any(drift.is_stray for drift in drifts):
            err.print(
                "→ unknown: give the channel or institution a place in the registry, or delete the "
                "topic once nobody needs its records. Until then no stage reads it.",
                style="yellow",
                soft_wrap=True,
            )
    else:
        out.print(f"{bootstrap} is as the table says: {len(topic_admin.planned_topics())} topics.")
    raise typer.Exit(1 if drifts else 0)


@group.command()
def apply(
    *,
    replication: Annotated[
        int, typer.Option(min=1, help="Replicas of each topic that is made.")
    ] = 1,
    as_json: JSON = False,
) -> None:
    """Make the cluster what the table says; exit with 1 if something cannot be mended.

    Topics that belong to nothing in the registry are left alone: `diff` names them.
    """
    bootstrap = kafka_address()
    found, left = run(_apply(bootstrap, replication))
    done = [drift for drift in found if drift not in left]
    if as_json:
        document = {"done": [*map(_as_dict, done)], "left": [*map(_as_dict, left)]}
        write_json(document, indent=2)
    else:
        _tell(done, left)
    raise typer.Exit(1 if left else 0)


async def _apply(bootstrap: str, replication: int) -> tuple[list[Drift], list[Drift]]:
    """Mend, then look again; what the broker did not take is told as left."""
    drifts = await topic_admin.apply(bootstrap, replication)
    left = await topic_admin.diff(bootstrap) if drifts else []
    return drifts, [drift for drift in left if not drift.is_stray]


def _tell(done: Sequence[Drift], left: Sequence[Drift]) -> None:
    made = [drift.topic for drift in done if drift.what == "topic"]
    mended = [drift for drift in done if drift.what != "topic"]
    for topic in made:
        out.print(f"made    {topic}")
    for drift in mended:
        out.print(f"mended  {drift.topic}  {drift.what}: {drift.now or '-'} → {drift.expected}")
    out.print(
        f"{len(made)} topics made, {len(mended)} settings mended."
        if made or mended
        else "Nothing to do: the cluster is as the table says."
    )
    if left:
        err.print("These differ still:", style="bold red")
        _print(left)
        err.print(
            "→ A partition once made cannot be taken away: move the records to a new major version "
            "of the stream, or change the table. Settings: see what the broker's log says.",
            style="yellow",
            soft_wrap=True,
        )


def _print(drifts: Sequence[Drift]) -> None:
    head = ("TOPIC", "WHAT", "NOW", "WANTED")
    for line in columns([head, *((d.topic, d.what, d.now or "-", d.expected) for d in drifts)]):
        out.print(Text(line), soft_wrap=True)


def _as_dict(drift: Drift) -> dict[str, Any]:
    return {
        "topic": drift.topic,
        "what": drift.what,
        "now": drift.now or None,
        "wanted": drift.expected,
        "can_be_mended": drift.can_be_mended,
    }
