"""A report's facts in order: what follows what, although their streams have none in common."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.sla_monitor.facts import Fact, Kind


@dataclass(frozen=True, slots=True)
class History:
    """The facts in canonical order, each with the holding and dispatch that it belongs to."""

    facts: tuple[Fact, ...]
    by_kind: Mapping[Kind, Sequence[Fact]]

    @classmethod
    def of(cls, facts: tuple[Fact, ...]) -> "History":
        """Assign a holding and a dispatch to the facts that do not name theirs.

        `facts` are a case's, in canonical order. A question of the national admin belongs to the
        holdings opened before it, a held routing to the dispatch after those before it: in both
        cases one stream tells the order. A closing that a newer dispatch overtook counts nothing.
        """
        ordered: list[Fact] = []
        by_kind: dict[Kind, list[Fact]] = {}
        for fact in facts:
            kind = fact.kind
            if kind is Kind.ASKED or kind is Kind.HELD:
                placed = _placed(fact, facts)
            elif kind is Kind.CLOSED and _is_overtaken(fact, facts):
                continue
            else:
                placed = fact
            ordered.append(placed)
            if kind in by_kind:
                by_kind[kind].append(placed)
            else:
                by_kind[kind] = [placed]
        return cls(tuple(ordered), by_kind)

    def all(self, *kinds: Kind) -> Sequence[Fact]:
        """Return the facts of some kinds, in canonical order."""
        by_kind = self.by_kind
        lists = [by_kind[kind] for kind in kinds if kind in by_kind]
        if len(lists) > 1:
            return [fact for fact in self.facts if fact.kind in kinds]
        return lists[0] if lists else ()

    @property
    def received(self) -> Fact | None:
        """Return the report's own fact, once it is known."""
        facts = self.by_kind.get(Kind.RECEIVED)
        return facts[0] if facts else None

    @property
    def end(self) -> Fact | None:
        """Return the first end that is final for every stage: archived, blocked or withdrawn."""
        facts = self.by_kind.get(Kind.ENDED)
        return facts[0] if facts else None

    @property
    def is_over(self) -> bool:
        """Tell whether nobody owes anything any more: ended, or closed and not reopened."""
        return self.over_at is not None

    @property
    def over_at(self) -> datetime | None:
        """Return since when nobody owes anything (UTC); None while somebody does."""
        end = self.end
        if end is not None:
            return end.at
        if Kind.CLOSED not in self.by_kind:
            return None
        turns = self.all(Kind.CLOSED, Kind.REOPENED, Kind.ANSWERED)
        last = max(turns, key=lambda f: (f.holding, f.n, f.order))
        return max(f.at for f in self.by_kind[Kind.CLOSED]) if last.kind is Kind.CLOSED else None

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
    """Tell whether a report was dispatched anew while it was closed: that begins again."""
    position = (fact.holding, fact.dispatch)
    if not any(f.kind is Kind.DISPATCHED and (f.holding, f.dispatch) > position for f in facts):
        return False
    return not any(
        f.kind is Kind.REOPENED and f.holding == fact.holding and f.n > fact.n for f in facts
    )


def _placed(fact: Fact, facts: Sequence[Fact]) -> Fact:
    if fact.kind is Kind.ASKED:
        if fact.stage != "national":
            return fact
        opened = (f.holding for f in facts if f.kind is Kind.FORWARDED and f.n < fact.n)
        holding = max(opened, default=0)
        return fact if holding == fact.holding else fact.model_copy(update={"holding": holding})
    sent = (f for f in facts if f.kind is Kind.DISPATCHED and f.n < fact.n)
    awaited = max((f.dispatch for f in sent if f.holding == fact.holding), default=0) + 1
    return fact.model_copy(update={"dispatch": awaited})
