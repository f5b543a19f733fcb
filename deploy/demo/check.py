"""Is every message of the demo accounted for? Pure, over the records of the public streams.

Each rule returns what is wrong, one line each; nothing wrong is an empty list.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from deploy.demo.watch import Seen
from shared.contract import topics
from shared.contract.envelope import source_of
from shared.contract.topics import COMMANDS

Sent = Mapping[tuple[str, str], int]  # (topic, message id) -> how many records were sent

_COMMAND_NAMES: Final = frozenset(command.__name__ for command in COMMANDS)
_OF_INTAKE: Final = ("ReportReceived", "InformationCompleted")
_STAGES: Final = frozenset(
    s.name for s in (topics.NATIONAL, topics.INSTITUTION, topics.ROUTING, topics.FOLLOW_UP)
)
ENDS: Final = {
    "ReportArchived": "archived",
    "ReportBlocked": "blocked",
    "ReportWithdrawn": "withdrawn",
}
REJECTS: Final = source_of(topics.AGENCIES.producer)
"""Who turns commands away at the gateway, in the sender's inbox: no stream has an event of it."""
_CAUSED_BY_NOBODY: Final = frozenset(
    {topics.SUBMISSIONS.name, topics.OUTBOX.name, topics.DEAD_LETTERS.name}
)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a report stands: its state, and who owes the next step where it is not over."""

    state: str  # closed, archived, blocked, withdrawn, waiting
    waits_for: str = ""
    by: str = ""  # who closed or archived it

    @property
    def is_over(self) -> bool:
        """Say whether nobody owes anything any more."""
        return self.state != "waiting"


def problems(
    records: Sequence[Seen], sent: Sent, expected: Mapping[tuple[str, str], str]
) -> list[str]:
    """Return everything that is not accounted for; `expected` has the reasons that must be told."""
    once = list(without_repeats(records))
    return [
        *_answers(once, sent),
        *_commands(once, sent),
        *_reasons(once, expected),
        *_turned_away(once, expected),
        *_effects(once),
        *_standings(once),
        *_breaches(once),
        *_dead_letters(once),
        *_one_id_one_payload(records),
    ]


def without_repeats(records: Iterable[Seen]) -> Iterator[Seen]:
    """Drop what a stage sent a second time under the same id (delivery is at least once)."""
    known: set[tuple[str, str, str]] = set()
    for seen in records:
        key = (seen.stream, seen.producer, seen.id)
        if seen.stream in _CAUSED_BY_NOBODY or key not in known:
            known.add(key)
            yield seen


def _answers(records: Sequence[Seen], sent: Sent) -> Iterator[str]:
    """Compare what was sent to the channels' gateways with the answers, message by message."""
    answered: Counter[tuple[str, str]] = Counter()
    for seen in records:
        if seen.stream == topics.ANSWERS.name:
            topic = topics.SUBMISSIONS.topic(seen.producer)
            answered[topic, str(seen.body.get("message_id"))] += 1
    gateway = {key: n for key, n in sent.items() if key[0].endswith("submissions.v1")}
    yield from _differences(gateway, answered, "submission")


def _commands(records: Sequence[Seen], sent: Sent) -> Iterator[str]:
    """Compare what was sent to the institutions' gateways with what the gateway said of it."""
    passed: Counter[tuple[str, str]] = Counter()
    for seen in records:
        if seen.stream == topics.AGENCIES.name or is_rejection(seen):
            topic = topics.OUTBOX.topic(str(seen.body.get("institution")))
            passed[topic, str(seen.body.get("message_id"))] += 1
    gateway = {key: n for key, n in sent.items() if key[0].endswith("outbox.v1")}
    yield from _differences(gateway, passed, "command")


def is_rejection(seen: Seen) -> bool:
    """Say whether the institutions' gateway itself turned a command away."""
    return seen.stream == topics.INBOX.name and seen.source == REJECTS


def _differences(sent: Sent, answered: Counter[tuple[str, str]], what: str) -> Iterator[str]:
    for topic, message_id in sorted({*sent, *answered}):
        owed, got = sent.get((topic, message_id), 0), answered[topic, message_id]
        if owed != got:
            yield f"{what} {message_id} on {topic}: sent {owed} times, answered {got} times"


def _effects(records: Sequence[Seen]) -> Iterator[str]:
    """Look for exactly one effect or refusal of every command that passed the gateway."""
    effects = Counter(seen.causation for seen in records if seen.stream in _STAGES)
    for seen in records:
        if seen.stream == topics.AGENCIES.name and seen.type in _COMMAND_NAMES:
            found = effects[seen.id]
            if found != 1:
                yield f"{seen.type} {seen.body.get('message_id')}: {found} effects or refusals"


def reasons(records: Iterable[Seen]) -> dict[tuple[str, str], str]:
    """Return the reason that each message turned away was told, by (topic, message id)."""
    told: dict[tuple[str, str], str] = {}
    for seen in records:
        body = seen.body
        if seen.stream == topics.ANSWERS.name and body.get("reason"):
            told[topics.SUBMISSIONS.topic(seen.producer), body["message_id"]] = body["reason"]
        elif seen.type == "CommandRefused" or is_rejection(seen):
            told[topics.OUTBOX.topic(body["institution"]), body["message_id"]] = body["reason"]
    return told


def _reasons(records: Sequence[Seen], expected: Mapping[tuple[str, str], str]) -> Iterator[str]:
    told = reasons(records)
    for (topic, message_id), reason in expected.items():
        found = told.get((topic, message_id), "nothing")
        if found != reason:
            yield f"{message_id} on {topic}: told {found}, not {reason}"


def _turned_away(records: Sequence[Seen], expected: Mapping[tuple[str, str], str]) -> Iterator[str]:
    """Look for sound messages that a gateway did not take."""
    for seen in records:
        body = seen.body
        if seen.stream == topics.ANSWERS.name and body.get("outcome") in ("rejected", "refused"):
            key = (topics.SUBMISSIONS.topic(seen.producer), body["message_id"])
        elif is_rejection(seen):
            key = (topics.OUTBOX.topic(body["institution"]), body["message_id"])
        else:
            continue
        if key not in expected:
            yield f"{key[1]} on {key[0]}: turned away though sound, {body.get('reason')}"


def standings(records: Iterable[Seen]) -> dict[str, Standing]:
    """Say how each report stands by the facts of all streams, whatever order they were read in."""
    facts: defaultdict[str, list[Seen]] = defaultdict(list)
    for seen in records:
        if seen.type in _OF_INTAKE or seen.stream in _STAGES:
            facts[seen.report].append(seen)
    return {
        report: standing_of(of)
        for report, of in facts.items()
        if any(seen.type == "ReportReceived" for seen in of)
    }


def standing_of(facts: Sequence[Seen]) -> Standing:
    """Say how one report stands."""
    for seen in facts:
        if seen.type in ENDS:
            return Standing(ENDS[seen.type], by=str(seen.body.get("by", "")))
    steps = [seen for seen in facts if seen.type in _OWED]
    last = max(steps, key=_progress, default=None)
    if last is None:
        return Standing("waiting")
    if last.type == "ReportClosed":
        return Standing("closed", by=str(last.body["by"]))
    if last.type == "InformationRequested" and any(
        seen.type == "InformationCompleted" and seen.at >= last.at for seen in facts
    ):
        return Standing("waiting", waits_for=f"institution {last.body['institution']}")
    return Standing("waiting", waits_for=_OWED[last.type](last.body))


_OWED: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    "ReportReceived": lambda _: "institution 00",
    "ReportForwarded": lambda body: f"institution {body['institution']}",
    "InformationRequested": lambda _: "reporter",
    "ReportReturned": lambda _: "institution 00",
    "ReportAccepted": lambda _: "routing",
    "RoutingHeld": lambda body: f"institution {body['institution']}",
    "ReportDispatched": lambda body: f"unit {body['unit']}",
    "UnitReturned": lambda body: f"institution {body['institution']}",
    "FollowUpGiven": lambda _: "reporter",
    "ReporterAnswered": lambda body: f"unit {body['unit']}",
    "ReportReopened": lambda body: f"unit {body['unit']}",
    "ReportClosed": lambda _: "",
}
_STAGE_ORDER: Final = {name: n for n, name in enumerate(_OWED)}


def _progress(seen: Seen) -> tuple[Any, ...]:
    """Order facts by what they say, then by the broker's time: streams have no common order."""
    return int(seen.body.get("holding", 0)), seen.at, _STAGE_ORDER[seen.type]


def _standings(records: Sequence[Seen]) -> Iterator[str]:
    """Look for reports that are neither over nor with a party that can act."""
    received = Counter(seen.report for seen in records if seen.type == "ReportReceived")
    yield from (f"report {r}: received {n} times" for r, n in received.items() if n != 1)
    for report, standing in standings(records).items():
        if not standing.is_over and standing.waits_for in ("", "routing"):
            yield f"report {report}: waits for {standing.waits_for or 'nobody'}"


def _breaches(records: Sequence[Seen]) -> Iterator[str]:
    """Look for escalations before their date, and for a level that was told twice.

    One that was withdrawn may be told again, if it turns out true after all.
    """
    told: Counter[tuple[Any, ...]] = Counter()
    for seen in records:
        if seen.type in ("DeadlineBreached", "BreachWithdrawn"):
            body = seen.body
            key = (seen.report, body["run"], body["deadline"], body.get("unit"), body["level"])
            if seen.type == "BreachWithdrawn":
                told[key] -= 1
                continue
            told[key] += 1
            if body["detected_at"] < body["due_at"]:
                yield f"report {seen.report}: level {body['level']} of {body['clock']} too early"
    for key, count in told.items():
        if count > 1:
            yield f"report {key[0]}: level {key[4]} of {key[1]} told {count} times"


def _dead_letters(records: Sequence[Seen]) -> Iterator[str]:
    for seen in records:
        if seen.stream == topics.DEAD_LETTERS.name:
            body = seen.body
            yield (
                f"dead letter of {body.get('stage')}: {body.get('reason')} {body.get('detail')} "
                f"at {body.get('topic')}/{body.get('partition')}/{body.get('offset')}"
            )


def _one_id_one_payload(records: Iterable[Seen]) -> Iterator[str]:
    """Look for an id that was said with two different payloads (law 1)."""
    known: dict[tuple[str, str, str], int] = {}
    for seen in records:
        if seen.stream in _CAUSED_BY_NOBODY:
            continue
        if known.setdefault((seen.stream, seen.producer, seen.id), seen.digest) != seen.digest:
            yield f"{seen.type} {seen.id} on {seen.place}: another payload under the same id"
