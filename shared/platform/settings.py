"""The settings of a stage's process, from its environment (`LAPOR_…`); read once, in `build()`."""

from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """The settings every stage has; each default works for the local stack."""

    model_config = SettingsConfigDict(
        env_prefix="LAPOR_", frozen=True, extra="ignore", hide_input_in_errors=True
    )

    kafka: str = "127.0.0.1:9092"
    """host:port of a broker; of a cluster several, by comma."""
    postgres: SecretStr = SecretStr("postgresql://lapor@127.0.0.1:5432/lapor")
    instance: str = ""
    """The service's name where one package runs twice, such as `verification.national`."""
    replica: str = "0"
    """Stable name of this process among its stage's workers: the static group membership."""
    http_port: int = 8000

    migrate: Literal["auto", "manual"] = "auto"
    """Whether a stage applies pending migrations when it starts, or leaves that to an operator."""

    master_key: SecretStr = SecretStr("")
    dead_letter_key: SecretStr = SecretStr("")

    batch_records_max: int = Field(default=500, ge=1, le=5_000)
    partition_records_max: int = Field(default=64, ge=1, le=5_000)
    """Of one partition in a batch where people or institutions write themselves: whoever sends
    much waits behind himself, the others for at most one such batch."""
    batch_interval_seconds_min: float = Field(default=0.025, ge=0, le=1)
    """From one small batch to the next, at least; small ones would fill the cores at low load."""
    backoff_seconds_max: float = Field(default=5.0, gt=0)
    dead_letter_count_max: int = Field(default=50, ge=1)
    dead_letter_share_max: float = Field(default=0.1, gt=0, le=1)
    """The stage stops when both are passed among its last 1,000 decided records."""
    case_messages_max: int = Field(default=16_384, ge=1)
    """As many messages are decided for one case; at the institutions' gateway for each sender."""
    refused_per_minute_max: int = Field(default=600, ge=1)
    """As many messages of one topic are refused one by one, then one answer stands for many."""
    watchdog_seconds: float = Field(default=60.0, gt=0)

    clock_scale: float = Field(default=1.0, gt=0)
    clock_real_origin: str = ""
    clock_business_origin: str = ""
    """With a scale above 1, business time = business origin + (real - real origin) x scale."""

    timer_tick_seconds: float = Field(default=1.0, gt=0)
    timer_refire_seconds: float = Field(default=60.0, gt=0)
    timer_claim_max: int = Field(default=2_000, ge=1)
