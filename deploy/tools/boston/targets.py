"""How a given target becomes a limit, so that the rules find the deadline by their own counting."""

import dataclasses
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from services.sla_monitor.policy import Policy
from shared.contract.events import Clock
from shared.registry import NATIONAL, PACKAGED, LadderStep, Limit, Registry
from shared.registry import Policy as Limits
from shared.registry.load import read
from shared.registry.models import CalendarChain, DecreeVersion
from shared.worktime.opening_hours import DAY_MINUTES
from shared.worktime.working_days import WEEKDAYS, YEARS

CLOCK: Final[Clock] = "national_verification"
"""The clock that counts from a report's own `submitted_at`: its start may be before its record."""

LEVEL: Final = 1  # the deadline itself; what comes after it says nothing new here

_MINUTE: Final = timedelta(minutes=1)
_SOURCE: Final = "the target that the city's file gives"
_CHAIN: Final = "never-closed"


class Promise(NamedTuple):
    """So many minutes of a clock that never closes, from a start (UTC): that is the target."""

    start: datetime
    minutes: int


def promise(opened: datetime, target: datetime) -> Promise:
    """Return the shortest limit in whole minutes that ends at the target, and its start.

    Limits are whole minutes and targets are to the second, so the start is up to 59 s before the
    opening. A target that is not later than the opening is a minute that was over when the request
    became known, as with a report that is typed in later.
    """
    minutes = max(1, -((opened - target) // _MINUTE))
    return Promise((target - minutes * _MINUTE).astimezone(UTC), minutes)


@dataclasses.dataclass(frozen=True, slots=True)
class TargetRegistry(Policy):
    """The registry of a city that never closes, with the limit that one request was promised."""

    minutes: int = 0

    def limits(self, institution: str, at: datetime) -> Limits:
        """Return the limits in force, the clock's own being the promise."""
        return _promised(Policy.limits(self, institution, at), self.minutes)


def city(zone: ZoneInfo) -> Registry:
    """Return the registry of one institution that works from 00:00 to 24:00 on every day.

    Its numbers are those of the packaged policy; its ladder is the deadline and nothing after it.
    """
    packaged = read(PACKAGED)
    national = packaged.policies[0]
    deadline = LadderStep(level=LEVEL, after_days=0, to=("head",), source=_SOURCE)
    institution = next(i for i in packaged.institutions if i.code == NATIONAL)
    always = ((0, DAY_MINUTES),)
    never_closed = institution.model_copy(
        update={
            "time_zone": zone.key,
            "working_week": WEEKDAYS,
            "opening_hours": (always,) * len(WEEKDAYS),
            "calendars": (_CHAIN,),
        }
    )
    return Registry.of(
        dataclasses.replace(
            packaged,
            policies=(national.model_copy(update={"ladder": (deadline,)}),),
            institutions=(never_closed,),
            units=(),
            rules=(),
            calendars=(_never_closed(zone),),
        )
    )


def _never_closed(zone: ZoneInfo) -> CalendarChain:
    first = date(YEARS[0], 1, 1)
    all_years = DecreeVersion(
        known_from=first, decree="no day off", source=_SOURCE, decides=tuple(YEARS), add=()
    )
    return CalendarChain.model_validate(
        {
            "name": _CHAIN, "prefix": _CHAIN, "time_zone": zone.key, "valid_from": first,
            "source": _SOURCE, "version": (all_years,),
        }
    )  # fmt: skip


@lru_cache(maxsize=4_096)
def _promised(limits: Limits, minutes: int) -> Limits:
    """Return limits with the promise in them; the registry's bound on minutes is not the city's."""
    limit = Limit(minutes=1, source=_SOURCE).model_copy(update={"minutes": minutes})
    return limits.model_copy(
        update={
            "version": f"{limits.version}+{minutes}",
            "limits": limits.limits.model_copy(update={CLOCK: limit}),
        }
    )
