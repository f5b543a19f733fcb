"""Which unit an institution's rules name for a category and a place: the most specific first."""

from collections.abc import Iterable, Iterator, Mapping

from shared.registry.models import Rule


class Directory:
    """One institution's rules, immutable, looked up without going through all of them."""

    def __init__(self, rules: Iterable[Rule], topics: Mapping[str, str]) -> None:
        by_key: dict[tuple[str | None, str | None, str | None], Rule] = {}
        for rule in rules:
            by_key.setdefault((rule.category, rule.topic, rule.place), rule)
        self._rules = by_key
        self._topics = topics
        self.rules: tuple[Rule, ...] = tuple(by_key.values())

    def matching(self, category_id: str | None, place_code: str | None) -> tuple[Rule, ...]:
        """List the rules that fit, most specific first; empty means that nothing fits.

        Category and place before topic and place before category, topic, place alone, and a rule
        without either; of places the smallest that holds the report's. An unknown category or a
        missing place fits only rules that do not name one.
        """
        topic = self._topics.get(category_id) if category_id is not None else None
        places = list(_widening(place_code))
        keys: list[tuple[str | None, str | None, str | None]] = []
        if category_id is not None:
            keys += [(category_id, None, place) for place in places]
        if topic is not None:
            keys += [(None, topic, place) for place in places]
        if category_id is not None:
            keys.append((category_id, None, None))
        if topic is not None:
            keys.append((None, topic, None))
        keys += [(None, None, place) for place in places]
        keys.append((None, None, None))
        return tuple(self._rules[key] for key in keys if key in self._rules)


def _widening(place_code: str | None) -> Iterator[str]:
    """Yield a place and every place that holds it: 63.08.05.1001, 63.08.05, 63.08, 63."""
    while place_code:
        yield place_code
        place_code = place_code.rpartition(".")[0]
