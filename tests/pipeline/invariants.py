"""What must hold of every history, whatever people did and whatever broke: violations as text."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from shared.contract import events as e
from shared.contract.envelope import source_of
from shared.contract.topics import (
    AGENCIES,
    FOLLOW_UP,
    INSTITUTION,
    NATIONAL,
    NOTIFICATIONS,
    OUTBOX,
    ROUTING,
    SLA,
    SUBMISSIONS,
)
from tests.pipeline import reading
from tests.pipeline.harness import Harness
from tests.pipeline.processes import CHANNELS
from tests.pipeline.random_actors import INSTITUTIONS, gateway_id

if TYPE_CHECKING:
    from tests.pipeline.reading import Fact

EFFECTS: Final[dict[type[e.Command], type[e.Event]]] = {
    e.Forward: e.ReportForwarded,
    e.Block: e.ReportBlocked,
    e.AskForInformation: e.InformationRequested,
    e.Archive: e.ReportArchived,
    e.Accept: e.ReportAccepted,
    e.ReturnReport: e.ReportReturned,
    e.Reclassify: e.ReportReclassified,
    e.Dispatch: e.ReportDispatched,
    e.InitialResponse: e.InitialResponseGiven,
    e.FollowUp: e.FollowUpGiven,
    e.ReturnToInstitution: e.UnitReturned,
    e.CloseCase: e.ReportClosed,
}
ENDS: Final = ("archived", "blocked", "withdrawn")
WORDS: Final = ("ReporterReplied", "ReporterClosed", "ReopenRequested")
"""A reporter's words may wait for a holder or a dispatch as long as there is none."""
TOLD: Final = ("institution_verification", "follow_up", "reply")
"""The clocks of which a reporter is told the date."""
OFFICERS: Final = (
    "national_verification", "institution_verification", "dispatch", "follow_up",
)  # fmt: skip


def violations(harness: Harness) -> list[str]:
    """Return what does not hold once everything was read."""
    return [
        *(f"dead letter {letter}" for letter in harness.dead()),
        *one_payload_per_id(harness),
        *sequences_rise(harness),
        *one_answer_per_submission(harness),
        *breaches_are_due_and_once(harness),
        *nobody_is_told_twice(harness),
        *moves_are_told_to_whom_it_was_promised(harness),
        *reporters_know_the_date(harness),
        *stages_agree(harness),
    ]


def of_quiet_months(harness: Harness) -> list[str]:
    """Return what does not hold after months in which nobody did anything."""
    return [
        *one_answer_per_command(harness),
        *everything_owed_is_escalated(harness),
        *nothing_waits(harness),
    ]


def one_payload_per_id(harness: Harness) -> Iterator[str]:
    """Yield the event ids that stand for two different things."""
    payloads: dict[bytes, set[bytes]] = defaultdict(set)
    for log in harness.broker.logs.values():
        for record in log:
            headers = dict(record.headers)
            if not record.topic.endswith(("submissions.v1", "outbox.v1")):
                payloads[headers["ce_id"]].add((record.value or b"") + headers["ce_type"])
    yield from (f"two payloads: {i!r}" for i, found in payloads.items() if len(found) > 1)


def sequences_rise(harness: Harness) -> Iterator[str]:
    """Yield the events whose number in their stream does not follow the report's last.

    Not those of the gateways: a report's messages come through several lanes there.
    """
    for stream in (NATIONAL, INSTITUTION, ROUTING, FOLLOW_UP, SLA, NOTIFICATIONS):
        last: dict[str, int] = {}
        for fact in reading.facts(harness.broker, stream):
            number = int(dict(fact.record.headers)["sequence"])
            key = fact.record.key.decode() if fact.record.key else ""
            if number == 0:  # a refusal that no case counts
                continue
            if number <= last.get(key, 0):
                yield f"sequence {number} after {last[key]}: {fact.name} {fact.id}"
            last[key] = number


def _asked(harness: Harness, stream: Any, principals: Iterable[str]) -> Counter[str]:
    return Counter(gateway_id(r) for s in principals for r in harness.broker.read(stream.topic(s)))


def one_answer_per_submission(harness: Harness) -> Iterator[str]:
    """Yield the messages of channels that have not exactly one answer each."""
    asked = _asked(harness, SUBMISSIONS, CHANNELS)
    said = Counter(
        f.cause.partition("@")[0] for c in CHANNELS for f in reading.answers(harness.broker, c)
    )
    yield from (
        f"submission {i}: {said[i]} of {n} answers" for i, n in asked.items() if said[i] - n
    )


def one_answer_per_command(harness: Harness) -> Iterator[str]:
    """Yield the commands that have not exactly one effect or refusal, and one inbox entry."""
    asked = _asked(harness, OUTBOX, INSTITUTIONS)
    gateways = [f for f in harness.facts(AGENCIES) if isinstance(f.event, e.Command)]
    own = [
        f
        for code in INSTITUTIONS
        for f in reading.entries(harness.broker, code)
        if dict(f.record.headers)["ce_source"] == source_of(AGENCIES.producer).encode()
    ]
    said = Counter(f.cause.partition("@")[0] for f in [*gateways, *own])
    yield from (
        f"command {i}: {said[i]} of {n} at the gateway" for i, n in asked.items() if said[i] - n
    )
    effects: dict[str, list[Fact]] = defaultdict(list)
    for stream in (NATIONAL, INSTITUTION, ROUTING, FOLLOW_UP):
        for fact in harness.facts(stream):
            effects[fact.cause].append(fact)
    entries = {
        code: Counter(f.cause for f in reading.entries(harness.broker, code))
        for code in INSTITUTIONS
    }
    for fact in gateways:
        event = fact.event
        told = [fact]
        if isinstance(event, e.Command):
            told = effects[fact.id]
            expected = (EFFECTS[type(event)], e.CommandRefused)
            if len(told) != 1 or not isinstance(told[0].event, expected):
                yield f"{fact.name} {fact.id}: {[x.event for x in told]}"
        code = getattr(event, "institution", "")
        if (n := sum(entries[code][x.id] for x in told)) != 1:
            yield f"{fact.name} {fact.id} of {code}: {n} entries for {[x.event for x in told]}"


def breaches_are_due_and_once(harness: Harness) -> Iterator[str]:
    """Yield what was said too early, or twice; a breach that was withdrawn may be said again."""
    seen: Counter[tuple[Any, ...]] = Counter()
    for fact in harness.facts(SLA):
        event = fact.event
        if isinstance(event, e.DeadlineBreached):
            seen[event.report_id, event.run, event.level, event.deadline] += 1
            if not event.deadline <= event.due_at <= event.detected_at <= fact.at:
                yield f"too early: {event}"
        if isinstance(event, e.DeadlineApproaching):
            seen[event.report_id, event.run, event.level, event.deadline] += 1
        if isinstance(event, e.BreachWithdrawn):
            seen[event.report_id, event.run, event.level, event.deadline] -= 1
        if isinstance(event, e.TimeRanOut):
            seen[event.report_id, event.window, event.opened_by] += 1
            if event.ran_out_at > fact.at:
                yield f"too early: {event}"
    yield from (f"said {n} times: {key}" for key, n in seen.items() if n > 1)


def nobody_is_told_twice(harness: Harness) -> Iterator[str]:
    """Yield the notifications that a person was to get twice over one channel, or that got lost."""
    asked: Counter[tuple[str, ...]] = Counter()
    ended: Counter[str] = Counter()
    ids = set()
    for fact in harness.facts(NOTIFICATIONS):
        event = fact.event
        if isinstance(event, e.NotificationRequested):
            asked[event.about, event.person, event.channel] += 1
            ids.add(event.notification_id)
        elif isinstance(event, e.NotificationSent | e.NotificationFailed):
            ended[event.notification_id] += 1
    yield from (f"told {n} times: {key}" for key, n in asked.items() if n > 1)
    yield from (f"ended {n} times: {key}" for key, n in ended.items() if n > 1)
    delivered = Counter(letter.notification_id for letter in harness.letters)
    yield from (f"never requested: {key}" for key in delivered if key not in ids)


def moves_are_told_to_whom_it_was_promised(harness: Harness) -> Iterator[str]:
    """Yield what was said of a move to somebody who had not been told the date before it."""
    moves = {f.id: f.event for f in harness.facts(SLA) if isinstance(f.event, e.DeadlineMoved)}
    promised: set[tuple[Any, ...]] = set()
    for fact in harness.facts(NOTIFICATIONS):
        event = fact.event
        if not isinstance(event, e.NotificationRequested) or event.deadline is None:
            continue
        date = (event.report_id, event.person, event.clock, event.institution)
        if move := moves.get(event.about):
            if (*date, move.deadline_before) not in promised:
                yield f"told of a move, not of the date before: {event}"
            if event.deadline != move.deadline:
                yield f"told another date: {event} of {move}"
        promised.add((*date, event.deadline))


def reporters_know_the_date(harness: Harness) -> Iterator[str]:
    """Yield the running clocks of which a reporter's last message names another date than counts.

    Not where the key was erased or a message given up: nothing could be said any more.
    """
    unsaid = {
        event.report_id
        for fact in harness.facts(NOTIFICATIONS)
        if isinstance(event := fact.event, e.NotificationFailed) and not event.attempts
    }
    for report_id in harness.processes["notifier"].state.kept.keys() - unsaid:
        case = harness.case("notifier", report_id)
        if case is None or case.reporter is None:
            continue
        told_reporter = (p for p in case.announced_dates if p.person == "reporter")
        promised = {(p.clock, p.institution): p.deadline for p in told_reporter}
        sla = harness.case("sla-monitor", report_id)
        for said in [] if sla is None or sla.is_over else sla.announcements.values():
            told = promised.get((said.clock, said.institution))
            if said.clock in TOLD and said.met_at is None and told != said.deadline:
                yield f"{report_id}: {said.clock} by {said.deadline}, the reporter knows {told}"


# ---- one report, four opinions


def stages_agree(harness: Harness) -> Iterator[str]:
    """Yield the reports about which stages differ, or whose next step nobody owes."""
    for report_id in harness.processes["sla-monitor"].state.kept:
        status = harness.status(report_id)
        for fault in (*_disagreement(harness, report_id), *_not_owed(harness, report_id)):
            yield f"{report_id}: {fault}: {status}"


def _disagreement(harness: Harness, report_id: str) -> Iterator[str]:
    national, institution, routing, follow_up = harness.status(report_id)
    if national in ENDS:
        if {institution, routing, follow_up} != {national}:
            yield "an end that not all know"
        return
    if set(ENDS) & {institution, routing, follow_up}:
        yield "an end that the national stage does not know"
        return
    cases = [
        harness.case(f"verification.{level}", report_id) for level in ("national", "institution")
    ]
    if national in ("forwarded", "closed") and (
        cases[1] is None or cases[0].holding != cases[1].holding
    ):
        yield "another holding"
    with_institution = {"forwarded": ("waiting", "asked", "accepted"), "closed": ("closed",)}
    if institution not in with_institution.get(national, ("", "unknown", "returned")):
        yield "another holder"
    if institution == "accepted" and routing not in ("dispatched", "held", "closed"):
        yield "accepted and not routed"
    if national == "closed" and (routing, follow_up) != ("closed", "closed"):
        yield "closed and not closed"
    if national == "forwarded" and institution == "accepted":
        open_ = ("nothing",) if routing == "held" else (
            "waiting", "in_progress", "followed_up", "replied")  # fmt: skip
        if follow_up not in open_:
            yield "routed and not followed up"


def _not_owed(harness: Harness, report_id: str) -> Iterator[str]:
    status = harness.status(report_id)
    expected: set[str] = set()
    match status.national:
        case "waiting":
            expected = {"national_verification"}
        case "asked":
            expected = {"national_verification", "completion"}
        case "forwarded":
            expected = _owed_by_institution(status)
            if status.routing == "held" and harness.case("routing", report_id).dispatch:
                expected.add("follow_up")  # a unit had it and gave it back: the time runs on
    if (owed := set(harness.owed(report_id))) != expected:
        yield f"owed {sorted(owed)}, expected {sorted(expected)}"
    case = harness.case("sla-monitor", report_id)
    if expected and (not case.holder or case.next_deadline is None):
        yield "nobody named"


def _owed_by_institution(status: Any) -> set[str]:
    match status.institution, status.routing, status.follow_up:
        case "waiting", _, _:
            return {"institution_verification"}
        case "asked", _, _:
            return {"institution_verification", "completion"}
        case "accepted", "held", _:
            return {"dispatch"}
        case "accepted", _, "followed_up":
            return {"reply"}
    return {"follow_up"}


# ---- after months of silence


def everything_owed_is_escalated(harness: Harness) -> Iterator[str]:
    """Yield the deadlines that passed long ago without all three levels said."""
    said = {
        (e_.report_id, e_.clock, e_.deadline, e_.level)
        for f in harness.facts(SLA)
        if isinstance(e_ := f.event, e.DeadlineBreached)
    }
    for report_id in harness.processes["sla-monitor"].state.kept:
        for clock, deadline in harness.owed(report_id).items():
            if deadline + timedelta(days=40) > harness.now:
                continue
            levels = {level for level in (1, 2, 3) if (report_id, clock, deadline, level) in said}
            if clock not in OFFICERS or levels != {1, 2, 3}:
                yield f"{report_id}: {clock} of {deadline} said {levels}"


def nothing_waits(harness: Harness) -> Iterator[str]:
    """Yield the cases that still wait for something, although nothing can come any more."""
    for name, process in harness.processes.items():
        for report_id, stored in process.state.kept.items():
            waiting = getattr(stored.case, "waiting", ())
            kept = [w.event_type for w in waiting if w.event_type not in WORDS]
            if kept:
                yield f"{name} {report_id}: {kept}"
            if getattr(stored.case, "pending", ()):
                yield f"{name} {report_id}: undelivered"
