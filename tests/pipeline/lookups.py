"""The tables that stages look up beside their cases: the vault's keys and intake's candidates.

Answers exactly the statements that the stages' own `load_lookups` functions send, and no other, so
that those functions run here as they stand.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from services.agencies import lookups as agencies_lookups
from services.intake import store as intake_store
from services.intake.case import SubmissionCase
from shared.vault import key_store
from shared.vault.crypto import Vault
from shared.vault.key_text import KEY_BYTES
from tests.simulation.memory import MemoryState


@dataclass
class Lookups:
    """A connection: what intake's `load_lookups` writes into the vault, the others find there.

    A report's key follows from its id here, so that a seed gives the same bytes each time.
    """

    vault: Vault
    intake: MemoryState = field(default_factory=MemoryState)
    keys: dict[str, bytes] = field(default_factory=dict)
    erased: set[str] = field(default_factory=set)

    async def fetch(self, statement: str, *arguments: Any) -> list[Any]:
        """Answer a statement of the stages.

        Raises:
            LookupError: no stage sent this before; it needs an answer here.
        """
        if statement == key_store._ENSURE:
            return list(self._ensure(*arguments))
        if statement == key_store._OPEN:
            return [
                {"report_id": r, "wrapped": self.keys[r]} for r in arguments[0] if r in self.keys
            ]
        if statement == agencies_lookups._ERASED:
            return [{"report_id": r} for r in arguments[0] if r in self.erased]
        if statement == intake_store._CANDIDATES:
            return list(self._candidates(*arguments))
        raise LookupError(statement)

    def erase(self, report_id: str) -> None:
        """Destroy a report's key."""
        del self.keys[report_id]
        self.erased.add(report_id)

    def _ensure(self, report_ids: Sequence[str], fresh: Sequence[bytes]) -> Iterator[Any]:
        for report_id, _ in zip(report_ids, fresh, strict=True):
            is_gone = report_id in self.erased
            if not is_gone and report_id not in self.keys:
                key = blake2b(report_id.encode(), digest_size=KEY_BYTES).digest()
                self.keys[report_id] = self.vault._wrap(key, report_id)
            yield {
                "report_id": report_id,
                "wrapped": self.keys.get(report_id, b""),
                "destroyed_at": is_gone or None,
            }

    def _candidates(
        self, places: Sequence[int], *bands: Sequence[int]
    ) -> Iterator[tuple[Any, ...]]:
        for row, place in enumerate(places):
            wanted = {(number, column[row]) for number, column in enumerate(bands)}
            for report_id, stored in self.intake.kept.items():
                case = stored.case
                if not isinstance(case, SubmissionCase) or case.fingerprint is None:
                    continue
                found = case.fingerprint
                if wanted.isdisjoint(enumerate(found.bands)):
                    continue
                sender = case.senders[0] if case.senders else None
                yield place, report_id, found.exact, found.simhash, found.words, sender
