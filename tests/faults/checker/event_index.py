"""What the records say, taken up one by one; no body is kept.

A record under an id that was read before is a repeat ("republished"): it counts, must have the same
bytes, and changes nothing else.
"""

import hashlib
import json
from collections import Counter, defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from tests.faults.checker.clocks import Clocks
from tests.faults.checker.findings import Findings
from tests.faults.checker.ids import Ids
from tests.faults.checker.names import (
    ANSWERING,
    EFFECTS,
    GATEWAYS,
    OF_SUBMISSION,
    Topic,
    event_of,
    topic_of,
)
from tests.faults.checker.snapshot import Intended, Place, Record

TAIL_MAX: Final = 2_000  # records of a partition whose times are kept, to tell late from new
_MESSAGES: Final = frozenset({
    "CompleteInformation", "ReplyToFollowUp", "CloseReport", "WithdrawReport", "ReopenReport",
})  # fmt: skip
_TOLD_ONCE: Final = ("report_received", "report_to_verify")


class Fact(NamedTuple):
    """What the folds need of an event: times are the broker's, in milliseconds."""

    name: str
    id: str
    at_ms: int
    holding: int
    dispatch: int
    institution: str
    asked_at: str  # of a question; business time as the event has it
    stage: str  # of a question: national or institution


class Passed(NamedTuple):
    """A command that passed the gateway."""

    name: str
    institution: str
    report: str


class DeadLettered(NamedTuple):
    """A dead letter: why, and how many ids there are for the same record of the same stage."""

    reason: str
    ids: int
    report: str  # whose case it was decided for, if it came so far


@dataclass(slots=True)
class Report:
    """One report in the streams."""

    last_ms: int = 0
    facts: dict[str, list[Fact]] = field(default_factory=dict)
    clocks: Clocks | None = None
    pending: int = 0  # notifications requested and not ended


@dataclass(slots=True)
class EventIndex:
    """Everything read so far."""

    intended: Intended = field(default_factory=Intended)
    found: Findings = field(default_factory=Findings)
    ends: dict[Place, int] = field(default_factory=dict)
    tails: dict[Place, deque[tuple[int, int]]] = field(default_factory=dict)
    reports: dict[str, Report] = field(default_factory=lambda: defaultdict(Report))
    ids: Ids = field(default_factory=Ids)
    numbers: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))
    asked: Counter[str] = field(default_factory=Counter)  # "topic id" -> records
    messages: set[str] = field(default_factory=set)  # of those asked, reporters' words
    answered: Counter[str] = field(default_factory=Counter)
    answer_of: dict[str, str] = field(default_factory=dict)  # cause -> "topic id" of its message
    facts_of: Counter[str] = field(default_factory=Counter)  # cause -> what intake said of it
    rejected: Counter[str] = field(default_factory=Counter)  # answers of intake that say no
    turned_away: dict[str, str] = field(default_factory=dict)
    ordered: Counter[str] = field(default_factory=Counter)  # commands sent, "topic id"
    heard: Counter[str] = field(default_factory=Counter)  # by the gateway
    passed: dict[str, Passed] = field(default_factory=dict)
    effects: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    entries: Counter[tuple[str, str]] = field(default_factory=Counter)  # institution, cause
    told: Counter[tuple[str, str, str]] = field(default_factory=Counter)  # entry too
    informed: set[str] = field(default_factory=set)  # events that a notification is about
    notified: dict[str, bool] = field(default_factory=dict)  # notification -> has it ended
    requested: set[tuple[str, str, str]] = field(default_factory=set)
    poisoned: dict[tuple[str, int, int], str] = field(default_factory=dict)  # place -> marker
    buried: dict[tuple[str, str, int, int], DeadLettered] = field(default_factory=dict)
    _last: dict[tuple[str, str, str], int] = field(default_factory=dict)

    def take(self, record: Record) -> None:
        """Take up the next record of its partition."""
        place = (record.topic, record.partition)
        self.ends[place] = record.offset + 1
        self.tails.setdefault(place, deque(maxlen=TAIL_MAX)).append((record.offset, record.at_ms))
        self.found.counts["records"] += 1
        marker = record.header("lapor-fault")
        if marker in self.intended.poison:
            self.poisoned[(*place, record.offset)] = marker
            return
        topic = topic_of(record.topic)
        match topic.kind:
            case "submissions" | "outbox":
                self._ask(record, topic)
            case "dead":
                self._add_dead_letter(record)
            case "answers" | "inbox" | "core":
                self._hear(record, topic)
            case "internal" if record.key:
                self._touch(record.key.decode("utf-8", "replace"), record.at_ms)

    def _touch(self, report: str, at_ms: int) -> Report:
        known = self.reports[report]
        known.last_ms = max(known.last_ms, at_ms)
        return known

    def _ask(self, record: Record, topic: Topic) -> None:
        """Count a message at a gateway; one without an id is known by its place."""
        own = record.header("ce_id") or f"@{record.partition}/{record.offset}"
        key = f"{record.topic} {own}"
        if topic.kind == "outbox":
            self.ordered[key] += 1
            return
        self.asked[key] += 1
        if event_of(record.header("ce_type")) in _MESSAGES:
            self.messages.add(key)

    def _add_dead_letter(self, record: Record) -> None:
        if self._is_repeat(record):
            return
        stage, topic = record.header("stage"), record.header("topic")
        at = (stage, topic, int(record.header("partition")), int(record.header("offset")))
        before = self.buried.get(at)
        ids = before.ids + 1 if before else 1
        self.buried[at] = DeadLettered(record.header("reason"), ids, record.header("report"))

    def _is_repeat(self, record: Record) -> bool:
        event_id = record.header("ce_id")
        said = _hash((record.value or b"") + record.header("ce_type").encode())
        known = self.ids.add(_hash(event_id.encode()), said)
        if not known:
            return False
        self.found.counts["republished"] += 1
        if known != said:
            at = f"{event_id} at {record.topic}/{record.partition}/{record.offset}"
            self.found.add("two_payloads", "", at)
        return True

    @property
    def said(self) -> Counter[str]:
        """Count intake's facts by message: behind the gateway only their cause joins the two."""
        counted = self.rejected.copy()
        for cause, n in self.facts_of.items():
            counted[self.answer_of.get(cause, "")] += n
        return counted

    def knows(self, event_id: str, value: bytes, event_type: str) -> bool:
        """Say whether exactly this event is in the log."""
        return self.ids.get(_hash(event_id.encode())) == _hash(value + event_type.encode())

    def _hear(self, record: Record, topic: Topic) -> None:
        """Take up what a stage says."""
        report = record.header("ce_subject")
        self._touch(report, record.at_ms)
        if self._is_repeat(record):
            return
        self.found.counts["events"] += 1
        try:
            body = json.loads(record.value or b"")
        except ValueError:
            at = f"{record.topic}/{record.partition}/{record.offset}"
            self.found.add("unreadable", report, at)
            return
        self._number(record, topic, report, body)
        match topic.kind:
            case "answers":
                self._answer(record, topic, body)
            case "inbox":
                cause = record.header("causationid")
                if record.header("ce_source") == "/lapor/agencies.in":
                    self._reject(topic, body)
                self.entries[topic.producer, cause] += 1
                if body["entry"] in _TOLD_ONCE:
                    self.told[topic.producer, cause, body["entry"]] += 1
            case _:
                self._fact(record, topic.stage, report, body)

    def _number(self, record: Record, topic: Topic, report: str, body: Mapping[str, Any]) -> None:
        """Note the event's number among all its stage said of the report, and check the order.

        At the gateways the messages of different producers come through lanes of their own.
        """
        number = int(record.header("sequence"))
        if number == 0:  # the answer to a message that no case remembers
            return
        if topic.stage == "agencies.in":  # which has a case of each report for each sender
            report = f"{report}@{body.get('institution')}"
        bit, seen = 1 << number, self.numbers[topic.stage].get(report, 0)
        if seen & bit:
            at = f"{topic.stage} said number {number} twice: {record.header('ce_id')}"
            self.found.add("event_doubled", report, at)
        self.numbers[topic.stage][report] = seen | bit
        producer = ""
        if topic.stage in GATEWAYS:
            producer = str(body.get("channel") or body.get("institution") or "")
        key = (record.topic, report, producer)
        if number <= self._last.get(key, 0):
            what = f"{record.topic}/{record.partition}/{record.offset} number {number}"
            self.found.add("out_of_order", report, f"{what} after {self._last[key]}")
        self._last[key] = max(number, self._last.get(key, 0))

    def _answer(self, record: Record, topic: Topic, body: Mapping[str, Any]) -> None:
        own = body.get("message_id") or f"@{body.get('partition')}/{body.get('offset')}"
        key = f"lapor.channel.{topic.producer}.submissions.v1 {own}"
        self.answered[key] += 1
        self.answer_of[record.header("causationid")] = key
        if body["outcome"] in ("rejected", "refused"):
            self.turned_away[key] = str(body.get("reason"))
            self.rejected[key] += 1  # intake says nothing of it but this

    def _reject(self, topic: Topic, body: Mapping[str, Any]) -> None:
        """Take up the gateway's own answer to a command."""
        key = f"lapor.agency.{topic.producer}.outbox.v1 {body.get('message_id') or '@'}"
        self.heard[key] += 1
        self.turned_away[key] = str(body.get("reason"))

    def _fact(self, record: Record, stage: str, report: str, body: Mapping[str, Any]) -> None:
        name, event_id = event_of(record.header("ce_type")), record.header("ce_id")
        match stage:
            case "intake" if name in OF_SUBMISSION:
                self.facts_of[record.header("causationid")] += 1
            case "agencies.in":
                self._command(name, event_id, report, body)
            case "sla-monitor":
                self._clocks(report).take(name, body)
            case "notifier":
                self._notification(name, report, body)
        if stage in ANSWERING and (name in EFFECTS.values() or name == "CommandRefused"):
            cause = record.header("causationid")
            self.effects.setdefault(cause, []).append((event_id, name))
        if stage in ANSWERING or name in ("ReportReceived", "InformationCompleted"):
            self.reports[report].facts.setdefault(stage, []).append(
                Fact(
                    name, event_id, record.at_ms, body.get("holding", 0), body.get("dispatch", 0),
                    body.get("institution", ""), body.get("asked_at", ""), body.get("stage", ""),
                )
            )  # fmt: skip

    def _clocks(self, report: str) -> Clocks:
        known = self.reports[report]
        if known.clocks is None:
            known.clocks = Clocks()
        return known.clocks

    def _command(self, name: str, event_id: str, report: str, body: Mapping[str, Any]) -> None:
        own = body["message_id"] or "@"
        key = f"lapor.agency.{body['institution']}.outbox.v1 {own}"
        self.heard[key] += 1
        self.passed[event_id] = Passed(name, body["institution"], report)

    def _notification(self, name: str, report: str, body: Mapping[str, Any]) -> None:
        key, own = (body["about"], body["person"], body["channel"]), body["notification_id"]
        self.informed.add(body["about"])
        if name == "NotificationRequested":
            if key in self.requested:
                self.found.add("notification_doubled", report, " ".join(key))
            self.requested.add(key)
            self.notified[own] = False
            self.reports[report].pending += 1
        elif self.notified.get(own):
            self.found.add("notification_ended_twice", report, f"{name} {own}")
        elif own in self.notified:
            self.notified[own] = True
            self.reports[report].pending -= 1


def _hash(value: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(value, digest_size=8).digest()) or 1  # 0 is nothing
