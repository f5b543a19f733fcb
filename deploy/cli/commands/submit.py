"""`lapor submit`: a channel adapter on the command line."""

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
from deploy.cli.terminal.console import CliError, err
from deploy.cli.terminal.output import plain
from deploy.cli.terminal.progress import Screen, size_of
from deploy.cli.terminal.text import why
from shared import registry
from shared.contract.envelope import outside_id, text
from shared.contract.events import ChannelAnswer, SubmitReport
from shared.contract.topics import ANSWERS, REPORTER_MESSAGES, SUBMISSIONS

SOURCE: Final = "/lapor/cli"
TIMEOUT_SECONDS: Final = 60.0
_TAKEN: Final = frozenset({"received", "repeated", "accepted"})
EXAMPLE: Final = '{"title": "Jalan berlubang", "body": "Jalan di depan pasar berlubang."}'


def submit(
    file: Annotated[
        typer.FileBinaryRead,
        typer.Argument(metavar="FILE.jsonl|-", help="JSON lines; - is standard input."),
    ],
    *,
    channel: Annotated[str, typer.Option(help="As which channel to speak.")] = "cli",
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object per line, for programs.")
    ] = False,
    timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds without any answer before giving up.")
    ] = TIMEOUT_SECONDS,
) -> None:
    """Hand in reports, one per line, and print the answer to each.

    Sent twice, a line makes one report: its id is its "id", or derived from what it says.
    Exits with 1 if any line was not taken.
    """
    _refuse_unknown(channel)
    bootstrap = kafka_address()
    splitter, kinds = Splitter(), Counter[str]()
    with Screen("Handing in", size_of(file.fileno()), as_json=as_json) as screen:

        def show_outcome(outcome: ReplyOutcome[ChannelAnswer]) -> None:
            kind, document = as_dict(outcome)
            kinds[kind] += 1
            screen.show(document, sentence(kind, outcome), "" if kind in _TAKEN else "red")
            screen.advance(splitter.bytes_read)

        exchange = Exchange(gateway(channel), timeout, show_outcome)
        messages = _messages(lines_of(file.fileno(), splitter), channel)
        try:
            run(exchange.run(bootstrap, messages))
        finally:
            _sum_up(kinds, exchange.unanswered, timeout)
    raise typer.Exit(0 if set(kinds) <= _TAKEN else 1)


def _refuse_unknown(channel: str) -> None:
    channels = registry.load().channels
    if channel not in channels:
        raise CliError(f"There is no channel {channel!r}.", f"There are: {', '.join(channels)}")


def gateway(channel: str) -> Gateway[ChannelAnswer]:
    """Return the way of a channel: its answers name the id that the gateway gave the message."""
    return Gateway(
        sends_to=SUBMISSIONS.topic(channel),
        answers_on=ANSWERS.topic(channel),
        key_of=lambda record: text(dict(record.headers).get("causationid")).partition("@")[0],
        answer=_read,
    )


def _read(_message: OutgoingMessage, record: ConsumerRecord) -> ChannelAnswer:
    return ChannelAnswer.model_validate_json(record.value)


async def _messages(lines: AsyncIterator[JsonLine], channel: str) -> AsyncIterator[OutgoingMessage]:
    async for line in lines:
        yield message_of(line, channel)


def message_of(line: JsonLine, channel: str) -> OutgoingMessage:
    """Make a line a message of a channel; whether it is a good one is for intake to say."""
    if line.fields is None:
        return OutgoingMessage(line.number, fault=line.fault, detail=line.detail)
    kind = str(line.fields.get("type") or SubmitReport.__name__)
    headers = headers_of(line.id, type_named(SUBMISSIONS, kind), SOURCE)
    read_back = text(dict(headers)["ce_id"])
    key = outside_id(SUBMISSIONS.topic(channel), read_back, line.value)
    return OutgoingMessage(line.number, line.id, kind, key, line.value, headers)


def as_dict(outcome: ReplyOutcome[ChannelAnswer]) -> tuple[str, dict[str, Any]]:
    """Return what became of a line, and all of it as programs want it."""
    message, answer = outcome.message, outcome.answer
    document: dict[str, Any] = {"line": message.number}
    if answer is None:
        document["outcome"] = outcome.end
        if message.id:
            document["message_id"] = message.shown_id
        if outcome.reason:
            document |= {"reason": outcome.reason, "detail": outcome.detail}
        return outcome.end, document
    document |= answer.model_dump(exclude_none=True, include=_SHOWN)
    document["outcome"] = answer.outcome
    if answer.reason:
        document["advice"] = why(answer.reason, answer.detail)
    return answer.outcome, document


_SHOWN: Final = {
    "message_id", "report_id", "tracking_number", "secret", "reason", "detail", "outcome",
}  # fmt: skip


def sentence(kind: str, outcome: ReplyOutcome[ChannelAnswer]) -> str:
    """Say what became of a line."""
    start = f"line {outcome.message.number:<6} {kind.replace('_', ' '):<9} "
    answer = outcome.answer
    if answer is None:
        if outcome.end == "no_answer":
            return f"{start} sent as {plain(outcome.message.shown_id)}"
        return f"{start} {outcome.reason}: {why_not_sent(outcome.reason, outcome.detail)}"
    if answer.reason:
        return f"{start} {answer.reason}: {why(answer.reason, answer.detail)}"
    secret = f"  secret {answer.secret}" if answer.secret else ""
    return f"{start} {answer.tracking_number}{secret}"


def _sum_up(kinds: Counter[str], unanswered: int, timeout: float) -> None:
    lines = kinds.total()
    if unanswered:  # interrupted, or the broker went away
        err.print(
            f"{unanswered:,} more were sent and not answered yet. Hand the same file in again to "
            "see their answers: what was taken already keeps its number.",
            style="yellow",
            soft_wrap=True,
        )
    elif lines == 0:
        err.print(f"Nothing was handed in. A line is, for example: {EXAMPLE}", markup=False)
        return
    parts = ", ".join(f"{count:,} {kind.replace('_', ' ')}" for kind, count in kinds.items())
    err.print(f"{lines:,} line{'' if lines == 1 else 's'}: {parts}.")
    if kinds["no_answer"]:
        err.print(
            f"→ Nothing was answered for {timeout:g} s. Does intake run? See: lapor status. Then "
            "hand the same file in again: what was taken already keeps its number.",
            style="yellow",
            soft_wrap=True,
        )
    elif kinds["received"] == 1 == lines:
        err.print("What becomes of it: lapor case show NUMBER")


def epilog() -> str:
    """Return what a line may hold, as the end of the help page."""
    fields = ", ".join(SubmitReport.model_fields)
    messages = ", ".join(m.__name__ for m in REPORTER_MESSAGES)
    return (
        f'A line is a report ({fields}), for example {EXAMPLE} - or, with a "type", a reporter\'s '
        f"message about one ({messages}). All fields and limits: docs/channel-adapter.md"
    )
