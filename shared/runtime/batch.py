"""One batch while it is decided: its cases, and what is to be saved and published."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from shared.contract.envelope import Outbound
from shared.runtime.case_store import Stored
from shared.runtime.parking import Action
from shared.runtime.ports import RecoveryStore
from shared.runtime.recovery.comparison import Order, PublishedBefore

NOTHING: Final = Stored(0, 0, b"", None)


@dataclass(slots=True)
class UnitOfWork:
    """One batch while it is decided; `lane` is that of the record in hand."""

    cases: dict[str, Stored]
    lookups: object = None
    past: PublishedBefore = field(default_factory=dict)  # published before a restore
    lane: str = ""
    releasing: Action | None = None  # how a replay lets what was parked be decided
    changed: dict[str, Stored] = field(default_factory=dict)
    outbounds: list[Outbound] = field(default_factory=list)
    by_lane: dict[str, list[Outbound]] = field(default_factory=dict)
    dead_letter_senders: list[str] = field(default_factory=list)  # one for each that counts
    recent: deque[str] = field(default_factory=deque)  # see `dead_letter_limit`

    def case(self, name: str) -> Stored:
        """Return a case as it is by now."""
        return self.cases.get(name, NOTHING)

    def change(self, name: str, stored: Stored) -> None:
        """Note a case to save; its version is one above the loaded."""
        if name not in self.changed:
            stored = Stored(stored.version + 1, *stored[1:])
        self.cases[name] = self.changed[name] = stored

    def emit(self, outbounds: Sequence[Outbound]) -> None:
        """Note events to publish."""
        self.outbounds.extend(outbounds)
        self.by_lane.setdefault(self.lane, []).extend(outbounds)


class Recovering(NamedTuple):
    """The order to decide again after a restore, and what was published before."""

    order: Order
    store: RecoveryStore


def has_decided(decided: bytes, id_hash: bytes) -> bool:
    """Return whether a case has decided an id: whether its 8 bytes stand there, aligned."""
    at = decided.find(id_hash)
    while at >= 0 and at % 8:
        at = decided.find(id_hash, at + 1)
    return at >= 0
