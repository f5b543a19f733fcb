"""A report's facts as one story: what follows what, although they came from streams in no order."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from services.sla_monitor.facts import Fact, Kind


@dataclass(frozen=True)
class Story:
    """The facts in canonical order, each with the holding and dispatch that it belongs to."""

    facts: tuple[Fact, ...]

    @classmethod
    def of(cls, facts: Iterable[Fact]) -> "Story":
        """Place the facts that do not say themselves to which stretch of the life they belong.

        A question of the national admin belongs to the holdings opened before it, a held routing
        to the dispatch after those before it: in both cases one stream tells the order. A closing
        that a newer dispatch overtook counts nothing.
        """
        ordered = tuple(sorted(set(facts), key=lambda f: f.order))
        kept = (f for f in ordered if not _is_overtaken(f, ordered))
        return cls(tuple(_placed(fact, ordered) for fact in kept))

    @cached_property
    def _by_kind(self) -> dict[Kind, list[Fact]]:
        found: dict[Kind, list[Fact]] = {}
        for fact in self.facts:
            found.setdefault(fact.kind, []).append(fact)
        return found

    def all(self, *kinds: Kind) -> list[Fact]:
        """Return the facts of some kinds, in canonical order."""
        found = [fact for kind in kinds for fact in self._by_kind.get(kind, ())]
        return found if len(kinds) == 1 else sorted(found, key=lambda f: f.order)

    @cached_property
    def received(self) -> Fact | None:
        """Return the report's own fact, once it is known."""
        return next(iter(self.all(Kind.RECEIVED)), None)

    @cached_property
    def end(self) -> Fact | None:
        """Return the first end that is final for every stage: archived, blocked or withdrawn."""
        return next(iter(self.all(Kind.ENDED)), None)

    @cached_property
    def is_over(self) -> bool:
        """Say whether nobody owes anything any more: ended, or closed and not reopened."""
        if self.end is not None:
            return True
        turns = self.all(Kind.CLOSED, Kind.REOPENED, Kind.ANSWERED)
        last = max(turns, key=lambda f: (f.holding, f.n, f.order), default=None)
        return last is not None and last.kind is Kind.CLOSED

    def unit_at(self, holding: int, until: datetime | None = None) -> str | None:
        """Return the unit that has the report in a holding, or None if none has."""
        sent = [f for f in self.all(Kind.DISPATCHED) if f.holding == holding]
        sent = [f for f in sent if until is None or f.at <= until] or sent[:1]
        last = max(sent, key=lambda f: (f.dispatch, f.order), default=None)
        if last is None:
            return None
        back = (
            f for f in self.all(Kind.UNIT_RETURNED)
            if f.holding == holding and f.dispatch >= last.dispatch
            and (until is None or f.at <= until)
        )  # fmt: skip
        return None if any(back) else last.unit


def _is_overtaken(fact: Fact, facts: Sequence[Fact]) -> bool:
    """Say whether a report was dispatched anew while it was closed: that begins again."""
    if fact.kind is not Kind.CLOSED:
        return False
    place = (fact.holding, fact.dispatch)
    if not any(f.kind is Kind.DISPATCHED and (f.holding, f.dispatch) > place for f in facts):
        return False
    return not any(
        f.kind is Kind.REOPENED and f.holding == fact.holding and f.n > fact.n for f in facts
    )


def _placed(fact: Fact, facts: Sequence[Fact]) -> Fact:
    if fact.kind is Kind.ASKED and fact.stage == "national":
        opened = (f.holding for f in facts if f.kind is Kind.FORWARDED and f.n < fact.n)
        return fact.model_copy(update={"holding": max(opened, default=0)})
    if fact.kind is Kind.HELD:
        sent = (f for f in facts if f.kind is Kind.DISPATCHED and f.n < fact.n)
        awaited = max((f.dispatch for f in sent if f.holding == fact.holding), default=0) + 1
        return fact.model_copy(update={"dispatch": awaited})
    return fact
