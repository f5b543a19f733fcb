"""The published vectors through `lapor deadline compute`: other systems' truths, line by line."""

from collections import Counter
from typing import Any, Final

import pytest

from tests.unit.cli.compute.requests import VECTORS, ask, at, minutes, opening_hours

ALL: Final = [*VECTORS["vectors"], *VECTORS["generated"]]

NOT_OURS: Final = {
    "next_deadline": "the least of several numbers: no calendar is involved",
    "pause_day_slices": "pauses cut at midnights for display; `pauses` do the arithmetic",
    "add_working_days_time_of_day": "keeps the time of day, clamped into that day's hours: ours is "
    "the end of the day (those with `end_of_day` are of our kind)",
}
"""Kinds of vectors that are none of the five operations, and why."""


def request_of(vector: dict[str, Any]) -> dict[str, Any] | None:
    """Return the request that a vector stands for, or None if it is of no kind of ours."""
    fields = {"calendar": VECTORS["calendars"].get(vector["calendar"])} | {
        name: vector[name]
        for name in ("start", "end", "days", "minutes", "pauses", "date", "at")
        if name in vector
    }
    match vector["kind"]:
        case "add_working_days_date":
            return fields | {"op": "add_working_days"}
        case "add_working_days_time_of_day" if vector.get("end_of_day"):
            return fields | {"op": "add_working_days"}
        case "add_working_seconds":  # minutes may have a fraction and may be negative
            return fields | {"op": "add_working_minutes", "minutes": vector["seconds"] / 60}
        case kind if kind in NOT_OURS:
            return None
        case kind:
            return fields | {"op": kind}


def kind_of(vector: dict[str, Any]) -> str:
    """Name a vector's kind, with the variant that is ours."""
    return str(vector["kind"]) + (" end_of_day" if vector.get("end_of_day") else "")


def test_which_vectors_are_ours() -> None:
    """51 of the 61 published ones and all 141 computed ones; ten are of kinds that are not."""
    published = Counter(
        (kind_of(vector), request_of(vector) is not None) for vector in VECTORS["vectors"]
    )

    assert published == {
        ("add_working_minutes", True): 29,
        ("add_working_seconds", True): 3,
        ("elapsed_working_minutes", True): 11,
        ("add_working_days_date", True): 2,
        ("add_working_days_time_of_day end_of_day", True): 2,
        ("is_working_day", True): 2,
        ("is_working_instant", True): 2,
        ("add_working_days_time_of_day", False): 6,
        ("next_deadline", False): 2,
        ("pause_day_slices", False): 2,
    }
    assert all(request_of(vector) is not None for vector in VECTORS["generated"])


@pytest.mark.parametrize("vector", ALL)
def test_a_vector(vector: dict[str, Any]) -> None:
    """As published; what is written as the next opening is the closing before it, see below."""
    request = request_of(vector)
    if request is None:
        assert vector["kind"] in NOT_OURS
        return

    found = ask(**request)

    match vector:
        case {"kind": "add_working_days_date"}:
            assert found["date"] == vector["expected"]
        case {"kind": "add_working_days_time_of_day"}:
            assert found["instant"] == vector["expected"]
        case {"boundary": "next_open"}:
            _same_boundary(vector, found)
        case {"tolerance_seconds": seconds}:
            # that engine cuts the edges of pauses to the minute; its note states ours
            assert found in vector["note"] or found.removesuffix("Z")[11:] in vector["note"]
            assert abs((at(found) - at(vector["expected"])).total_seconds()) <= seconds
        case _:
            assert found == vector["expected"]
            assert type(found) is type(vector["expected"])


def _same_boundary(vector: dict[str, Any], found: str) -> None:
    """Two names of one boundary: ours the closing, theirs the next opening, no time between."""
    hours = opening_hours(vector["calendar"])
    ours, theirs = at(found), at(vector["expected"])
    assert ours < theirs
    assert hours.elapsed(ours, theirs) == minutes(0)
    assert not hours.is_working_instant(ours)
    assert hours.is_working_instant(ours - minutes(1))
    assert hours.is_working_instant(theirs)
    assert not hours.is_working_instant(theirs - minutes(1))
