"""Where a report stands, in the real system's words, from its timeline. Pure.

The words are those of SP4N-LAPOR!'s export; a report that is between two of them keeps the one
before: forwarded is still `Belum Terverifikasi` until an institution accepts it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from deploy.cli.model.registry_names import Names
from deploy.cli.model.timeline import TimelineEntry
from shared.contract import events as e
from shared.registry import NATIONAL

UNVERIFIED: Final = "Belum Terverifikasi"
ASKED: Final = "Menunggu Kelengkapan Informasi"
VERIFIED: Final = "Terverifikasi"
IN_PROGRESS: Final = "Ditindaklanjuti oleh Instansi"
REPLIED: Final = "Ditanggapi oleh Pelapor"
BLOCKED: Final = "Konten Terblokir"
BY: Final = {"system": "Sistem", "admin": "Admin", "reporter": "Pelapor"}


@dataclass(frozen=True)
class Owed:
    """A deadline that somebody has still to meet; `level` counts its escalations."""

    clock: str
    owner: str
    institution: str
    unit: str | None
    deadline: datetime
    level: int = 0


@dataclass(frozen=True)
class Promised:
    """A date that a message named to a person (the reporter, or whom a ladder names)."""

    person: str
    clock: str
    institution: str
    deadline: datetime
    message: str
    template: str
    told_at: datetime


@dataclass
class ReportStanding:
    """Where a report stands now."""

    status: str = ""
    holder: str = ""
    holding: int = 0
    unit: str = ""
    is_final: bool = False  # archived, blocked or withdrawn: nothing leads out of it
    owed: dict[str, Owed] = field(default_factory=dict)
    promised: list[Promised] = field(default_factory=list)  # the oldest first
    before: str = ""  # the status to go back to when the reporter has completed


def standing(entries: Iterable[TimelineEntry], names: Names) -> ReportStanding:
    """Follow a report's facts, in order, to where it stands; an end is the end."""
    now = ReportStanding()
    for entry in entries:
        if entry.event is not None:
            _owed(now, entry.event)
            _promised(now, entry.event, entry.time)
            if not now.is_final:
                _status(now, entry.event, names)
    if now.is_final:
        now.owed.clear()
    return now


def _status(now: ReportStanding, event: object, names: Names) -> None:
    match event:
        case e.ReportReceived():
            now.status, now.holder = UNVERIFIED, NATIONAL
        case e.ReportForwarded():
            now.status, now.unit = UNVERIFIED, ""
            now.holder, now.holding = event.institution, event.holding
        case e.InformationRequested():
            now.before, now.status = now.status, ASKED
        case e.InformationCompleted() if now.status == ASKED:
            now.status = now.before
        case e.ReportAccepted():
            now.status = VERIFIED
        case e.ReportReturned():
            now.status, now.holder, now.unit = UNVERIFIED, NATIONAL, ""
        case e.ReportDispatched():
            now.status, now.unit = f"Terdisposisi ke {names.unit_name(event.unit)}", event.unit
        case e.UnitReturned():
            now.status, now.unit = VERIFIED, ""
        case e.InitialResponseGiven() | e.FollowUpGiven() | e.ReportReopened():
            now.status = IN_PROGRESS
        case e.ReporterAnswered():
            now.status = REPLIED
        case e.ReportClosed():
            now.status = f"Ditutup oleh {BY[event.by]}"
        case e.ReportArchived() | e.ReportWithdrawn() | e.ReportBlocked():
            _end(now, event)


def _end(
    now: ReportStanding, event: e.ReportArchived | e.ReportWithdrawn | e.ReportBlocked
) -> None:
    now.is_final = True
    match event:
        case e.ReportBlocked():
            now.status = BLOCKED
        case e.ReportArchived():
            now.status = f"Diarsipkan oleh {BY[event.by]}"
        case e.ReportWithdrawn():
            now.status = "Diarsipkan oleh Pelapor"


def last_promised(now: ReportStanding) -> list[Promised]:
    """Return what each person was told last of each clock that somebody still owes."""
    last = {(p.person, p.clock, p.institution): p for p in now.promised}
    owed = {(o.clock, o.institution) for o in now.owed.values()}
    return [p for p in last.values() if (p.clock, p.institution) in owed]


def _promised(now: ReportStanding, event: object, at: datetime) -> None:
    match event:
        case e.NotificationRequested(clock=str(clock), deadline=datetime() as deadline):
            now.promised.append(
                Promised(
                    event.person, clock, event.institution or "", deadline, event.notification_id,
                    event.template, at,
                )
            )  # fmt: skip


def _owed(now: ReportStanding, event: object) -> None:
    """Follow the clocks: set, moved, breached by levels, some of them withdrawn, met."""
    if not isinstance(event, e.OfDeadline):
        return
    run = event.run or event.clock
    match event:
        case e.DeadlineMet():
            now.owed.pop(run, None)
        case e.BreachWithdrawn():
            if before := now.owed.get(run):
                level = min(before.level, max(event.level - 1, 0))
                now.owed[run] = replace(before, level=level)
        case _:
            level = event.level if isinstance(event, e.DeadlineBreached) else 0
            now.owed[run] = Owed(
                event.clock, event.owner, event.institution, event.unit, event.deadline, level
            )
