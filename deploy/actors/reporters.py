"""Reporters: they act at a time of their own after their institution wrote to them.

A mail takes a moment that is days on the demo's clock, so they do not wait for it: each knows its
own script, and answers through the channel it reported by, as an outside system would.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final, Literal

from deploy.actors.channel_client import Adapter, about
from deploy.actors.script import Completion, Ending, ReportScript
from deploy.actors.timetable import Timetable
from shared.contract.events import (
    CloseReport,
    CompleteInformation,
    ReopenReport,
    ReplyToFollowUp,
    ReporterMessage,
    WithdrawReport,
)

Word = Literal["complete", "reply", "close", "reopen", "withdraw"]
SATISFIED_FROM: Final = 3  # of five
PATIENCE_DAYS: Final = 1  # until the answer with the number and the secret is looked for again
TRIES_MAX: Final = 60


class Reporters:
    """Act out what each life says of its reporter; each thing is said once."""

    def __init__(
        self, lives: Mapping[str, ReportScript], adapter: Adapter, timetable: Timetable
    ) -> None:
        self._lives = lives
        self._adapter = adapter
        self._timetable = timetable
        self._said: set[tuple[str, Word]] = set()

    def plan(self) -> None:
        """Put on the timetable what waits for nobody: withdrawals."""
        for life in self._lives.values():
            if life.ending is Ending.ARCHIVED_REPORTER:
                self._later(life, "withdraw", since_submission=True)

    def were_asked(self, life: ReportScript) -> None:
        """Complete the report, or never."""
        if life.asked is Completion.ANSWERS:
            self._later(life, "complete")

    def were_told(self, life: ReportScript) -> None:
        """Answer a follow-up: not content, content, or silent."""
        if life.replies and (life.report_id, "reply") not in self._said:
            self._later(life, "reply")
        elif life.ending is Ending.REPORTER:
            self._later(life, "close")

    def _later(self, life: ReportScript, word: Word, *, since_submission: bool = False) -> None:
        if (life.report_id, word) in self._said:
            return
        self._said.add((life.report_id, word))
        since = life.submitted_at if since_submission else self._timetable.clock.now()
        at = since + timedelta(days=life.pace.reporter)
        self._timetable.at(at, lambda: self._say(life, word))

    async def _say(self, life: ReportScript, word: Word, tries: int = 0) -> None:
        proof = about(life, self._adapter.answers)
        if proof is None:
            again = self._timetable.clock.now() + timedelta(days=PATIENCE_DAYS)
            if tries < TRIES_MAX:
                self._timetable.at(again, lambda: self._say(life, word, tries + 1))
            return
        await self._adapter.say(life, f"{life.message_id}/{word}", message(life, word, proof))
        if word == "close" and life.reopens:
            self._later(life, "reopen")


def message(life: ReportScript, word: Word, proof: Mapping[str, str | None]) -> ReporterMessage:
    """Write a reporter's word; `proof` has the tracking number and the secret."""
    match word:
        case "complete":
            return CompleteInformation.model_validate(
                {**proof, "text": "Lokasi dan fotonya saya lengkapi."}
            )
        case "reply":
            return ReplyToFollowUp.model_validate({**proof, "text": "Belum selesai, mohon dicek."})
        case "close":
            solved = life.rating >= SATISFIED_FROM
            return CloseReport.model_validate({**proof, "rating": life.rating, "solved": solved})
        case "reopen":
            return ReopenReport.model_validate({**proof, "text": "Masalahnya muncul lagi."})
        case "withdraw":
            return WithdrawReport.model_validate(proof)
