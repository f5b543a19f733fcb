"""The one table of streams: who writes which, who reads which, and who answers which command.

Code, provisioning, access rules, documents and the architecture test read this file; nothing else
names a topic.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Final

from pydantic import BaseModel

from shared.contract import events as e

PARTITIONS: Final = 12
RECORD_BYTES_MAX: Final = 1_048_576  # of a gateway's topics; the broker refuses larger records
STREAM_BYTES_MAX: Final = 1_310_720  # a dead letter is its record, sealed, with headers beside it
FOREVER: Final = -1
ISOLATION: Final = "read_committed"
"""How streams are read: what a producer's transaction aborted is never read."""


@dataclass(frozen=True, slots=True)
class Stream:
    """A topic, or a family of topics with one member per `{producer}`."""

    name: str
    domain: str
    producer: str
    events: tuple[type[BaseModel], ...]
    about: str
    partitions: int = PARTITIONS
    retention_days: int = FOREVER
    bytes_max: int = STREAM_BYTES_MAX
    co_producers: tuple[str, ...] = ()  # stages beside the producer that write some of it

    @property
    def is_family(self) -> bool:
        """Say whether the name stands for one topic per channel or institution."""
        return "{producer}" in self.name

    @property
    def pattern(self) -> str:
        """Return the anchored regular expression of the family's topics."""
        return "^" + re.escape(self.name).replace(r"\{producer\}", "([a-z0-9-]+)") + "$"

    def topic(self, producer: str = "") -> str:
        """Name the topic of one channel or institution (of the stream itself without)."""
        return self.name.replace("{producer}", producer)

    def type_of(self, event: type[BaseModel]) -> str:
        """Return the CloudEvents type of an event in this stream."""
        return f"id.go.lapor.{self.domain}.{kebab(event.__name__)}.v1"


@cache
def lane_case(partition: int) -> str:
    """Name the case of a core lane itself, which every change of the registry goes to."""
    return f"registry.{partition}"


def kebab(name: str) -> str:
    """Turn `ReportForwarded` into `report-forwarded`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()


REPORTER_MESSAGES: Final = (
    e.CompleteInformation, e.ReplyToFollowUp, e.CloseReport, e.WithdrawReport, e.ReopenReport,
)  # fmt: skip
COMMANDS: Final = (
    e.Forward, e.Block, e.AskForInformation, e.Archive, e.Accept, e.ReturnReport, e.Reclassify,
    e.Dispatch, e.InitialResponse, e.FollowUp, e.ReturnToInstitution, e.CloseCase,
)  # fmt: skip

SUBMISSIONS = Stream(
    "lapor.channel.{producer}.submissions.v1", "channel", "that channel",
    (e.SubmitReport, *REPORTER_MESSAGES),
    "what people write, in the clear", partitions=1, retention_days=7, bytes_max=RECORD_BYTES_MAX,
)  # fmt: skip
ANSWERS = Stream(
    "lapor.channel.{producer}.answers.v1", "channel", "intake", (e.ChannelAnswer,),
    "the one answer to each message", partitions=1, retention_days=7,
)  # fmt: skip
INTAKE = Stream(
    "lapor.intake.v1", "intake", "intake",
    (
        e.ReportReceived, e.SubmissionRepeated, e.InformationCompleted, e.ReporterReplied,
        e.ReporterClosed, e.ReporterWithdrew, e.ReopenRequested,
    ),
    "what people sent, checked and sealed",
)  # fmt: skip
OUTBOX = Stream(
    "lapor.agency.{producer}.outbox.v1", "agency", "that institution", COMMANDS,
    "what an institution decides, in the clear", partitions=1, retention_days=30,
    bytes_max=RECORD_BYTES_MAX,
)  # fmt: skip
INBOX = Stream(
    "lapor.agency.{producer}.inbox.v1", "agency", "agencies.out", (e.InboxEntry,),
    "what an institution may see", partitions=1, retention_days=30, co_producers=("agencies.in",),
)  # fmt: skip
AGENCIES = Stream(
    "lapor.agencies.v1", "agencies", "agencies.in", COMMANDS,
    "institutions' commands, checked, sealed, stamped",
)  # fmt: skip
NATIONAL = Stream(
    "lapor.verification.national.v1", "verification", "verification.national",
    (
        e.ReportForwarded, e.InformationRequested, e.ReportArchived, e.ReportBlocked,
        e.ReportWithdrawn, e.DuplicateSuspected, e.CommandRefused,
    ),
    "the national verification's decisions",
)  # fmt: skip
INSTITUTION = Stream(
    "lapor.verification.institution.v1", "verification", "verification.institution",
    (
        e.ReportAccepted, e.ReportReclassified, e.ReportReturned, e.InformationRequested,
        e.ReportArchived, e.CommandRefused,
    ),
    "the institutions' verification",
)  # fmt: skip
ROUTING = Stream(
    "lapor.routing.v1", "routing", "routing",
    (e.ReportDispatched, e.RoutingHeld, e.CommandRefused),
    "which unit has the report, by which rule",
)  # fmt: skip
FOLLOW_UP = Stream(
    "lapor.follow-up.v1", "follow-up", "follow-up",
    (
        e.InitialResponseGiven, e.FollowUpGiven, e.UnitReturned, e.ReporterAnswered,
        e.ReportClosed, e.ReportReopened, e.CommandRefused,
    ),
    "what was done, and how it ended",
)  # fmt: skip
SLA = Stream(
    "lapor.sla.v1", "sla", "sla-monitor",
    (
        e.DeadlineSet, e.DeadlineMoved, e.DeadlineMet, e.DeadlineApproaching, e.DeadlineBreached,
        e.BreachWithdrawn, e.TimeRanOut,
    ),
    "deadlines, warnings, escalations",
)  # fmt: skip
NOTIFICATIONS = Stream(
    "lapor.notifications.v1", "notifications", "notifier",
    (e.NotificationRequested, e.NotificationSent, e.NotificationFailed),
    "who was notified of what",
)  # fmt: skip
REGISTRY = Stream(
    "lapor.registry.v1", "registry", "operators", (e.CalendarAmended, e.PolicyChanged),
    "calendars and policies as they change, the same to every partition",
)  # fmt: skip
DEAD_LETTERS = Stream(
    "lapor.dead-letters.v1", "dead-letters", "every stage", (),
    "records that could not be read or decided, sealed, with the reason",
)  # fmt: skip
REPLAYS = Stream(
    "lapor.replays.v1", "replays", "operators", (),
    "dead letters sent back to their stage: to be decided again, as they were or edited, or let go",
)  # fmt: skip

_BESIDE_TIMERS: Final[Mapping[str, tuple[type[BaseModel], ...]]] = {
    "notifier": (e.DeliveryReported,),
    "sla-monitor": (e.Recompute,),
}


def internal_stream_of(stage: str) -> Stream:
    """Return the internal stream of a stage."""
    events: tuple[type[BaseModel], ...] = (e.TimerFired, *_BESIDE_TIMERS.get(stage, ()))
    return Stream(
        f"lapor.{stage}.internal.v1", "internal", stage, events,
        "what the stage writes to itself: its timers (internal)", retention_days=7,
    )  # fmt: skip


_INTERNAL = {
    name: internal_stream_of(name)
    for name in (
        "verification.national", "verification.institution", "routing", "follow-up",
        "sla-monitor", "notifier",
    )
}  # fmt: skip

STREAMS: Final = (
    SUBMISSIONS, ANSWERS, INTAKE, OUTBOX, INBOX, AGENCIES, NATIONAL, INSTITUTION, ROUTING,
    FOLLOW_UP, SLA, NOTIFICATIONS, REGISTRY, DEAD_LETTERS,
    REPLAYS, *_INTERNAL.values(),
)  # fmt: skip

_ENDS = (e.ReportArchived, e.ReportBlocked, e.ReportWithdrawn)
_UNITS = (e.InitialResponse, e.FollowUp, e.ReturnToInstitution, e.CloseCase)
Reads = Mapping[Stream, tuple[type[BaseModel], ...]]

_READS: Final[Mapping[str, Reads]] = {
    "intake": {SUBMISSIONS: SUBMISSIONS.events},
    "agencies.in": {OUTBOX: OUTBOX.events},
    "verification.national": {
        INTAKE: (e.ReportReceived, e.InformationCompleted, e.ReporterWithdrew),
        AGENCIES: (e.Forward, e.Block, e.AskForInformation, e.Archive),
        INSTITUTION: (e.ReportReturned, e.ReportArchived),
        FOLLOW_UP: (e.ReportClosed, e.ReportReopened),
        SLA: (e.TimeRanOut,),
        _INTERNAL["verification.national"]: (e.TimerFired,),
    },
    "verification.institution": {
        INTAKE: (e.InformationCompleted,),
        AGENCIES: (e.Accept, e.ReturnReport, e.AskForInformation, e.Archive, e.Reclassify),
        NATIONAL: (e.ReportForwarded, *_ENDS),
        ROUTING: (e.ReportDispatched, e.RoutingHeld),
        FOLLOW_UP: (e.ReportClosed, e.ReportReopened),
        SLA: (e.TimeRanOut,),
        _INTERNAL["verification.institution"]: (e.TimerFired,),
    },
    "routing": {
        AGENCIES: (e.Dispatch,),
        NATIONAL: _ENDS,
        INSTITUTION: (e.ReportAccepted, e.ReportReclassified, e.ReportReturned, e.ReportArchived),
        FOLLOW_UP: (e.UnitReturned, e.ReportClosed),
        _INTERNAL["routing"]: (e.TimerFired,),
    },
    "follow-up": {
        INTAKE: (e.ReporterReplied, e.ReporterClosed, e.ReopenRequested),
        AGENCIES: _UNITS,
        NATIONAL: _ENDS,
        INSTITUTION: (e.ReportReturned, e.ReportArchived),
        ROUTING: (e.ReportDispatched,),
        SLA: (e.TimeRanOut,),
        _INTERNAL["follow-up"]: (e.TimerFired,),
    },
    "sla-monitor": {
        INTAKE: (e.ReportReceived, e.InformationCompleted),
        NATIONAL: (e.ReportForwarded, e.InformationRequested, *_ENDS),
        INSTITUTION: (
            e.ReportAccepted, e.ReportReclassified, e.ReportReturned, e.InformationRequested,
            e.ReportArchived,
        ),
        ROUTING: (e.ReportDispatched, e.RoutingHeld),
        FOLLOW_UP: (
            e.InitialResponseGiven, e.FollowUpGiven, e.UnitReturned, e.ReporterAnswered,
            e.ReportClosed, e.ReportReopened,
        ),
        REGISTRY: REGISTRY.events,
        _INTERNAL["sla-monitor"]: (e.TimerFired, e.Recompute),
    },
    "notifier": {
        INTAKE: (e.ReportReceived,),
        NATIONAL: (
            e.InformationRequested, e.ReportArchived, e.ReportBlocked, e.ReportWithdrawn,
        ),
        INSTITUTION: (e.ReportAccepted, e.InformationRequested, e.ReportArchived),
        FOLLOW_UP: (e.InitialResponseGiven, e.FollowUpGiven, e.ReportClosed, e.CommandRefused),
        SLA: (
            e.DeadlineSet, e.DeadlineMoved, e.DeadlineApproaching, e.DeadlineBreached,
            e.BreachWithdrawn,
        ),
        _INTERNAL["notifier"]: (e.DeliveryReported,),
    },
    "agencies.out": {
        INTAKE: (
            e.ReportReceived, e.InformationCompleted, e.ReporterReplied, e.ReporterClosed,
            e.ReopenRequested,
        ),
        NATIONAL: NATIONAL.events,
        INSTITUTION: INSTITUTION.events,
        ROUTING: ROUTING.events,
        FOLLOW_UP: FOLLOW_UP.events,
        SLA: (
            e.DeadlineSet, e.DeadlineMoved, e.DeadlineApproaching, e.DeadlineBreached,
            e.BreachWithdrawn,
        ),
    },
}  # fmt: skip
READS: Final[Mapping[str, Reads]] = MappingProxyType(
    {stage: {**reads, REPLAYS: ()} for stage, reads in _READS.items()}
)
"""What each stage reads, by the event's class; every other type is skipped unparsed."""

ANSWERED_BY: Final[Mapping[type[BaseModel], str]] = MappingProxyType({
    e.SubmitReport: "intake",
    **dict.fromkeys(REPORTER_MESSAGES, "intake"),
    e.Forward: "verification.national",
    e.Block: "verification.national",
    # Of these two the stage answers that the sender's topic names: 00 the national, others the
    # institution's verification.
    e.AskForInformation: "verification.*",
    e.Archive: "verification.*",
    e.Accept: "verification.institution",
    e.ReturnReport: "verification.institution",
    e.Reclassify: "verification.institution",
    e.Dispatch: "routing",
    **dict.fromkeys(_UNITS, "follow-up"),
})  # fmt: skip
"""For each command the one stage that answers it."""


def writes(stage: str) -> Stream:
    """Return the stream that a stage writes.

    Raises:
        KeyError: no stage of that name writes one.
    """
    own = {
        s.producer: s
        for s in STREAMS
        if s.events and s.domain not in ("internal", "channel", "agency")
    }
    return own[stage] if stage != "agencies.out" else INBOX


def published_by(stage: str) -> tuple[Stream, ...]:
    """Return every stream by which others learn what a stage decided, dead letters included."""
    own = (s for s in STREAMS if stage in (s.producer, *s.co_producers) and s.domain != "internal")
    return (*own, DEAD_LETTERS)


def internal(stage: str) -> Stream | None:
    """Return the stage's timer stream, if it has timers."""
    return _INTERNAL.get(stage)
