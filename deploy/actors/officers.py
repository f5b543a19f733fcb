"""The officers: each acts out the real final status of the reports given to its institution."""

from collections import Counter
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from deploy.actors.institution_client import Desk, Told
from deploy.actors.reporters import Reporters
from deploy.actors.script import Completion, Ending
from shared.contract import events as e

READ_DAYS: Final = 2  # what the system forwards by itself is told to 00 in this time
CROSSING_MAX: Final = timedelta(days=6)  # an entry older than a follow-up may be read after it
_BY: Final = "petugas-1"
_QUESTION: Final = "Mohon sebutkan lokasi dan waktu kejadian, dan lampirkan foto bila ada."
_NOT_OURS: Final = "Bukan kewenangan kami; lokasi berada di daerah lain."
_INITIAL: Final = "Laporan kami terima dan sedang kami koordinasikan."
_FOLLOW_UP: Final = "Petugas telah memeriksa lapangan dan menindaklanjuti laporan ini."


class NationalAdmin:
    """The officers of 00: they forward what the system did not, archive and block."""

    def __init__(self, desk: Desk, first_ids: dict[str, str]) -> None:
        self._desk = desk
        self._first_ids = first_ids  # message id -> report id, to name what a duplicate repeats
        self._away: set[str] = set()  # forwarded, or ended

    def react(self, told: Told) -> None:
        """Read one inbox entry."""
        report = told.entry.report_id
        match told.entry.entry:
            case "report_received":
                self._desk.later(
                    told, told.life.pace.national, partial(self._verify, told), read_days=READ_DAYS
                )
            case "report_returned":
                self._away.discard(report)
                self._desk.later(told, 1, partial(self._forward, told, told.life.owner))
            case "forwarded" | "archived" | "blocked" | "withdrawn":
                self._away.add(report)

    async def _verify(self, told: Told) -> None:
        """Decide on what still waits for an officer."""
        life, about = told.life, {"report_id": told.entry.report_id, "holding": 0, "by": _BY}
        if life.ending is Ending.BLOCKED:  # whoever holds it: it must not wait for anybody
            reason = "Memuat data pribadi orang lain."
            await self._desk.write(e.Block(**about, reason=reason), told.entry_id)
        elif told.entry.report_id in self._away:
            return
        elif life.ending is Ending.DUPLICATE:
            await self._desk.write(archive(told, self._first_ids), told.entry_id)
        else:
            await self._forward(told, self._address(told))

    def _address(self, told: Told) -> str:
        """Follow the reporter's address the first time, right or wrong: no wrong gateway."""
        return told.life.addressed or told.life.owner

    async def _forward(self, told: Told, to: str) -> None:
        if told.entry.report_id in self._away:
            return
        command = e.Forward(
            report_id=told.entry.report_id, holding=told.entry.holding, by=_BY, to=to
        )
        await self._desk.write(command, told.entry_id)


class InstitutionOfficers:
    """The officers and units of one institution."""

    def __init__(
        self, desk: Desk, reporters: Reporters, first_ids: dict[str, str], any_unit: str
    ) -> None:
        self._desk = desk
        self._reporters = reporters
        self._first_ids = first_ids
        self._any_unit = any_unit
        self._asked: set[str] = set()
        self._returned: set[str] = set()
        self._closing: set[str] = set()
        self._units: dict[str, str] = {}  # report -> the unit that has it
        self._planned: Counter[str] = Counter()  # follow-ups still to be written
        self._written_at: dict[str, datetime] = {}  # business time of a report's last follow-up

    def react(self, told: Told) -> None:
        """Read one inbox entry."""
        match told.entry.entry:
            case "report_to_verify":
                self._verify(told)
            case "information_completed" if told.entry.report_id in self._asked:
                self._accept(told, 1)
            case "routing_held":
                unit = told.life.unit or self._any_unit
                self._answer(told, 1, e.Dispatch, unit=unit)
            case "dispatched":
                self._handle(told)
            case "reporter_replied" | "reopened":
                self._later_follow_up(told)
            case "deadline_breached" if self._is_forgotten(told):
                self._later_follow_up(told)
            case "follow_up" if told.life.ending is Ending.ADMIN:
                self._close(told)

    # ---- verification

    def _verify(self, told: Told) -> None:
        """Give back what is not ours, ask, archive, or take it."""
        life, days = told.life, told.life.pace.institution
        if life.owner != self._desk.code:
            self._answer(told, days, e.ReturnReport, reason=_NOT_OURS, proposed_owner=life.owner)
        elif life.asked is not Completion.NO:
            self._asked.add(told.entry.report_id)
            self._desk.later(told, days, lambda: self._ask(told))
        elif life.ending is Ending.DUPLICATE or self._is_archived_unseen(told):
            self._desk.answer(told, days, archive(told, self._first_ids))
        else:
            self._accept(told, days)

    async def _ask(self, told: Told) -> None:
        await self._write(told, e.AskForInformation, question=_QUESTION)
        self._reporters.were_asked(told.life)

    def _is_archived_unseen(self, told: Told) -> bool:
        """Say whether the export shows it archived without any unit having had it."""
        return told.life.ending is Ending.ARCHIVED_ADMIN and told.life.unit is None

    def _accept(self, told: Told, days: int) -> None:
        life = told.life
        self._answer(
            told, days, e.Accept, report_class=life.report_class, category_id=life.category_id
        )

    # ---- at the unit

    def _handle(self, told: Told) -> None:
        """Archive, pass on to the unit of the export, or answer."""
        life, unit = told.life, told.entry.unit or ""
        self._units[told.entry.report_id] = unit
        if life.ending is Ending.ARCHIVED_ADMIN:
            self._desk.answer(told, life.pace.close, archive(told, self._first_ids))
        elif life.returns_unit and life.unit != unit and told.entry.report_id not in self._returned:
            self._returned.add(told.entry.report_id)
            fields = {"unit": unit, "reason": _NOT_OURS, "proposed_unit": life.unit}
            self._answer(told, 1, e.ReturnToInstitution, **fields)
        else:
            if life.pace.initial is not None and life.pace.initial < life.pace.follow_up:
                self._answer(told, life.pace.initial, e.InitialResponse, unit=unit, text=_INITIAL)
            self._plan_follow_up(told, life.pace.follow_up, unit)

    def _later_follow_up(self, told: Told) -> None:
        """Follow up again, by the unit that has it."""
        unit = told.entry.unit or self._units.get(told.entry.report_id, self._any_unit)
        self._plan_follow_up(told, told.life.pace.again, unit)

    def _is_forgotten(self, told: Told) -> bool:
        """Say whether an escalation is about a report that the unit thinks it has dealt with.

        A reply and a follow-up may cross: then another one is owed, and the escalation says so.
        """
        report, is_ours = told.entry.report_id, told.entry.clock == "follow_up"
        written_at = self._written_at.get(report)
        if not is_ours or written_at is None or self._planned[report]:
            return False
        return self._desk.now() - written_at > CROSSING_MAX

    def _plan_follow_up(self, told: Told, days: int, unit: str) -> None:
        self._planned[told.entry.report_id] += 1
        self._desk.later(told, days, lambda: self._follow_up(told, unit))

    async def _follow_up(self, told: Told, unit: str) -> None:
        self._planned[told.entry.report_id] -= 1
        self._written_at[told.entry.report_id] = self._desk.now()
        await self._write(told, e.FollowUp, unit=unit, text=_FOLLOW_UP)
        self._reporters.were_told(told.life)

    def _close(self, told: Told) -> None:
        if told.entry.report_id not in self._closing:
            self._closing.add(told.entry.report_id)
            self._answer(told, told.life.pace.close, e.CloseCase, solved=True)

    def _answer(self, told: Told, days: int, command: type[e.Command], **fields: object) -> None:
        self._desk.later(told, days, lambda: self._write(told, command, **fields))

    async def _write(self, told: Told, command: type[e.Command], **fields: object) -> None:
        entry = told.entry
        about = {"report_id": entry.report_id, "holding": entry.holding, "by": _BY}
        await self._desk.write(command.model_validate({**about, **fields}), told.entry_id)


def archive(told: Told, first_ids: dict[str, str]) -> e.Archive:
    """Archive a report for its life's reason."""
    first = first_ids.get(told.life.duplicate_of or "")
    return e.Archive(
        report_id=told.entry.report_id,
        holding=told.entry.holding,
        by=_BY,
        reason="duplicate" if first else told.life.archive_reason,
        duplicate_of=first,
    )
