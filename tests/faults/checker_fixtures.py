"""A recorded pipeline, and what may be wrong with it: for the test of the checker."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from tests.faults.checker.event_index import EventIndex
from tests.faults.checker.findings import Findings
from tests.faults.checker.names import event_of
from tests.faults.checker.rules import Look, check
from tests.faults.checker.snapshot import Case, Intended, Lanes, OutboxRow, Record, Tables
from tests.faults.poison_senders import POISON_ID


@dataclass(frozen=True)
class Recording:
    """All that the checker looks at."""

    records: list[Record]
    rows: Tables
    intended: Intended
    now_ms: int

    def verdict(self) -> Findings:
        """Return what the checker says of it; all of it stands still."""
        world = EventIndex(self.intended)
        for record in self.records:
            world.take(record)
        return check(Look(world, self.rows, self.now_ms, still_ms=0, grace_ms=1_000))

    def find(self, event: str, topic: str = "", **fields: object) -> int:
        """Return the place of the first record of an event, with these fields.

        Not one that a fault or a poison sender made: nobody expects those to be there.
        """
        return next(
            n for n, r in enumerate(self.records)
            if event_of(r.header("ce_type")) == event and topic in r.topic
            and not r.header("lapor-fault")
            and not r.header("ce_id").startswith(POISON_ID)
            and (not fields or fields.items() <= json.loads(r.value or b"{}").items())
        )  # fmt: skip

    def without(self, place: int) -> "Recording":
        """Lose a record, and its repeats."""
        lost = self.records[place]
        identity = (lost.topic, lost.header("ce_id"))
        kept = [r for r in self.records if (r.topic, r.header("ce_id")) != identity]
        return replace(self, records=kept)

    def other(self, place: int, **fields: object) -> "Recording":
        """Put other fields into a record."""
        record = self.records[place]
        body = json.dumps({**json.loads(record.value or b"{}"), **fields}).encode()
        return self.put(place, record._replace(value=body))

    def put(self, place: int, record: Record) -> "Recording":
        """Put another record at a place."""
        return replace(self, records=[*self.records[:place], record, *self.records[place + 1 :]])

    def again(self, place: int, **headers: str) -> "Recording":
        """Say a record again at the end of its partition, with other headers."""
        record = self.records[place]
        end = 1 + max(
            r.offset for r in self.records if (r.topic, r.partition) == record[:2]
        )  # fmt: skip
        said = {**dict(record.headers), **{k: v.encode() for k, v in headers.items()}}
        return replace(
            self, records=[*self.records, record._replace(offset=end, headers=tuple(said.items()))]
        )

    def case(self, stage: str, report: str, **fields: object) -> "Recording":
        """Change a row of a stage's cases; a field `more_x` is the column x."""
        cases = dict(self.rows.cases[stage])
        found = cases[report]
        columns = {k.removeprefix("more_"): v for k, v in fields.items() if k.startswith("more_")}
        others = {k: v for k, v in fields.items() if not k.startswith("more_")}
        cases[report] = found._replace(**others, more={**found.more, **columns})  # type: ignore[arg-type]
        return self.of_cases(stage, cases)

    def of_cases(self, stage: str, cases: dict[str, Case]) -> "Recording":
        """Put other cases of a stage."""
        return replace(self, rows=replace(self.rows, cases={**self.rows.cases, stage: cases}))

    def moved(self, stage: str, by: int) -> "Recording":
        """Move one stored position of a stage."""
        lanes = self.rows.lanes[stage]
        place = max(lanes.positions, key=lambda p: lanes.positions[p])
        positions = {**lanes.positions, place: lanes.positions[place] + by}
        return self.of_lanes(stage, replace(lanes, positions=positions))

    def of_lanes(self, stage: str, lanes: Lanes) -> "Recording":
        """Put other lanes of a stage."""
        return replace(self, rows=replace(self.rows, lanes={**self.rows.lanes, stage: lanes}))

    def report(self, place: int) -> str:
        """Return which report a record is about."""
        return self.records[place].header("ce_subject")


def _lost_answer(r: Recording) -> Recording:
    return r.without(r.find("ChannelAnswer", outcome="received"))


def _second_answer(r: Recording) -> Recording:
    return r.again(r.find("ChannelAnswer", outcome="received"), ce_id="another", sequence="9")


def _lost_submission(r: Recording) -> Recording:
    return r.without(r.find("SubmitReport"))


def _lost_event(r: Recording) -> Recording:
    return r.without(r.find("ReportDispatched"))


def _lost_last_event(r: Recording) -> Recording:
    place = r.find("ReportClosed")
    last = r.report(place)
    return r.without(max(
        n for n, x in enumerate(r.records) if "follow-up.v1" in x.topic
        and x.header("ce_subject") == last and not x.header("lapor-fault")
    ))  # fmt: skip


def _lost_effect(r: Recording) -> Recording:
    return r.without(r.find("ReportAccepted"))


def _second_effect(r: Recording) -> Recording:
    return r.again(r.find("ReportAccepted"), ce_id="another", sequence="40")


def _another_effect(r: Recording) -> Recording:
    place = r.find("FollowUpGiven")
    record = r.records[place]
    headers = {**dict(record.headers), "ce_type": b"id.go.lapor.follow-up.unit-returned.v1"}
    return r.put(place, record._replace(headers=tuple(headers.items())))


def _lost_entry(r: Recording) -> Recording:
    return r.without(r.find("InboxEntry", entry="report_to_verify"))


def _second_entry(r: Recording) -> Recording:
    place = r.find("InboxEntry", entry="report_to_verify")
    return r.again(place, ce_id="another", sequence="90")


def _other_words(r: Recording) -> Recording:
    place = r.find("ReportAccepted")
    said = r.again(place)
    return said.other(len(said.records) - 1, by="somebody else")


def _other_order(r: Recording) -> Recording:
    """Two facts of one report change places: the first deadline that another fact follows."""
    first, then = next(
        (n, later)
        for n, one in enumerate(r.records) if event_of(one.header("ce_type")) == "DeadlineSet"
        for later, x in enumerate(r.records)
        if later > n and x.topic == one.topic and r.report(later) == r.report(n)
        and x.header("ce_id") != one.header("ce_id")
        and not one.header("lapor-fault") and not x.header("lapor-fault")
    )  # fmt: skip
    one, two = r.records[first], r.records[then]
    swapped = r.put(first, two._replace(offset=one.offset))
    return swapped.put(then, one._replace(offset=two.offset))


def _second_number(r: Recording) -> Recording:
    return r.again(r.find("ReportDispatched"), ce_id="another")


def _more_numbers(r: Recording) -> Recording:
    return r.again(r.find("DeadlineSet"), ce_id="another", sequence="99")


def _second_receipt(r: Recording) -> Recording:
    return r.again(r.find("ReportReceived"), ce_id="another", sequence="99")


def _lost_case(r: Recording) -> Recording:
    report = r.report(r.find("ReportAccepted"))
    kept = {k: v for k, v in r.rows.cases["verification.institution"].items() if k != report}
    return r.of_cases("verification.institution", kept)


def _position_too_low(r: Recording) -> Recording:
    return r.moved("routing", -1)


def _position_too_high(r: Recording) -> Recording:
    return r.moved("routing", 1)


def _unpublished(r: Recording) -> Recording:
    held = OutboxRow(
        "lapor.routing.v1", "nobody-has-it", "id.go.lapor.routing.report-dispatched.v1", "", b"{}"
    )
    return r.of_lanes("routing", replace(r.rows.lanes["routing"], outbox=[held]))


def _strange_dead_letter(r: Recording) -> Recording:
    place = r.find("RecordDeadLettered")
    record = r.records[place]
    headers = {**dict(record.headers), "reason": b"rule_raised"}
    return r.put(place, record._replace(headers=tuple(headers.items())))


def _no_json(r: Recording) -> Recording:
    place = r.find("ReportAccepted")
    return r.put(place, r.records[place]._replace(value=b"{"))


def _lost_dead_letter(r: Recording) -> Recording:
    return r.without(r.find("RecordDeadLettered"))


def _still_parked(r: Recording) -> Recording:
    return replace(r, rows=replace(r.rows, parked=1))


def _lost_letter_of_a_bug(r: Recording) -> Recording:
    report = r.report(r.find("ReportDispatched"))
    bugs = {("routing", report): "rule_raised"}
    return replace(r, intended=replace(r.intended, bugs=bugs))


def _second_dead_letter(r: Recording) -> Recording:
    return r.again(r.find("RecordDeadLettered"), ce_id="another")


def _sound_but_turned_away(r: Recording) -> Recording:
    of_a_life = r.find("ChannelAnswer", ".website.", outcome="received")
    return r.other(of_a_life, outcome="rejected")


def _second_notification(r: Recording) -> Recording:
    return r.again(r.find("NotificationRequested"), ce_id="another", sequence="99")


def _second_end_of_notification(r: Recording) -> Recording:
    return r.again(r.find("NotificationSent"), ce_id="another", sequence="99")


def _nobody_notified(r: Recording) -> Recording:
    received = r.records[r.find("ReportReceived")].header("ce_id")
    return replace(r, records=[
        x for x in r.records if not (
            "notifications.v1" in x.topic
            and json.loads(x.value or b"{}").get("about") == received
        )
    ])  # fmt: skip


def _second_breach(r: Recording) -> Recording:
    return r.again(r.find("DeadlineBreached"), ce_id="another", sequence="99")


def _breach_before_its_time(r: Recording) -> Recording:
    return r.other(r.find("DeadlineBreached"), detected_at="2020-01-01T00:00:00Z")


def _move_from_nowhere(r: Recording) -> Recording:
    place = r.find("DeadlineSet")
    moved = r.again(
        place, ce_id="moved", sequence="99", ce_type="id.go.lapor.sla.deadline-moved.v1"
    )
    more = {"deadline_before": "2020-01-01T00:00:00Z", "why": "late_fact"}
    return moved.other(len(moved.records) - 1, **more)


def _no_breach(r: Recording) -> Recording:
    return replace(r, now_ms=r.now_ms + int(timedelta(days=300) / timedelta(milliseconds=1)))


def _window_not_closed(r: Recording) -> Recording:
    return _no_breach(r)


def _window_closed_twice(r: Recording) -> Recording:
    place = r.find("DeadlineSet")
    body = {"report_id": r.report(place), "window": "reply", "opened_by": "a follow-up",
            "ran_out_at": "2026-01-01T00:00:00Z"}  # fmt: skip
    typed = {"ce_type": "id.go.lapor.sla.time-ran-out.v1"}
    for number in (98, 99):
        r = r.again(place, ce_id=f"run-out-{number}", sequence=str(number), **typed)
        r = r.other(len(r.records) - 1, **body)
    return r


def _timer_not_fired(r: Recording) -> Recording:
    report = r.report(r.find("ReportAccepted"))
    return r.case("sla-monitor", report, timer_at=datetime(2026, 1, 1, tzinfo=UTC))


DAMAGE: Final[dict[Callable[[Recording], Recording], str]] = {
    _lost_answer: "submission_unanswered",
    _second_answer: "submission_answered_twice",
    _lost_submission: "sent_not_in_log",
    _lost_event: "event_lost",
    _lost_last_event: "event_lost",
    _lost_effect: "command_unanswered",
    _second_effect: "command_answered_twice",
    _another_effect: "command_wrong_answer",
    _lost_entry: "entry_missing",
    _second_entry: "entry_doubled",
    _other_words: "two_payloads",
    _other_order: "out_of_order",
    _second_number: "event_doubled",
    _more_numbers: "event_phantom",
    _second_receipt: "received_twice",
    _lost_case: "case_missing",
    _position_too_low: "position_behind",
    _position_too_high: "position_beyond",
    _unpublished: "unconfirmed_not_in_log",
    _strange_dead_letter: "dead_letter_unexplained",
    _no_json: "unreadable",
    _lost_dead_letter: "dead_letter_missing",
    _lost_letter_of_a_bug: "dead_letter_missing",
    _still_parked: "still_parked",
    _second_dead_letter: "dead_letter_doubled",
    _sound_but_turned_away: "turned_away",
    _second_notification: "notification_doubled",
    _second_end_of_notification: "notification_ended_twice",
    _nobody_notified: "notification_missing",
    _second_breach: "breach_doubled",
    _breach_before_its_time: "breach_early",
    _move_from_nowhere: "move_strayed",
    _no_breach: "breach_missing",
    _window_not_closed: "window_missing",
    _window_closed_twice: "window_doubled",
    _timer_not_fired: "timer_overdue",
}
"""Each kind of damage, and the kind of violation that it must be found as."""
