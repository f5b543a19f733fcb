"""The demo's check finds what is damaged, and nothing else."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deploy.demo.check import REJECTS, Standing, problems, standings
from deploy.demo.watch import Seen
from shared.contract import topics
from shared.contract.topics import Stream

R1, R2 = "K7QF2M9XTD3A", "AAAABBBBCCCC"
BEGAN = datetime(2023, 3, 1, tzinfo=UTC)
BODY = {"institution": "3204", "holding": 1, "unit": "3204-001"}
SENT = {
    ("lapor.channel.website.submissions.v1", "m-1"): 1,
    ("lapor.agency.3204.outbox.v1", "c-1"): 1,
    ("lapor.agency.3204.outbox.v1", "c-2"): 1,
}
EXPECTED = {("lapor.agency.3204.outbox.v1", "c-2"): "not_json"}


def seen(
    number: int, stream: Stream, kind: str, *, report: str = R1, causation: str = "",
    producer: str = "", digest: int = 0, **body: Any,
) -> Seen:  # fmt: skip
    """Build a record; its number is its order in time and its id."""
    return Seen(
        stream=stream.name,
        producer=producer,
        type=kind,
        id=f"e-{number}",
        causation=causation,
        report=report,
        at=BEGAN + timedelta(hours=number),
        place=f"{stream.name}/0/{number}",
        body={**BODY, **body},
        digest=digest or number,
    )


def a_deadline(number: int, **body: Any) -> Seen:
    """Build an escalation of a follow-up that was due an hour before."""
    at = BEGAN + timedelta(hours=number)
    told = {
        "clock": "follow_up", "run": "follow_up:1", "level": 1,
        "deadline": at.isoformat(), "due_at": at.isoformat(), "detected_at": at.isoformat(),
    }  # fmt: skip
    return seen(number, topics.SLA, "DeadlineBreached", **{**told, **body})


def a_rejection(number: int, **body: Any) -> Seen:
    """Build what the institutions' gateway answers to a command that it turns away."""
    return seen(number, topics.INBOX, "InboxEntry", **body)._replace(source=REJECTS)


def a_sound_demo() -> list[Seen]:
    """One report from its submission to its closing; one command taken, one turned away."""
    return [
        seen(1, topics.SUBMISSIONS, "SubmitReport", report="", producer="website"),
        seen(2, topics.INTAKE, "ReportReceived", causation="gateway-1"),
        seen(3, topics.ANSWERS, "ChannelAnswer", producer="website", message_id="m-1"),
        seen(4, topics.NATIONAL, "ReportForwarded", causation="e-2"),
        seen(5, topics.AGENCIES, "Accept", message_id="c-1"),
        seen(6, topics.INSTITUTION, "ReportAccepted", causation="e-5"),
        a_rejection(7, message_id="c-2", reason="not_json"),
        seen(8, topics.ROUTING, "ReportDispatched", causation="e-6"),
        seen(9, topics.FOLLOW_UP, "FollowUpGiven", causation="e-x"),
        a_deadline(10),
        seen(11, topics.FOLLOW_UP, "ReportClosed", causation="e-y", by="system"),
    ]


def without(records: Sequence[Seen], number: int) -> list[Seen]:
    """Lose a record."""
    return [each for each in records if each.id != f"e-{number}"]


def test_a_sound_demo_has_no_problem() -> None:
    """Everything sent is answered once, the report is closed."""
    assert problems(a_sound_demo(), SENT, EXPECTED) == []


def test_a_record_that_a_stage_sent_twice_is_one_event() -> None:
    """Delivery is at least once: the same id with the same payload is no damage."""
    records = a_sound_demo()

    assert problems([*records, records[5], records[2]], SENT, EXPECTED) == []


@pytest.mark.parametrize(("damaged", "found"), [
        (without(a_sound_demo(), 3), "submission m-1 on lapor.channel.website.submissions.v1"),
        (without(a_sound_demo(), 3), "sent 1 times, answered 0 times"),
        ([*a_sound_demo(), seen(20, topics.ANSWERS, "ChannelAnswer", producer="website",
                                message_id="m-1")], "answered 2 times"),
        ([*a_sound_demo(), seen(20, topics.ANSWERS, "ChannelAnswer", producer="website",
                                message_id="m-9")], "submission m-9"),
        (without(a_sound_demo(), 7), "command c-2"),
        ([s._replace(body={**s.body, "outcome": "rejected", "reason": "blank_text"})
          if s.id == "e-3" else s for s in a_sound_demo()], "turned away though sound, blank_text"),
        ([*a_sound_demo(), a_rejection(20, message_id="c-1", reason="erased")],
         "turned away though sound, erased"),
        (without(a_sound_demo(), 6), "Accept c-1: 0 effects or refusals"),
        ([*a_sound_demo(), seen(20, topics.ROUTING, "CommandRefused", causation="e-5",
                                message_id="c-1", reason="x")], "Accept c-1: 2 effects"),
        ([*a_sound_demo(), seen(20, topics.INTAKE, "ReportReceived")], "received 2 times"),
        ([*without(a_sound_demo(), 11), seen(12, topics.INSTITUTION, "ReportAccepted")],
         "waits for routing"),
        ([*a_sound_demo(), seen(20, topics.DEAD_LETTERS, "", stage="routing", reason="bug")],
         "dead letter of routing: bug"),
        ([*a_sound_demo(), a_sound_demo()[5]._replace(digest=99)], "another payload"),
        ([*a_sound_demo(), a_deadline(10)._replace(id="e-30")], "told 2 times"),
        ([*a_sound_demo(), a_deadline(20, level=2, detected_at=BEGAN.isoformat())], "too early"),
        ([s._replace(body={**s.body, "reason": "unknown_type"}) if s.id == "e-7" else s
          for s in a_sound_demo()], "told unknown_type, not not_json"),
    ])  # fmt: skip
def test_damage_is_found(damaged: list[Seen], found: str) -> None:
    """Each kind of loss, repeat or early word is named."""
    assert any(found in problem for problem in problems(damaged, SENT, EXPECTED))


@pytest.mark.parametrize(("facts", "standing"), [
        ([], Standing("waiting", "institution 00")),
        ([(topics.NATIONAL, "ReportForwarded", {})], Standing("waiting", "institution 3204")),
        ([(topics.NATIONAL, "InformationRequested", {})], Standing("waiting", "reporter")),
        ([(topics.NATIONAL, "InformationRequested", {}),
          (topics.INTAKE, "InformationCompleted", {})], Standing("waiting", "institution 3204")),
        ([(topics.ROUTING, "ReportDispatched", {})], Standing("waiting", "unit 3204-001")),
        ([(topics.FOLLOW_UP, "FollowUpGiven", {}), (topics.FOLLOW_UP, "ReporterAnswered", {})],
         Standing("waiting", "unit 3204-001")),
        ([(topics.FOLLOW_UP, "ReportClosed", {"by": "admin"})], Standing("closed", by="admin")),
        ([(topics.FOLLOW_UP, "ReportClosed", {"by": "admin"}),
          (topics.FOLLOW_UP, "ReportReopened", {})], Standing("waiting", "unit 3204-001")),
        ([(topics.NATIONAL, "ReportWithdrawn", {}), (topics.ROUTING, "ReportDispatched", {})],
         Standing("withdrawn")),
        ([(topics.NATIONAL, "ReportReturned", {}),
          (topics.NATIONAL, "ReportForwarded", {"holding": 2, "institution": "6308"})],
         Standing("waiting", "institution 6308")),
    ])  # fmt: skip
def test_whoever_owes_the_next_step_is_named(
    facts: list[tuple[Stream, str, dict[str, Any]]], standing: Standing
) -> None:
    """An open report waits for a party, an ended one for nobody."""
    records = [seen(1, topics.INTAKE, "ReportReceived", report=R2)]
    records += [
        seen(number, stream, kind, report=R2, **body)
        for number, (stream, kind, body) in enumerate(facts, start=2)
    ]

    assert standings(records)[R2] == standing
