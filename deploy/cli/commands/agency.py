"""`lapor agency listen` and `send`: subscribe and reply as an institution."""

import uuid
from collections import Counter
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

import typer
from aiokafka import ConsumerRecord

from deploy.cli.clients.jsonl import JsonLine, Splitter, lines_of, why_not_sent
from deploy.cli.clients.kafka import kafka_address, run
from deploy.cli.clients.request_reply import (
    Exchange,
    Gateway,
    OutgoingMessage,
    ReplyOutcome,
    headers_of,
    type_named,
)
from deploy.cli.commands import agency_listen
from deploy.cli.commands.agency_listen import Range, entry_of
from deploy.cli.commands.case import report_id_of
from deploy.cli.model.command_options import command_named, options, order, usage
from deploy.cli.model.registry_names import Names
from deploy.cli.terminal.console import CliError, err
from deploy.cli.terminal.output import plain
from deploy.cli.terminal.progress import Screen, size_of
from deploy.cli.terminal.text import why
from deploy.cli.views.inbox import EFFECT_OF, REFUSALS
from shared.contract import tracking
from shared.contract.envelope import text
from shared.contract.events import InboxEntry
from shared.contract.topics import COMMANDS, INBOX, OUTBOX

SOURCE: Final = "/lapor/cli"
TIMEOUT_SECONDS: Final = 30.0
_EFFECTS: Final = {command.__name__: entry for command, entry in EFFECT_OF.items()}

Code = Annotated[str, typer.Argument(metavar="CODE", help="An institution's code, such as 6308.")]

group = typer.Typer(no_args_is_help=True, help="Subscribe and reply as an institution.")


def names_for(code: str) -> Names:
    """Return the registry's names, if it has the institution."""
    names = Names()
    institutions = names.registry.institutions
    if code not in institutions:
        there = ", ".join(names.institution(other) for other in sorted(institutions))
        raise CliError(f"There is no institution {code!r}.", f"There are: {there}")
    return names


@group.command()
def listen(
    code: Code,
    *,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="Begin with the oldest entry kept.")
    ] = False,
    follow: Annotated[bool, typer.Option(help="Wait for more, until Ctrl-C.")] = True,
    count: Annotated[
        int | None, typer.Option("--count", "-n", min=1, help="End after so many entries.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object per entry, for programs.")
    ] = False,
) -> None:
    """Print an institution's inbox as it grows: what it is told, and what to answer next."""
    names, bootstrap = names_for(code), kafka_address()
    with Screen("Reading", None, as_json=as_json) as screen:
        extent = Range(from_start=from_start, follow=follow, count=count)
        run(agency_listen.listen(bootstrap, code, extent, screen, names), interrupted=0)


def _epilog() -> str:
    """List the commands in two paragraphs; one for each would fill the screen with blank lines."""
    commands = "; ".join(usage(command) for command in COMMANDS)
    return (
        f"Commands and their fields, those in brackets may be left out: {commands}.\n\n"
        'A line of a file has "type", "report_id", "holding", "by" and these fields.'
    )


@group.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    epilog=_epilog(),
)
def send(
    context: typer.Context,
    code: Code,
    command: Annotated[str, typer.Argument(metavar="COMMAND", help="Such as Accept.")] = "",
    *,
    report: Annotated[str, typer.Option(help="Report id or tracking number.")] = "",
    holding: Annotated[
        int | None, typer.Option(help="The holding, as the inbox entry says it.")
    ] = None,
    file: Annotated[
        typer.FileBinaryRead | None,
        typer.Option(metavar="FILE.jsonl|-", help="Commands as JSON lines, in place of one."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object per command, for programs.")
    ] = False,
    timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds without any answer before giving up.")
    ] = TIMEOUT_SECONDS,
) -> None:
    """Give commands as an institution, wait for what comes of each, and print it.

    A command's fields follow as options: --unit 6308-001 --text "Sudah diperbaiki."
    Given twice, the same command counts once. Exits with 1 if any did not take effect.
    """
    splitter = Splitter()
    names = names_for(code)
    if file is None:
        commands = _one(_from_options(command, report, holding, context.args))
    elif command or report or context.args:
        raise CliError("A file names its commands itself.", "Leave COMMAND and its options out")
    else:
        commands = lines_of(file.fileno(), splitter)
    bootstrap = kafka_address()
    total = size_of(file.fileno()) if file else None
    with Screen("Giving commands", total, as_json=as_json) as screen:
        ended = Giving(code, names, screen, splitter).give(bootstrap, commands, timeout)
    raise typer.Exit(0 if set(ended) <= {"effect"} else 1)


def _from_options(name: str, report: str, holding: int | None, more: list[str]) -> JsonLine:
    if not name:
        known = ", ".join(command.__name__ for command in COMMANDS)
        raise CliError("Which command?", f"Name one ({known}), or a file of them: --file")
    command = command_named(name)
    if not report or holding is None:
        raise CliError(
            f"{command.__name__} needs --report and --holding.",
            "Both stand in the inbox: lapor agency listen CODE --from-start",
        )
    return order(command, report_id_of(report), holding, options(more))


async def _one(line: JsonLine) -> AsyncIterator[JsonLine]:
    yield line


class Giving:
    """Gives commands, and shows what came of each."""

    def __init__(self, code: str, names: Names, screen: Screen, splitter: Splitter) -> None:
        self._code = code
        self._names = names
        self._screen = screen
        self._splitter = splitter
        self._kinds: Counter[str] = Counter()

    def give(self, bootstrap: str, lines: AsyncIterator[JsonLine], timeout: float) -> Counter[str]:
        """Send every command and wait; return how many had which end."""
        exchange = Exchange(gateway(self._code), timeout, self._tell)
        try:
            run(exchange.run(bootstrap, self._messages(lines)))
        finally:
            self._sum_up(exchange.unanswered, timeout)
        return self._kinds

    async def _messages(self, lines: AsyncIterator[JsonLine]) -> AsyncIterator[OutgoingMessage]:
        async for line in lines:
            yield message_of(line)

    def _tell(self, outcome: ReplyOutcome[InboxEntry]) -> None:
        kind, said = as_dict(outcome)
        self._kinds[kind] += 1
        colour = "" if kind == "effect" else "red"
        self._screen.show(said, sentence(kind, outcome, self._names), colour)
        self._screen.advance(self._splitter.bytes_read)

    def _sum_up(self, interrupted: int, timeout: float) -> None:
        unanswered = interrupted + self._kinds["no_answer"]
        if self._kinds.total() > 1:
            parts = ", ".join(f"{n:,} {k.replace('_', ' ')}" for k, n in self._kinds.items())
            err.print(f"{self._kinds.total():,} commands: {parts}.")
        elif not self._kinds and not unanswered:
            err.print("Nothing was sent: the file has no line.")
        if unanswered:
            waited = "" if interrupted else f" within {timeout:g} s"
            err.print(
                f"→ {unanswered:,} not answered{waited}. A command that came before what it is "
                "about waits for it up to a day. What comes of it: "
                f"lapor agency listen {self._code}. Do the gateways run? lapor status",
                style="yellow",
                soft_wrap=True,
            )


def gateway(code: str) -> Gateway[InboxEntry]:
    """Return the way of an institution: what a command causes carries its correlation id."""
    return Gateway(
        sends_to=OUTBOX.topic(code),
        answers_on=INBOX.topic(code),
        key_of=lambda record: text(dict(record.headers).get("correlationid")),
        answer=_answer,
    )


def _answer(message: OutgoingMessage, record: ConsumerRecord) -> InboxEntry | None:
    """Take a refusal or the command's own effect; what the effect led to is not the answer."""
    entry = entry_of(record)
    if entry is None or entry.entry not in (*REFUSALS, _EFFECTS.get(message.label)):
        return None
    return entry


def message_of(line: JsonLine) -> OutgoingMessage:
    """Make a line a command; whether it is a good one is for the gateway to say."""
    if line.fields is None:
        return OutgoingMessage(line.number, fault=line.fault, detail=line.detail)
    kind = line.fields.get("type")
    if not isinstance(kind, str) or not kind:
        return OutgoingMessage(line.number, fault="no_type")
    key = f"cli-{uuid.uuid4().hex}"  # of this sending alone: the message id may be sent again
    headers = (
        *headers_of(line.id, type_named(OUTBOX, kind), SOURCE),
        ("correlationid", key.encode()),
    )
    return OutgoingMessage(line.number, line.id, kind, key, line.value, headers)


def as_dict(outcome: ReplyOutcome[InboxEntry]) -> tuple[str, dict[str, Any]]:
    """Return what became of a command, and all of it as programs want it."""
    message, entry = outcome.message, outcome.answer
    document: dict[str, Any] = {"line": message.number}
    if message.id:
        document |= {"message_id": message.shown_id, "command": message.label}
    if entry is None:
        reason = {"reason": outcome.reason, "detail": outcome.detail} if outcome.reason else {}
        return outcome.end, document | {"outcome": outcome.end} | reason
    kind = entry.entry.removeprefix("command_") if entry.entry in REFUSALS else "effect"
    document |= {"outcome": kind, "entry": entry.model_dump(mode="json", exclude_none=True)}
    if kind != "effect" and entry.reason:
        document |= {"reason": entry.reason, "advice": why(entry.reason, entry.text)}
    return kind, document


def sentence(kind: str, outcome: ReplyOutcome[InboxEntry], names: Names) -> str:
    """Say what became of a command."""
    message, entry = outcome.message, outcome.answer
    start = f"line {message.number:<4} {plain(message.label):<20}"
    if entry is None:
        if outcome.end == "no_answer":
            return f"{start} no answer, sent as {plain(message.shown_id)}"
        return f"{start} not sent: {why_not_sent(outcome.reason, outcome.detail)}"
    if kind != "effect":
        return f"{start} {kind}: {entry.reason}: {why(entry.reason or '', entry.text)}"
    where = f"  {names.unit(entry.unit)}" if entry.unit else ""
    number = tracking.tracking_number(entry.report_id)
    return f"{start} took effect: {entry.entry}  {number}  holding {entry.holding}{where}"
