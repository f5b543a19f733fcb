"""The calendars that requests name or spell out, each made once."""

import json
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from functools import cached_property
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

from shared.registry import Registry, UnknownCode
from shared.worktime.opening_hours import BadHours, Hours, OpeningHours, closing_time, hours_of
from shared.worktime.working_days import WEEKDAYS, Calendar, DayOff

T = TypeVar("T")

TABLES_MAX: Final = 256
"""As many calendars are kept made: one with its minutes takes about 1 MB."""

_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_FIELDS: Final = frozenset({"time_zone", "hours", "week", "holidays", "inactive_holidays"})


class InvalidRequest(ValueError):  # noqa: N818  an answer about a request, not a fault of ours
    """A request that cannot be computed; its text is `code: what is wrong`."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code


class WorkTimetable:
    """A calendar and its hours; without hours a working day is 00:00 to 24:00.

    `days_close` says whether a day ends at its closing time; an institution's does not: its hari
    kerja end at 24:00 whatever its hours, which count for minutes only.
    """

    def __init__(
        self,
        calendar: Calendar,
        week: tuple[Hours, ...] | None = None,
        *,
        days_close: bool = True,
    ) -> None:
        self.calendar = calendar
        self._week = week
        self._days_close = days_close
        self._written: dict[date, tuple[str, str]] = {}

    @cached_property
    def hours(self) -> OpeningHours:
        """Return the opening hours, counted out when first asked for.

        Raises:
            BadHours: there are none, or some on a day that is not in the working week.
        """
        if self._week is None:
            return OpeningHours.whole_days(self.calendar)
        return OpeningHours(self.calendar, self._week)

    def written(self, day: date) -> tuple[str, str]:
        """Return a working day and its end as texts: its closing time (UTC), or 24:00."""
        texts = self._written.get(day)
        if texts is None:
            if self._week is None or not self._days_close:
                end = self.calendar.end_of_day(day)
            else:
                end = closing_time(self.calendar.zone, self._week, day)
            texts = self._written[day] = day.isoformat(), written(end)
        return texts


class Timetables:
    """Makes timetables and keeps them; the registry is loaded when an institution is named."""

    def __init__(self, load: Callable[[], Registry]) -> None:
        self._load = load
        self._made: dict[tuple[object, ...], WorkTimetable] = {}
        self._last: tuple[object, WorkTimetable] | None = None  # the very object, not one like it

    @cached_property
    def _registry(self) -> Registry:
        return self._load()

    def of(self, fields: Mapping[str, Any]) -> WorkTimetable:
        """Return the timetable that a request names: a `calendar`, or an `institution` `as_of`.

        Without `as_of` an institution's calendar is that of its newest decree. An object that was
        given once must not be changed afterwards.

        Raises:
            InvalidRequest: neither or both are given, or the calendar is none.
        """
        spec, code = fields.get("calendar"), fields.get("institution")
        if (spec is None) == (code is None):
            raise InvalidRequest("one_calendar", "give either a calendar or an institution")
        if spec is None:
            return self._keep((code, fields.get("as_of")), self._institutions, fields)
        if self._last is not None and self._last[0] is spec:
            return self._last[1]
        if not isinstance(spec, dict):
            raise InvalidRequest("malformed_calendar", "a calendar is an object: {…}")
        table = self._keep((json.dumps(spec),), _spelled_out, spec)
        self._last = (spec, table)
        return table

    def _keep(
        self, key: tuple[object, ...], make: Callable[[T], WorkTimetable], spec: T
    ) -> WorkTimetable:
        try:
            table = self._made.get(key)
        except TypeError:  # a list or an object where a text belongs
            table = None
        if table is None:
            table = make(spec)
            if len(self._made) >= TABLES_MAX:
                del self._made[next(iter(self._made))]
            self._made[key] = table
        return table

    def _institutions(self, fields: Mapping[str, Any]) -> WorkTimetable:
        code = fields["institution"]
        if not isinstance(code, str):
            raise InvalidRequest(
                "malformed_institution", "an institution's code is a text of digits"
            )
        value = fields.get("as_of")
        as_of = date.max if value is None else day_or_instant("as_of", value)
        try:
            calendar = self._registry.calendar(code, as_of)
            week = self._registry.institution(code).opening_hours
        except UnknownCode as unknown:
            raise InvalidRequest("unknown_institution", str(unknown)) from None
        return WorkTimetable(calendar, week, days_close=False)


def written(at: datetime) -> str:
    """Write an instant in UTC as requests and answers do, ending in Z."""
    return at.isoformat().replace("+00:00", "Z")


def a_day(name: str, value: object) -> date:
    """Read a date; InvalidRequest if it is none."""
    if isinstance(value, str) and _DATE.fullmatch(value) is not None:
        return _existing(name, value)
    raise _no_day(name, value)


def _existing(name: str, value: str) -> date:
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise _no_day(name, value) from None


def _no_day(name: str, value: object) -> InvalidRequest:
    return InvalidRequest(f"malformed_{name}", f"{value!r} is no date as 2026-01-31")


def an_instant(name: str, value: object) -> datetime:
    """Read an instant with its zone.

    Raises:
        InvalidRequest: it is none, or does not say in which zone.
    """
    if not isinstance(value, str) or _DATE.fullmatch(value) is not None:
        raise InvalidRequest(
            f"malformed_{name}", f"{value!r} is no instant as 2026-01-31T08:00:00+07:00"
        )
    try:
        instant = datetime.fromisoformat(value)
    except ValueError:
        raise InvalidRequest(
            f"malformed_{name}", f"{value!r} is no instant as 2026-01-31T08:00:00+07:00"
        ) from None
    if instant.tzinfo is None:
        raise InvalidRequest(
            "no_time_zone", f"{name} {value!r} does not say in which zone: end it in Z or +07:00"
        )
    return instant


def day_or_instant(name: str, value: object) -> date | datetime:
    """Read a date or an instant; InvalidRequest if it is neither."""
    if isinstance(value, str) and _DATE.fullmatch(value) is not None:
        return _existing(name, value)
    return an_instant(name, value)


def _spelled_out(spec: Mapping[str, Any]) -> WorkTimetable:
    unknown = sorted(spec.keys() - _FIELDS)
    if unknown:
        raise InvalidRequest("unknown_calendar_field", f"{unknown[0]!r} is nothing a calendar has")
    if ("hours" in spec) == ("week" in spec):
        raise InvalidRequest("hours_or_week", "a calendar has either hours or a week of whole days")
    hours = _hours(spec["hours"]) if "hours" in spec else None
    week = _week(spec["week"]) if hours is None else frozenset(n for n in range(7) if hours[n])
    calendar = Calendar(
        version="given",
        zone=_zone(spec.get("time_zone")),
        working_week=week,
        days_off=tuple(DayOff(day, "national", "", "") for day in _holidays(spec)),
    )
    return WorkTimetable(calendar, hours)


def _hours(value: object) -> tuple[Hours, ...]:
    if not isinstance(value, dict) or not all(isinstance(day, list) for day in value.values()):
        raise InvalidRequest("malformed_hours", 'hours are {"mon": [["08:00", "16:00"]], …}')
    try:
        hours = hours_of(value)
    except BadHours as bad:
        raise InvalidRequest(bad.code, str(bad)) from None
    if not any(hours):
        raise InvalidRequest("no_hours", "a week without opening hours has no working time")
    return hours


def _week(value: object) -> frozenset[int]:
    if not isinstance(value, list) or not value:
        raise InvalidRequest("malformed_week", 'a week is ["mon", "tue", …] with at least one day')
    for day in value:
        if day not in WEEKDAYS:
            raise InvalidRequest("unknown_weekday", f"{day!r} is none of {', '.join(WEEKDAYS)}")
    return frozenset(WEEKDAYS.index(day) for day in value)


def _zone(value: object) -> ZoneInfo:
    if not isinstance(value, str) or not value:
        raise InvalidRequest(
            "no_time_zone", "a calendar names its time_zone, such as Asia/Makassar"
        )
    try:
        return ZoneInfo(value)
    except (KeyError, ValueError, OSError):  # unknown, a path, a folder of the zones' database
        raise InvalidRequest("unknown_time_zone", f"{value!r} is no IANA time zone") from None


def _holidays(spec: Mapping[str, Any]) -> list[date]:
    value = spec.get("holidays", [])
    if not isinstance(value, list):
        raise InvalidRequest("malformed_holidays", 'holidays are ["2026-01-01", …]')
    days = [a_day("holiday", day) for day in value]
    if len(set(days)) < len(days):
        twice = next(day for day in days if days.count(day) > 1)
        raise InvalidRequest("duplicate_holiday", f"{twice} is listed more than once")
    return days
