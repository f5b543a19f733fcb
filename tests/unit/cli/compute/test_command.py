"""`lapor deadline compute` as a program meets it: lines in, lines out, exit code."""

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from deploy.cli.clients.jsonl import LINE_BYTES_MAX
from deploy.cli.commands.deadline import Answering
from deploy.cli.main import app
from tests.unit.cli.compute.requests import a_spec

GOOD: dict[str, Any] = {
    "op": "add_working_days", "calendar": a_spec(), "start": "2026-03-13", "days": 5,
}  # fmt: skip


def lines(*requests: object) -> str:
    """Write requests as the command reads them."""
    return "".join(f"{json.dumps(request)}\n" for request in requests)


def run(tmp_path: Path, text: str | bytes) -> tuple[list[dict[str, Any]], int]:
    """Return the answers and the exit code."""
    file = tmp_path / "requests.jsonl"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    found = CliRunner().invoke(app, ["deadline", "compute", str(file)])
    return [json.loads(line) for line in found.stdout.split("\n")[:-1]], found.exit_code


def test_each_line_has_its_answer_in_order(tmp_path: Path) -> None:
    """Numbers and texts are ids; the instant of a day is its closing where hours are given."""
    answers, code = run(
        tmp_path,
        lines(
            GOOD | {"id": 7},
            {"id": "ä", "institution": "6308", "op": "is_working_day", "date": "2026-03-19"},
        ),
    )

    assert code == 0
    assert answers == [
        {"id": 7, "result": {"date": "2026-03-20", "instant": "2026-03-20T09:30:00Z"}},
        {"id": "ä", "result": False},
    ]


def test_a_bad_line_gets_an_error_and_the_next_its_answer(tmp_path: Path) -> None:
    """Exit code 1 tells that there was one; a line without an id is told by its number."""
    text = lines(GOOD | {"id": 1}) + 'nonsense\n\n[1]\n{"id": 2.5}\n' + lines(GOOD | {"id": 2})

    answers, code = run(tmp_path, text)

    assert code == 1
    assert [(a["id"], a.get("line"), a.get("error", "")[:13]) for a in answers] == [
        (1, None, ""),
        (None, 2, "not_json: Exp"),
        (None, 4, "not_an_object"),
        (None, 5, "bad_id: an id"),
        (2, None, ""),
    ]
    assert answers[0]["result"] == answers[-1]["result"]


def test_a_line_may_be_no_text_or_far_too_long(tmp_path: Path) -> None:
    """Neither ends the run, and a last line needs no new line."""
    good = json.dumps(GOOD | {"id": 1}).encode()
    long = b'{"id": "' + b"x" * (2 * LINE_BYTES_MAX) + b'"}'

    answers, code = run(tmp_path, b"\n".join([b"\xff\xfe", long, good]))

    assert code == 1
    assert [a.get("error", "").partition(":")[0] for a in answers] == ["not_json", "too_large", ""]


def test_an_answer_is_a_line_whatever_its_id_says(tmp_path: Path) -> None:
    """Answers are written together; a text that looks like where two of them meet is a text."""
    ids = ['}, {"id": ', '"}, {"id": "', "}\n{", "\\", "\u2028", 5]

    answers, code = run(tmp_path, lines(*(GOOD | {"id": each} for each in ids), {"id": ids[0]}))

    assert code == 1
    assert [answer["id"] for answer in answers] == [*ids, ids[0]]
    assert len({str(answer["result"]) for answer in answers[:-1]}) == 1


def test_nothing_asked_nothing_answered(tmp_path: Path) -> None:
    """An empty file is no error."""
    assert run(tmp_path, "") == ([], 0)


def test_a_calendar_that_came_before_is_known_by_its_text() -> None:
    """However a line is written, the answer is that of a line read for the first time."""
    spec, other = a_spec(), a_spec("wita_office_lunch")
    written = json.dumps({"calendar": spec})[1:-1]
    tricky = [
        json.dumps(GOOD | {"id": 1}),
        json.dumps(GOOD | {"id": 2, "calendar": other}),
        json.dumps(GOOD | {"id": 3, "note": {"calendar": spec}, "calendar": other}),
        json.dumps(GOOD | {"id": 4, "note": {"calendar": spec}, "calendar": None}),
        json.dumps(GOOD | {"id": 5, "note": written}),
        json.dumps(GOOD | {"id": 6}).replace(written, f'"calendar": null, {written}'),
        json.dumps(GOOD | {"id": 7}).replace(written, f'{written}, "calendar": null'),
        json.dumps(GOOD | {"id": 8}).replace(written, f'"x\\"calendar"{written[10:]}'),
        json.dumps(GOOD | {"id": 9, "calendar": spec | {"holidays": ["2026-03-16"]}}),
        json.dumps(GOOD | {"id": 10}, separators=(",", ":")),
        json.dumps(GOOD | {"id": 11}, indent=1).replace("\n", " "),
    ]
    answering = Answering()

    for number, line in enumerate(tricky * 3, 1):
        fresh = Answering().answer(number, line.encode())
        assert answering.answer(number, line.encode()) == fresh
