"""Signatures, judged by somebody else's verifier; and whose secret opens what."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from services.notifier.senders import Message
from services.notifier.senders.signature import PREFIX, receiver_secret, signed_headers
from services.notifier.senders.webhook import host_of, payload

MASTER, BEFORE = "rahasia instalasi " * 2, "rahasia instalasi lama " * 2
SECRET = receiver_secret(MASTER, "api", "kanal.example")
DOCS = Path(__file__).parents[3] / "docs"
ID = "n-0123456789abcdef"


@given(st.text(max_size=300), st.text(max_size=50))
def test_a_foreign_verifier_takes_what_we_sign(subject: str, body: str) -> None:
    """Whatever the message holds."""
    sent = payload(Message(ID, "", subject, body, {"channel": "api"}))
    headers = signed_headers([SECRET], ID, int(time.time()), sent)
    verified = Webhook(SECRET).verify(sent.decode(), dict(headers))
    assert verified == json.loads(sent)


@pytest.mark.parametrize(
    ("who", "secret"),
    [
        ("another host", receiver_secret(MASTER, "api", "lain.example")),
        ("another channel", receiver_secret(MASTER, "sms", "kanal.example")),
        ("another installation", receiver_secret(BEFORE, "api", "kanal.example")),
        ("the parts moved", receiver_secret(MASTER, "apik", "anal.example")),
    ],
)
def test_a_receiver_cannot_forge_to_another(who: str, secret: str) -> None:
    """Each knows its own secret only, and none the installation's."""
    headers = signed_headers([secret], ID, int(time.time()), b"{}")
    assert who
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify("{}", dict(headers))


def test_an_outsider_cannot_replay_a_message_later_or_as_another() -> None:
    """Its time and its id are signed with it."""
    old = signed_headers([SECRET], ID, int(time.time()) - 3_600, b"{}")
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify("{}", dict(old))
    for name, value in (("webhook-id", "n-1"), ("webhook-timestamp", str(int(time.time()) - 9))):
        headers = dict(signed_headers([SECRET], ID, int(time.time()), b"{}")) | {name: value}
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify("{}", headers)


def test_while_the_secret_is_changed_both_are_signed_with() -> None:
    """A receiver may know the old one or the new."""
    secrets = [receiver_secret(master, "api", "kanal.example") for master in (MASTER, BEFORE)]
    headers = dict(signed_headers(secrets, ID, int(time.time()), b"{}"))
    for secret in secrets:
        assert Webhook(secret).verify("{}", headers) == {}


def test_the_example_of_the_docs_takes_what_is_ours_and_nothing_else() -> None:
    """As it stands on the page; it knows only the standard library."""
    text = (DOCS / "examples" / "webhook_receiver.py").read_text("utf-8")
    assert f"```python\n{text}```" in (DOCS / "channel-adapter.md").read_text("utf-8")
    example: dict[str, Any] = {}
    exec(compile(text, "webhook_receiver.py", "exec"), example)  # noqa: S102 - ours
    read = example["read"]
    now = int(time.time())
    sent = payload(Message(ID, "", "Halo – “ya”", "Isi.\n", {"channel": "api"}))
    both = [receiver_secret(BEFORE, "api", "kanal.example"), SECRET]
    assert read(SECRET, signed_headers(both, ID, now, sent), sent)["id"] == ID
    for headers, body in (
        (signed_headers([SECRET], ID, now - 3_600, sent), sent),
        (signed_headers(both[:1], ID, now, sent), sent),
        (signed_headers([SECRET], ID, now, sent), sent + b" "),
        ({**signed_headers([SECRET], ID, now, sent), "webhook-id": "n-1"}, sent),
        ({}, sent),
    ):
        with pytest.raises(ValueError, match=r"old|signed"):
            read(SECRET, headers, body)


def test_a_secret_has_the_formats_form_and_never_changes() -> None:
    """`whsec_` and the base64 of 32 bytes; RFC 5869 with the channel and the host."""
    assert SECRET.startswith(PREFIX)
    assert len(SECRET) == len(PREFIX) + 44
    assert receiver_secret(MASTER, "api", "kanal.example") == SECRET


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://Kanal.Example/x", "kanal.example"),
        ("https://kanal.example.:8443/", "kanal.example"),
        ("https://münchen.example/", "xn--mnchen-3ya.example"),
        ("https://[2606:4700::1]/", "2606:4700::1"),
        ("kabar", ""),
    ],
)
def test_a_host_has_one_name_however_it_is_written(url: str, host: str) -> None:
    """One secret and one bulkhead."""
    assert host_of(url) == host
