"""Send a message by e-mail, over a mail server."""

from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr

import aiosmtplib
import stamina

from services.notifier.addresses import is_address
from services.notifier.senders import SENT, Message, Outcome, permanent, temporary
from services.notifier.settings import NotifierSettings

_ANSWERED_PERMANENT = 500  # RFC 5321 section 4.2.1: 4yz transient, 5yz permanent


async def send(message: Message, settings: NotifierSettings) -> Outcome:
    """Hand a message to the mail server once; its Message-ID is the same at every repeat.

    5xx answers are permanent; 4xx, a server that is away or slow, and a refused log-in (ours to
    mend, not the recipient's) are temporary.
    """
    try:
        mail = compose(message, settings, datetime.now(UTC))
    except ValueError:  # also UnicodeEncodeError; a header or address that e-mail cannot carry
        return permanent("unfit_for_email")
    try:
        await _transmit(mail, message.to, settings)
    except aiosmtplib.SMTPAuthenticationError as refused:
        return temporary(f"smtp_login_{refused.code}")
    except aiosmtplib.SMTPRecipientsRefused as refused:
        return _answered(refused.recipients[0].code)
    except aiosmtplib.SMTPResponseException as refused:
        return _answered(refused.code)
    except aiosmtplib.SMTPNotSupported:
        return permanent("smtp_not_supported")
    except (aiosmtplib.SMTPException, OSError):
        return temporary("smtp_unreachable")
    return SENT


def compose(message: Message, settings: NotifierSettings, at: datetime) -> EmailMessage:
    """Build the e-mail; plain text, one recipient.

    Raises:
        ValueError: the address, subject or text cannot be written in an e-mail.
    """
    if not is_address(message.to):
        raise ValueError("not exactly one address")
    name, sender = parseaddr(settings.smtp_from)
    mail = EmailMessage(policy=SMTP)
    mail["From"] = _address(sender, name)
    mail["To"] = _address(message.to)
    mail["Subject"] = message.subject
    mail["Date"] = format_datetime(at)
    mail["Message-ID"] = f"<{message.notification_id}@{settings.message_id_domain}>"
    # RFC 3834: so that no mailbox answers with an absence note.
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.body)
    return mail


def _address(address: str, name: str = "") -> Address:
    # In its parts: the standard library's parser raises IndexError on some addresses.
    local, _, domain = address.rpartition("@")
    return Address(display_name=name, username=local, domain=domain)


# One short repeat, for a mail server that restarts; longer waits are the rule's.
@stamina.retry(on=aiosmtplib.SMTPConnectError, attempts=2, wait_initial=0.3, timeout=None)
async def _transmit(mail: EmailMessage, to: str, settings: NotifierSettings) -> None:
    await aiosmtplib.send(
        mail,
        # Said here, not read from the header: the envelope is what names who gets it.
        sender=parseaddr(settings.smtp_from)[1],
        recipients=[to],
        hostname=settings.smtp_host,
        port=settings.smtp_port,
        username=settings.smtp_user or None,
        password=settings.smtp_password.get_secret_value() or None,
        use_tls=settings.smtp_tls == "tls",
        start_tls=settings.smtp_tls == "starttls",
        timeout=settings.smtp_timeout_seconds,
    )


def _answered(code: int) -> Outcome:
    kind = permanent if code >= _ANSWERED_PERMANENT else temporary
    return kind(f"smtp_{code}")
