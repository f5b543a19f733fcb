"""Working time in opening hours: exact minutes of days that may be split, in any zone. Pure.

Every opening is an interval of real time; all of them are counted out once, so that each operation
is a search and not a walk. The result is the same whatever zone an instant is written in.

The boundary: an end that falls on a closing time is the closing of that day, never the next
opening; counted backwards it is the opening of that day, never the closing before. An instant of
closing is not working time, one of opening is.

Hours are wall-clock times, what lies between them is real time: where a zone changes its clock
within the hours, the day of the change has an hour more or less. A wall-clock time that a change
skips is the moment of the change, one that comes twice is its first coming.
"""

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import accumulate
from typing import Final
from zoneinfo import ZoneInfo

from shared.worktime.working_days import WEEKDAYS, YEARS, Calendar, CalendarYearMissing

Hours = tuple[tuple[int, int], ...]
"""One weekday's openings in order: (opens, closes) in minutes of its wall-clock day, 0 to 1440."""

Pause = tuple[datetime, datetime | None]
"""A rest of the clock: since and until; open as long as `until` is None."""

DAY_MINUTES: Final = 1440

_DAY_SECONDS: Final = 86_400
_SECOND: Final = 1_000_000  # in microseconds, the unit of all counting below
_MICROSECOND: Final = timedelta(microseconds=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY: Final = _EPOCH.toordinal()
_FIRST_DAY: Final = date(YEARS[0], 1, 1).toordinal()
_LAST_DAY: Final = date(YEARS[-1], 12, 31).toordinal()
_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])|24:00")


class BadHours(ValueError):  # noqa: N818  it names the data's fault
    """Opening hours that contradict themselves; `code` names the fault."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class OpeningHours:
    """The opening hours of one institution on the working days of its calendar.

    A year without a decree counts provisionally, as in the calendar: `calendar.is_decreed` says
    whether one was touched. What lies outside the century raises CalendarYearMissing.
    """

    __slots__ = ("_before", "_first", "_last", "_opens", "calendar", "week")

    def __init__(self, calendar: Calendar, week: tuple[Hours, ...]) -> None:
        """Count out every opening and the working time before it.

        Raises:
            BadHours: no hours at all, or hours on a weekday that is not in the working week.
        """
        self.calendar = calendar
        self.week = week
        if not any(self.week):
            raise BadHours("no_hours", "a week without opening hours has no working time")
        for weekday, hours in enumerate(self.week):
            if hours and weekday not in self.calendar.working_week:
                name = WEEKDAYS[weekday]
                raise BadHours("hours_on_free_day", f"{name} has hours and is no working day")
        opens, before = _counted_out(self.calendar, self.week)
        zone = self.calendar.zone
        self._opens, self._before = opens, before
        self._first = _instant(zone, _FIRST_DAY, 0) * _SECOND
        self._last = _instant(zone, _LAST_DAY, _DAY_SECONDS) * _SECOND

    @classmethod
    def whole_days(cls, calendar: Calendar) -> "OpeningHours":
        """Return hours from 00:00 to 24:00 on every day of the calendar's working week."""
        open_day: Hours = ((0, DAY_MINUTES),)
        week = tuple(open_day if n in calendar.working_week else () for n in range(7))
        return cls(calendar, week)

    # ---- operations

    def is_working_instant(self, at: datetime) -> bool:
        """Say whether an aware instant lies in opening hours; an instant of closing does not."""
        moment = self._micros(at)
        index = bisect_right(self._opens, moment) - 1
        return index >= 0 and moment - self._opens[index] < self._length(index)

    def elapsed(self, start: datetime, end: datetime, pauses: Iterable[Pause] = ()) -> timedelta:
        """Measure the working time from one aware instant to a later one, pauses taken out.

        Raises:
            ValueError: the end is before the start.
        """
        if end < start:
            raise ValueError("working time ends before it starts")
        used = self._position(end) - self._position(start)
        for since, until in merged(pauses):
            since_, until_ = max(start, since), end if until is None else min(end, until)
            if since_ < until_:
                used -= self._position(until_) - self._position(since_)
        return timedelta(microseconds=used)

    def add(
        self, start: datetime, amount: timedelta, pauses: Iterable[Pause] = ()
    ) -> datetime | None:
        """Return the instant (UTC) by which that much working time has passed, pauses taken out.

        The earliest such instant; of a negative amount the latest from which that much passes
        until the start; of none the start itself. A pause that begins at or after the end changes
        nothing. None while a pause that counts is still open.
        """
        left = amount // _MICROSECOND
        rests = merged(pauses)
        if left < 0:
            return self._back(start, -left, rests)
        if not left:
            self._micros(start)
            return start.astimezone(UTC)
        here = self._position(start)
        for since, until in rests:
            if until is not None and until <= start:
                continue
            rests_at = self._position(max(start, since))
            if here + left <= rests_at:
                break
            if until is None:
                return None
            left -= rests_at - here
            here = self._position(until)
        return self._earliest(here + left)

    # ---- the counting itself: positions are microseconds of working time since YEARS began

    def _back(self, start: datetime, left: int, rests: Sequence[Pause]) -> datetime:
        here = self._position(start)
        for since, until in reversed(rests):
            if since >= start:
                continue
            resumes = self._position(start if until is None else min(start, until))
            if here - left >= resumes:
                break
            left -= here - resumes
            here = self._position(since)
        return self._latest(here - left)

    def _length(self, index: int) -> int:
        return self._before[index + 1] - self._before[index]

    def _micros(self, at: datetime) -> int:
        if at.tzinfo is None:
            raise ValueError("an instant without a time zone cannot be placed in a calendar")
        moment = (at - _EPOCH) // _MICROSECOND
        if not self._first <= moment <= self._last:
            year = YEARS[0] - 1 if moment < self._first else YEARS[-1] + 1
            raise CalendarYearMissing(year, self.calendar.version)
        return moment

    def _position(self, at: datetime) -> int:
        moment = self._micros(at)
        index = bisect_right(self._opens, moment) - 1
        if index < 0:
            return 0
        return self._before[index] + min(moment - self._opens[index], self._length(index))

    def _earliest(self, position: int) -> datetime:
        index = bisect_left(self._before, position) - 1
        if index >= len(self._opens):
            raise CalendarYearMissing(YEARS[-1] + 1, self.calendar.version)
        return _at(self._opens[index] + position - self._before[index])

    def _latest(self, position: int) -> datetime:
        index = bisect_right(self._before, position) - 1
        if index < 0:
            raise CalendarYearMissing(YEARS[0] - 1, self.calendar.version)
        return _at(self._opens[index] + position - self._before[index])


def closing_time(zone: ZoneInfo, week: Sequence[Hours], day: date) -> datetime:
    """Return the last closing time (UTC) of a day; of a day without hours its 24:00."""
    hours = week[day.weekday()]
    closes = hours[-1][1] if hours else DAY_MINUTES
    return _at(_instant(zone, day.toordinal(), closes * 60) * _SECOND)


def hours_of(spec: Mapping[str, Sequence[Sequence[str]]]) -> tuple[Hours, ...]:
    """Read opening hours as data spell them: `{"mon": [["08:00", "12:00"], ...], ...}`.

    Openings may come in any order; those that touch are one.

    Raises:
        BadHours: an unknown weekday, a malformed time, hours that close before they open or
            overlap.
    """
    unknown = [name for name in spec if name not in WEEKDAYS]
    if unknown:
        raise BadHours("unknown_weekday", f"{unknown[0]!r} is none of {', '.join(WEEKDAYS)}")
    return tuple(_day_of(name, spec.get(name, ())) for name in WEEKDAYS)


def merged(pauses: Iterable[Pause]) -> list[Pause]:
    """Sort pauses and join those that overlap or touch, so that no time rests twice.

    One that ends when or before it begins rests nothing. Nothing follows one that is open.
    """
    joined: list[Pause] = []
    for since, until in sorted(pauses, key=lambda pause: pause[0]):
        if until is not None and until <= since:
            continue
        if not joined:
            joined.append((since, until))
            continue
        first, last = joined[-1]
        if last is None:
            break
        if last < since:
            joined.append((since, until))
        else:
            joined[-1] = (first, None if until is None else max(last, until))
    return joined


def _day_of(name: str, openings: Sequence[Sequence[str]]) -> Hours:
    spans: list[tuple[int, int]] = []
    for opening in openings:
        if isinstance(opening, str) or len(opening) != 2:  # noqa: PLR2004  opens and closes
            raise BadHours("malformed_hours", f'{name}: {opening!r} is not ["08:00", "16:00"]')
        opens, closes = _minutes(name, opening[0]), _minutes(name, opening[1])
        if closes <= opens:
            detail = f"{name}: {opening[0]} to {opening[1]} closes before it opens"
            raise BadHours("closes_before_it_opens", detail)
        spans.append((opens, closes))
    day: list[tuple[int, int]] = []
    for opens, closes in sorted(spans):
        if day and opens < day[-1][1]:
            raise BadHours("overlapping_hours", f"{name}: two openings overlap")
        if day and opens == day[-1][1]:
            day[-1] = (day[-1][0], closes)
        else:
            day.append((opens, closes))
    return tuple(day)


def _minutes(name: str, text: object) -> int:
    if not isinstance(text, str) or _TIME.fullmatch(text) is None:
        raise BadHours("malformed_hours", f"{name}: {text!r} is no time from 00:00 to 24:00")
    return int(text[:2]) * 60 + int(text[3:])


def _counted_out(calendar: Calendar, week: Sequence[Hours]) -> "tuple[array[int], array[int]]":
    """Return when each opening begins, and the working time before it and after the last."""
    zone = calendar.zone
    offsets, changes = _offsets(zone)
    usual = [[(o * 60 * _SECOND, (c - o) * 60 * _SECOND) for o, c in hours] for hours in week]
    opens, lengths = list[int](), list[int]()
    for ordinal in calendar.working_ordinals:
        if ordinal in changes:
            for begins, ends in _real(zone, ordinal, week[(ordinal - 1) % 7]):
                opens.append(begins * _SECOND)
                lengths.append((ends - begins) * _SECOND)
        else:
            day = (ordinal - _EPOCH_DAY) * _DAY_SECONDS - offsets[ordinal - _FIRST_DAY]
            for opening, length in usual[(ordinal - 1) % 7]:
                opens.append(day * _SECOND + opening)
                lengths.append(length)
    return array("q", opens), array("q", accumulate(lengths, initial=0))


def _real(zone: ZoneInfo, ordinal: int, hours: Hours) -> Iterator[tuple[int, int]]:
    """Return openings in real seconds; those that a change of the clock skips are left out."""
    for opening, closing in hours:
        begins, ends = (_instant(zone, ordinal, minute * 60) for minute in (opening, closing))
        if begins < ends:
            yield begins, ends


@lru_cache(maxsize=64)
def _offsets(zone: ZoneInfo) -> "tuple[array[int], frozenset[int]]":
    """Return each day's offset at its 00:00, in seconds, and the days on which it changes."""
    first = datetime.fromordinal(_FIRST_DAY).replace(tzinfo=zone)
    zone_offsets = [zone.utcoffset(first + timedelta(n)) for n in range(_LAST_DAY + 2 - _FIRST_DAY)]
    seconds = {o: 0 if o is None else round(o.total_seconds()) for o in set(zone_offsets)}
    offsets = array("i", (seconds[offset] for offset in zone_offsets))
    changes = frozenset(
        _FIRST_DAY + index
        for index in range(len(offsets) - 1)
        if offsets[index] != offsets[index + 1]
    )
    return offsets, changes


def _instant(zone: ZoneInfo, ordinal: int, second: int) -> int:
    """Return the first real second by which a day's wall clock shows a time or a later one."""
    wall = datetime.fromordinal(ordinal) + timedelta(seconds=second)
    after = _real_second(wall.replace(tzinfo=zone))
    if _wall(zone, after) == wall:
        return after
    before = _real_second(wall.replace(tzinfo=zone, fold=1))
    while after - before > 1:  # the change that skips it lies between
        middle = (before + after) // 2
        before, after = (before, middle) if _wall(zone, middle) >= wall else (middle, after)
    return after


def _real_second(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(seconds=1)


def _wall(zone: ZoneInfo, second: int) -> datetime:
    return (_EPOCH + timedelta(seconds=second)).astimezone(zone).replace(tzinfo=None, fold=0)


def _at(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)
