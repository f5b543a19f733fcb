"""`lapor dead-letters list`, `show`, `edit`, `replay` and `discard`: what no stage could decide."""

import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.text import Text

from deploy.cli.clients.kafka import kafka_address, run
from deploy.cli.model import dead_letter_payload
from deploy.cli.model.dead_letters import (
    STATES,
    Criteria,
    Letters,
    StoredDeadLetter,
    all_letters,
    records_at,
)
from deploy.cli.model.replay import Word, send
from deploy.cli.terminal.console import CliError, err, out
from deploy.cli.terminal.output import plain, write_json
from deploy.cli.terminal.progress import Screen
from deploy.cli.views import dead_letters
from shared.contract.topics import READS, RECORD_BYTES_MAX

SHOWN_MAX: Final = 20  # letters that a dry run names
_SPAN: Final = re.compile(r"(\d{1,5})\s*([smhd])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}

Id = Annotated[str, typer.Argument(metavar="ID", help="The first characters of a letter's id.")]
Stage = Annotated[str, typer.Option(metavar="STAGE", help="Only this stage's.")]
Reason = Annotated[str, typer.Option(metavar="REASON", help="Only those, such as rule_raised.")]
Since = Annotated[str, typer.Option(metavar="2h|7d|INSTANT", help="Only those dead since then.")]
Why = Annotated[str, typer.Option(metavar="TEXT", help="Kept beside it.")]
Operator = Annotated[
    str, typer.Option(envvar="USER", metavar="NAME", help="Who says so; kept beside it.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Do it; without, only show what would be done.")]
JSON = Annotated[bool, typer.Option("--json", help="One document, for programs.")]

group = typer.Typer(no_args_is_help=True, help="Records that no stage could decide.")


@group.command("list")
def list_letters(
    *,
    stage: Stage = "",
    reason: Reason = "",
    since: Since = "",
    state: Annotated[
        str, typer.Option(metavar="STATE", help=f"Only these: {', '.join(STATES)}.")
    ] = "",
    as_json: JSON = False,
) -> None:
    """Show the dead letters: how many by stage and reason, and one line for each."""
    now = datetime.now(UTC)
    criteria = _criteria(stage, reason, since, now, state)
    letters_read = _read(as_json=as_json)
    chosen = [letter for letter in letters_read.all if criteria.has(letter)]
    if as_json:
        letters = [dead_letters.as_dict(letter, letters_read, now) for letter in chosen]
        _print_json({"counts": dead_letters.counts_as_dicts(chosen), "letters": letters})
    elif not chosen:
        out.print("No dead letters." if not letters_read.all else "No such dead letters.")
    else:
        for line in dead_letters.count_lines(chosen):
            out.print(Text(line, style="bold"), soft_wrap=True)
        out.print()
        _print_letters(chosen, letters_read, now)


@group.command()
def show(
    letter_id: Id,
    *,
    raw: Annotated[
        bool, typer.Option("--raw", help="Only the record's bytes, as they came: to a file.")
    ] = False,
    as_json: JSON = False,
) -> None:
    """Show one dead letter: why, where its record lies, its headers, and its bytes, opened.

    The bytes may tell of people: opening needs LAPOR_DEAD_LETTER_KEY or the local stack's secrets.
    """
    letters = _read(as_json=as_json or raw)
    letter = letters.named(letter_id)
    record, original, last = run(_opened(letter, is_needed=raw))
    now = datetime.now(UTC)
    if raw:
        _write_raw(original or b"")
    elif as_json:
        document = dead_letters.as_dict(letter, letters, now)
        headers = {
            name: value.decode("utf-8", "replace")
            for name, value in dead_letter_payload.original_headers(letter, record)
        }
        in_hex = None if original is None else original.hex()
        _print_json({**document, "headers": headers, "bytes_hex": in_hex})
    else:
        style = dead_letters.STYLES[letter.state]
        out.print(Text(f"{letters.short(letter)}  {letter.state}", style=f"bold {style}"))
        _print(dead_letters.page(letter, record, now))
        if original is not None:
            _print(dead_letters.byte_lines(original, "The record as it came"))
        if last is not None and last != original:
            _print(dead_letters.byte_lines(last, "As edited, and failed again"))


def _write_raw(value: bytes) -> None:
    if sys.stdout.isatty():
        raise CliError(
            "A terminal would obey what is in these bytes.",
            "Write them to a file: lapor dead-letters show ID --raw > FILE",
        )
    sys.stdout.buffer.write(value)


async def _opened(
    letter: StoredDeadLetter, *, is_needed: bool
) -> tuple[Any, bytes | None, bytes | None]:
    """Return a letter as written last, its record's bytes, and those that failed last."""
    bootstrap = kafka_address()
    first = (await records_at(bootstrap, [letter], first=True))[letter.id]
    last = (await records_at(bootstrap, [letter]))[letter.id]
    try:
        key = dead_letter_payload.dead_letter_key()
        opened = [dead_letter_payload.opened(letter, record, key) for record in (first, last)]
    except CliError as sealed:
        if is_needed:
            raise
        err.print(Text(f"{sealed} {sealed.hint}", style="yellow"), soft_wrap=True)
        return last, None, None
    return last, *opened


@group.command()
def edit(
    letter_id: Id,
    file: Annotated[
        Path, typer.Argument(metavar="FILE|-", help="The record's bytes as they should have been.")
    ],
    *,
    why: Why = "",
    operator: Operator = "",
    yes: Yes = False,
) -> None:
    """Let a letter's stage decide other bytes in its record's place; the original stays kept."""
    letters = _read(as_json=False)
    letter, edited = _open_one(letters, letter_id), _bytes_of(file)
    name, key = _operator(operator), dead_letter_payload.dead_letter_key()
    record, original, last = run(_opened(letter, is_needed=True))
    if edited == last:
        raise CliError(
            "These are the bytes that failed.",
            f"To have them decided again: lapor dead-letters replay {letters.short(letter)}",
        )
    for line in dead_letter_payload.difference(original or b"", edited):
        style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
        out.print(Text(line, style=style), soft_wrap=True)
    if fault := dead_letter_payload.fault(letter, record, edited):
        raise CliError(
            f"{letter.stage} could not read this either: {plain(fault)}.",
            "Nothing was sent. Mend the file; what cannot be mended can be discarded",
        )
    word = Word("edit", name, why, edited, key.seal_bytes)
    _say(letters, [letter], word, yes=yes)


def _bytes_of(file: Path) -> bytes:
    try:
        with sys.stdin.buffer if str(file) == "-" else file.open("rb") as opened:
            value = opened.read(RECORD_BYTES_MAX + 1)
    except OSError as wrong:
        raise CliError(f"{file} cannot be read: {wrong.strerror}.", "Name another file") from None
    if len(value) > RECORD_BYTES_MAX:
        raise CliError(
            f"That is more than the {RECORD_BYTES_MAX:,} bytes of a record.", "Shorten it"
        )
    return value


@group.command()
def replay(
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID…]")] = None,
    *,
    stage: Stage = "",
    reason: Reason = "",
    since: Since = "",
    everything: Annotated[bool, typer.Option("--all", help="All that wait.")] = False,
    accept: Annotated[
        bool,
        typer.Option("--accept", help="Take what is decided otherwise after a restore as it is."),
    ] = False,
    why: Why = "",
    operator: Operator = "",
    yes: Yes = False,
    as_json: JSON = False,
) -> None:
    """Have letters decided again as they are, in the order they came; what waited follows.

    What was replayed before is left out, so that after any interruption the same command goes on.
    """
    name = _operator(operator)
    criteria = _criteria(stage, reason, since, datetime.now(UTC))
    if sum((bool(ids), everything, criteria != Criteria())) != 1:
        raise CliError(
            "Say which letters: their ids, or --reason, --stage or --since, or --all.",
            "See them: lapor dead-letters list",
        )
    letters = _read(as_json=as_json)
    chosen = _named(letters, ids) if ids else [x for x in letters.all if criteria.has(x)]
    word = Word("accept" if accept else "retry", name, why)
    _say(letters, chosen, word, yes=yes, as_json=as_json)


@group.command()
def discard(
    ids: Annotated[list[str], typer.Argument(metavar="ID…")],
    *,
    why: Annotated[str, typer.Option(metavar="TEXT", help="The reason, kept in the record.")],
    operator: Operator = "",
    yes: Yes = False,
    as_json: JSON = False,
) -> None:
    """Let letters go undecided for good, with a reason; what waited behind them is decided."""
    name = _operator(operator)
    if not why.strip():
        raise CliError("A letter is let go only with a reason.", 'Say it: --why "…"')
    letters = _read(as_json=as_json)
    chosen = _named(letters, ids)
    _say(letters, chosen, Word("discard", name, why.strip()), yes=yes, as_json=as_json)


# ---- what they share


def _say(
    found: Letters,
    chosen: Sequence[StoredDeadLetter],
    word: Word,
    *,
    yes: bool,
    as_json: bool = False,
) -> None:
    """Show which letters a word is about, and say it if so told."""
    letters = [x for x in chosen if x.is_open and (word.action == "discard" or x.can_be_decided)]
    now = datetime.now(UTC)
    doing = {
        "retry": "decided again", "edit": "decided as edited", "discard": "let go",
        "accept": "decided again, whatever was said before",
    }  # fmt: skip
    if not as_json:
        _print_choice(found, chosen, letters)
        head = f"{len(letters):,} to be {doing[word.action]}"
        if letters:
            out.print(Text(head, style="bold"), soft_wrap=True)
            _print(dead_letters.count_lines(letters))
            _print_letters(letters[:SHOWN_MAX], found, now)
    if yes and letters:
        with Screen("Sending", len(letters), as_json=as_json) as screen:
            run(send(kafka_address(), letters, word, screen))
    if as_json:
        _print_json({
            "action": word.action, "sent": yes, "counts": dead_letters.counts_as_dicts(letters),
            "letters": [dead_letters.as_dict(letter, found, now) for letter in letters],
        })  # fmt: skip
    elif letters:
        told = (
            f"{len(letters):,} sent. Their stages decide now: lapor dead-letters list"
            if yes
            else "Nothing was sent. To do it: the same command with --yes"
        )
        err.print(Text(told, style="dim"), soft_wrap=True)
    else:
        out.print("Nothing to do.")


def _print_choice(
    found: Letters, chosen: Sequence[StoredDeadLetter], letters: Sequence[StoredDeadLetter]
) -> None:
    """Tell what is left out, and why."""
    done = [x for x in chosen if not x.is_open]
    if len(done) > SHOWN_MAX:
        err.print(Text(f"{len(done):,} were dealt with before.", style="dim"))
        done = []
    for letter in done:
        last = max(letter.asked)
        sentence = (
            f"{found.short(letter)} was {letter.state} before, by {plain(last.operator) or '-'}"
        )
        err.print(Text(sentence, style="dim"), soft_wrap=True)
    left = len(chosen) - len(letters) - sum(not x.is_open for x in chosen)
    if left:
        err.print(
            Text(
                f"{left:,} are replays that could not be read: repeat what they asked, then "
                "discard them",
                style="yellow",
            ),
            soft_wrap=True,
        )


def _read(*, as_json: bool) -> Letters:
    bootstrap = kafka_address()
    with Screen("Reading the dead letters", None, as_json=as_json) as screen:
        return run(all_letters(bootstrap, screen))


def _named(found: Letters, ids: Sequence[str]) -> list[StoredDeadLetter]:
    """Return the letters of these ids, each once."""
    return list({letter.id: letter for letter in map(found.named, ids)}.values())


def _open_one(found: Letters, letter_id: str) -> StoredDeadLetter:
    letter = found.named(letter_id)
    if not letter.is_open:
        raise CliError(
            f"{found.short(letter)} was {letter.state} before.",
            "A letter is dealt with once; if it fails again it can be edited again",
        )
    if not letter.can_be_decided:
        raise CliError(
            f"{found.short(letter)} is a replay that could not be read.",
            "Repeat what it asked of its letter, then discard this one",
        )
    return letter


def _operator(name: str) -> str:
    if not name.strip():
        raise CliError("Nobody is named.", "Say who you are: --operator NAME")
    return name.strip()


def _criteria(stage: str, reason: str, since: str, now: datetime, state: str = "") -> Criteria:
    """Return what the options ask for.

    Raises:
        CliError: there is no such stage or state, or the time is none.
    """
    if stage and stage not in READS:
        raise CliError(f"There is no stage {stage!r}.", f"There are: {', '.join(READS)}")
    if state and state not in STATES:
        raise CliError(f"There is no state {state!r}.", f"There are: {', '.join(STATES)}")
    return Criteria(stage, reason, _since(since, now) if since else None, state)


def _since(typed: str, now: datetime) -> datetime:
    if span := _SPAN.fullmatch(typed.strip()):
        return now - timedelta(seconds=int(span[1]) * _SECONDS[span[2]])
    try:
        at = datetime.fromisoformat(typed)
    except ValueError:
        raise CliError(
            f"{typed!r} is no time.", "Write 30m, 2h, 7d, 2026-03-10 or 2026-03-10T09:00+08:00"
        ) from None
    return at.astimezone(UTC)


def _print_letters(letters: Sequence[StoredDeadLetter], found: Letters, now: datetime) -> None:
    head, lines = dead_letters.letter_lines(letters, found, now)
    out.print(Text(head, style="bold"), soft_wrap=True)
    for line, state in lines:
        out.print(Text(line, style=dead_letters.STYLES[state]), soft_wrap=True)


def _print(lines: Any) -> None:
    for line in lines:
        out.print(Text(line), soft_wrap=True)


def _print_json(document: dict[str, Any]) -> None:
    write_json(document, indent=2)
