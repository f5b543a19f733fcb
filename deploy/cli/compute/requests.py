"""Requests as data: which fields each operation has, and what is wrong with those given."""

import math
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final, TypeVar

from deploy.cli.compute.operations import (
    AddDays,
    AddMinutes,
    Elapsed,
    IsWorkingDay,
    IsWorkingInstant,
    Request,
    Result,
    compute,
)
from deploy.cli.compute.timetables import (
    InvalidRequest,
    Timetables,
    a_day,
    an_instant,
    day_or_instant,
)
from shared.worktime.opening_hours import Pause
from shared.worktime.working_days import YEARS

When = TypeVar("When", date, datetime, date | datetime)

_COMMON: Final = frozenset({"id", "op", "calendar", "institution", "as_of"})
_REMARKS: Final = frozenset({
    "boundary", "expected", "kind", "note", "recomputed_from", "source", "tolerance_seconds",
})  # fmt: skip
"""What a file of test vectors says about itself; nothing of it is computed with."""

FIELDS: Final = MappingProxyType({
    "add_working_days": frozenset({"start", "days"}),
    "add_working_minutes": frozenset({"start", "minutes", "pauses"}),
    "elapsed_working_minutes": frozenset({"start", "end", "pauses"}),
    "is_working_day": frozenset({"date"}),
    "is_working_instant": frozenset({"at"}),
})  # fmt: skip
"""The operations and the fields of each; `pauses` may be left out."""

_ALLOWED: Final = {op: own | _COMMON | _REMARKS for op, own in FIELDS.items()}
_NEEDED: Final = {op: own - {"pauses"} for op, own in FIELDS.items()}


class RequestReader:
    """Reads requests, keeping the calendars it has seen."""

    def __init__(self, tables: Timetables) -> None:
        self._tables = tables
        self._reads: dict[str, Callable[[Mapping[str, Any]], Request]] = {
            "add_working_days": self._add_days,
            "add_working_minutes": self._add_minutes,
            "elapsed_working_minutes": self._elapsed,
            "is_working_day": self._is_day,
            "is_working_instant": self._is_instant,
        }

    def answer(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Return `{"id", "result"}`, or `{"id", "error"}` with `code: what is wrong`."""
        try:
            result: Result = compute(self.read(fields))
        except InvalidRequest as invalid:
            return {"id": fields.get("id"), "error": str(invalid)}
        return {"id": fields.get("id"), "result": result}

    def read(self, fields: Mapping[str, Any]) -> Request:
        """Read one request.

        Raises:
            InvalidRequest: a field is missing, unknown or no such thing.
        """
        op = fields.get("op")
        if not isinstance(op, str) or op not in self._reads:
            raise InvalidRequest("unknown_op", f"{op!r} is none of {', '.join(FIELDS)}")
        given, allowed, needed = fields.keys(), _ALLOWED[op], _NEEDED[op]
        if not given <= allowed:
            raise InvalidRequest("unknown_field", f"{op} has no {min(given - allowed)!r}")
        if not given >= needed:
            raise InvalidRequest("missing_field", f"{op} needs {min(needed - given)!r}")
        return self._reads[op](fields)

    def _add_days(self, fields: Mapping[str, Any]) -> Request:
        table, start = self._tables.of(fields), day_or_instant("start", fields["start"])
        days = fields["days"]
        if not isinstance(days, int) or isinstance(days, bool):
            raise InvalidRequest("malformed_days", f"{days!r} is no whole number")
        return AddDays(table, _counted(start), days)

    def _add_minutes(self, fields: Mapping[str, Any]) -> Request:
        table, start = self._tables.of(fields), an_instant("start", fields["start"])
        minutes = fields["minutes"]
        if (
            not isinstance(minutes, int | float)
            or isinstance(minutes, bool)
            or not math.isfinite(minutes)
        ):
            raise InvalidRequest("malformed_minutes", f"{minutes!r} is no number")
        try:
            amount = timedelta(minutes=minutes)
        except OverflowError:
            raise InvalidRequest("too_large", "the result lies outside all calendars") from None
        return AddMinutes(table, _counted(start), amount, _pauses(fields.get("pauses")))

    def _elapsed(self, fields: Mapping[str, Any]) -> Request:
        table = self._tables.of(fields)
        start, end = (an_instant(name, fields[name]) for name in ("start", "end"))
        if end < start:
            raise InvalidRequest("end_before_start", f"{fields['end']} is before {fields['start']}")
        return Elapsed(table, _counted(start), _counted(end), _pauses(fields.get("pauses")))

    def _is_day(self, fields: Mapping[str, Any]) -> Request:
        return IsWorkingDay(self._tables.of(fields), a_day("date", fields["date"]))

    def _is_instant(self, fields: Mapping[str, Any]) -> Request:
        at = an_instant("at", fields["at"])
        return IsWorkingInstant(self._tables.of(fields), _counted(at))


def _counted(at: When) -> When:
    """Return a date or an instant that lies in or beside the years calendars count at all."""
    if at.year < YEARS[0] - 1:
        raise InvalidRequest("before_first_year", f"{at.year} lies before {YEARS[0]}")
    if at.year > YEARS[-1] + 1:
        raise InvalidRequest("beyond_last_year", f"{at.year} lies after {YEARS[-1]}")
    return at


def _pauses(value: object) -> tuple[Pause, ...]:
    """Read pauses; those that overlap are joined later, one that ends before it begins is none."""
    if value is None or value == []:
        return ()
    if not isinstance(value, list):
        raise InvalidRequest("malformed_pauses", f"{value!r} is no list of [since, until]")
    return tuple(_pause(pause) for pause in value)


def _pause(value: object) -> Pause:
    if not isinstance(value, list) or len(value) != 2:  # noqa: PLR2004  since and until
        raise InvalidRequest("malformed_pauses", f"{value!r} is not [since, until]")
    since = _counted(an_instant("pause", value[0]))
    until = None if value[1] is None else _counted(an_instant("pause", value[1]))
    if until is not None and until < since:
        raise InvalidRequest("pause_ends_before_start", f"{value[1]} is before {value[0]}")
    return since, until
