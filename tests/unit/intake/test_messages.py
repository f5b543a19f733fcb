"""A reporter's word counts with the secret or from its sender, and becomes one event."""

from datetime import UTC, datetime

import pytest

from shared.contract import events as e
from tests.unit.intake.builders import (
    KEY,
    NUMBER,
    REPORT,
    SECRET,
    SITI,
    a_cause,
    a_message,
    answer,
    handle,
    published,
    received,
)


@pytest.mark.parametrize(
    ("event", "becomes"),
    [
        (e.CompleteInformation, e.InformationCompleted),
        (e.ReplyToFollowUp, e.ReporterReplied),
        (e.CloseReport, e.ReporterClosed),
        (e.WithdrawReport, e.ReporterWithdrew),
        (e.ReopenReport, e.ReopenRequested),
    ],
)
def test_a_proved_message_is_told_and_accepted(
    event: type[e.ReporterMessage], becomes: type[e.FromReporter]
) -> None:
    """With its words sealed."""
    fact, reply = published(handle(received(), a_message(event)))
    assert isinstance(fact, becomes)
    assert KEY.open("text", fact.text or "") == "Di depan pasar"
    assert reply == e.ChannelAnswer(
        message_id="m-1", outcome="accepted", report_id=REPORT, tracking_number=NUMBER
    )


@pytest.mark.parametrize(
    ("changes", "producer", "outcome"),
    [
        ({"secret": SECRET.lower()}, "sms", "accepted"),
        ({"secret": None, "reporter": {"phone": "+6281234567890"}}, "web", "accepted"),
        ({"secret": None, "reporter": {"email": "SITI@contoh.example"}}, "web", "accepted"),
        ({"secret": None, "reporter": {"phone": "+6281234567890"}}, "sms", "refused"),
        ({"secret": "0000000000"}, "web", "refused"),
        ({"secret": None}, "web", "refused"),
        ({"secret": None, "reporter": {"phone": "08111111111"}}, "web", "refused"),
    ],
)
def test_a_message_is_proved_by_the_secret_or_by_the_channel_that_knows_the_sender(
    changes: dict[str, object], producer: str, outcome: str
) -> None:
    """A channel vouches for its own people only."""
    event = a_message(e.WithdrawReport, **changes)
    reply = answer(handle(received(), event, a_cause(e.WithdrawReport, producer=producer)))
    assert (reply.outcome, reply.reason) == (
        outcome,
        None if outcome == "accepted" else "not_proved",
    )


def test_an_unknown_report_and_a_wrong_secret_are_answered_alike() -> None:
    """So nobody finds out by asking which tracking numbers exist."""
    event = a_message(e.CompleteInformation, secret="0000000000")
    assert answer(handle(received(), event)) == answer(handle(None, event, keys={}))


@pytest.mark.parametrize("number", ["K7QF-2M9X-TD3A-Z", "............", NUMBER[:-1] + "?"])
def test_a_mistyped_number_is_told_as_such(number: str) -> None:
    """Anybody can compute that it cannot exist."""
    event = a_message(e.WithdrawReport, tracking_number=number)
    assert answer(handle(None, event)).reason == "unknown_tracking_number"


@pytest.mark.parametrize(
    ("event", "changes", "reason"),
    [
        (e.CompleteInformation, {"text": "a\x00"}, "control_characters"),
        (e.ReplyToFollowUp, {"text": "  "}, "blank_text"),
    ],
)
def test_a_faulty_message_is_refused(
    event: type[e.ReporterMessage], changes: dict[str, object], reason: str
) -> None:
    """With the reason."""
    decision = handle(received(), a_message(event, **changes))
    (reply,) = published(decision)
    assert isinstance(reply, e.ChannelAnswer)
    assert reply.reason == reason
    assert (decision.refused, decision.case) == (True, received())


def test_a_rating_needs_no_words() -> None:
    """White space where a text may be absent is no text."""
    fact = published(handle(received(), a_message(e.CloseReport, text=" ")))[0]
    assert isinstance(fact, e.ReporterClosed)
    assert (fact.text, fact.rating, fact.solved) == (None, 4, True)


def test_words_about_an_erased_report_are_refused() -> None:
    """The sender is known, the key is gone."""
    event = a_message(e.WithdrawReport, secret=None, reporter=SITI)
    assert answer(handle(received(), event, keys={})).reason == "erased"


def test_a_message_sent_twice_is_told_once() -> None:
    """The second is answered, without a second fact."""
    again = a_cause(e.WithdrawReport, id="gateway-1@0.9", is_repeat=True)
    case = handle(received(), a_message(e.WithdrawReport)).case
    (reply,) = published(handle(case, a_message(e.WithdrawReport), again))
    assert isinstance(reply, e.ChannelAnswer)
    assert reply.outcome == "repeated"


def test_a_refused_message_may_be_taken_when_it_comes_again() -> None:
    """The report came in between; nothing remembers the first."""
    first = handle(None, a_message(e.WithdrawReport))
    assert (answer(first).outcome, first.case) == ("refused", None)
    decision = handle(received(), a_message(e.WithdrawReport))
    assert [type(event) for event in published(decision)] == [e.ReporterWithdrew, e.ChannelAnswer]


UNTIL = datetime(2023, 5, 2, 5, 8, tzinfo=UTC)


def test_in_a_pause_wrong_proofs_are_put_off_and_a_right_one_counts() -> None:
    """Whoever has the secret must never wait for who guesses."""
    paused = a_cause(e.WithdrawReport, paused_until=UNTIL)
    wrong = handle(received(), a_message(e.WithdrawReport, secret="0000000000"), paused)
    assert (answer(wrong).outcome, answer(wrong).reason) == ("refused", "slow_down")
    assert "2023-05-02T05:08:00Z" in (answer(wrong).detail or "")
    assert (wrong.refused, wrong.is_wrong_proof, wrong.case) == (True, False, received())

    right = handle(received(), a_message(e.WithdrawReport), paused)
    assert answer(right).outcome == "accepted"


def test_a_pause_tells_nothing_of_whether_the_report_exists() -> None:
    """An unknown number is put off like a known one, and counted like it before."""
    event = a_message(e.WithdrawReport, secret="0000000000")
    for cause in (a_cause(e.WithdrawReport), a_cause(e.WithdrawReport, paused_until=UNTIL)):
        existing, unknown = handle(received(), event, cause), handle(None, event, cause, keys={})
        assert answer(existing) == answer(unknown)
        assert existing.is_wrong_proof == unknown.is_wrong_proof
