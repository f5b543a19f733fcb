"""One attempt, its outcome, and the report of it to the rule."""

from collections.abc import Mapping
from datetime import timedelta

import pytest

from services.notifier.attempt import attempt, due_of, report, senders_for
from services.notifier.case import NotificationCase, Pending
from services.notifier.rules import decide, field_of
from services.notifier.senders import SENT, Message, Outcome, Send, put_off, temporary
from services.notifier.settings import NotifierSettings
from shared.contract.events import DeliveryReported, NotificationChannel
from shared.vault.crypto import ReportKey
from tests.unit.notifier.builders import EMAIL, KEY, NOON, REPORT, a_cause, a_report, lookups

SECRET = "rahasia-" * 4
STRANGER = ReportKey(b"s" * 32, REPORT)


def a_case() -> NotificationCase:
    """Return a case with one e-mail due at noon."""
    case = decide(None, a_report(), a_cause(), lookups()).case
    assert case is not None
    return case


PENDING = a_case().pending[0]


class Box:
    """A sender that keeps what it is given and answers as it is told."""

    def __init__(self, outcome: Outcome | Exception = SENT) -> None:
        self.outcome = outcome
        self.got: list[Message] = []

    async def __call__(self, message: Message) -> Outcome:
        """Take a message."""
        self.got.append(message)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    @property
    def senders(self) -> Mapping[NotificationChannel, Send]:
        """Return it as the only way out."""
        return {"email": self}


async def test_a_sender_gets_the_message_opened() -> None:
    """The person's address, the subject and the text."""
    box = Box()
    assert await attempt(PENDING, KEY, box.senders) == SENT
    (message,) = box.got
    assert (message.notification_id, message.to) == (PENDING.notification_id, EMAIL)
    assert message.subject == "Laporan Anda telah kami terima"


@pytest.mark.parametrize(
    ("pending", "key", "outcome"),
    [
        (PENDING, None, Outcome("permanent", "no_key")),
        (PENDING, STRANGER, Outcome("permanent", "message_unreadable")),
        (
            PENDING.model_copy(
                update={"message": KEY.seal(field_of(PENDING.notification_id), '{"to": "x"}')}
            ),
            KEY,
            Outcome("permanent", "message_unreadable"),
        ),
        (
            PENDING.model_copy(update={"channel": "webhook"}),
            KEY,
            Outcome("temporary", "channel_not_set_up"),
        ),
    ],
)
async def test_what_cannot_be_sent_is_an_outcome(
    pending: Pending, key: ReportKey | None, outcome: Outcome
) -> None:
    """Never a raise, and nothing of the message in the reason."""
    assert await attempt(pending, key, Box().senders) == outcome


async def test_a_senders_bug_holds_up_its_message_only() -> None:
    """It is tried again and given up by the rule; its words are not repeated."""
    outcome = await attempt(PENDING, KEY, Box(RuntimeError(f"bug with {EMAIL}")).senders)
    assert outcome == Outcome("temporary", "sender_RuntimeError")


def test_what_is_due_comes_oldest_first() -> None:
    """What is due later stays."""
    times = (NOON, NOON - timedelta(hours=1), NOON + timedelta(seconds=1))
    case = NotificationCase(
        report_id=REPORT, pending=tuple(PENDING.model_copy(update={"due_at": t}) for t in times)
    )
    assert [p.due_at for p in due_of(case, NOON)] == [times[1], times[0]]


def test_each_attempt_is_reported_under_an_id_of_its_own() -> None:
    """A report that came too early must not silence the next (protocol.md, V8)."""
    first, again = (report(REPORT, PENDING, temporary("x"), at) for at in (NOON, NOON))
    later = report(REPORT, PENDING, temporary("x"), NOON + timedelta(minutes=1))
    assert first == again
    assert dict(first.headers)["ce_id"] != dict(later.headers)["ce_id"]
    event = DeliveryReported.model_validate_json(first.value)
    assert (event.notification_id, event.reason) == (PENDING.notification_id, "x")
    assert (first.topic, first.key) == ("lapor.notifier.internal.v1", REPORT.encode())


def test_what_was_put_off_is_no_attempt_to_tell_of() -> None:
    """A report of it would use up a try."""
    with pytest.raises(ValueError, match="put off"):
        report(REPORT, PENDING, put_off("no_room"), NOON)


@pytest.mark.parametrize(
    ("values", "channels"),
    [
        ({}, {"file"}),
        ({"smtp_host": "mail.example"}, {"file", "email"}),
        ({"webhook_secret": SECRET}, {"file", "webhook"}),
        ({"smtp_host": "mail.example", "webhook_secret": SECRET}, {"file", "email", "webhook"}),
    ],
)
def test_only_channels_that_are_set_up_have_senders(
    values: dict[str, str], channels: set[str]
) -> None:
    """Without any setting everything goes to the outbox."""
    own = NotifierSettings.model_validate(values)
    assert set(senders_for(own)) == own.channels == channels


@pytest.mark.parametrize("secret", ["s", "x" * 31, "x" * 32 + ",", "x" * 32 + ",y"])
def test_a_webhook_secret_that_could_be_guessed_is_refused_at_start(secret: str) -> None:
    """Who has one signature could try short ones at home."""
    with pytest.raises(ValueError, match="at least 32"):
        NotifierSettings.model_validate({"webhook_secret": secret})


def test_a_password_is_not_set_without_tls() -> None:
    """It would travel in the clear."""
    with pytest.raises(ValueError, match="SMTP_TLS"):
        NotifierSettings.model_validate({"smtp_user": "lapor", "smtp_tls": "none"})


@pytest.mark.parametrize("sender", ["", "bukan alamat", "Lapor <a@b.example\n>", "a@"])
def test_a_sender_that_no_mail_server_takes_is_refused_at_start(sender: str) -> None:
    """Otherwise every message would fail for good."""
    with pytest.raises(ValueError, match="smtp_from"):
        NotifierSettings.model_validate({"smtp_from": sender})
