"""What the notifier's environment (`LAPOR_NOTIFIER_…`) says beside every stage's settings."""

from datetime import time
from email.utils import parseaddr
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.notifier.addresses import is_address
from services.notifier.senders.public_addresses import networks
from shared.contract.events import NotificationChannel

WEBHOOK_SECRET_MIN: Final = 32


class NotifierSettings(BaseSettings):
    """The ways out: without a mail server and a webhook secret everything goes to the outbox."""

    model_config = SettingsConfigDict(
        env_prefix="LAPOR_NOTIFIER_", frozen=True, extra="ignore", hide_input_in_errors=True
    )

    smtp_host: str = ""
    """No host: no e-mail channel."""
    smtp_port: int = Field(default=25, ge=1, le=65_535)
    smtp_user: str = ""
    smtp_password: SecretStr = SecretStr("")
    smtp_tls: Literal["none", "starttls", "tls"] = "starttls"
    smtp_from: str = "SP4N-LAPOR! <tidak-membalas@lapor.example>"
    smtp_timeout_seconds: float = Field(default=30.0, gt=0)
    """For all of an attempt; the server may take half of it to greet, encrypt and log in."""
    email_at_once_max: int = Field(default=16, ge=1, le=500)
    """Connections to the mail server."""
    message_id_domain: str = Field(default="lapor.example", pattern=r"^[a-z0-9.-]{1,190}$")

    webhook_secret: SecretStr = SecretStr("")
    """What the receivers' secrets are made of; none: no webhook channel.

    At least 32 characters. Two with a comma between, the new one first, while it is changed.
    """
    webhook_local: bool = False
    """Allow http and private addresses: for one machine and tests, never for the public."""
    webhook_timeout_seconds: float = Field(default=15.0, gt=0)
    """For all of an attempt: the name, the connection, TLS, the request, the answer's head."""
    webhook_at_once_max: int = Field(default=16, ge=1, le=500)
    """To hosts that took their last message; as many again to all others. Of one host two."""
    webhook_refused_networks: tuple[str, ...] = ()
    """Public networks that no webhook may lead to, such as one's own: `["203.0.113.0/24"]`."""

    outbox: Path = Path(".lapor/outbox")
    """Folder of the file channel; what lies there is in the clear, for whoever hands it on."""

    quiet_start_local: time = time(21, 0)
    quiet_end_local: time = time(6, 0)
    """Reporters are not disturbed between the two, local time; equal: no quiet hours."""

    deliveries_at_once_max: int = Field(default=200, ge=1, le=500)
    """How many reports a claim takes; what is due and finds no room is put off."""
    tick_seconds: float = Field(default=1.0, gt=0)
    again_after_seconds: float = Field(default=120.0, gt=0)
    """A claimed report rests for so long; a delivery may wait a quarter and take half of it."""
    stale_days_max: int = Field(default=7, ge=1)
    """A message due longer ago (a restored database, a replayed year) is not sent any more."""

    @model_validator(mode="after")
    def _password_only_under_tls(self) -> Self:
        if self.smtp_user and self.smtp_tls == "none":
            raise ValueError(
                "LAPOR_NOTIFIER_SMTP_TLS is none: a password would travel in the clear"
            )
        return self

    @field_validator("smtp_from")
    @classmethod
    def _names_one_sender(cls, sender: str) -> str:
        # Checked at start: a wrong sender would make every message fail for good.
        if not (sender.isprintable() and is_address(parseaddr(sender)[1])):
            raise ValueError("write an address, or a name and <an address>")
        return sender

    @field_validator("webhook_secret")
    @classmethod
    def _is_no_guess(cls, secret: SecretStr) -> SecretStr:
        # Who knows one signature could try short ones at home.
        given = secret.get_secret_value()
        if given and any(len(each) < WEBHOOK_SECRET_MIN for each in given.split(",")):
            raise ValueError(f"at least {WEBHOOK_SECRET_MIN} characters: openssl rand -base64 32")
        return secret

    @field_validator("webhook_refused_networks")
    @classmethod
    def _are_networks(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        networks(texts)
        return texts

    @property
    def webhook_secrets(self) -> tuple[str, ...]:
        """Return the secrets that receivers' are made of, the newest first."""
        return tuple(filter(None, self.webhook_secret.get_secret_value().split(",")))

    @property
    def channels(self) -> frozenset[NotificationChannel]:
        """Return the channels that are set up; the outbox always is."""
        ways: set[NotificationChannel] = {"file"}
        if self.smtp_host:
            ways.add("email")
        if self.webhook_secrets:
            ways.add("webhook")
        return frozenset(ways)
