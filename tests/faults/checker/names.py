"""What an outsider knows of the pipeline: its stages, topics, events and answers, by name."""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

STAGE_OF: Final[Mapping[str, str]] = {
    "lapor.intake.v1": "intake",
    "lapor.agencies.v1": "agencies.in",
    "lapor.verification.national.v1": "verification.national",
    "lapor.verification.institution.v1": "verification.institution",
    "lapor.routing.v1": "routing",
    "lapor.follow-up.v1": "follow-up",
    "lapor.sla.v1": "sla-monitor",
    "lapor.notifications.v1": "notifier",
}
"""Which stage speaks on a stream of the core."""
STAGES: Final = (*STAGE_OF.values(), "agencies.out")
GATEWAYS: Final = ("intake", "agencies.in")
DEAD_LETTERS: Final = "lapor.dead-letters.v1"

_CHANNEL: Final = re.compile(r"lapor\.channel\.([a-z0-9-]+)\.(submissions|answers)\.v1")
_AGENCY: Final = re.compile(r"lapor\.agency\.([a-z0-9-]+)\.(outbox|inbox)\.v1")
_INTERNAL: Final = re.compile(r"lapor\.(.+)\.internal\.v1")

EFFECTS: Final[Mapping[str, str]] = {
    "Forward": "ReportForwarded",
    "Block": "ReportBlocked",
    "AskForInformation": "InformationRequested",
    "Archive": "ReportArchived",
    "Accept": "ReportAccepted",
    "ReturnReport": "ReportReturned",
    "Reclassify": "ReportReclassified",
    "Dispatch": "ReportDispatched",
    "InitialResponse": "InitialResponseGiven",
    "FollowUp": "FollowUpGiven",
    "ReturnToInstitution": "UnitReturned",
    "CloseCase": "ReportClosed",
}
"""What a command becomes when it takes effect; else it is refused."""
ANSWERING: Final = (
    "verification.national", "verification.institution", "routing", "follow-up",
)  # fmt: skip
"""The stages that answer commands."""
OF_SUBMISSION: Final = ("ReportReceived", "SubmissionRepeated")
ENDS: Final[Mapping[str, str]] = {
    "ReportArchived": "archived",
    "ReportWithdrawn": "withdrawn",
    "ReportBlocked": "blocked",
}
"""The ends of a report, of rising rank."""


class Topic(NamedTuple):
    """What a topic is for: `kind`, who speaks on it, and the stage that writes it, if one does."""

    kind: str  # submissions, answers, outbox, inbox, core, timers, dead, other
    producer: str = ""
    stage: str = ""


def topic_of(name: str) -> Topic:
    """Say what a topic is for."""
    if found := _CHANNEL.fullmatch(name):
        producer, kind = found.groups()
        return Topic(kind, producer, "intake" if kind == "answers" else "")
    if found := _AGENCY.fullmatch(name):
        producer, kind = found.groups()
        return Topic(kind, producer, "agencies.out" if kind == "inbox" else "")
    if found := _INTERNAL.fullmatch(name):
        return Topic("internal", stage=found.group(1))
    if name == DEAD_LETTERS:
        return Topic("dead")
    return Topic("core", stage=STAGE_OF[name]) if name in STAGE_OF else Topic("other")


def event_of(event_type: str) -> str:
    """Return the event's name of a type: `id.go.lapor.intake.report-received.v1`."""
    kebab = event_type.rpartition(".")[0].rpartition(".")[2]
    return "".join(part.capitalize() for part in kebab.split("-"))


def schema_of(stage: str) -> str:
    """Return the database schema of a stage."""
    return stage.replace(".", "_").replace("-", "_")
