"""Files of JSON lines, read as they come and in bounded memory; a bad line is told, not raised."""

import asyncio
import contextlib
import hashlib
import json
import os
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final, NamedTuple

from shared.contract.topics import RECORD_BYTES_MAX

CHUNK_BYTES: Final = 65_536
CHUNKS_AHEAD: Final = 16
LINE_BYTES_MAX: Final = RECORD_BYTES_MAX  # a longer one would not fit in a record
_DECODER: Final = json.JSONDecoder()


_OURS: Final = {  # what the command line itself turns away
    "not_json": "This line is not JSON; correct it and send the file again.",
    "not_an_object": "This line is no JSON object; write one report or command per line.",
    "bad_id": "Give the line an id that is a text or a whole number, or none.",
    "no_type": 'Name the command, for example "type": "Accept".',
    "too_large": f"A record holds {LINE_BYTES_MAX:,} bytes; send attachments as links.",
}


def why_not_sent(reason: str, detail: str) -> str:
    """Say what to do about a line that was not sent."""
    return f"{_OURS[reason]} [{detail}]" if detail else _OURS[reason]


class JsonLine(NamedTuple):
    """A line by its number, from 1: a JSON object and its bytes, or why it is none."""

    number: int
    value: bytes = b""
    fields: dict[str, Any] | None = None
    fault: str = ""  # a reason code
    detail: str = ""

    @property
    def id(self) -> str:
        """The line's own message id, else one derived from what it says, not from how.

        So a file sent twice, wholly or in part, gives every message the id it had.
        """
        fields = self.fields or {}
        own = fields.get("id")
        if own not in (None, ""):
            return str(own)
        content = {name: value for name, value in fields.items() if name != "id"}
        written = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
        return f"cli-{hashlib.blake2b(written, digest_size=12).hexdigest()}"


class Splitter:
    """Cuts chunks of bytes into lines; of a line that is too long only the length is kept."""

    def __init__(self) -> None:
        self.bytes_read = 0
        self._number = 0
        self._rest = bytearray()
        self._skipped = 0

    def feed(self, chunk: bytes) -> Iterator[JsonLine]:
        """Return the lines that end in this chunk, blank ones left out."""
        self.bytes_read += len(chunk)
        *ended, last = chunk.split(b"\n")
        for part in ended:
            self._keep(part)
            yield from self._line()
        self._keep(last)

    def end(self) -> Iterator[JsonLine]:
        """Return the last line, if no new line ended it."""
        if self._rest or self._skipped:
            yield from self._line()

    def _keep(self, part: bytes) -> None:
        if self._skipped or len(self._rest) + len(part) > LINE_BYTES_MAX:
            self._skipped += len(self._rest) + len(part)
            self._rest.clear()
        else:
            self._rest += part

    def _line(self) -> Iterator[JsonLine]:
        self._number += 1
        raw, too_long = bytes(self._rest).strip(), self._skipped
        self._rest.clear()
        self._skipped = 0
        if self._number == 1:
            raw = raw.removeprefix(b"\xef\xbb\xbf")  # some editors write a byte order mark
        if too_long:
            detail = f"{too_long:,} bytes of at most {LINE_BYTES_MAX:,}"
            yield JsonLine(self._number, fault="too_large", detail=detail)
        elif raw:
            yield parse(self._number, raw)


def parse(number: int, raw: bytes) -> JsonLine:
    """Read a line as a JSON object, or say what it is instead."""
    try:
        fields = _value(raw.decode("utf-8"))
    except json.JSONDecodeError as wrong:
        return JsonLine(number, fault="not_json", detail=f"{wrong.msg}, column {wrong.colno}")
    except UnicodeDecodeError as wrong:
        return JsonLine(number, fault="not_json", detail=f"not UTF-8, byte {wrong.start + 1}")
    except (ValueError, RecursionError):  # a number of thousands of digits, a thousand brackets
        return JsonLine(number, fault="not_json", detail="nested too deeply or a number too long")
    if not isinstance(fields, dict):
        return JsonLine(number, fault="not_an_object", detail="a line is one object: {…}")
    own = fields.get("id")
    if isinstance(own, bool) or (own is not None and not isinstance(own, (str, int))):
        return JsonLine(number, fault="bad_id", detail="an id is a text or a whole number")
    return JsonLine(number, raw, fields)


def _value(text: str) -> Any:
    """Read a text as `json.loads` does; one object and nothing else costs half."""
    if text.startswith("{"):
        value, end = _DECODER.raw_decode(text)
        if end == len(text):
            return value
    return json.loads(text)


async def lines_of(descriptor: int, splitter: Splitter) -> AsyncIterator[JsonLine]:
    """Read lines from a file, pipe or terminal as they come.

    Reading is a thread's that nobody waits for, so that Ctrl-C ends also a silent terminal.
    """
    loop = asyncio.get_running_loop()
    chunks: asyncio.Queue[bytes | OSError] = asyncio.Queue()
    room = threading.Semaphore(CHUNKS_AHEAD)

    def read() -> None:
        chunk: bytes | OSError = b"-"
        while chunk and not isinstance(chunk, OSError):
            room.acquire()
            try:
                chunk = os.read(descriptor, CHUNK_BYTES)
            except OSError as trouble:
                chunk = trouble
            with contextlib.suppress(RuntimeError):  # the loop has ended; nobody reads on
                loop.call_soon_threadsafe(chunks.put_nowait, chunk)

    threading.Thread(target=read, name="lines", daemon=True).start()
    while chunk := await chunks.get():
        if isinstance(chunk, OSError):
            raise chunk
        room.release()
        for line in splitter.feed(chunk):
            yield line
    for line in splitter.end():
        yield line
