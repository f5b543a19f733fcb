"""What must hold at the end of a history, however it went.

It knows a stage's input logs, its output log and its database, and folds the one into the other
with the stage's own rule: nothing lost, nothing doubled, nothing swapped, nothing made up.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from shared.contract.envelope import Record
from shared.contract.topics import DEAD_LETTERS
from shared.rules.decision import Unreadable
from shared.runtime.case_store import Stored
from shared.runtime.gateway.dead_letter_limit import of_each
from shared.runtime.gateway.throttle import is_throttle_row
from shared.runtime.lanes import Partition, unpack
from shared.runtime.reader import DeadLetter, Inbound, Replayed
from shared.runtime.recovery.comparison import published_events
from tests.simulation import chain
from tests.simulation.cluster import Cluster, Place
from tests.simulation.memory import Broker, MemoryRecord
from tests.simulation.processes import Group, Process

Bytes = tuple[bytes | None, tuple[tuple[str, bytes], ...]]
EMPTY = Stored(0, 0, b"", None)


def check(cluster: Cluster) -> list[str]:
    """Return everything that is wrong."""
    wrong = one_payload(cluster.broker)
    let_go = {place for place, action in cluster.asked.items() if action == "discard"}
    for group in cluster.groups:
        stage = Seen(cluster.broker, group, let_go)
        stage.check_progress()
        stage.check_input()
        for name in sorted({*group.state.kept, *stage.by_case}):
            if not is_throttle_row(name):
                stage.check_case(name)
        stage.check_limit([p for p in cluster.actors if p.group is group])
        wrong += [f"{group.link.name}: {fault}" for fault in stage.wrong]
    return wrong


def one_payload(broker: Broker) -> list[str]:
    """Find ids that stand over two contents; a sender's own ids are its own affair."""
    first: dict[tuple[str, bytes], Bytes] = {}
    wrong = []
    for place in broker.logs:
        for record in broker.records(place):
            name = place.topic, dict(record.headers)["ce_id"]
            if first.setdefault(name, _bytes(record)) != _bytes(record):
                wrong.append(f"one id, two payloads: {name[1].decode()}")
    return wrong


def _bytes(record: MemoryRecord) -> Bytes:
    return record.value, tuple(record.headers)


@dataclass
class Seen:
    """One stage at the end of a history."""

    broker: Broker
    group: Group
    let_go: set[Place]
    wrong: list[str] = field(default_factory=list)
    by_case: dict[str, dict[bytes, list[Inbound]]] = field(
        default_factory=lambda: defaultdict(dict)
    )

    def __post_init__(self) -> None:
        name = self.group.link.name.encode()
        letters = [r for p in self.broker.logs if p.topic == DEAD_LETTERS.name
                   for r in self.broker.records(p)]  # fmt: skip
        headers = [dict(letter.headers) for letter in letters]
        self.letters = [h for h in headers if h["stage"] == name]
        self.dead = {
            (h["topic"].decode(), int(h["partition"]), int(h["offset"])): h["reason"].decode()
            for h in self.letters
        }
        self.replays: dict[str, set[bytes]] = defaultdict(set)

    # ---- lanes

    def check_progress(self) -> None:
        """Find offsets short of the ends, commits beyond them, and what is left unpublished."""
        committed = self.broker.committed[self.group.link.name]
        for place in self.group.partitions:
            position, end = self.group.position(place), len(self.broker.logs[place])
            if position > end or self.broker.records(place, position):
                self.wrong.append(f"position {position} of {end} in {place.topic}")
            if committed.get(place, 0) > position:
                self.wrong.append(f"committed beyond the position in {place.topic}")
        published = {_bytes(r) for p in self.broker.logs for r in self.broker.records(p)}
        for row in self.group.state.rows.values():
            for outbound in unpack(row.outbox):
                if (outbound.value, tuple(outbound.headers)) not in published:
                    self.wrong.append("outbox, and never published")

    # ---- input

    def check_input(self) -> None:
        """Find records that are neither a report's nor have their one dead letter."""
        explained = set()
        for place in self.group.partitions:
            for item in chain.reader(self.group.link.name).read(self.broker.records(place)):
                at = _place(item.record)
                match item:
                    case Inbound():
                        mine = self.by_case[item.case_id]
                        mine.setdefault(item.id_hash, []).append(item)
                        if raises(self.group.link.name, item):
                            explained.add((at, "rule_raised"))
                    case Replayed():
                        self.replays[item.case_id].add(item.id_hash)
                    case DeadLetter():
                        explained.add((at, item.reason))
                        if self.dead.get(at) != item.reason:
                            self.wrong.append(f"unreadable without a dead letter: {at}")
        for at, reason in self.dead.items() - explained:
            self.wrong.append(f"dead letter without a cause: {at} {reason}")

    # ---- output

    def check_case(self, name: str) -> None:
        """Find ids not decided once in their partition's order, or not published in that order."""
        stored = self.group.state.kept.get(name, EMPTY)
        decided = [stored.decided[i : i + 8] for i in range(0, len(stored.decided), 8)]
        if len(set(decided)) != len(decided):
            self.wrong.append(f"decided twice: {name}")
            return
        if stored.parked:
            self.wrong.append(f"parked for ever: {name}")
        if self.replays[name] - set(decided):
            self.wrong.append(f"a replay was not decided: {name}")
        decided = [id_hash for id_hash in decided if id_hash not in self.replays[name]]
        due, answered = self._due(name)
        for id_hash in due.keys() - set(decided):
            self.wrong.append(f"never decided: {due[id_hash].cause.id}")
        if set(decided) - due.keys():
            self.wrong.append(f"decided, though nobody said it: {name}")
            return
        order = [due[id_hash] for id_hash in decided]
        offsets: dict[Partition, int] = {}
        for inbound in order:
            place = Partition(inbound.record.topic, inbound.record.partition)
            if inbound.record.offset < offsets.get(place, -1):
                self.wrong.append(f"decided out of order: {inbound.cause.id}")
            offsets[place] = inbound.record.offset
        self._check_published(name, stored, order, answered)

    def _due(self, name: str) -> tuple[dict[bytes, Inbound], list[Inbound]]:
        """Return what had to be decided: of each id the first that no operator has let go.

        At a gateway also what is answered and remembered nowhere: every further one, as a repeat,
        and what is refused.
        """
        due: dict[bytes, Inbound] = {}
        answered: list[Inbound] = []
        for id_hash, same in self.by_case[name].items():
            good = [i for i in same if _place(i.record) not in self.let_go]
            if self.group.link.is_gateway and isinstance(same[0].event, Unreadable):
                answered += [i.at_its_offset() for i in good]
            elif good:
                due[id_hash] = good[0]
                answered += [i.as_repeat() for i in good[1:]] if self.group.link.is_gateway else []
        return due, answered

    def _check_published(
        self, name: str, stored: Stored, order: Sequence[Inbound], answered: Sequence[Inbound]
    ) -> None:
        case, sequence = None, 0
        expected: list[tuple[Bytes, str]] = []
        link, mended = self.group.link, chain.Release(is_broken=False)
        for inbound in order:
            decision = link.rule(case, inbound.event, inbound.cause, mended)
            for outbound in chain.writer(link.name).write(decision, inbound, sequence):
                sequence += 1
                expected.append(((outbound.value, tuple(outbound.headers)), inbound.record.topic))
            case = decision.case
        if (stored.case, stored.sequence) != (case, sequence):
            self.wrong.append(f"the case is not the fold of what was decided: {name}")
        answers = [
            (outbound.value, tuple(outbound.headers))
            for inbound in answered
            for outbound in chain.writer(link.name).write(
                link.rule(None, inbound.event, inbound.cause, mended), inbound, None
            )
        ]
        seen = self._published(name)
        lost = [content for content in [*(c for c, _ in expected), *answers] if content not in seen]
        if lost:
            self.wrong.append(f"decided, but never published: {name} ({len(lost)})")
        elif len(seen) != len(expected) + len(answers):
            self.wrong.append(f"published, but not decided: {name}")
        elif not link.is_gateway and seen != [content for content, _ in expected]:
            self.wrong.append(f"published out of order: {name}")
        elif link.is_gateway and not self.replays[name]:
            self._check_gateway(seen, expected)

    def _check_gateway(self, seen: Sequence[Bytes], expected: Sequence[tuple[Bytes, str]]) -> None:
        """Find a swap within a topic: a gateway's lanes are its topics, the replays' among them.

        Between lanes there is no order, so not between a replay and what it is about either.
        """
        for topic in {topic for _, topic in expected}:
            in_order = [content for content, of in expected if of == topic]
            if [content for content in seen if content in in_order] != in_order:
                self.wrong.append(f"published out of order: of {topic}")

    def _published(self, name: str) -> list[Bytes]:
        """Return what the stage published for a case, each once, where it stands first."""
        first: dict[bytes, Bytes] = {}
        for place in self.broker.logs:
            if place.topic in (self.group.link.writes.name, *chain.INBOXES):
                for record in self.broker.records(place):
                    for event in published_events(self.group.link.name, record):
                        if event.subject == name:
                            first.setdefault(event.event_id.encode(), _bytes(record))
        return list(first.values())

    # ---- the limit of dead letters

    def check_limit(self, processes: Sequence[Process]) -> None:
        """Count each dead letter once against the limit, however often its batch was tried."""
        counted = sum(of_each(p.shell._decider._recent).total() for p in processes)
        if counted > len(self.letters):
            self.wrong.append("a dead letter counted more than once against the limit")


def raises(stage: str, inbound: Inbound) -> bool:
    """Say whether a record is marked to make that stage's rule raise."""
    return str(getattr(inbound.event, "by", "")).partition(" ")[0] == stage


def _place(record: Record) -> Place:
    return record.topic, record.partition, record.offset
