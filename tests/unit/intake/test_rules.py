"""Every message of a channel gets one answer, and nothing personal passes in the clear."""

import json
from datetime import UTC, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from services.intake.case import SubmissionCase
from services.intake.redaction import seal_screening
from services.intake.rules import decide, identify
from services.intake.store import STORE
from shared.contract import events as e
from shared.contract.reasons import REASONS
from shared.contract.topics import REPORTER_MESSAGES, SUBMISSIONS
from shared.contract.tracking import record_id
from shared.rules.decision import Cause, Unreadable
from tests.unit.intake.builders import (
    CHANNEL,
    KEY,
    M_1,
    NOON,
    NUMBER,
    REPORT,
    SCREENING,
    SECRET,
    VAULT,
    a_cause,
    a_message,
    a_submission,
    answer,
    handle,
    identified,
    look_up,
    published,
    received,
)


def test_a_sound_submission_becomes_a_report_with_number_and_secret() -> None:
    """The reporter gets what they need to come back; the stream gets nothing in the clear."""
    event = a_submission(category_id="110", place_code="63.08", institution="6308")
    report, reply = published(handle(None, event))

    assert isinstance(report, e.ReportReceived)
    assert (report.report_id, report.tracking_number) == (REPORT, NUMBER)
    assert (report.channel, report.message_id, report.submitted_at) == (CHANNEL, M_1, NOON)
    assert report.screening == SCREENING
    assert report.sender == VAULT.sender_digest("phone", "+62 812 3456 7890")
    assert json.loads(KEY.open("content", report.content)) == {
        "title": "Lampu jalan", "body": "Lampu jalan padam sejak Senin.", "attachments": [],
    }  # fmt: skip
    assert reply == e.ChannelAnswer(
        message_id="m-1", outcome="received", report_id=REPORT, tracking_number=NUMBER,
        secret=SECRET,
    )  # fmt: skip


def test_an_identity_is_kept_in_spellings_that_reach_the_person() -> None:
    """A possible phone number becomes international; a masked one stays as it came."""
    report = published(handle(None, a_submission()))[0]
    assert isinstance(report, e.ReportReceived)
    assert json.loads(KEY.open("identity", report.identity or ""))["phone"] == "+6281234567890"

    masked = published(handle(None, a_submission(reporter={"phone": " 62815772xxxx "})))[0]
    assert isinstance(masked, e.ReportReceived)
    assert json.loads(KEY.open("identity", masked.identity or ""))["phone"] == "62815772xxxx"


def test_who_is_anonymous_has_no_sender_outside_the_gateway() -> None:
    """One hash over all reports of a person would tie the anonymous one to the named ones."""
    decision = handle(None, a_submission(anonymous=True))
    report = published(decision)[0]
    assert isinstance(report, e.ReportReceived)
    assert report.sender is None
    assert decision.case is not None
    assert decision.case.senders != ()  # at the gateway it still proves who writes again
    assert STORE.columns["sender"][1](decision.case) is None
    assert STORE.columns["sender"][1](received()) == received().senders[0]


def test_an_outsider_cannot_read_a_text_by_its_screening() -> None:
    """After the key is destroyed nothing tells what a *rahasia* report spoke of."""
    suggestion = e.Suggestion(
        value="1", confidence=0.9, reasons=("claimed", "word:pungli", "word:uji kir", "place:x")
    )
    screening = seal_screening(e.Screening(category=suggestion), KEY)
    assert screening.category is not None
    assert screening.category.reasons == ("claimed", "word", "place")
    assert "pungli" not in screening.model_dump_json()
    opened = KEY.open("screening.category", screening.category.why or "")
    assert opened == "claimed word:pungli word:uji kir place:x"


def test_nobody_known_has_no_identity() -> None:
    """A language alone is nobody."""
    report = published(handle(None, a_submission(reporter={"language": "en", "name": "  "})))[0]
    assert isinstance(report, e.ReportReceived)
    assert (report.identity, report.sender, report.language) == (None, None, "en")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"title": "a\x00b"}, "control_characters"),
        ({"body": "a\x1b[31m"}, "control_characters"),
        ({"body": "satu\rdua"}, "control_characters"),
        ({"body": "\x85"}, "control_characters"),
        ({"reporter": {"name": "Siti\x00"}}, "control_characters"),
        ({"attachments": ["https://contoh.example/a\n", "b\x7f"]}, "control_characters"),
        ({"place": "pasar\x08"}, "control_characters"),
        ({"title": " \n"}, "blank_text"),
        ({"body": "\t"}, "blank_text"),
        ({"submitted_at": NOON + timedelta(minutes=5, seconds=1)}, "submitted_in_the_future"),
        ({"submitted_at": "2099-01-01T00:00:00Z"}, "submitted_in_the_future"),
        ({"submitted_at": NOON - timedelta(days=366, seconds=1)}, "submitted_too_long_ago"),
        ({"submitted_at": "0001-01-02T00:00:00Z"}, "submitted_too_long_ago"),
        ({"incident_on": "2023-02-29"}, "incident_on_invalid"),
        ({"incident_on": "0000-00-00"}, "incident_on_invalid"),
        ({"incident_on": "2023-05-03"}, "incident_in_the_future"),
        ({"institution": "9999"}, "unknown_institution"),
        ({"category_id": "999"}, "unknown_category"),
        ({"place_code": "99"}, "unknown_place"),
    ],
)
def test_a_faulty_submission_is_rejected_with_its_reason(
    changes: dict[str, object], reason: str
) -> None:
    """The reason is a code, the detail says what to do and names fields, never contents."""
    decision = handle(None, a_submission(**changes))

    assert (decision.refused, decision.case) == (True, None)
    (reply,) = published(decision)
    assert isinstance(reply, e.ChannelAnswer)
    assert (reply.outcome, reply.reason, reply.topic) == ("rejected", reason, None)
    assert reply.detail is not None
    assert reply.detail.startswith(REASONS[reason].id)
    assert (reply.report_id, reply.tracking_number, reply.secret) == (None, None, None)


@pytest.mark.parametrize(
    "changes",
    [
        {"body": "satu\r\ndua\n\ttiga"},
        {"submitted_at": NOON + timedelta(minutes=5)},
        {"submitted_at": NOON - timedelta(days=366)},
        {"incident_on": "2023-05-02"},
        {"title": "😀" * 170, "body": "\U0001f600" * 3_000, "place": "\U0001f600" * 200},
        {"body": "Вода не идёт"},
    ],
)
def test_what_is_only_unusual_is_received(changes: dict[str, object]) -> None:
    """New lines of Windows, a clock slightly ahead, any script, the longest text of the rarest."""
    assert answer(handle(None, a_submission(**changes))).outcome == "received"


def test_no_time_counts_from_before_it_began() -> None:
    """A sender's clock that runs ahead does not put the report into the future."""
    ahead = published(handle(None, a_submission(submitted_at=NOON + timedelta(minutes=4))))[0]
    late = published(handle(None, a_submission(submitted_at=NOON - timedelta(hours=4))))[0]
    assert isinstance(ahead, e.ReportReceived)
    assert isinstance(late, e.ReportReceived)
    assert ahead.submitted_at == NOON
    assert late.submitted_at == NOON - timedelta(hours=4)


@pytest.mark.parametrize(
    ("event", "message_id", "reason"),
    [
        (event, message_id, reason)
        for event in (a_submission(), a_message(e.WithdrawReport))
        for message_id, reason in [
            ("", "missing_message_id"),
            ("  ", "missing_message_id"),
            ("x" * 129, "message_id_invalid"),
            ("a\x00b", "message_id_invalid"),
            ("a\ufffd", "message_id_invalid"),
        ]
    ],
)
def test_a_message_without_usable_id_is_told_where_it_lies(
    event: BaseModel, message_id: str, reason: str
) -> None:
    """Its place in the topic stands in for its id."""
    reply = answer(handle(received(), event, a_cause(type(event), message_id=message_id)))
    assert (reply.reason, reply.message_id) == (reason, message_id[:128])
    assert (reply.topic, reply.partition, reply.offset) == (
        "lapor.channel.web.submissions.v1",
        0,
        7,
    )


def test_the_same_message_id_again_gets_the_number_and_secret_it_had() -> None:
    """Even with other content: a channel that sends twice makes one report."""
    repeated, reply = published(
        handle(received(), a_submission(body="Lain"), a_cause(id="gateway-2"))
    )
    assert repeated == e.SubmissionRepeated(report_id=REPORT, channel=CHANNEL, message_id=M_1)
    assert reply == e.ChannelAnswer(
        message_id="m-1", outcome="repeated", report_id=REPORT, tracking_number=NUMBER,
        secret=SECRET,
    )  # fmt: skip


def test_a_repeat_of_an_erased_report_gets_no_secret() -> None:
    """Without key there is none."""
    reply = answer(handle(received(), a_submission(), keys={}))
    assert (reply.outcome, reply.secret) == ("repeated", None)


def test_two_messages_that_hash_to_one_report_do_not_meet() -> None:
    """The second is asked for another id and learns nothing of the first."""
    other = received().model_copy(update={"channel": "sms"})
    reply = answer(handle(other, a_submission()))
    assert (reply.reason, reply.tracking_number, reply.secret) == (
        "try_another_message_id", None, None,
    )  # fmt: skip


def test_a_rejection_does_not_block_the_corrected_submission() -> None:
    """The same message id with other content is taken."""
    case = handle(None, a_submission(institution="9999")).case
    assert answer(handle(case, a_submission(), a_cause(id="gateway-2"))).outcome == "received"


@pytest.mark.parametrize(
    ("event", "outcome"),
    [
        (e.SubmitReport, "rejected"),
        *((message, "refused") for message in REPORTER_MESSAGES),
    ],
)
def test_what_cannot_be_read_is_answered(event: type[BaseModel], outcome: str) -> None:
    """As what its header says it is, with what is wrong; nothing else is left of it."""
    unreadable = Unreadable(reason="invalid_fields", detail="title: Field required")
    decision = handle(None, unreadable, a_cause(event))
    assert (decision.refused, decision.case) == (True, None)
    (reply,) = published(decision)
    assert isinstance(reply, e.ChannelAnswer)
    assert (reply.outcome, reply.reason, reply.message_id) == (outcome, "invalid_fields", "m-1")
    assert "title: Field required" in (reply.detail or "")


def test_a_record_of_unknown_type_is_rejected() -> None:
    """Nothing tells what it meant to be."""
    reply = answer(handle(None, Unreadable(reason="unknown_type"), a_cause(type="x")))
    assert (reply.outcome, reply.reason) == ("rejected", "unknown_type")


def test_ids_of_records_never_meet_ids_of_reports() -> None:
    """A channel cannot name its message so that it takes an unreadable record's case."""
    unreadable = Unreadable(reason="not_json")
    own = identify(unreadable, a_cause(), VAULT.report_id)
    assert own == record_id("gateway-1")
    assert own not in {VAULT.report_id(channel, "gateway-1") for channel in ("", CHANNEL)}
    assert identify(unreadable, a_cause(id="gateway-1@0.9", is_repeat=True), VAULT.report_id) == own


# ---- for any message

TEXT = st.one_of(st.sampled_from(["Lampu padam", "a\x00", " ", "x\r\ny"]), st.text(max_size=40))
SUBMITTED = st.builds(
    lambda title, body, place, phone, at, incident: e.SubmitReport.model_construct(
        title=title, body=body, place=place, reporter=e.Reporter(phone=phone, name="Siti Contoh"),
        submitted_at=at, incident_on=incident,
    ),
    TEXT, TEXT, st.none() | TEXT, st.none() | st.text(max_size=32),
    st.none() | st.datetimes(timezones=st.just(UTC)),
    st.none() | st.dates().map(str) | st.just("2023-13-45"),
)  # fmt: skip
MESSAGES = st.builds(
    lambda event, number, secret, text: a_message(
        event, tracking_number=number, secret=secret, text=text or "x"
    ),
    st.sampled_from(REPORTER_MESSAGES),
    st.sampled_from([NUMBER, NUMBER.lower(), "K7QF-2M9X-TD3A-Z"])
    | st.text(min_size=12, max_size=40),
    st.none() | st.just(SECRET) | st.text(max_size=40),
    TEXT,
)
UNREADABLE = st.builds(Unreadable, reason=st.sampled_from(["not_json", "x"]), detail=st.none())
CAUSES = st.builds(
    lambda event, message_id, producer, repeat: a_cause(
        event, id="gateway-1@0.9" if repeat else "gateway-1", is_repeat=repeat,
        message_id=message_id, producer=producer,
    ),
    st.sampled_from(SUBMISSIONS.events), st.sampled_from(["m-1", "", "m\x00"]) | st.text(),
    st.sampled_from([CHANNEL, "sms", "-odd", "x" * 60]), st.booleans(),
)  # fmt: skip


@given(
    event=st.one_of(SUBMITTED, MESSAGES, UNREADABLE),
    cause=CAUSES,
    has_case=st.booleans(),
    has_key=st.booleans(),
)
def test_every_message_gets_exactly_one_answer(
    event: BaseModel, cause: Cause, *, has_case: bool, has_key: bool
) -> None:
    """Whatever it holds, and the same each time; at most one fact goes with it."""
    cause = identified(event, cause)
    id_ = cause.report_id
    keys = {id_: VAULT.unwrap(VAULT.new_key(id_), id_)} if has_key else {}
    lookups = look_up(event, cause, keys=keys)
    case = received() if has_case else None
    decision = decide(case, event, cause, lookups)

    assert decision == decide(case, event, cause, lookups)
    assert answer(decision)
    facts = [fact for fact in published(decision) if isinstance(fact, e.Event)]
    assert len(facts) <= 1
    assert all(fact.report_id == id_ for fact in facts)
    if decision.refused:
        assert (decision.case, facts) == (case, [])
    else:
        assert decision.case is not None
        assert SubmissionCase.model_validate_json(decision.case.model_dump_json()) == decision.case


@given(
    name=st.text(alphabet="abcdefgh ", min_size=12, max_size=30).filter(str.strip),
    body=st.text(alphabet="ijklmnop ", min_size=40, max_size=200).filter(str.strip),
)
def test_nothing_personal_leaves_in_the_clear(name: str, body: str) -> None:
    """Neither in an event's text nor in its repr, nor in what the case keeps."""
    decision = handle(
        None, a_submission(body=body, reporter={"name": name, "phone": "081234567890"})
    )
    written = repr(decision) + "".join(event.model_dump_json() for event in published(decision))
    for personal in (name, body, "Lampu jalan", "81234567890"):
        assert personal not in written
