"""A change of the registry as it was published, and what is wrong with one. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from typing import Annotated, Any, Final, Protocol

from pydantic import BaseModel, ConfigDict, Discriminator, Tag, ValidationError

from shared.contract.events import CalendarAmended, PolicyChanged, Utc
from shared.registry.calendars import Chain, number_in, numbered
from shared.registry.decrees import Decreed, decree_problems
from shared.registry.limit import Limit
from shared.registry.models import LIMIT_NAMES, NATIONAL, DecreeVersion, Institution, Limits
from shared.registry.policies import PolicyHistory, PolicyStep
from shared.worktime.working_days import YEARS

_OUTSIDE: Final = f"is outside {YEARS[0]} to {YEARS[-1]}; correct the date"
_NEVER_EDITED: Final = (
    "what was published is never edited, publish another version of a later day, or with again = 2"
)


def _kind(value: Any) -> str:
    of_calendar = "chain" in value if isinstance(value, dict) else hasattr(value, "chain")
    return "calendar" if of_calendar else "policy"


class Change(BaseModel):
    """What operators published, and the broker's time of its record: it counts from then."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    event: Annotated[
        Annotated[CalendarAmended, Tag("calendar")] | Annotated[PolicyChanged, Tag("policy")],
        Discriminator(_kind),
    ]
    seen_at: Utc

    def __hash__(self) -> int:
        """Hash the version's name and its time; equality compares all."""
        return hash((self.event.version, self.seen_at))


class Amendable(Protocol):
    """What a change is checked against: a registry, as far as changes concern it."""

    @property
    def chains(self) -> Mapping[str, Chain]:
        """The calendars' chains, by name."""

    @property
    def institutions(self) -> Mapping[str, Institution]:
        """The institutions, by code."""

    def policy_history(self, institution: str) -> PolicyHistory:
        """Return an institution's policy from each day on which it changes."""


def problems_of(change: Change, registry: Amendable) -> list[str]:
    """Say why a registry would leave a change out; empty where it takes it, or has it already.

    The registry is that of all changes before this one.
    """
    event = change.event
    if isinstance(event, CalendarAmended):
        return list(_calendar_problems(event, change.seen_at, registry))
    return list(_policy_problems(event, change.seen_at, registry))


def is_known(change: Change, registry: Amendable) -> bool:
    """Say whether the registry has this very version already, from its files or as published."""
    event = change.event
    if isinstance(event, CalendarAmended):
        chain = registry.chains.get(event.chain)
        there = chain.named(event.version) if chain is not None else None
        return there is not None and _content(there) == _content(version_of(event))
    if event.institution not in registry.institutions:
        return False
    stated = registry.policy_history(event.institution).stated(event.version)
    if stated is None:
        return False
    return all(
        name in stated and (stated[name].amount, stated[name].unit) == (term.amount, term.unit)
        for name, term in event.limits.items()
    )


# ---- calendars


def _content(version: DecreeVersion) -> tuple[object, ...]:
    """Return what counts of a version, whatever order it is written in."""
    return (
        version.decree, set(version.decides), set(version.add), set(version.remove)
    )  # fmt: skip


def version_of(event: CalendarAmended) -> DecreeVersion:
    """Return the published version as a chain holds it."""
    return DecreeVersion(
        known_from=event.known_from,
        again=number_in(event.version, event.known_from),
        decree=event.decree,
        source=event.source,
        decides=event.decides,
        add=event.add,
        remove=event.remove,
    )


def _calendar_problems(
    event: CalendarAmended, seen_at: datetime, registry: Amendable
) -> Iterator[str]:
    chain = registry.chains.get(event.chain)
    if chain is None:
        there = ", ".join(sorted(registry.chains))
        yield (
            f"calendar {event.chain} is not in calendars/ (there are: {there}); correct the name, "
            "or deploy the calendar's file first"
        )
        return
    version, at = version_of(event), f"version {event.version}"
    name = chain.name_of(version)
    if event.known_from.year not in YEARS:
        yield f"{at}: {event.known_from} {_OUTSIDE}"
        return
    if event.version != name:
        yield f"{at}: a version of {event.known_from} is named {name}; correct the name"
        return
    if chain.named(name) is not None:
        if not is_known(Change(event=event, seen_at=seen_at), registry):
            yield f"{at}: there is a version of that name with other days; {_NEVER_EDITED}"
        return
    before = chain.versions[: chain.known(chain.counts_from(version, seen_at))]
    newest = max((v for v in before), key=_place, default=None)
    if newest is not None and _place(newest) >= _place(version):
        yield (
            f"{at}: is older than the newest known version, of {newest.known_from}; give it a "
            "later known_from, the day on which it became known, or again = 2 on the same day"
        )
        return
    yield from decree_problems(version, Decreed.of(before), at)


def _place(version: DecreeVersion) -> tuple[date, int]:
    return version.known_from, version.again


# ---- policies


def step_of(change: Change, history: PolicyHistory) -> PolicyStep | None:
    """Return what a change of policy states in an institution's history, if it concerns it."""
    event = change.event
    if isinstance(event, CalendarAmended):
        return None
    is_national = event.institution == NATIONAL
    if not is_national and event.institution != history.institution.code:
        return None
    return PolicyStep(
        since=history.counts_from(event.valid_from, change.seen_at),
        valid_from=event.valid_from,
        name=event.version,
        is_national=is_national,
        limits=limits_of(event),
        is_published=True,
    )


def limits_of(event: PolicyChanged) -> dict[str, Limit]:
    """Return the limits that a change states; ValidationError where one is no limit."""
    return {name: Limit.of(term) for name, term in event.limits.items()}


def _policy_problems(event: PolicyChanged, seen_at: datetime, registry: Amendable) -> Iterator[str]:
    if event.institution not in registry.institutions:
        yield f"institution {event.institution} is not in institutions/; correct the code"
        return
    at = f"policy {event.version}"
    history = registry.policy_history(event.institution)
    is_national = event.institution == NATIONAL
    name = numbered(
        f"{'national' if is_national else event.institution}-{event.valid_from}",
        number_in(event.version, event.valid_from),
    )
    malformed = list(_malformed(event, name, at))
    if malformed:
        yield from malformed
        return
    if history.stated(name) is not None:
        if not is_known(Change(event=event, seen_at=seen_at), registry):
            yield f"{at}: there is a version of that name with other limits; {_NEVER_EDITED}"
        return
    since = history.counts_from(event.valid_from, seen_at)
    newest = history.newest(is_national=is_national, at=since)
    number = number_in(event.version, event.valid_from)
    if newest is not None and newest >= (event.valid_from, number):
        yield (
            f"{at}: is older than the version in force, of {newest[0]}; give it a later "
            "valid_from, or again = 2 on the same day"
        )
    if is_national:
        yield from no_minutes(limits_of(event), at)
        return
    institution = registry.institutions[event.institution]
    yield from looser(institution, limits_of(event), history.national_since(since), at)


def _malformed(event: PolicyChanged, name: str, at: str) -> Iterator[str]:
    if event.version != name:
        yield f"{at}: a change from {event.valid_from} is named {name}; correct the name"
    if event.valid_from.year not in YEARS:
        yield f"{at}: {event.valid_from} {_OUTSIDE}"
    there = ", ".join(LIMIT_NAMES)
    if not event.limits:
        yield f"{at}: states no limit; name at least one of {there}"
    for limit in sorted(set(event.limits) - set(LIMIT_NAMES)):
        yield f"{at}: {limit} is no limit; there are {there}"
    try:
        limits_of(event)
    except ValidationError as wrong:
        yield f"{at}: {wrong.errors(include_url=False)[0]['msg']}; correct the limit"


# ---- never looser


def no_minutes(limits: Mapping[str, Limit], at: str) -> Iterator[str]:
    """List national limits in minutes: opening hours are an institution's, the nation has none."""
    for name, limit in limits.items():
        if limit.minutes is not None:
            yield f"{at}: limit {name} is in minutes; a national limit is in days"


def looser(
    institution: Institution, limits: Mapping[str, Limit], nationals: Iterable[Limits], at: str
) -> Iterator[str]:
    """List an institution's limits that are looser than national ones they may meet, each once."""
    met = list(nationals)
    for name, limit in limits.items():
        for theirs in (national.by_name()[name] for national in met):
            problem = _looser(limit, theirs, institution.shortest_day())
            if problem:
                yield f"{at}: limit {name} {problem}"
                break


def _looser(limit: Limit, theirs: Limit, day_minutes: int | None) -> str:
    """Say what is wrong with a limit beside a national one; empty if it is no looser."""
    if limit.is_no_looser_than(theirs, day_minutes):
        return ""
    if limit.minutes is None or theirs.unit != "working_days":
        if limit.unit != theirs.unit:
            return f"must be in {theirs.unit}"
        return (
            f"of {limit.amount} is looser than the national {theirs.amount}; "
            "an institution may only be tighter"
        )
    if day_minutes is None:
        return "is in minutes, but the institution states no opening_hours; add them, or state days"
    return (
        f"of {limit.amount} minutes may be looser than the national {theirs.amount} days: the "
        f"shortest open day has {day_minutes} minutes; state at most {theirs.amount * day_minutes}"
    )
