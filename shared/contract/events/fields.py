"""What the fields of events are made of: codes, times, the four classes, the base classes."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

ReportId = Annotated[str, Field(pattern=r"^[0-9A-HJKMNP-TV-Z]{12}$")]
InstitutionCode = Annotated[str, Field(pattern=r"^[0-9]{2,10}$")]
UnitCode = Annotated[str, Field(pattern=r"^[0-9]{2,10}-[0-9]{3}$")]
CategoryId = Annotated[str, Field(pattern=r"^[0-9]{1,6}$")]
PlaceCode = Annotated[str, Field(pattern=r"^[0-9]{2}(\.[0-9]{2}(\.[0-9]{2}(\.[0-9]{4})?)?)?$")]
ChannelName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
Name = Annotated[str, Field(min_length=1, max_length=100)]


@dataclass(frozen=True, slots=True)
class SealMarker:
    """Marks, in a field's type, that its text is sealed on every stream behind the gateways."""


Sealed = Annotated[str, Field(min_length=1, max_length=60_000), SealMarker()]
Words = Annotated[str, Field(min_length=1, max_length=60_000), SealMarker()]
Language = Literal["id", "en"]


def _in_utc(at: datetime) -> datetime:
    if at.tzinfo is UTC:
        return at
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError("lies outside the years 1 to 9999 in UTC") from None


Utc = Annotated[AwareDatetime, AfterValidator(_in_utc)]


class ReportClass(StrEnum):
    """The four classes, exact strings of the real system (domain.md section 4)."""

    SUPERVISED = "Pengaduan Berkadar Pengawasan"
    UNSUPERVISED = "Pengaduan Tidak Berkadar Pengawasan"
    INFORMATION = "Permintaan Informasi"
    ASPIRATION = "Aspirasi"


ArchiveReason = Literal[
    "hate_speech", "no_evidence", "unclear", "not_relevant", "out_of_scope", "duplicate",
    "reporter_wish", "expired",
]  # fmt: skip
Clock = Literal[
    "national_verification", "institution_verification", "dispatch", "follow_up", "completion",
    "reply",
]  # fmt: skip
StartedBy = Literal[
    "received", "returned", "forwarded", "accepted", "held", "unit_returned", "dispatched",
    "answered", "reopened", "asked", "followed_up",
]  # fmt: skip
LimitUnit = Literal["working_days", "calendar_days", "working_minutes"]
DayKind = Literal["national", "joint_leave", "regional", "provisional"]


class Part(BaseModel):
    """A piece of an event: frozen, and deaf to fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class Event(Part):
    """What happened to, or is asked for, one report."""

    report_id: ReportId
