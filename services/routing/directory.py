"""Which unit do an institution's rules name? Pure matching, the most specific rule first."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

Unnamed = Literal["nothing_fits", "unit_unknown"]
_Key = tuple[str, str | None, str | None, str | None]


@dataclass(frozen=True, slots=True)
class Rule:
    """A line of the directory: a category or topic, a place that may be wider, and the unit."""

    institution: str
    name: str
    unit: str
    why: str = ""
    category: str | None = None
    topic: str | None = None
    place: str | None = None


@dataclass(frozen=True, slots=True)
class Named:
    """The unit that gets the report, the rule that says so, and why, for people to read."""

    unit: str
    rule: str
    why: str


@dataclass(frozen=True, slots=True)
class Directory:
    """All institutions' rules and units, looked up without going through all of them."""

    rules: Mapping[_Key, tuple[Rule, ...]]
    units: frozenset[str]
    topics: Mapping[str, str]

    @classmethod
    def of(
        cls, rules: Iterable[Rule], units: Iterable[str], topics: Mapping[str, str]
    ) -> "Directory":
        """Index the rules; `topics` says for each category the topic it belongs to."""
        found: dict[_Key, tuple[Rule, ...]] = {}
        for rule in rules:
            key = (rule.institution, rule.category, rule.topic, rule.place)
            found[key] = (*found.get(key, ()), rule)
        return cls(found, frozenset(units), dict(topics))

    def has_unit(self, institution: str, unit: str) -> bool:
        """Say whether the unit is one of the institution's."""
        return unit in self.units and unit.startswith(f"{institution}-")

    def fitting(self, institution: str, category: str | None, place: str | None) -> Iterator[Rule]:
        """Yield the rules that fit, most specific first; of equals the one given first.

        Category and place before topic and place before category, topic, place alone, and a rule
        without either (the order of the registry's files); of places the smallest that holds the
        report's. A rule that names what the report does not say never fits.
        """
        topic = self.topics.get(category) if category is not None else None
        places = tuple(_widening(place))
        matters = [(category, None)] * (category is not None) + [(None, topic)] * (
            topic is not None
        )
        for matter in matters:
            for wider in places:
                yield from self.rules.get((institution, *matter, wider), ())
        for matter in matters:
            yield from self.rules.get((institution, *matter, None), ())
        for wider in places:
            yield from self.rules.get((institution, None, None, wider), ())
        yield from self.rules.get((institution, None, None, None), ())

    def name_unit(
        self, institution: str, category: str | None, place: str | None, tried: Collection[str]
    ) -> Named | Unnamed:
        """Name a unit that was not tried yet, or say why there is none.

        `unit_unknown`: rules fit, but what they name besides the units tried is none of the
        institution's units.
        """
        reason: Unnamed = "nothing_fits"
        for rule in self.fitting(institution, category, place):
            if rule.unit in tried:
                continue
            if self.has_unit(institution, rule.unit):
                return Named(rule.unit, rule.name, _why(rule))
            reason = "unit_unknown"
        return reason


def _widening(place: str | None) -> Iterator[str]:
    """Yield a place and every place that holds it: 63.08.05.1001, 63.08.05, 63.08, 63."""
    while place:
        yield place
        place = place.rpartition(".")[0]


def _why(rule: Rule) -> str:
    named = [
        f"{what} {code}"
        for what, code in (
            ("category", rule.category),
            ("topic", rule.topic),
            ("place", rule.place),
        )
        if code is not None
    ]
    fits = ", ".join(named) or "every report"
    return f"{fits}: {rule.why}" if rule.why else fits
