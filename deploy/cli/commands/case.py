"""`lapor case show`: one report's timeline across all streams."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from rich.text import Text

from deploy.cli.clients.kafka import kafka_address, reader, require, run
from deploy.cli.clients.topic_reader import bounds_of, scan
from deploy.cli.model.registry_names import Names
from deploy.cli.model.report_status import ReportStanding, last_promised, standing
from deploy.cli.model.timeline import STREAMS, TimelineEntry, timeline, unsealed
from deploy.cli.terminal.console import CliError, out
from deploy.cli.terminal.output import write_json
from deploy.cli.terminal.progress import Screen
from deploy.cli.terminal.text import columns, deadline, moment
from deploy.cli.views.event_summary import facts, who
from shared.contract import tracking
from shared.runtime.writer import partition_of

COLOURS = {
    "DeadlineBreached": "red", "DeadlineApproaching": "yellow", "DeadLetter": "bold red",
    "CommandRefused": "yellow",
    "NotificationFailed": "red", "ReportClosed": "green",
}  # fmt: skip

group = typer.Typer(no_args_is_help=True, help="Look into one report.")


@group.command()
def show(
    number: Annotated[
        str,
        typer.Argument(metavar="ID", help="A tracking number as people write it, or a report id."),
    ],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One document, for programs.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Each event's id and place, too.")
    ] = False,
) -> None:
    """Show where a report stands and all that happened to it; what is sealed stays sealed.

    Exits with 1 if no stream has anything of it.
    """
    report_id = report_id_of(number)
    bootstrap = kafka_address()
    with Screen("Reading the report's partitions", None, as_json=as_json) as screen:
        entries = timeline(run(read(bootstrap, report_id, screen)))
    if not entries:
        raise CliError(
            f"No stream has anything of {tracking.tracking_number(report_id)}.",
            "Check the number. If it was handed in just now: does intake run? lapor status",
        )
    names = Names()
    now = standing(entries, names)
    if as_json:
        write_json(as_dict(report_id, entries, now), indent=2)
        return
    _print_standing(report_id, now, names)
    _print_timeline(entries, now, names, verbose=verbose)


def report_id_of(text: str) -> str:
    """Return the report that somebody means: by its id, or by a tracking number in any form.

    Raises:
        CliError: it is neither.
    """
    typed = tracking.normalised(text)
    if tracking.is_report_id(typed):
        return typed
    try:
        return tracking.parse_tracking_number(text)
    except tracking.TrackingNumberInvalid as wrong:
        raise CliError(
            f"{text!r} is no tracking number: {wrong}.",
            "It looks like K7QF-2M9X-TD3A-9; the first 12 characters are the report's id",
        ) from None


async def read(bootstrap: str, report_id: str, screen: Screen) -> list[ConsumerRecord]:
    """Read what every stream has of a report up to now, from the one partition it lies in.

    Raises:
        KafkaError: the broker went away. CliError: the topics do not exist.
    """
    key = report_id.encode()
    partitions = [
        TopicPartition(stream.topic(), partition_of(key, stream.partitions)) for stream in STREAMS
    ]
    async with reader(bootstrap) as consumer:
        await require(consumer, [partition.topic for partition in partitions])
        return await _read(consumer, partitions, lambda record: record.key == key, screen)


async def _read(
    consumer: AIOKafkaConsumer,
    partitions: Sequence[TopicPartition],
    is_wanted: Callable[[ConsumerRecord], bool],
    screen: Screen,
) -> list[ConsumerRecord]:
    bounds, records_of_report, done = (
        await bounds_of(consumer, partitions),
        list[ConsumerRecord](),
        0,
    )
    screen.total = sum(end - start for start, end in bounds.values())
    async for records in scan(consumer, bounds):
        records_of_report += filter(is_wanted, records)
        done += len(records)
        screen.advance(done)
    return records_of_report


# ---- for programs


def as_dict(
    report_id: str, entries: Sequence[TimelineEntry], now: ReportStanding
) -> dict[str, Any]:
    """Return a timeline as one document; `because_of` is the number of the causing event."""
    return {
        "report_id": report_id,
        "tracking_number": tracking.tracking_number(report_id),
        "status": now.status or None,
        "holder": now.holder or None,
        "holding": now.holding,
        "unit": now.unit or None,
        "deadlines": [
            {
                "clock": owed.clock,
                "owner": owed.owner,
                "institution": owed.institution,
                "unit": owed.unit,
                "deadline": owed.deadline.isoformat(),
                "level": owed.level,
            }
            for owed in now.owed.values()
        ],
        "promises": [
            {
                "person": promise.person,
                "clock": promise.clock,
                "institution": promise.institution,
                "deadline": promise.deadline.isoformat(),
                "message": promise.message,
                "template": promise.template,
                "told_at": promise.told_at.isoformat(),
            }
            for promise in now.promised
        ],
        "events": [_event(entry) for entry in entries],
    }


def _event(entry: TimelineEntry) -> dict[str, Any]:
    return {
        "number": entry.number,
        "because_of": entry.cause,
        "event": entry.kind,
        "stage": entry.stage,
        "time": entry.time.isoformat(),
        "recorded_at": entry.recorded_at.isoformat(),
        "id": entry.id,
        "causation_id": entry.causation_id,
        "correlation_id": entry.correlation_id,
        "sequence": entry.sequence,
        "topic": entry.topic,
        "partition": entry.partition,
        "offset": entry.offset,
        "data": unsealed(entry.event) if entry.event is not None else None,
    }


# ---- for people


def _print_standing(report_id: str, now: ReportStanding, names: Names) -> None:
    status = now.status or "no report: only what was refused under this number"
    out.print(Text(f"{tracking.tracking_number(report_id)}   {status}", style="bold"))
    where = [
        names.institution(now.holder) if now.holder else "",
        f"holding {now.holding}" if now.holding else "",
        names.unit(now.unit) if now.unit else "",
    ]
    if any(where):
        out.print(Text(f"At {', '.join(filter(None, where))}"), soft_wrap=True)
    for owed in now.owed.values():
        until = deadline(owed.deadline, names.zone(owed.institution))
        late = f", late: escalated to level {owed.level}" if owed.level else ""
        owner = names.owner(owed.owner, owed.institution, owed.unit)
        sentence = f"{owner} owes {owed.clock} by {until}{late}"
        out.print(Text(sentence, style="red" if owed.level else ""), soft_wrap=True)
    dates = {(o.clock, o.institution, o.deadline) for o in now.owed.values()}
    for promise in last_promised(now):
        until = deadline(promise.deadline, names.zone(promise.institution))
        is_true = (promise.clock, promise.institution, promise.deadline) in dates
        sentence = (
            f"promised {promise.person}: {promise.clock} by {until}, told by {promise.message}"
        )
        out.print(Text(sentence, style="" if is_true else "yellow"), soft_wrap=True)
    out.print()


def _print_timeline(
    entries: Sequence[TimelineEntry], now: ReportStanding, names: Names, *, verbose: bool
) -> None:
    zone = names.zone(now.holder)
    heads = ("#", f"TIME {entries[-1].time.astimezone(zone):%Z}", "EVENT", "WHO", "FACTS")
    rows = [
        (
            str(entry.number),
            moment(entry.time, zone),
            _hung(entry),
            who(entry, names),
            facts(entry, names),
        )
        for entry in entries
    ]
    head, *lines = columns([heads, *rows])
    out.print(Text(head, style="bold"), soft_wrap=True)
    for entry, line in zip(entries, lines, strict=True):
        out.print(Text(line, style=COLOURS.get(entry.kind, "")), soft_wrap=True)
        if verbose:
            position = f"{entry.topic}/{entry.partition}/{entry.offset}"
            out.print(
                Text(f"     {entry.id}  {position}  because of {entry.causation_id}", style="dim"),
                soft_wrap=True,
            )


def _hung(entry: TimelineEntry) -> str:
    """Write the event below its cause, and the cause's number where it is not the line above."""
    if entry.cause is None:
        return entry.kind
    arrow = "" if entry.cause == entry.number - 1 else f" ←{entry.cause}"
    return f"{'  ' * (entry.depth - 1)}└ {entry.kind}{arrow}"
