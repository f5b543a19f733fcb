"""Institutions by code: whole days for days, opening hours for minutes where they state them."""

import dataclasses
from datetime import date
from typing import Any, Final

from deploy.cli.compute import RequestReader, Timetables
from shared.registry import PACKAGED, Registry
from shared.registry.load import read
from shared.worktime.opening_hours import hours_of
from tests.unit.cli.compute.requests import a_spec

HSU: Final = "6308"


def registry(**stated: Any) -> Registry:
    """Return the packaged registry in which Hulu Sungai Utara states something more."""
    packaged = read(PACKAGED)
    institutions = tuple(
        found.model_copy(update=stated) if found.code == HSU else found
        for found in packaged.institutions
    )
    return Registry.of(dataclasses.replace(packaged, institutions=institutions))


def answers(reader: RequestReader) -> list[object]:
    """Ask for a day, minutes, elapsed minutes and an instant over lunch, all in WITA."""
    nine, ten = "2026-07-06T09:00:00+08:00", "2026-07-07T10:00:00+08:00"
    asked: tuple[dict[str, Any], ...] = (
        {"op": "add_working_days", "start": nine, "days": 1},
        {"op": "add_working_minutes", "start": nine, "minutes": 240},
        {"op": "elapsed_working_minutes", "start": nine, "end": ten},
        {"op": "is_working_instant", "at": "2026-07-06T12:30:00+08:00"},
    )
    found = [reader.answer({"id": 1, "institution": HSU} | fields) for fields in asked]
    return [answer["result"] for answer in found]


def test_without_hours_a_working_day_has_24() -> None:
    """The rule of hari kerja."""
    reader = RequestReader(Timetables(lambda: registry(opening_hours=None)))

    assert answers(reader) == [
        {"date": "2026-07-07", "instant": "2026-07-07T16:00:00Z"},
        "2026-07-06T05:00:00Z",
        25 * 60,
        True,
    ]


def test_hours_count_for_minutes_and_days_still_end_at_midnight() -> None:
    """A limit in working days does not get shorter because somebody states when they are open."""
    hours = hours_of(a_spec("wita_office_lunch")["hours"])
    reader = RequestReader(Timetables(lambda: registry(opening_hours=hours)))

    assert answers(reader) == [
        {"date": "2026-07-07", "instant": "2026-07-07T16:00:00Z"},
        "2026-07-06T06:00:00Z",
        6 * 60 + 2 * 60,
        False,
    ]


def test_the_registry_is_read_only_when_an_institution_is_named() -> None:
    """A program that spells its calendars out needs none of our files."""
    loaded: list[date] = []

    def load() -> Registry:
        loaded.append(date(2026, 1, 1))
        return registry()

    reader = RequestReader(Timetables(load))
    spelled = {"op": "is_working_day", "calendar": a_spec(), "date": "2026-07-06"}
    named = {"op": "is_working_day", "institution": HSU, "date": "2026-07-06"}

    assert reader.answer(spelled)["result"] is True
    assert loaded == []
    assert reader.answer(named)["result"] is reader.answer(named)["result"] is True
    assert len(loaded) == 1
