"""How a report ends for good, and which of two ends that crossed each other counts. Pure."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from pydantic import BaseModel

from shared.contract.events import ReportArchived, ReportBlocked, ReportWithdrawn

# Rising rank: of two ends that crossed each other the higher counts, whichever is read first.
ENDS: Final = ("archived", "withdrawn", "blocked")
END_OF: Final[Mapping[type[BaseModel], str]] = MappingProxyType(
    {ReportArchived: "archived", ReportWithdrawn: "withdrawn", ReportBlocked: "blocked"}
)


def outranks(status: str, end: str) -> bool:
    """Say whether the status is an end that `end` does not replace: its equal or higher."""
    return status in ENDS and ENDS.index(status) >= ENDS.index(end)
