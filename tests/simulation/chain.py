"""Three stages in a row for the simulation: a gateway, and two core stages of several topics.

Their rule gives other events for every order of what it saw, so a record lost, doubled, swapped
or decided over an old case shows in everything after it.
"""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from pydantic import BaseModel

from shared.contract.envelope import encode
from shared.contract.events import (
    Accept,
    Dispatch,
    InboxEntry,
    ReportAccepted,
    ReportClass,
    ReportDispatched,
    ReportForwarded,
)
from shared.contract.topics import (
    AGENCIES,
    INBOX,
    INSTITUTION,
    NATIONAL,
    OUTBOX,
    REPLAYS,
    ROUTING,
    Stream,
)  # fmt: skip
from shared.platform.clock import Clock
from shared.rules.decision import Cause, Decision, decided, refused
from shared.runtime.case_store import CaseStore
from shared.runtime.metrics import Meters
from shared.runtime.reader import Reader
from shared.runtime.stage import Stage
from shared.runtime.writer import Writer, partition_of
from tests.simulation.memory import CLEAR

REPORTS: Final = ("000000000001", "000000000004", "000000000002")
"""Two in one partition, and one in another (see `PARTITIONS`)."""
PARTITIONS: Final = tuple(sorted({partition_of(r.encode()) for r in REPORTS}))
PRODUCERS: Final = ("6308", "3204")
CLASS: Final = ReportClass.UNSUPERVISED


class Fold(BaseModel, frozen=True):
    """What a stage knows of a report: how much it saw, and a digest that knows the order."""

    seen: int = 0
    digest: int = 0


INBOXES: Final = tuple(INBOX.topic(producer) for producer in PRODUCERS)


@dataclass
class Release:
    """The version of a stage's rule that runs; a broken one raises at what names the stage."""

    is_broken: bool = True


def after(case: Fold | None, event: BaseModel, cause: Cause) -> Fold:
    """Return a case after one more event."""
    old = case or Fold()
    seed = f"{old.digest} {cause.id} {cause.now.timestamp()}".encode()
    return Fold(seen=old.seen + 1, digest=zlib.crc32(encode(event), zlib.crc32(seed)))


def at_the_gateway(
    case: Fold | None, event: BaseModel, cause: Cause, release: Release
) -> Decision[Fold]:
    """Answer everything: a command once or twice as it is, the rest with a rejection."""
    if cause.is_repeat or not isinstance(event, Accept | Dispatch):
        answer = InboxEntry(
            report_id=report_of(event, cause), institution=cause.producer,
            entry="command_rejected", message_id=cause.message_id or None,
        )  # fmt: skip
        return decided(case, answer) if cause.is_repeat else refused(case, answer)
    new = after(case, event, cause)
    mark = marked("agencies.in", event.by, release)
    stamp = {"by": f"{mark} {new.digest}", "institution": cause.producer}
    command = event.model_copy(update=stamp)
    return decided(new, *[command] * (1 + new.digest % 2))


def at_verification(
    case: Fold | None, event: BaseModel, cause: Cause, release: Release
) -> Decision[Fold]:
    """Accept nothing, once, or twice."""
    new = after(case, event, cause)
    if not isinstance(event, Accept | ReportForwarded):
        return decided(new)
    accepted = ReportAccepted(
        report_id=event.report_id, institution="6308", holding=1, report_class=CLASS,
        by=f"{marked('verification.institution', event.by, release)} {new.digest}",
    )  # fmt: skip
    return decided(new, *[accepted] * (1, 1, 2, 0)[new.digest % 4])


def at_routing(
    case: Fold | None, event: BaseModel, cause: Cause, release: Release
) -> Decision[Fold]:
    """Dispatch nothing, once, or twice."""
    new = after(case, event, cause)
    if not isinstance(event, ReportAccepted | Dispatch):
        return decided(new)
    dispatched = ReportDispatched(
        report_id=event.report_id, institution="6308", holding=1, dispatch=new.seen,
        unit="6308-001", rule="", why=f"{marked('routing', event.by, release)} {new.digest}",
        by="auto", report_class=CLASS,
    )  # fmt: skip
    return decided(new, *[dispatched] * (1, 2, 1, 0)[new.digest % 4])


def marked(stage: str, by: str, release: Release) -> str:
    """Return the mark that an event carries along the chain.

    Raises:
        ZeroDivisionError: the mark names this stage, and the release is the broken one.
    """
    mark = by.partition(" ")[0]
    if mark == stage and release.is_broken:
        raise ZeroDivisionError(mark)
    return mark


def report_of(event: BaseModel, _cause: Cause) -> str:
    """Say which report a record at the gateway is about; what cannot be read is about the first."""
    return str(getattr(event, "report_id", REPORTS[0]))


@dataclass(frozen=True)
class Link:
    """One stage of the chain: what it reads (its other streams stay empty), writes, and decides."""

    name: str
    reads: tuple[Stream, ...]
    writes: Stream
    rule: Callable[..., Decision[Fold]]
    is_gateway: bool = False

    def stage(self, release: Release) -> Stage[Fold, Release]:
        """Return the stage as the shell takes it."""
        store = CaseStore(case=Fold, is_open=lambda case: case.seen > 0)
        identify = report_of if self.is_gateway else None
        return Stage(self.name, store, Path(), self.rule, lambda *_: release, identify)


CHAIN: Final = (
    Link("agencies.in", (OUTBOX, REPLAYS), AGENCIES, at_the_gateway, is_gateway=True),
    Link("verification.institution", (NATIONAL, AGENCIES, REPLAYS), INSTITUTION, at_verification),
    Link("routing", (INSTITUTION, AGENCIES, REPLAYS), ROUTING, at_routing),
)
LINKS: Final[Mapping[str, Link]] = MappingProxyType({link.name: link for link in CHAIN})


@cache
def reader(link: str) -> Reader:
    """Return a stage's reader; it keeps nothing of a history."""
    identify = report_of if LINKS[link].is_gateway else None
    return Reader(link, Clock(), CLEAR, identify)


@cache
def writer(link: str) -> Writer:
    """Return a stage's writer; it keeps nothing at all."""
    return Writer(link, is_gateway=LINKS[link].is_gateway, seal=lambda value, *_place: value)


@cache
def meters(link: str) -> Meters:
    """Return a stage's meters, shared by all histories: nobody looks at them."""
    return Meters(link)


def quiet() -> Any:
    """Return a logger that writes nothing."""
    return Quiet()


class Quiet:
    """Takes every log line."""

    def __getattr__(self, _level: str) -> Callable[..., None]:
        return _ignore


def _ignore(*_line: object, **_with: object) -> None:
    return None
