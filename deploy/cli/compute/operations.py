"""The operations themselves, over requests that are read already."""

from datetime import date, datetime, timedelta
from typing import NamedTuple

from deploy.cli.compute.timetables import InvalidRequest, WorkTimetable, written
from shared.worktime.opening_hours import Pause
from shared.worktime.working_days import Calendar, CalendarYearMissing

Result = dict[str, str] | str | int | bool
"""What an answer holds: JSON as it is."""

_MINUTE = timedelta(minutes=1)
_MOMENT = timedelta(microseconds=1)


class AddDays(NamedTuple):
    """The working day so many after (or before) a day, or after an instant's local day."""

    table: WorkTimetable
    start: date | datetime
    days: int


class AddMinutes(NamedTuple):
    """The instant by which so much working time has passed, pauses taken out."""

    table: WorkTimetable
    start: datetime
    amount: timedelta
    pauses: tuple[Pause, ...]


class Elapsed(NamedTuple):
    """The working time between two instants, pauses taken out."""

    table: WorkTimetable
    start: datetime
    end: datetime
    pauses: tuple[Pause, ...]


class IsWorkingDay(NamedTuple):
    """Whether a day counts."""

    table: WorkTimetable
    day: date


class IsWorkingInstant(NamedTuple):
    """Whether an instant lies in the hours."""

    table: WorkTimetable
    at: datetime


Request = AddDays | AddMinutes | Elapsed | IsWorkingDay | IsWorkingInstant


def compute(request: Request) -> Result:
    """Compute one request; the result is what its answer holds.

    Days give `{"date", "instant"}`, the instant being the end of that day: its closing time where
    the calendar has hours, else 24:00. Elapsed minutes are whole, the rest is cut off.

    Raises:
        InvalidRequest: a year without calendar is touched, or a pause has no end.
    """
    try:
        return _compute(request)
    except CalendarYearMissing as missing:
        raise _year_refused(request.table.calendar, missing.year) from None
    except OverflowError:
        raise InvalidRequest("too_large", "the result lies outside all calendars") from None


def _compute(request: Request) -> Result:
    table = request.table
    match request:
        case AddDays():
            start = request.start
            day = table.calendar.local_date(start) if isinstance(start, datetime) else start
            on, end = table.written(table.calendar.add_working_days(day, request.days))
            return {"date": on, "instant": end}
        case AddMinutes():
            instant = table.hours.add(request.start, request.amount, request.pauses)
            if instant is None:
                raise InvalidRequest(
                    "pause_still_open", "nobody knows the end while a pause is open"
                )
            _require_years(table.calendar, *sorted((request.start, instant)))
            return written(instant)
        case Elapsed():
            _require_years(table.calendar, request.start, request.end)
            return table.hours.elapsed(request.start, request.end, request.pauses) // _MINUTE
        case IsWorkingDay():
            return table.calendar.is_working_day(request.day)
    if not table.calendar.is_working_instant(request.at):  # asks for the year, too
        return False
    return table.hours.is_working_instant(request.at)


def _require_years(calendar: Calendar, start: datetime, end: datetime) -> None:
    """Raise CalendarYearMissing for the first year between that has no decree."""
    if calendar.is_decreed(start, max(start, end - _MOMENT)):
        return
    first, last = calendar.local_date(start).year, calendar.local_date(end - _MOMENT).year
    missing = next(year for year in range(first, last + 1) if year not in calendar.years)
    raise CalendarYearMissing(missing, calendar.version)


def _year_refused(calendar: Calendar, year: int) -> InvalidRequest:
    if not calendar.years:
        return InvalidRequest(
            "no_decree_known", f"calendar {calendar.version} knows no year at all"
        )
    first, last = min(calendar.years), max(calendar.years)
    what = f"calendar {calendar.version} knows {first} to {last}, the count touches {year}"
    if year < first:
        return InvalidRequest("before_first_year", what)
    if year > last:
        return InvalidRequest("beyond_last_year", what)
    return InvalidRequest(
        "year_without_decree", f"calendar {calendar.version} has no decree for {year}"
    )
