"""Files of JSON lines, whatever stands in them."""

import asyncio
import os

import pytest

from deploy.cli.clients.jsonl import LINE_BYTES_MAX, JsonLine, Splitter, lines_of, parse


def split(*chunks: bytes) -> list[JsonLine]:
    """Return the lines of a file that comes in these chunks."""
    splitter = Splitter()
    return [
        *(line for chunk in chunks for line in splitter.feed(chunk)),
        *splitter.end(),
    ]


def test_lines_are_numbered_as_an_editor_does() -> None:
    """Blank ones count and are left out; the last needs no new line; Windows' ends do no harm."""
    found = split(b'{"a": 1}\r\n\n  \n{"a"', b': 2}\n{"a": 3}')
    assert [(line.number, line.fields) for line in found] == [
        (1, {"a": 1}),
        (4, {"a": 2}),
        (5, {"a": 3}),
    ]


def test_a_byte_order_mark_is_no_fault() -> None:
    """Some editors begin a file with it."""
    (line,) = split(b'\xef\xbb\xbf{"a": 1}\n')
    assert line.fields == {"a": 1}
    assert line.value == b'{"a": 1}'


@pytest.mark.parametrize(
    ("raw", "fault", "detail"),
    [
        (b"no json", "not_json", "column 1"),
        (b'{"a": 1', "not_json", "column 8"),
        (b'{"a": "\xff"}', "not_json", "not UTF-8, byte 8"),
        (b"[" * 100_000, "not_json", "nested too deeply"),
        (b"9" * 5_000, "not_json", "number too long"),
        (b"[1]", "not_an_object", "one object"),
        (b"null", "not_an_object", "one object"),
        (b'{"id": [1]}', "bad_id", "whole number"),
        (b'{"id": true}', "bad_id", "whole number"),
    ],
)
def test_a_bad_line_is_told_and_the_next_is_read(raw: bytes, fault: str, detail: str) -> None:
    """By its number, with a reason and the place."""
    bad, good = split(raw + b'\n{"a": 1}\n')
    assert (bad.number, bad.fault, bad.fields) == (1, fault, None)
    assert detail in bad.detail
    assert (good.number, good.fields) == (2, {"a": 1})


def test_of_a_line_of_10_mb_only_the_length_is_kept() -> None:
    """Memory is bounded however long a line is."""
    splitter = Splitter()
    for _ in range(160):
        assert list(splitter.feed(b"x" * 65_536)) == []
        assert len(splitter._rest) <= LINE_BYTES_MAX
    bad, good = splitter.feed(b'\n{"a": 1}\n')
    assert (bad.number, bad.fault) == (1, "too_large")
    assert "10,485,760 bytes" in bad.detail
    assert good.fields == {"a": 1}


def test_an_id_is_the_lines_own_or_derived_from_what_it_says() -> None:
    """The same words in another order or spacing are the same message; other words another."""

    def id_of(raw: bytes) -> str:
        return parse(1, raw).id

    assert id_of(b'{"id": "t-1", "title": "a"}') == "t-1"
    assert id_of(b'{"id": 12, "title": "a"}') == "12"
    derived = id_of(b'{"title": "a", "body": "b"}')
    assert derived == id_of(b'{ "body":"b",   "title":"a" }')
    assert derived == id_of(b'{"id": "", "body": "b", "title": "a"}')
    assert derived != id_of(b'{"title": "a", "body": "c"}')
    assert derived.startswith("cli-")


async def test_a_pipe_is_read_as_it_comes() -> None:
    """A line is there before the next is written."""
    there, here = os.pipe()
    with os.fdopen(there, "rb") as reading, os.fdopen(here, "wb", buffering=0) as writing:
        found = lines_of(reading.fileno(), Splitter())
        for number in range(1, 4):
            writing.write(b'{"a": %d}\n' % number)
            line = await asyncio.wait_for(anext(found), 5)
            assert line.fields == {"a": number}
        writing.close()
        with pytest.raises(StopAsyncIteration):
            await asyncio.wait_for(anext(found), 5)
