"""The chain's processes over one broker, and the one way in which they go on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from shared.contract.envelope import Outbound
from shared.contract.topics import Stream
from shared.runtime.lanes import Partition
from tests.simulation.chain import CHAIN, PARTITIONS, PRODUCERS, Release
from tests.simulation.memory import Broker, MemoryRecord
from tests.simulation.processes import BEFORE, WELL, Group, How, Parts, Process
from tests.simulation.virtual import VirtualLoop

Place = tuple[str, int, int]
ROUNDS_MAX: Final = 1_500
_OF_THE_DATABASE: Final = ("lanes", "cases", "save", "clear")


def partitions_of(topics: Sequence[Stream]) -> tuple[Partition, ...]:
    """Return the partitions of a stage's streams that the simulation uses, in order."""
    found = [
        Partition(stream.topic(producer), number)
        for stream in topics
        for producer in (PRODUCERS if stream.is_family else ("",))
        for number in ((0,) if stream.is_family else PARTITIONS)
    ]
    return tuple(sorted(found))


@dataclass
class Cluster:
    """A broker, three stages with two processes each, and zombies."""

    parts: Parts = field(default_factory=Parts)
    keeps_story: bool = False

    def __post_init__(self) -> None:
        self.loop = VirtualLoop()
        self.broker = Broker()
        self.story: list[str] = []
        self.violations: list[str] = []
        self.release = Release()
        self.groups = [Group(link, partitions_of(link.reads), self.release) for link in CHAIN]
        self.processes = [self.process(g, slot) for g in self.groups for slot in (0, 1)]
        self.zombies: list[Process] = []
        self.late: list[Outbound] = []  # requests of producers that are gone
        self.away: dict[str, int] = {}  # broker or database -> steps to come
        self.sent = self.repeated = self.poison = self.replayed = 0
        self.asked: dict[Place, str] = {}  # of each dead letter's record, what was first asked
        for group in self.groups:
            self.assign(group, lambda p: p.partition % 2)

    @property
    def actors(self) -> list[Process]:
        """Every process that lives or may be started."""
        return self.processes + self.zombies

    def note(self, what: str) -> None:
        """Add a line to the story, if it is kept."""
        if self.keeps_story:
            self.story.append(what)

    def process(self, group: Group, slot: int) -> Process:
        """Start a process, which holds nothing yet."""
        return Process(group, slot, self.broker, self.loop, self.parts)

    def assign(self, group: Group, slot_of: Callable[[Partition], int]) -> None:
        """Share a group's partitions anew; each process learns it when it joins."""
        group.generation += 1
        group.assignment = [{p for p in group.partitions if slot_of(p) == s} for s in (0, 1)]

    def start_all(self) -> None:
        """Let every process take up its lanes."""
        for process in self.processes:
            process.join()
            while process.points:
                process.go_on(WELL)

    def one(self, process: Process, most: int, only: int | None) -> None:
        """Let a process do what it does next: a batch has at most so many records of a partition.

        `only` names one partition, by its number among those that have records.
        """
        if process.is_dead:
            self._replace(process)
        elif process.points:
            self.go_on(process, WELL)
        elif process.is_busy:
            self.loop.advance()  # it waits for time to pass, or for its own lock
        elif process.is_leaving:
            self.note(f"{process} has stopped")
            process.is_dead = True
        elif process.generation != process.group.generation and not process.is_zombie:
            self.note(f"{process} joins: {sorted(process.group.assignment[process.slot])}")
            process.join()
        else:
            self.deliver(process, most, only)
        self.collect(process)

    def _replace(self, process: Process) -> None:
        process.crash()
        if process.is_zombie:
            self.zombies.remove(process)
            return
        at = self.processes.index(process)
        self.processes[at] = self.process(process.group, process.slot)
        self.note(f"{process} is started again")

    def deliver(self, process: Process, most: int, only: int | None) -> None:
        """Hand a process a batch, or let it rest where there is none."""
        records = [] if "broker" in self.away else process.take(most, only)
        if not records:
            process.rest()
            return
        self.note(f"{process} takes {places(records)}")
        process.deliver(records)

    def go_on(self, process: Process, how: How) -> None:
        """Let a process do its next step outward, which fails while what it needs is away."""
        point = process.points[0]
        needs = "database" if point.name in _OF_THE_DATABASE else "broker"
        how = BEFORE if needs in self.away else how
        self.note(f"{process} {point.name} {_described(how)}")
        process.go_on(how)

    def collect(self, process: Process) -> None:
        """Take over what a process leaves behind."""
        self.late += process.late
        self.violations += process.violations
        process.late.clear()
        process.violations.clear()

    def end_faults(self, *, is_new: bool) -> None:
        """End all faults and zombies; go on with new processes, or with those that live."""
        self.away.clear()
        self.note(f"--- no more faults; {'new processes' if is_new else 'those that live go on'}")
        for process in self.actors if is_new else self.zombies:
            process.crash()
            self.collect(process)
        self.zombies.clear()
        for late in self.late[::2]:
            self.broker.append(late)
        self.late.clear()

    def run_on(self) -> None:
        """Run until nothing is left to do."""
        for _ in range(ROUNDS_MAX):
            still = [self._is_on(process) for process in self.processes]  # each does something
            if self.violations or not any(still):
                return
        self.violations.append("never comes to rest")

    def rest(self) -> None:
        """Let every process empty what is confirmed."""
        for process in self.processes:
            process.rest()
            while process.points and not self.violations:
                self.go_on(process, WELL)
                self.collect(process)

    def _is_on(self, process: Process) -> bool:
        is_at_end = all(at == len(self.broker.logs[p]) for p, at in process.fetch.items())
        if (
            is_at_end
            and not process.is_busy
            and not process.is_dead
            and not process.is_leaving
            and process.generation == process.group.generation
        ):
            return False
        self.one(process, 4, None)
        return True


def places(records: Sequence[MemoryRecord]) -> list[str]:
    """Name records by where they stand."""
    return [f"{r.topic}/{r.partition}@{r.offset}" for r in records]


def _described(how: How) -> str:
    if how == WELL:
        return "ok"
    parts = "" if how.sent is None else f" after {how.sent} sent{', one late' * how.is_late}"
    return f"{'FAILS' if how.fails else 'pauses'}{parts}{'' if how.has_effect else ' undone'}"


def named(outbound: Outbound) -> str:
    """Name an event by its id and where it goes."""
    return f"{dict(outbound.headers)['ce_id'].decode()} in {outbound.topic}/{outbound.partition}"
