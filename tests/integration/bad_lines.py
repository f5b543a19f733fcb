"""Lines that a stranger hands to the command line, and what is wrong with the bad ones."""

import json
from typing import Any, Final

from shared.contract.tracking import tracking_number

MB: Final = 1_000_000
UNADDRESSED: Final = {"title": "Tanaman saya layu", "body": "Tanaman di pekarangan layu semua."}


def jsonl(*lines: dict[str, Any] | bytes) -> bytes:
    """Write a file of JSON lines; bytes stand as they are."""
    return b"\n".join(x if isinstance(x, bytes) else json.dumps(x).encode() for x in lines)


BAD_LINES: dict[str, tuple[dict[str, Any] | bytes, str, str]] = {
    "wrong JSON": (b'{"title": "a"', "not_sent", "not_json"),
    "no object": (b'["a"]', "not_sent", "not_an_object"),
    "unreadable bytes": (b'{"title": "\xff\xfe"}', "not_sent", "not_json"),
    "10 MB": ({"title": "a", "body": "b" * 10 * MB}, "not_sent", "too_large"),
    "1 byte too much": ({"title": "a", "body": "b" * 1_048_540}, "not_sent", "too_large"),
    "too long": ({"title": "a", "body": "b" * 900_000}, "rejected", "invalid_fields"),
    "nothing": ({"a": 1}, "rejected", "invalid_fields"),
    "unknown type": ({"type": "Praise"}, "rejected", "unknown_type"),
    "naive time": (
        {**UNADDRESSED, "submitted_at": "2026-01-01T00:00:00"}, "rejected", "invalid_fields",
    ),
    "sent in 2099": (
        {**UNADDRESSED, "submitted_at": "2099-01-01T00:00:00Z"}, "rejected",
        "submitted_in_the_future",
    ),
    "happened in 2099": (
        {**UNADDRESSED, "incident_on": "2099-01-01"}, "rejected", "incident_in_the_future",
    ),
    "31 June": ({**UNADDRESSED, "incident_on": "2023-06-31"}, "rejected", "incident_on_invalid"),
    "NUL": ({**UNADDRESSED, "body": "a\0b"}, "rejected", "control_characters"),
    "an escape": ({**UNADDRESSED, "title": "a\x1b[2J"}, "rejected", "control_characters"),
    "half a character": (b'{"title": "\\ud800", "body": "b"}', "rejected", "not_json"),
    "blank": ({"title": " ", "body": "b"}, "rejected", "blank_text"),
    "unknown institution": (
        {**UNADDRESSED, "institution": "9999"}, "rejected", "unknown_institution",
    ),
    "id with NUL": ({**UNADDRESSED, "id": "a\0b"}, "rejected", "message_id_invalid"),
    "long id": ({**UNADDRESSED, "id": "a" * 129}, "rejected", "message_id_invalid"),
    "id of a megabyte": ({**UNADDRESSED, "id": "a" * MB}, "not_sent", "too_large"),
    "negative rating": (
        {"type": "CloseReport", "tracking_number": "K7QF2M9XTD3A9", "rating": -1, "solved": True},
        "refused", "invalid_fields",
    ),
    "unknown report": (
        {"type": "WithdrawReport", "tracking_number": tracking_number("K7QF2M9XTD3A")}, "refused",
        "not_proved",
    ),
    "mistyped number": (
        {"type": "WithdrawReport", "tracking_number": "K7QF2M9XTD3AZ"}, "refused",
        "unknown_tracking_number",
    ),
}  # fmt: skip
