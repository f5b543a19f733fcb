"""Who speaks on the families of topics: the registry's channels and institutions, nobody else."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shared import registry
from shared.contract.topics import ANSWERS, SUBMISSIONS, Stream
from shared.registry import RegistryError

PROBLEMS_MAX: Final = 5  # in a line of the log

Fingerprint = frozenset[tuple[str, int, int]]


@dataclass(frozen=True, slots=True)
class Principals:
    """The channels and institutions of one state of the registry."""

    channels: frozenset[str]
    institutions: frozenset[str]

    def topics(self, streams: Iterable[Stream]) -> tuple[str, ...]:
        """Return every topic of streams, sorted: of a family one for each of its producers."""
        return tuple(sorted({topic for stream in streams for topic in self._topics(stream)}))

    def of(self, stream: Stream) -> frozenset[str]:
        """Return who has a topic in a family."""
        return self.channels if stream in (SUBMISSIONS, ANSWERS) else self.institutions

    def _topics(self, stream: Stream) -> Iterable[str]:
        if not stream.is_family:
            return (stream.topic(),)
        return (stream.topic(producer) for producer in self.of(stream))


def principals(folder: Path | None = None) -> Principals:
    """Read who speaks, from a registry that is checked as a whole.

    Raises:
        RegistryError: the files cannot be used; it says where and what to do.
    """
    loaded = registry.load(folder)
    return Principals(frozenset(loaded.channels), frozenset(loaded.institutions))


def fingerprint(folder: Path) -> Fingerprint:
    """Return what changes when a file of the registry does: names, sizes, times; reads none."""
    stats = set()
    for pattern in ("*.toml", "*.csv"):
        for file in folder.rglob(pattern):
            try:
                stat = file.stat()
            except FileNotFoundError:  # removed just now, or replaced: another look will tell
                continue
            stats.add((str(file.relative_to(folder)), stat.st_size, stat.st_mtime_ns))
    return frozenset(stats)


class Folder:
    """The registry's files beside what this process was started with.

    Files are judged once nobody has touched them between two looks: an institution is several.
    """

    def __init__(self, folder: Path, initial: Principals) -> None:
        self._folder = folder
        self._initial = initial
        self._judged = self._last = fingerprint(folder)
        self.problem = ""  # why the files on the disk cannot be used

    def look(self) -> Principals | None:
        """Return who speaks by the files on the disk, if others than this process knows."""
        now = fingerprint(self._folder)
        is_settled, self._last = now == self._last, now
        if not is_settled or now == self._judged:
            return None
        self._judged = now
        try:
            current = principals(self._folder)
        except RegistryError as error:  # what was found there may be somebody's address
            self.problem = "; ".join(p.split(" (found ")[0] for p in error.problems[:PROBLEMS_MAX])
            return None
        except OSError as error:
            self.problem = f"{self._folder}: {error.strerror}"
            return None
        self.problem = ""
        return current if current != self._initial else None
