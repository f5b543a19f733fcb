"""What intake remembers of a report. Pure."""

from pydantic import BaseModel, ConfigDict

from services.intake.duplicates import Fingerprint


class SubmissionCase(BaseModel):
    """Who handed a report in and what it is like, never what it says.

    What is rejected is remembered nowhere.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    received: bool = False
    channel: str = ""
    message_id: str = ""
    senders: tuple[str, ...] = ()
    anonymous: bool = False
    fingerprint: Fingerprint | None = None

    @property
    def sender(self) -> str | None:
        """The hash by which later reports may name the same sender; none of the anonymous."""
        return self.senders[0] if self.senders and not self.anonymous else None
