"""What people hand in twice, wrongly, or for somebody else: one answer each, with the reason."""

import json
from datetime import timedelta
from typing import Any

import pytest

from shared.contract import events as e
from shared.contract.topics import INTAKE, SUBMISSIONS
from shared.runtime.gateway.throttle import is_throttle_row
from tests.pipeline.harness import STREET_LIGHT, Harness
from tests.pipeline.stories import ADMIN, HSU, followed_up, forwarded, held, outcome, write

SUBMIT = SUBMISSIONS.type_of(e.SubmitReport)


def test_the_same_submission_twice_is_one_report(harness: Harness) -> None:
    """The second answer has the same number; one channel's ids are not another's."""
    first = harness.submit(message_id="m-1")
    assert harness.submit(message_id="m-1") == first
    other = harness.submit(message_id="m-1", channel="counter")
    harness.run()
    answers = harness.answers()
    assert [a.outcome for a in answers] == ["received", "repeated"]
    assert len({(a.tracking_number, a.report_id) for a in answers}) == 1
    assert len(harness.of(e.ReportReceived, first)) == 1
    assert other != first
    assert harness.said(first, INTAKE) == ["ReportReceived", "SubmissionRepeated"]
    assert [a.outcome for a in harness.answers("counter")] == ["received"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"title": "   "}, "blank_text"),
        ({"title": "x" * 171}, "invalid_fields"),
        ({"body": "x" * 3_001}, "invalid_fields"),
        ({"body": "a\x00b"}, "control_characters"),
        ({"body": "a\x1bb"}, "control_characters"),
        ({"body": 7}, "invalid_fields"),
        ({"institution": "9999"}, "unknown_institution"),
        ({"institution": -1}, "invalid_fields"),
        ({"category_id": "999999"}, "unknown_category"),
        ({"place_code": "99.99"}, "unknown_place"),
        ({"report_class": "Keluhan"}, "invalid_fields"),
        ({"submitted_at": "2099-01-01T00:00:00Z"}, "submitted_in_the_future"),
        ({"submitted_at": "2021-01-01T00:00:00Z"}, "submitted_too_long_ago"),
        ({"submitted_at": "2023-04-18T01:00:00"}, "invalid_fields"),
        ({"submitted_at": "0001-01-01T00:00:00+14:00"}, "invalid_fields"),
        ({"incident_on": "2023-02-30"}, "incident_on_invalid"),
        ({"incident_on": "2024-01-01"}, "incident_in_the_future"),
        ({"reporter": {"email": "x" * 255}}, "invalid_fields"),
        ({"attachments": ["x"] * 11}, "invalid_fields"),
    ],
    ids=str,
)
def test_what_cannot_be_taken_is_rejected_with_the_reason(
    harness: Harness, changes: dict[str, Any], reason: str
) -> None:
    """On the channel's own topic, with advice; nothing goes on, and a mended one is welcome."""
    value = json.dumps(STREET_LIGHT | changes).encode()
    harness.put_raw(SUBMISSIONS, "website", value, "m-1", SUBMIT)
    harness.run()
    assert outcome(harness, "m-1") == f"rejected:{reason}"
    (answer,) = harness.answers()
    assert answer.detail
    assert answer.tracking_number is None
    assert harness.facts(INTAKE) == []
    (pace,) = harness.processes["intake"].state.kept
    assert is_throttle_row(pace)

    mended = harness.submit(message_id="m-1")
    harness.run()
    assert [a.outcome for a in harness.answers()] == ["rejected", "received"]
    assert harness.status(mended).institution == "waiting"
    assert harness.dead() == []


@pytest.mark.parametrize(
    ("value", "message_id", "event_type", "reason"),
    [
        (b"\xff\xfe\x00", "m-1", SUBMIT, "not_json"),
        (b"{", "m-1", SUBMIT, "not_json"),
        (b"[]", "m-1", SUBMIT, "invalid_fields"),
        (b"{}", "m-1", "", "missing_header"),
        (b"{}", "m-1", "id.go.lapor.channel.sing.v1", "unknown_type"),
        (json.dumps(STREET_LIGHT).encode(), "", SUBMIT, "missing_message_id"),
        (json.dumps(STREET_LIGHT).encode(), "m" * 129, SUBMIT, "message_id_invalid"),
    ],
)
def test_what_cannot_be_read_is_answered_too(
    harness: Harness, value: bytes, message_id: str, event_type: str, reason: str
) -> None:
    """With the record's place where its id cannot name it; what follows goes on."""
    harness.put_raw(SUBMISSIONS, "website", value, message_id, event_type)
    after = forwarded(harness)
    refused, taken = harness.answers()
    assert (refused.outcome, refused.reason) == ("rejected", reason)
    if message_id != "m-1":
        assert (refused.partition, refused.offset) == (0, 0)
    assert taken.report_id == after
    assert harness.dead() == []


def test_a_reporters_word_needs_the_secret_or_the_same_sender(harness: Harness) -> None:
    """Whoever else asks learns nothing, not even whether the report exists."""
    report = followed_up(harness)
    stranger = e.Reporter(email="orang.lain@warga.example")
    messages = [
        write(harness, e.CloseReport, report, rating=1, solved=False, reporter=stranger),
        write(harness, e.CloseReport, "K7QF2M9XTD3A", rating=1, solved=False, reporter=stranger),
        write(
            harness,
            e.CloseReport,
            report,
            rating=1,
            solved=False,
            reporter=stranger,
            secret="WRONG",
        ),
    ]
    assert [outcome(harness, m) for m in messages] == ["refused:not_proved"] * 3
    assert harness.status(report).follow_up == "followed_up"
    number = write(harness, e.CloseReport, report, rating=1, solved=True, tracking_number="0" * 13)
    assert outcome(harness, number).startswith("refused:")

    sender = e.Reporter(email="SITI@warga.example")
    same = write(harness, e.CloseReport, report, rating=5, solved=True, reporter=sender)
    assert outcome(harness, same) == "accepted"
    assert harness.status(report).follow_up == "closed"


def test_a_reporters_word_twice_counts_once(harness: Harness) -> None:
    """The second answer says that it is a repeat."""
    report = followed_up(harness)
    for _ in range(2):
        write(harness, e.ReplyToFollowUp, report, message_id="m-2", text="Masih padam.")
    assert [a.outcome for a in harness.answers() if a.message_id == "m-2"] == [
        "accepted",
        "repeated",
    ]
    assert len(harness.of(e.ReporterAnswered, report)) == 1


def test_a_backfilled_report_counts_from_when_it_was_made(harness: Harness) -> None:
    """A counter types in what was said on Friday, 14 April: its third working day is the 27th."""
    report = harness.submit(
        channel="counter", submitted_at="2023-04-14T03:00:00Z",
        backdating_reason="Formulir kertas dari kecamatan", title="Tolong",
        body="Sudah lama begini terus.", institution=None, category_id=None,
    )  # fmt: skip
    harness.run()
    (received,) = harness.of(e.ReportReceived, report)
    assert received.submitted_at.isoformat() == "2023-04-14T03:00:00+00:00"
    (due,) = harness.of(e.DeadlineSet, report)
    assert due.started_at == received.submitted_at
    assert received.claimed_submitted_at is None
    assert "kecamatan" not in received.model_dump_json()
    (view,) = (x.report for x in harness.inbox(ADMIN) if x.report is not None)
    assert view.backdating_reason == "Formulir kertas dari kecamatan"
    assert due.deadline.isoformat() == "2023-04-26T17:00:00+00:00"


WRITTEN_BACK: list[dict[str, object]] = [
    {"channel": "website"},
    {"channel": "website", "backdating_reason": "Kami baru sempat."},
    {"channel": "counter"},
    {"channel": "counter", "backdating_reason": "Kami baru sempat.", "days": 360},
    {"channel": "counter", "backdating_reason": "  ", "days": 6},
]


@pytest.mark.parametrize("by", WRITTEN_BACK)
def test_an_outsider_cannot_write_the_past(by: dict[str, Any]) -> None:
    """Nobody is late, warned or escalated because of a date that a channel made up."""
    harness, fields = Harness(), {"days": 360, **by}
    came, claimed = harness.now, harness.now - timedelta(days=fields.pop("days"))
    report = harness.submit(submitted_at=claimed.isoformat(), **fields)
    harness.run()
    (received,) = harness.of(e.ReportReceived, report)
    assert received.claimed_submitted_at == claimed
    assert received.submitted_at >= came
    (answer,) = harness.answers(by["channel"])
    assert answer.counted_from == received.submitted_at
    harness.wait(hours=1)
    assert not harness.of(e.DeadlineBreached, report)
    assert not harness.of(e.DeadlineApproaching, report)
    views = [x.report for x in harness.inbox(HSU) if x.report is not None]
    assert [view.claimed_submitted_at for view in views] == [claimed]


def test_a_channel_that_was_offline_for_a_day_is_believed_and_nobody_is_late(
    harness: Harness,
) -> None:
    """On arrival nothing is breached, and nobody is warned."""
    at = harness.now - timedelta(hours=23, minutes=59)
    report = harness.submit(
        submitted_at=at.isoformat(), title="Tolong", body="Sudah lama begini terus.",
        institution=None, category_id=None,
    )  # fmt: skip
    harness.run()
    (received,) = harness.of(e.ReportReceived, report)
    assert (received.submitted_at, received.claimed_submitted_at) == (at, None)
    assert [answer.counted_from for answer in harness.answers()] == [None]
    assert not harness.of(e.DeadlineBreached, report)
    assert not harness.of(e.DeadlineApproaching, report)
    (due,) = harness.of(e.DeadlineSet, report)
    assert due.deadline - harness.now > timedelta(days=2)


def test_a_report_in_english_is_answered_in_english(harness: Harness) -> None:
    """The text is never rejected for its language."""
    report = harness.submit(
        title="Street light broken", body="The street light in Amuntai has been broken for weeks.",
        reporter=e.Reporter(email="anna@warga.example", language="en"),
    )  # fmt: skip
    harness.run()
    harness.wait(hours=1)
    assert harness.status(report).institution == "waiting"
    assert harness.letters[0].subject == "We have received your report"


def test_a_submission_after_the_end_of_another_is_its_own(harness: Harness) -> None:
    """What was handed in before does not change what comes."""
    first = held(harness)
    write(harness, e.WithdrawReport, first)
    second = held(harness)
    assert harness.owed(first) == {}
    assert set(harness.owed(second)) == {"national_verification"}
