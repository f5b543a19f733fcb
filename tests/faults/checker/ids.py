"""A table of what was said under which id, small enough for some ten million events."""

from array import array
from typing import Final

ROOM: Final = 1 << 16  # of a new table; a power of two
FILLED_MAX: Final = 0.6


class Ids:
    """From the hash of an id to the hash of what it said: 64 bits each, never 0.

    A dict of the same takes ten times the memory.
    """

    def __init__(self, room: int = ROOM) -> None:
        self._make(room)

    def _make(self, room: int) -> None:
        self._mask, self._count = room - 1, 0
        self._ids, self._said = array("Q", bytes(8 * room)), array("Q", bytes(8 * room))

    def __len__(self) -> int:
        return self._count

    def get(self, id_hash: int) -> int:
        """Return what was said under an id, 0 if nothing was."""
        return self._said[self._slot(id_hash)]

    def add(self, id_hash: int, said_hash: int) -> int:
        """Note what is said under an id; return what was said under it before, 0 if nothing was."""
        slot = self._slot(id_hash)
        if self._ids[slot]:
            return self._said[slot]
        self._ids[slot], self._said[slot] = id_hash, said_hash
        self._count += 1
        if self._count > FILLED_MAX * (self._mask + 1):
            self._grow()
        return 0

    def _slot(self, id_hash: int) -> int:
        slot = id_hash & self._mask
        while self._ids[slot] not in (0, id_hash):
            slot = (slot + 1) & self._mask
        return slot

    def _grow(self) -> None:
        ids, said = self._ids, self._said
        self._make(2 * len(ids))
        for id_hash, said_hash in zip(ids, said, strict=True):
            if id_hash:
                slot = self._slot(id_hash)
                self._ids[slot], self._said[slot] = id_hash, said_hash
                self._count += 1
