"""`lapor deadline compute`: working-time arithmetic for other programs, JSON lines in and out."""

import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Final
from uuid import uuid4

import typer

from deploy.cli.clients.jsonl import CHUNK_BYTES, LINE_BYTES_MAX, parse
from deploy.cli.compute import RequestReader, Timetables
from deploy.cli.terminal.output import write_written
from shared.registry import load

KNOWN_MAX: Final = 8
"""So many calendars' texts are recognised without reading them again: one file has few."""
EXAMPLE: Final = (
    '{"id": 1, "institution": "6308", "op": "add_working_days", "start": "2026-03-13", "days": 5}'
)
_CALENDAR: Final = re.compile(r'(?<!\\)"calendar"\s*:\s*(?={)')
_DECODER: Final = json.JSONDecoder()
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False)

group = typer.Typer(no_args_is_help=True, help="Compute deadlines.")


@group.command(epilog=f"One line: {EXAMPLE}")
def compute(
    file: Annotated[
        typer.FileBinaryRead,
        typer.Argument(metavar="[FILE.jsonl|-]", help="JSON lines; - is standard input."),
    ] = "-",  # type: ignore[assignment]  # typer opens it
) -> None:
    """Answer each line with its result or its error, in order; docs/time.md has the format.

    Exits with 1 if any line got an error.
    """
    answering, errors = Answering(), 0
    for lines in _chunks(file.fileno()):
        answers = [answering.answer(number, raw) for number, raw in lines]
        errors += sum("error" in answer for answer in answers)
        write_written(written(answers))
        sys.stdout.flush()  # whoever sent a few lines and waits gets their answers
    raise typer.Exit(1 if errors else 0)


def written(answers: Sequence[dict[str, Any]]) -> str:
    """Write answers as JSON lines: encoded as one list, which costs half of one by one.

    Inside a text every quote is escaped, so what is replaced stands only where two answers meet.
    """
    if not answers:
        return ""
    return _ENCODER.encode(answers)[1:-1].replace('}, {"id": ', '}\n{"id": ') + "\n"


class Answering:
    """Answers lines; a calendar's text that came before is not read again."""

    def __init__(self) -> None:
        self._reader = RequestReader(Timetables(load))
        self._known: list[tuple[bytes, dict[str, Any]]] = []
        self._token = uuid4().hex  # stands for a calendar in a line, and nothing else can
        self._token_text = f'"calendar":"{self._token}"'.encode()

    def answer(self, number: int, raw: bytes) -> dict[str, Any]:
        """Return the answer to a line; one without an id is told by its number."""
        answer = self._answer(number, raw)
        if answer["id"] is None:
            answer["line"] = number
        return answer

    def _answer(self, number: int, raw: bytes) -> dict[str, Any]:
        if len(raw) > LINE_BYTES_MAX:
            return {"id": None, "error": f"too_large: at most {LINE_BYTES_MAX:,} bytes"}
        for text, spec in self._known:
            if text in raw:
                line = parse(number, raw.replace(text, self._token_text, 1))
                if line.fields is not None and line.fields.get("calendar") == self._token:
                    line.fields["calendar"] = spec
                    return self._reader.answer(line.fields)
                break
        line = parse(number, raw)
        if line.fields is None:
            return {"id": None, "error": f"{line.fault}: {line.detail}"}
        calendar = line.fields.get("calendar")
        if isinstance(calendar, dict):
            self._remember(raw, calendar)
        return self._reader.answer(line.fields)

    def _remember(self, raw: bytes, spec: dict[str, Any]) -> None:
        """Keep how a line spells its calendar, if its bytes tell that plainly."""
        found = _CALENDAR.search(raw.decode())
        if found is None:
            return
        told, end = _DECODER.raw_decode(found.string, found.end())
        if told == spec:
            self._known.insert(0, (found.string[found.start() : end].encode(), spec))
            del self._known[KNOWN_MAX:]


def _chunks(descriptor: int) -> Iterator[list[tuple[int, bytes]]]:
    """Read numbered lines as they come, blank ones left out, in bounded memory.

    Of a line that is too long so much is kept that it is seen to be.
    """
    rest, number = b"", 0
    while chunk := os.read(descriptor, CHUNK_BYTES):
        *ended, rest = (rest + chunk).split(b"\n")
        rest = rest[: LINE_BYTES_MAX + 1]
        found = list(enumerate(ended, number + 1))
        number += len(ended)
        yield [(n, line.strip()) for n, line in found if line.strip()]
    if rest.strip():
        yield [(number + 1, rest.strip())]
