"""Requests as the command gets them, and the calendars that the tests of this folder count by."""

import json
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from deploy.cli.commands.deadline import Answering
from shared.worktime.opening_hours import OpeningHours, hours_of
from shared.worktime.working_days import Calendar, DayOff

VECTORS: Final[dict[str, Any]] = json.loads(
    (Path(__file__).parents[3] / "data" / "sla_vectors.json").read_text(encoding="utf-8")
)
ANSWERING: Final = Answering()
OFFICE: Final = "wib_office_lunch"
"""Monday to Thursday 8 to 12 and 13 to 16, Friday 8 to 11:30 and 13 to 16:30, WIB."""


def ask(**fields: Any) -> Any:
    """Answer one request as a line of the command's input; an error comes as its text."""
    line = json.dumps({"id": "x"} | fields).encode()
    answer = ANSWERING.answer(1, line)
    assert answer["id"] == "x"
    return answer["result"] if "result" in answer else answer["error"]


def a_spec(name: str = OFFICE, **changed: Any) -> dict[str, Any]:
    """Return a calendar of the vectors' file as requests spell it."""
    spec: dict[str, Any] = VECTORS["calendars"][name]
    return spec | changed


def a_calendar(zone: str = "Asia/Jakarta", week: str = "01234", *off: str) -> Calendar:
    """Build a calendar of weekdays by number; every year has its decree."""
    days = tuple(DayOff(date.fromisoformat(day), "national", "test", "test") for day in off)
    return Calendar("test", ZoneInfo(zone), frozenset(map(int, week)), days)


@cache
def opening_hours(name: str = OFFICE) -> OpeningHours:
    """Build the opening hours of a calendar of the vectors' file, once: it counts out a century."""
    spec = a_spec(name)
    hours = hours_of(spec["hours"])
    week = "".join(str(n) for n in range(7) if hours[n])
    return OpeningHours(a_calendar(spec["time_zone"], week, *spec["holidays"]), hours)


def at(text: str) -> datetime:
    """Read an instant."""
    return datetime.fromisoformat(text)


def minutes(count: float) -> timedelta:
    """State working time in minutes."""
    return timedelta(minutes=count)
