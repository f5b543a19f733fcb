"""Check the registry's entries against each other: pure, and every problem says what to do."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from shared.registry.changes import looser, no_minutes
from shared.registry.decrees import Decreed, decree_problems
from shared.registry.ladders import ladder_problems
from shared.registry.models import (
    CalendarChain,
    Contents,
    Institution,
    Rule,
    Unit,
)
from shared.registry.policies import merged_ladder
from shared.worktime.working_days import WEEKDAYS

_TOLD_BY_ALL = ("admin", "head", "oversight")


def problems_in(contents: Contents) -> list[str]:
    """List every contradiction; empty means that the registry may be used."""
    return [
        *_policies(contents),
        *_institutions(contents),
        *_limits(contents),
        *_units(contents),
        *_categories(contents),
        *_rules(contents),
        *_twice((channel.name for channel in contents.channels), "channels.toml", "channel"),
        *_twice((chain.prefix for chain in contents.calendars), "calendars/", "prefix"),
        *(problem for chain in contents.calendars for problem in _calendar(chain)),
    ]


def _twice(names: Iterable[str], where: str, what: str) -> Iterator[str]:
    for name, count in Counter(names).items():
        if count > 1:
            yield f"{where}: {what} {name} occurs {count} times; keep one"


def _zone(name: str, where: str) -> Iterator[str]:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        yield f"{where}: time zone {name} does not exist; use an IANA name such as Asia/Makassar"


def _policies(contents: Contents) -> Iterator[str]:
    yield from _twice(
        (str(version.valid_from) for version in contents.policies), "policy.toml", "valid_from"
    )
    for version in contents.policies:
        where = f"policy.toml: version of {version.valid_from}"
        yield from ladder_problems(version.ladder, where)
        if not 0 <= version.numbers.auto_forward_confidence.value <= 1:
            yield f"{where}: auto_forward_confidence must be from 0 to 1"
        yield from no_minutes(version.limits.by_name(), where)


def _institutions(contents: Contents) -> Iterator[str]:
    codes = [institution.code for institution in contents.institutions]
    yield from _twice(codes, "institutions/", "code")
    if "00" not in codes:
        yield "institutions/: the national admin 00 is missing; restore 00.toml"
    places = {place.code for place in contents.places}
    chains = {chain.name for chain in contents.calendars}
    for institution in contents.institutions:
        where = f"institutions/{institution.code}.toml"
        yield from _zone(institution.time_zone, where)
        if not institution.working_week:
            yield f"{where}: working_week is empty; list the weekdays"
        yield from _twice(institution.working_week, where, "weekday")
        if institution.place is not None and institution.place not in places:
            yield f"{where}: place {institution.place} is not in places.csv; correct or add it"
        if not institution.calendars:
            yield f"{where}: calendars is empty; name at least one of calendars/"
        for name in institution.calendars:
            if name not in chains:
                yield f"{where}: calendar {name} is not in calendars/; correct the name or add it"
        yield from _hours(institution, where)
        yield from _contacts(institution, where)
        yield from _own_ladder(institution, contents, where)


def _own_ladder(institution: Institution, contents: Contents, where: str) -> Iterator[str]:
    """Find what is wrong with a ladder of its own on top of any national one, each once."""
    if institution.own_ladder:
        problems = (
            problem
            for version in contents.policies
            for problem in ladder_problems(
                merged_ladder(version.ladder, institution.own_ladder), where
            )
        )
        yield from dict.fromkeys(problems)


def _hours(institution: Institution, where: str) -> Iterator[str]:
    """Find days that are open and do not work, or work and are never open."""
    for weekday, day in enumerate(institution.opening_hours or ()):
        works = weekday in institution.week()
        if day and not works:
            yield f"{where}: {WEEKDAYS[weekday]} has opening hours but is not in working_week"
        if works and not day:
            yield f"{where}: {WEEKDAYS[weekday]} works but has no opening hours; add them"


def _contacts(institution: Institution, where: str) -> Iterator[str]:
    roles = {contact.role for contact in institution.contacts}
    needed = (*_TOLD_BY_ALL, "ombudsman") if institution.code == "00" else _TOLD_BY_ALL
    for role in needed:
        if role not in roles:
            yield f"{where}: no contact with role {role}; add a [[contact]], the ladder tells them"


def _limits(contents: Contents) -> Iterator[str]:
    """Find limits that are looser than a national version they may meet."""
    for institution in contents.institutions:
        where = f"institutions/{institution.code}.toml"
        yield from _twice(
            (str(own.valid_from) for own in institution.own_limits), where, "limits valid_from"
        )
        for own in institution.own_limits:
            yield from looser(
                institution, own.given(), (v.limits for v in contents.policies), where
            )


def _units(contents: Contents) -> Iterator[str]:
    units = {unit.code: unit for unit in contents.units}
    institutions = {institution.code for institution in contents.institutions}
    places = {place.code for place in contents.places}
    yield from _twice((unit.code for unit in contents.units), "units/", "code")
    yield from _twice((f"{u.institution} {u.name}" for u in contents.units), "units/", "name")
    for unit in contents.units:
        where = f"units/{unit.institution}.csv: {unit.code}"
        if unit.institution not in institutions:
            yield f"{where}: institution {unit.institution} is not in institutions/; add its file"
        if unit.place is not None and unit.place not in places:
            yield f"{where}: place {unit.place} is not in places.csv; correct or add it"
        for named, code in (("parent", unit.parent), ("same_as", unit.same_as)):
            if code is None:
                continue
            if code not in units:
                yield f"{where}: {named} {code} does not exist; correct it or add the unit"
            elif units[code].institution != unit.institution:
                yield f"{where}: {named} {code} belongs to another institution; correct it"
        if _circles(unit, units):
            yield f"{where}: its parents lead back to it; break the circle"


def _circles(unit: Unit, units: dict[str, Unit]) -> bool:
    seen = {unit.code}
    above = unit.parent
    while above is not None and above in units:
        if above in seen:
            return above == unit.code
        seen.add(above)
        above = units[above].parent
    return False


def _categories(contents: Contents) -> Iterator[str]:
    topics = {topic.code for topic in contents.topics}
    yield from _twice((topic.code for topic in contents.topics), "topics.csv", "code")
    yield from _twice((category.id for category in contents.categories), "categories.csv", "id")
    yield from _twice((place.code for place in contents.places), "places.csv", "code")
    for category in contents.categories:
        if category.topic not in topics:
            yield (
                f"categories.csv: {category.id}: topic {category.topic} is not in topics.csv; "
                "correct or add it"
            )


def _rules(contents: Contents) -> Iterator[str]:
    units = {unit.code for unit in contents.units}
    codes = {
        "category": {category.id for category in contents.categories},
        "topic": {topic.code for topic in contents.topics},
        "place": {place.code for place in contents.places},
    }
    institutions = {institution.code for institution in contents.institutions}
    keys = Counter((owner, r.category, r.topic, r.place) for owner, r in contents.rules)
    for owner, rule in contents.rules:
        where = f"directory/{owner}: rule {rule.name}"
        if owner not in institutions:
            yield f"{where}: institution {owner} is not in institutions/; add its file"
        if rule.unit not in units or not rule.unit.startswith(f"{owner}-"):
            yield f"{where}: unit {rule.unit} is not in units/{owner}.csv; correct or add it"
        for what, code in (
            ("category", rule.category),
            ("topic", rule.topic),
            ("place", rule.place),
        ):
            if code is not None and code not in codes[what]:
                yield f"{where}: {what} {code} does not exist; correct it"
        if rule.category is not None and rule.topic is not None:
            yield f"{where}: names a category and a topic; keep the category"
        if keys[owner, rule.category, rule.topic, rule.place] > 1:
            yield f"{where}: another rule names the same category, topic and place; keep one"
        keys[owner, rule.category, rule.topic, rule.place] = 1
    yield from _names(contents.rules)


def _names(rules: Iterable[tuple[str, Rule]]) -> Iterator[str]:
    """Find names that lead to several units: a name in an event says which."""
    units: dict[tuple[str, str], set[str]] = {}
    for owner, rule in rules:
        units.setdefault((owner, rule.name), set()).add(rule.unit)
    for (owner, name), led_to in units.items():
        if len(led_to) > 1:
            yield f"directory/{owner}: rule name {name} is used for {len(led_to)} units; rename one"


def _calendar(chain: CalendarChain) -> Iterator[str]:
    where = f"calendars/{chain.name}.toml"
    yield from _zone(chain.time_zone, where)
    if not chain.versions:
        yield f"{where}: no [[version]]; add the first decree"
    for before, after in pairwise(chain.versions):
        if (after.known_from, after.again) <= (before.known_from, before.again):
            yield (
                f"{where}: version of {after.known_from} is not newer than that of "
                f"{before.known_from} before it; put them in order, a day's second with again = 2"
            )
    for month_day, _, _ in chain.every_year:
        try:
            date.fromisoformat(f"2023-{month_day}")
        except ValueError:
            yield f"{where}: every_year: {month_day} is no month and day of every year; write MM-DD"
    decreed = Decreed()
    for version in chain.versions:
        yield from decree_problems(version, decreed, f"{where}: version of {version.known_from}")
        decreed.apply(version)
