"""An e-mail as it is composed: whatever a message holds, it is one mail to one person or none."""

from email import message_from_bytes
from email.policy import default

from hypothesis import given, settings
from hypothesis import strategies as st

from services.notifier.addresses import is_address
from services.notifier.senders import Message
from services.notifier.senders.smtp import compose
from services.notifier.settings import NotifierSettings
from tests.unit.notifier.builders import EMAIL, NOON

OWN = NotifierSettings.model_validate({})
SIGNS = st.sampled_from("ab.@,;:<>()[]\"\\ \r\n\té€=?-+_%!'")
HEADERS = {
    "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "Content-Type",
    "Content-Transfer-Encoding", "MIME-Version",
}  # fmt: skip


@settings(deadline=None)
@given(st.text(SIGNS, max_size=40).map(lambda text: text + "@b.example"), st.text(max_size=60))
def test_whatever_is_composed_has_one_recipient_and_only_our_headers(to: str, subject: str) -> None:
    """Read back from its bytes, as a mail server reads it."""
    try:
        raw = compose(Message("n-1", to, subject, "Isi.\n"), OWN, NOON).as_bytes()
    except ValueError:
        return
    mail = message_from_bytes(raw, policy=default)
    assert is_address(to)
    assert set(mail) == HEADERS
    assert len(mail["To"].addresses) == 1


def test_a_plain_address_is_taken() -> None:
    """The rule above is not empty."""
    mail = compose(Message("n-1", EMAIL, "Halo", "Isi.\n"), OWN, NOON)
    assert str(mail["To"]) == EMAIL
    assert str(mail["From"]) == "SP4N-LAPOR! <tidak-membalas@lapor.example>"
