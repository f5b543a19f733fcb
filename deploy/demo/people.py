"""Reporters: they read the mail they get, and answer through the channel they reported by."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from deploy.demo.mail import Mail
from deploy.demo.replay import Adapter, about
from deploy.demo.script import Asked, Ending, Life
from deploy.demo.timetable import Timetable
from shared import tracking
from shared.events import (
    CloseReport,
    CompleteInformation,
    ReopenReport,
    ReplyToFollowUp,
    WithdrawReport,
)

ASKED: Final = "Mohon lengkapi laporan Anda"  # the subjects of the notifier's messages
FOLLOWED_UP: Final = "Tindak lanjut atas laporan Anda"
CLOSED: Final = "Laporan Anda telah ditutup"
SATISFIED_FROM: Final = 3  # of five


class Reporters:
    """Act out what each life says of its reporter; whoever gets no mail does nothing."""

    def __init__(self, lives: Mapping[str, Life], adapter: Adapter, timetable: Timetable) -> None:
        self._lives = lives
        self._adapter = adapter
        self._timetable = timetable
        self._done: set[tuple[str, str]] = set()

    def plan(self) -> None:
        """Put what needs no mail on the timetable: withdrawals."""
        for life in self._lives.values():
            if life.ending is Ending.ARCHIVED_REPORTER:
                at = life.submitted_at + timedelta(days=life.pace.reporter + 3)
                self._timetable.at(at, lambda life=life: self._withdraw(life))  # type: ignore[misc]

    def read(self, mail: Mail) -> None:
        """Read a message and decide when to answer it, if at all."""
        if not mail.to.endswith("@warga.example") or not mail.tracking_number:
            return
        life = self._lives.get(tracking.parse_tracking_number(mail.tracking_number))
        if life is None:
            return
        if mail.subject == ASKED and life.asked is Asked.ANSWERS:
            self._later(life, "complete")
        elif mail.subject == FOLLOWED_UP:
            self._on_follow_up(life)
        elif mail.subject == CLOSED and life.reopens:
            self._later(life, "reopen")

    def _on_follow_up(self, life: Life) -> None:
        if life.replies and (life.report_id, "reply") not in self._done:
            self._later(life, "reply")
        elif life.ending is Ending.REPORTER:
            self._later(life, "close")

    def _later(self, life: Life, what: str) -> None:
        """Answer after the reporter's own time; each thing is said once."""
        if (life.report_id, what) in self._done:
            return
        self._done.add((life.report_id, what))
        at = self._timetable.clock.now() + timedelta(days=life.pace.reporter)
        self._timetable.at(at, lambda: self._say(life, what))

    async def _say(self, life: Life, what: str) -> None:
        proof = about(life, self._adapter.answers)
        if proof is None:
            return
        words = {
            "complete": (CompleteInformation, {"text": "Lokasi dan fotonya saya lengkapi."}),
            "reply": (ReplyToFollowUp, {"text": "Belum selesai, mohon dicek kembali."}),
            "reopen": (ReopenReport, {"text": "Masalahnya muncul lagi."}),
            "close": (
                CloseReport,
                {"rating": life.rating, "solved": life.rating >= SATISFIED_FROM},
            ),
            "withdraw": (WithdrawReport, {}),
        }
        kind, fields = words[what]
        message = kind.model_validate({**proof, **fields})
        await self._adapter.say(life, f"{life.message_id}/{what}", message)

    async def _withdraw(self, life: Life) -> None:
        await self._say(life, "withdraw")
