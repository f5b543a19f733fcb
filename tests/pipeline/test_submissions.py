"""What people hand in twice, wrongly, or for somebody else: one answer each, with the reason."""

import json
from datetime import timedelta
from typing import Any

import pytest

from shared.contract import events as e
from shared.contract.topics import INTAKE, SUBMISSIONS
from shared.runtime.gateway.throttle import is_throttle_row
from tests.pipeline.city import STREET_LIGHT, City
from tests.pipeline.stories import ADMIN, HSU, followed_up, forwarded, held, outcome, write
from tests.tables import each

SUBMIT = SUBMISSIONS.type_of(e.SubmitReport)


def test_the_same_submission_twice_is_one_report(city: City) -> None:
    """The second answer has the same number; one channel's ids are not another's."""
    first = city.submit(message_id="m-1")
    assert city.submit(message_id="m-1") == first
    other = city.submit(message_id="m-1", channel="counter")
    city.run()
    answers = city.answers()
    assert [a.outcome for a in answers] == ["received", "repeated"]
    assert len({(a.tracking_number, a.report_id) for a in answers}) == 1
    assert len(city.of(e.ReportReceived, first)) == 1
    assert other != first
    assert city.said(first, INTAKE) == ["ReportReceived", "SubmissionRepeated"]
    assert [a.outcome for a in city.answers("counter")] == ["received"]


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
    city: City, changes: dict[str, Any], reason: str
) -> None:
    """On the channel's own topic, with advice; nothing goes on, and a mended one is welcome."""
    value = json.dumps(STREET_LIGHT | changes).encode()
    city.put_raw(SUBMISSIONS, "website", value, "m-1", SUBMIT)
    city.run()
    assert outcome(city, "m-1") == f"rejected:{reason}"
    (answer,) = city.answers()
    assert answer.detail
    assert answer.tracking_number is None
    assert city.facts(INTAKE) == []
    (pace,) = city.processes["intake"].state.kept
    assert is_throttle_row(pace)

    mended = city.submit(message_id="m-1")
    city.run()
    assert [a.outcome for a in city.answers()] == ["rejected", "received"]
    assert city.status(mended).institution == "waiting"
    assert city.dead() == []


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
    city: City, value: bytes, message_id: str, event_type: str, reason: str
) -> None:
    """With the record's place where its id cannot name it; what follows goes on."""
    city.put_raw(SUBMISSIONS, "website", value, message_id, event_type)
    after = forwarded(city)
    refused, taken = city.answers()
    assert (refused.outcome, refused.reason) == ("rejected", reason)
    if message_id != "m-1":
        assert (refused.partition, refused.offset) == (0, 0)
    assert taken.report_id == after
    assert city.dead() == []


def test_a_reporters_word_needs_the_secret_or_the_same_sender(city: City) -> None:
    """Whoever else asks learns nothing, not even whether the report exists."""
    report = followed_up(city)
    stranger = e.Reporter(email="orang.lain@warga.example")
    messages = [
        write(city, e.CloseReport, report, rating=1, solved=False, reporter=stranger),
        write(city, e.CloseReport, "K7QF2M9XTD3A", rating=1, solved=False, reporter=stranger),
        write(
            city, e.CloseReport, report, rating=1, solved=False, reporter=stranger, secret="WRONG"
        ),
    ]
    assert [outcome(city, m) for m in messages] == ["refused:not_proved"] * 3
    assert city.status(report).follow_up == "followed_up"
    number = write(city, e.CloseReport, report, rating=1, solved=True, tracking_number="0" * 13)
    assert outcome(city, number).startswith("refused:")

    sender = e.Reporter(email="SITI@warga.example")
    same = write(city, e.CloseReport, report, rating=5, solved=True, reporter=sender)
    assert outcome(city, same) == "accepted"
    assert city.status(report).follow_up == "closed"


def test_a_reporters_word_twice_counts_once(city: City) -> None:
    """The second answer says that it is a repeat."""
    report = followed_up(city)
    for _ in range(2):
        write(city, e.ReplyToFollowUp, report, message_id="m-2", text="Masih padam.")
    assert [a.outcome for a in city.answers() if a.message_id == "m-2"] == ["accepted", "repeated"]
    assert len(city.of(e.ReporterAnswered, report)) == 1


def test_a_backfilled_report_counts_from_when_it_was_made(city: City) -> None:
    """A counter types in what was said on Friday, 14 April: its third working day is the 27th."""
    report = city.submit(
        channel="counter", submitted_at="2023-04-14T03:00:00Z",
        backdating_reason="Formulir kertas dari kecamatan", title="Tolong",
        body="Sudah lama begini terus.", institution=None, category_id=None,
    )  # fmt: skip
    city.run()
    (received,) = city.of(e.ReportReceived, report)
    assert received.submitted_at.isoformat() == "2023-04-14T03:00:00+00:00"
    (due,) = city.of(e.DeadlineSet, report)
    assert due.started_at == received.submitted_at
    assert received.claimed_submitted_at is None
    assert "kecamatan" not in received.model_dump_json()
    (view,) = (x.report for x in city.inbox(ADMIN) if x.report is not None)
    assert view.backdating_reason == "Formulir kertas dari kecamatan"
    assert due.deadline.isoformat() == "2023-04-26T17:00:00+00:00"


WRITTEN_BACK: list[dict[str, object]] = [
    {"channel": "website"},
    {"channel": "website", "backdating_reason": "Kami baru sempat."},
    {"channel": "counter"},
    {"channel": "counter", "backdating_reason": "Kami baru sempat.", "days": 360},
    {"channel": "counter", "backdating_reason": "  ", "days": 6},
]


@each(WRITTEN_BACK)
def test_an_outsider_cannot_write_the_past(by: dict[str, Any]) -> None:
    """Nobody is late, warned or escalated because of a date that a channel made up."""
    city, fields = City(), {"days": 360, **by}
    came, claimed = city.now, city.now - timedelta(days=fields.pop("days"))
    report = city.submit(submitted_at=claimed.isoformat(), **fields)
    city.run()
    (received,) = city.of(e.ReportReceived, report)
    assert received.claimed_submitted_at == claimed
    assert received.submitted_at >= came
    (answer,) = city.answers(by["channel"])
    assert answer.counted_from == received.submitted_at
    city.wait(hours=1)
    assert not city.of(e.DeadlineBreached, report)
    assert not city.of(e.DeadlineApproaching, report)
    views = [x.report for x in city.inbox(HSU) if x.report is not None]
    assert [view.claimed_submitted_at for view in views] == [claimed]


def test_a_channel_that_was_offline_for_a_day_is_believed_and_nobody_is_late(city: City) -> None:
    """On arrival nothing is breached, and nobody is warned."""
    at = city.now - timedelta(hours=23, minutes=59)
    report = city.submit(
        submitted_at=at.isoformat(), title="Tolong", body="Sudah lama begini terus.",
        institution=None, category_id=None,
    )  # fmt: skip
    city.run()
    (received,) = city.of(e.ReportReceived, report)
    assert (received.submitted_at, received.claimed_submitted_at) == (at, None)
    assert [answer.counted_from for answer in city.answers()] == [None]
    assert not city.of(e.DeadlineBreached, report)
    assert not city.of(e.DeadlineApproaching, report)
    (due,) = city.of(e.DeadlineSet, report)
    assert due.deadline - city.now > timedelta(days=2)


def test_a_report_in_english_is_answered_in_english(city: City) -> None:
    """The text is never rejected for its language."""
    report = city.submit(
        title="Street light broken", body="The street light in Amuntai has been broken for weeks.",
        reporter=e.Reporter(email="anna@warga.example", language="en"),
    )  # fmt: skip
    city.run()
    city.wait(hours=1)
    assert city.status(report).institution == "waiting"
    assert city.letters[0].subject == "We have received your report"


def test_a_submission_after_the_end_of_another_is_its_own(city: City) -> None:
    """What was handed in before does not change what comes."""
    first = held(city)
    write(city, e.WithdrawReport, first)
    second = held(city)
    assert city.owed(first) == {}
    assert set(city.owed(second)) == {"national_verification"}
