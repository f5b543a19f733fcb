"""What stands in a record's value: every message there is, spoilt in every way we could think of.

All draws are of one `Random`, so that a seed gives the same bytes on every machine.
"""

import json
from collections.abc import Callable
from random import Random
from typing import Any, Final

from shared.contract import tracking
from shared.contract.events import ReportClass
from shared.contract.topics import COMMANDS, OUTBOX, REPORTER_MESSAGES, SUBMISSIONS

KNOWN_REPORT: Final = "K7QF2M9XTD3A"  # of nobody; the run replaces it by reports that are there
_CLASS: Final = ReportClass.INFORMATION.value
_PLAIN: Final[dict[str, dict[str, Any]]] = {
    "SubmitReport": {
        "title": "Lampu jalan", "body": "Lampu jalan di depan pasar padam sejak Senin malam.",
        "reporter": {"name": "Siti", "phone": "081234567890", "email": "siti@contoh.example"},
        "report_class": _CLASS, "category_id": "1398", "institution": "6308",
        "place_code": "63.08", "place": "Amuntai", "incident_on": "2026-01-05",
        "attachments": ["https://contoh.example/foto.jpg"], "anonymous": True,
        "confidential": False, "submitted_at": "2023-04-17T08:00:00Z",
    },
    "CompleteInformation": {"text": "Di depan kantor desa."},
    "ReplyToFollowUp": {"text": "Belum selesai."},
    "CloseReport": {"rating": 5, "solved": True},
    "WithdrawReport": {},
    "ReopenReport": {"text": "Rusak lagi."},
    "Forward": {"to": "6308", "note": "Mohon diperiksa."},
    "Block": {"reason": "Memuat data pribadi."},
    "AskForInformation": {"question": "Di mana letaknya?"},
    "Archive": {"reason": "unclear", "duplicate_of": KNOWN_REPORT, "note": "Tidak jelas."},
    "Accept": {"report_class": _CLASS, "category_id": "1398", "place_code": "63.08", "note": "Ya"},
    "ReturnReport": {"reason": "Bukan kewenangan kami.", "proposed_owner": "3204"},
    "Reclassify": {"report_class": _CLASS, "category_id": "1398", "why": "Permintaan informasi."},
    "Dispatch": {"unit": "6308-004"},
    "InitialResponse": {"unit": "6308-004", "text": "Kami terima."},
    "FollowUp": {"unit": "6308-004", "text": "Sudah kami kerjakan."},
    "ReturnToInstitution": {
        "unit": "6308-004", "reason": "Bukan tugas kami.", "proposed_unit": "6308-009",
    },
    "CloseCase": {"solved": True, "note": "Selesai."},
}  # fmt: skip
_WORDS: Final = (
    "", " ", "\u200b", "\ufeff", "a\u0000b", "\x1b]0;judul\x07", "\r", "\n\n", "\u202eterbalik",
    "👨\u200d👩\u200d👧", "é" * 50, "A" * 171, "b" * 3_001, "c" * 70_000, "\ud800", "\udfff\ud800",
    "{{7*7}}", "'; DROP TABLE cases; --", "../../../etc/passwd", "%s%n", "=1+1", "<script>",
    "\U000e0041\U000e0042", "\ufffd", "null", "0", "63.08", "2026-02-30", "K7QF2M9XTD3A",
    "9999-12-31T23:59:59.999999-23:59", "0001-01-01T00:00:00+23:59", "2026-01-01T00:00:00",
    "1e308", "İ", "ﬃ", "ẞ", "\u0130\u0307" * 30,
)  # fmt: skip
_NUMBERS: Final = (
    0, -1, 1, 5, 6, 1_000, 1_001, 2**31, 2**63, -(2**63) - 1, 2**64, 10**40, 0.5, -0.0, 1e300,
    1e-320,
)  # fmt: skip
_LITERALS: Final = (
    b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"0x10", b"01", b"1_000", b"+1",
    b"1" * 5_000, b"0." + b"3" * 5_000, b"nul", b"True", b"'x'", b'"\\ud800"', b'"\\u0000"',
    b'"\\x41"', b'"\xff"', b'"\xed\xa0\x80"', b"[" * 300 + b"]" * 300,
    b'{"a":' * 300 + b"1" + b"}" * 300, b"[" * 3_000, b"/*x*/1", b"1//x", b"",
)  # fmt: skip


def kinds_of(gateway: str) -> list[tuple[bytes, str]]:
    """Return each message of a gateway as (`ce_type`, its name)."""
    stream = SUBMISSIONS if gateway == "intake" else OUTBOX
    events = stream.events if gateway == "intake" else COMMANDS
    return [(stream.type_of(event).encode(), event.__name__) for event in events]


def _plain(name: str, report_id: str) -> dict[str, Any]:
    body = json.loads(json.dumps(_PLAIN[name]))
    if name in {m.__name__ for m in REPORTER_MESSAGES}:
        body |= {"tracking_number": tracking.tracking_number(report_id), "secret": "AAAA-BBBB"}
    elif name != "SubmitReport":
        body |= {"report_id": report_id, "holding": 1, "by": "petugas-1"}
    return dict(body)


def weird(draw: Random, depth: int = 0) -> Any:
    """Return any JSON value, small ones mostly."""
    turn = draw.randrange(12)
    if turn < 5 or depth > 3:
        return draw.choice(_WORDS)
    if turn < 8:
        return draw.choice(_NUMBERS)
    if turn == 8:
        return [weird(draw, depth + 1) for _ in range(draw.choice((0, 1, 2, 11)))]
    if turn == 9:
        return {draw.choice(_WORDS): weird(draw, depth + 1) for _ in range(draw.randrange(3))}
    return draw.choice((None, True, False))


def body(draw: Random, name: str, report_id: str) -> bytes:
    """Return a message's JSON: sound, nearly so, or not at all."""
    made = _plain(name, report_id)
    turn = draw.random()
    if turn < 0.25:
        return _json(made)
    if turn < 0.65:
        return _json(_changed(draw, made))
    if turn < 0.85:
        return _spoilt(draw, _json(_changed(draw, made)))
    return draw.choice(_OTHERS)(draw)


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _changed(draw: Random, made: dict[str, Any]) -> dict[str, Any]:
    """Change one to three fields: take away, replace, add."""
    for _ in range(draw.randint(1, 3)):
        names = sorted(made)
        name = draw.choice(names) if names else "x"
        match draw.randrange(5):
            case 0:
                made.pop(name, None)
            case 1 | 2:
                made[name] = weird(draw)
            case 3:
                made[draw.choice(_WORDS)] = weird(draw)
            case _:
                reporter = made.setdefault("reporter", {})
                if isinstance(reporter, dict):
                    field = draw.choice(("name", "phone", "email", "webhook", "sender_id"))
                    reporter[field] = weird(draw)
    return made


def _spoilt(draw: Random, text: bytes) -> bytes:
    """Spoil a text that is JSON as text."""
    at = draw.randrange(len(text) + 1)
    match draw.randrange(9):
        case 0:
            return text[:at]
        case 1:
            return text[:at] + draw.randbytes(draw.randint(1, 4)) + text[at:]
        case 2:
            colon = text.find(b":", at)
            return text[: colon + 1] + draw.choice(_LITERALS) + b"," + text[colon + 1 :]
        case 3:
            return text[:-1] + b"," + text[1:]  # every field twice
        case 4:
            return text + draw.choice((b"\0", b"{}", b" " * 1_000, text))
        case 5:
            return b"\xef\xbb\xbf" + text
        case 6:
            return text.decode().encode(draw.choice(("utf-16", "utf-32-be", "utf-16-le")))
        case 7:
            return text.replace(b'"', b"'")
        case _:
            colon = text.find(b":")
            return text[: colon + 1] + draw.choice(_LITERALS) + b"}"


def _numbers(draw: Random) -> bytes:
    return b'{"title":' + draw.choice(_LITERALS) + b"}"


_OTHERS: Final[tuple[Callable[[Random], bytes], ...]] = (
    lambda draw: draw.randbytes(draw.choice((0, 1, 10, 200))),
    lambda draw: _json(weird(draw)),
    lambda draw: draw.choice((b"[", b"{", b'{"a":')) * draw.choice((10, 200, 5_000)),
    lambda draw: b'{"attachments":[' + b"1," * draw.choice((10, 3_000)) + b"1]}",
    lambda draw: b"null true false [] {} 0".split()[draw.randrange(6)],
    lambda draw: b'{"' + b"k" * draw.choice((10, 5_000)) + b'":1}',
    lambda draw: b" " * draw.choice((1, 5_000)),
    _numbers,
)
