"""What must hold of a pipeline, whatever was done to it: each rule adds what does not.

Pure, over the world that the records tell and the tables as they stand.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

from shared.contract import topics
from tests.faults.checker import folds
from tests.faults.checker.clocks import at
from tests.faults.checker.event_index import EventIndex
from tests.faults.checker.findings import Findings
from tests.faults.checker.names import EFFECTS, STAGE_OF, STAGES
from tests.faults.checker.snapshot import Case, Tables


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the pipeline: `now_ms` of the tables; younger than `still_ms` is not judged."""

    world: EventIndex
    tables: Tables
    now_ms: int
    still_ms: int = 3_000
    grace_ms: int = 60_000

    @property
    def still_since_ms(self) -> int:
        """Return the time before which everything must have been decided."""
        return self.now_ms - self.still_ms

    @property
    def overdue_before(self) -> datetime:
        """Return the business time before which whatever was due must have been said."""
        return self.world.intended.clock.business(self.now_ms - self.grace_ms)

    @property
    def moving(self) -> frozenset[str]:
        """Return the reports about which something was said just now."""
        since = self.still_since_ms
        return frozenset(name for name, r in self.world.reports.items() if r.last_ms > since)

    def waiting(self) -> Iterator[str]:
        """Yield the ids of the commands that wait in a case for what they are about."""
        for cases in self.tables.cases.values():
            for case in cases.values():
                for kept in case.state.get("waiting", ()):
                    yield kept["id"]


def check(look: Look) -> Findings:
    """Return everything that does not hold; of reports that move just now it may yet come true."""
    world, found = look.world, Findings()
    found.counts.update(world.found.counts)
    found.worst_recovery_seconds = world.intended.worst_recovery_seconds
    for kind, violations in world.found.kinds.items():
        found.kinds[kind] = list(violations)
    for rule in RULES:
        rule(look, found)
    found.counts["parked"] = look.tables.parked
    return found


# ---- the gateways


def submissions_are_answered_once(look: Look, found: Findings) -> None:
    """Compare each message of a channel with its answers, and with what intake said of it."""
    world = look.world
    found.counts["sent"] = world.asked.total()
    found.counts["answered"] = sum(min(n, world.answered[key]) for key, n in world.asked.items())
    _same_count("submission", world.asked, world.answered, found)
    said = world.said
    for key, n in world.asked.items():
        topic, _, own = key.partition(" ")
        if key in world.messages or own.startswith("@"):
            continue
        if said[key] != n:
            kind = "submission_unanswered" if said[key] < n else "submission_answered_twice"
            found.add(kind, "", f"{own} on {topic}: {said[key]} of {n} facts of intake")
    for key in world.turned_away.keys() & world.asked.keys() - world.intended.unsound:
        if not key.partition(" ")[2].startswith("@"):
            found.add("turned_away", "", f"{key}: {world.turned_away[key]}")


def _same_count(what: str, asked: Counter[str], said: Counter[str], found: Findings) -> None:
    for key in asked.keys() | said.keys():
        if key.endswith(" @") or " @" in key:
            continue  # without an id: counted below, by topic
        if said[key] != asked[key]:
            kind = f"{what}_unanswered" if said[key] < asked[key] else f"{what}_answered_twice"
            found.add(kind, "", f"{key}: {said[key]} answers to {asked[key]} records")
    nameless: Counter[str] = Counter()
    for counter, sign in ((asked, 1), (said, -1)):
        for key, n in counter.items():
            if " @" in key:
                nameless[key.partition(" ")[0]] += sign * n
    for topic, n in nameless.items():
        if n:
            kind = f"{what}_unanswered" if n > 0 else f"{what}_answered_twice"
            found.add(kind, "", f"{topic}: {n} records without an id unanswered")


def what_was_acknowledged_is_there(look: Look, found: Findings) -> None:
    """Look for messages that the broker took and has lost."""
    world = look.world
    for key in world.intended.sent:
        if not world.asked[key] and not world.ordered[key]:
            found.add("sent_not_in_log", "", key)


def commands_are_answered_once(look: Look, found: Findings) -> None:
    """Look for one effect or refusal of each command, and one inbox entry of it for its sender."""
    world, waiting = look.world, set(look.waiting())
    found.counts["commands"] = world.ordered.total()
    _same_count("command", world.ordered, world.heard, found)
    for event_id, (name, institution, report) in world.passed.items():
        effects = world.effects.get(event_id, [])
        if not effects and event_id in waiting:
            found.counts["waiting"] += 1
            continue
        expected = (EFFECTS.get(name), "CommandRefused")
        if len(effects) != 1:
            kind = "command_unanswered" if not effects else "command_answered_twice"
            found.add(kind, report, f"{name} {event_id} of {institution}: {effects}")
        elif effects[0][1] not in expected:
            found.add("command_wrong_answer", report, f"{name} {event_id}: {effects[0]}")
        else:
            found.counts["commands_answered"] += 1
            _entry(world, institution, effects[0][0], report, found)
    for key in world.turned_away.keys() & world.ordered.keys() - world.intended.unsound:
        if world.turned_away[key] != "repeated" and " @" not in key:
            found.add("turned_away", "", f"{key}: {world.turned_away[key]}")


def _entry(world: EventIndex, institution: str, cause: str, report: str, found: Findings) -> None:
    n = world.entries[institution, cause]
    if n != 1:
        kind = "entry_missing" if n == 0 else "entry_doubled"
        found.add(kind, report, f"{n} entries for {institution} about {cause}")


def reports_are_told_once(look: Look, found: Findings) -> None:
    """Look for one entry of each report for 00, and of each forward for its institution."""
    world = look.world
    for name, report in world.reports.items():
        received = [f for f in report.facts.get("intake", ()) if f.name == "ReportReceived"]
        if received:
            found.counts["reports"] += 1
        if len(received) > 1:
            found.add("received_twice", name, f"{[f.id for f in received]}")
        life = folds.ReportScript(report.facts, world.intended.clock)
        expected = [("00", f.id, "report_received") for f in received]
        if life.end is None:
            forwards = life.of(folds.NATIONAL, "ReportForwarded")
            expected += [(f.institution, f.id, "report_to_verify") for f in forwards]
        for key in expected:
            if world.told[key] != 1:
                kind = "entry_missing" if world.told[key] == 0 else "entry_doubled"
                found.add(kind, name, f"{world.told[key]} entries {key}")
        for f in received:
            if f.id not in world.informed:
                found.add("notification_missing", name, f"nobody was told of {f.id}")


# ---- the stages


def nothing_said_is_lost(look: Look, found: Findings) -> None:
    """Compare the numbers of a report's events in the log, 1 to n, with the stage's own count."""
    world, tables = look.world, look.tables
    for stage in STAGES:
        numbers, cases = world.numbers.get(stage, {}), tables.cases.get(stage, {})
        for report in numbers.keys() | cases.keys():
            case = cases.get(report)
            if case is None:
                found.add("case_missing", report, f"{stage} has no case of it")
                continue
            there, wanted = numbers.get(report, 0), (1 << (case.sequence + 1)) - 2
            if missing := wanted & ~there:
                found.add("event_lost", report, f"{stage}: numbers {_bits(missing)}")
            if more := there & ~wanted:
                found.add("event_phantom", report, f"{stage}: numbers {_bits(more)}")


def _bits(mask: int) -> list[int]:
    return [n for n in range(mask.bit_length()) if mask >> n & 1]


def cases_agree_with_events(look: Look, found: Findings) -> None:
    """Compare each stage's case of a report with the fold of the events."""
    clock = look.world.intended.clock
    for name, report in look.world.reports.items():
        life = folds.ReportScript(report.facts, clock)
        for stage, fold in folds.FOLDS.items():
            allowed = fold(life)
            if allowed is None:
                continue
            case = look.tables.cases.get(stage, {}).get(name)
            if case is None:
                found.add("case_missing", name, f"{stage} has no case of it, expected {allowed}")
            else:
                _agree(found, name, stage, case, allowed)
        _of_others(look, found, name, life)


def _agree(found: Findings, report: str, stage: str, case: Case, allowed: folds.Allowed) -> None:
    for field, wanted in allowed.items():
        value: Any = case.more.get(field, case.state.get(field, 0))
        if value != wanted and not (isinstance(wanted, frozenset) and value in wanted):
            found.add("case_disagrees", report, f"{stage}: {field} is {value!r}, not {wanted!r}")


def _of_others(look: Look, found: Findings, name: str, life: folds.ReportScript) -> None:
    """Compare intake's, the notifier's and the SLA monitor's cases of a report."""
    cases = {s: look.tables.cases.get(s, {}).get(name) for s in STAGE_OF.values()}
    if life.is_received:
        intake, sla = cases["intake"], cases["sla-monitor"]
        if intake is not None and not intake.state.get("received"):
            found.add("case_disagrees", name, "intake: not received")
        if sla is None:
            found.add("case_missing", name, "sla-monitor has no case of it")
        elif sla.is_open == folds.is_over(life):
            found.add("case_disagrees", name, f"sla-monitor: is_open is {sla.is_open}")
    notifier, pending = cases["notifier"], look.world.reports[name].pending
    if notifier is not None and (notifier.more.get("pending") or 0) != pending:
        what = f"notifier: {notifier.more.get('pending')} pending, the stream says {pending}"
        found.add("case_disagrees", name, what)


def deadlines_are_kept(look: Look, found: Findings) -> None:
    """Look for escalations said twice, too early or not at all, and for the date next owed."""
    cases = look.tables.cases.get("sla-monitor", {})
    for name, report in look.world.reports.items():
        clocks, case = report.clocks, cases.get(name)
        if clocks is None:
            continue
        for breach in clocks.doubled:
            found.add("breach_doubled", name, str(breach))
        for run, date in clocks.strayed:
            found.add("move_strayed", name, f"{run} never was due at {date}")
        for breach in clocks.early:
            found.add("breach_early", name, str(breach))
        for window, n in clocks.windows.items():
            if n > 1:
                found.add("window_doubled", name, f"{window} {n} times")
        if case is None or not case.is_open:
            continue
        for clock, deadline in clocks.overdue(look.overdue_before):
            kind = "window_missing" if clock in ("completion", "reply") else "breach_missing"
            found.add(kind, name, f"{clock} of {deadline}: nothing was said")
        said = {(clock, at(deadline)) for clock, deadline in clocks.open.values()}
        owed = (case.more.get("next_clock"), case.more.get("next_deadline"))
        if owed[1] is not None and owed not in said:
            found.add("case_disagrees", name, f"sla-monitor: owes {owed}, the stream {said}")


def timers_have_fired(look: Look, found: Findings) -> None:
    """Look for cases whose timer was due long ago and is still to be decided."""
    before = look.world.intended.clock.business(look.now_ms - max(look.grace_ms, 30_000))
    for stage, cases in look.tables.cases.items():
        for report, case in cases.items():
            if case.timer_at is not None and case.timer_at < before:
                found.add("timer_overdue", report, f"{stage}: due {case.timer_at + timedelta(0)}")


def positions_are_the_ends(look: Look, found: Findings) -> None:
    """Compare the stored positions with the ends of the logs, and look for what is unpublished."""
    world = look.world
    for stage, reads in READS.items():
        lanes = look.tables.lanes.get(stage)
        positions = lanes.positions if lanes else {}
        for place, end in world.ends.items():
            if not reads(place[0]):
                continue
            position = positions.get(place, 0)
            if position > end:
                what = f"{stage}: {place[0]}/{place[1]} position {position}, end {end}"
                found.add("position_beyond", "", what)
            elif position < end and not _is_new(look, place, position):
                what = f"{stage}: {place[0]}/{place[1]} position {position}, end {end}"
                found.add("position_behind", "", what)
        for held in lanes.outbox if lanes else ():
            if not world.knows(held.id, held.value, held.type):
                found.add("unconfirmed_not_in_log", held.report, f"{stage}: {held.id} {held.topic}")


def _is_new(look: Look, place: tuple[str, int], position: int) -> bool:
    times = [at_ms for offset, at_ms in look.world.tails[place] if offset == position]
    return bool(times) and times[0] > look.still_since_ms


def _reads(stage: str) -> Callable[[str], bool]:
    streams = topics.READS[stage]
    patterns = [re.compile(s.pattern if s.is_family else re.escape(s.name)) for s in streams]
    return lambda topic: any(pattern.fullmatch(topic) for pattern in patterns)


READS: Final = {stage: cache(_reads(stage)) for stage in STAGES}
"""Whether a stage reads a topic, by the one table of streams."""


# ---- what could not be read


def dead_letters_are_explained(look: Look, found: Findings) -> None:
    """Compare the dead letters with the poison that was meant to become one, both ways."""
    world = look.world
    found.counts["dead_lettered"] = len(world.buried)
    for (stage, topic, number, offset), letter in world.buried.items():
        where = f"{stage}: {letter.reason} at {topic}/{number}/{offset}"
        marker = world.poisoned.get((topic, number, offset), "")
        reason, readers = world.intended.poison.get(marker, ("", frozenset[str]()))
        is_bug = world.intended.bugs.get((stage, letter.report)) == letter.reason
        if not is_bug and (letter.reason != reason or stage not in readers):
            found.add("dead_letter_unexplained", "", where)
        if letter.ids > 1:
            found.add("dead_letter_doubled", "", where)
    for (topic, number, offset), marker in world.poisoned.items():
        if _is_new(look, (topic, number), offset):
            continue
        reason, readers = world.intended.poison[marker]
        for stage in sorted(readers):
            if (stage, topic, number, offset) not in world.buried:
                where = f"{topic}/{number}/{offset}"
                found.add("dead_letter_missing", "", f"{stage}: {reason} at {where}")
    told = Counter((stage, letter.report) for (stage, *_), letter in world.buried.items())
    for (stage, report), reason in world.intended.bugs.items():
        if not told[stage, report]:
            found.add("dead_letter_missing", report, f"{stage}: {reason}")


def nobody_waits_for_an_operator(look: Look, found: Findings) -> None:
    """Look for cases that stand still behind a dead letter: each was replayed."""
    if look.tables.parked:
        found.add("still_parked", "", f"{look.tables.parked} cases")


RULES: Final[tuple[Callable[[Look, Findings], None], ...]] = (
    submissions_are_answered_once, what_was_acknowledged_is_there, commands_are_answered_once,
    reports_are_told_once, nothing_said_is_lost, cases_agree_with_events, deadlines_are_kept,
    timers_have_fired, positions_are_the_ends, dead_letters_are_explained,
    nobody_waits_for_an_operator,
)  # fmt: skip
