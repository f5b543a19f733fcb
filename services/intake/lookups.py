"""What intake looks up for a batch: keys, faults, and what screening derives from the texts."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from services.intake.duplicates import Candidate, Fingerprint, fingerprint_of, similar
from services.intake.reporter import hash_senders
from services.intake.rules import Lookups, Position, Screened
from services.intake.screening import Suggestions
from services.intake.store import CANDIDATES_MAX, find_candidates
from services.intake.validation import RegisteredCodes, message_fault, submission_fault
from services.intake.words import report_words
from shared.contract.events import ReporterMessage, Screening, SubmitReport
from shared.contract.reasons import Fault
from shared.vault.crypto import ReportKey, Vault
from shared.vault.key_store import ensure_keys, open_keys

if TYPE_CHECKING:
    from shared.platform.postgres import Connection
    from shared.runtime.reader import Inbound

Suggest = Callable[[SubmitReport, Sequence[str]], Suggestions]


class SoundSubmission(NamedTuple):
    """A submission of a batch without fault: its message's first id, its text, who sends it.

    Who wants to be unknown is nobody's same sender, in either direction: a hint at it would name
    them to whoever knows their other reports.
    """

    id: str
    report_id: str
    event: SubmitReport
    words: tuple[str, ...]
    fingerprint: Fingerprint
    senders: tuple[str, ...]

    @property
    def sender(self) -> str | None:
        """The surest hash of who sends it; none of who wants to be unknown."""
        return self.senders[0] if self.senders and not self.event.anonymous else None

    def as_candidate(self) -> Candidate:
        """Return it as later submissions meet it."""
        own = self.fingerprint
        return Candidate(self.report_id, own.exact, own.simhash, own.words, self.sender)


@dataclass(frozen=True, slots=True)
class LookupLoader:
    """Loads a batch's lookups from the vault, the registry's codes, the model and the cases."""

    vault: Vault
    codes: RegisteredCodes
    suggest: Suggest

    async def load_lookups(self, connection: "Connection", batch: "Sequence[Inbound]") -> Lookups:
        """Make or open the keys and find similar reports: at most three statements a batch."""
        faults = self.find_faults(batch)
        submissions = self.sound_submissions(batch, faults)
        keys = await ensure_keys(connection, self.vault, {s.report_id for s in submissions})
        others = {i.report_id for i in batch if isinstance(i.event, SubmitReport | ReporterMessage)}
        keys |= await open_keys(
            connection, self.vault, others - keys.keys(), stage="intake", purpose="check who writes"
        )
        stored = await find_candidates(connection, [s.fingerprint for s in submissions])
        return self.collect(batch, faults, submissions, keys, stored)

    def find_faults(self, batch: "Iterable[Inbound]") -> dict[Position, Fault]:
        """Validate each submission of a batch, once; its fault by the record's position."""
        faults = {}
        for event, cause in ((i.event, i.cause) for i in batch):
            if isinstance(event, SubmitReport):
                fault = message_fault(cause) or submission_fault(event, cause, self.codes)
                if fault is not None:
                    faults[cause.topic, cause.partition, cause.offset] = fault
        return faults

    def sound_submissions(
        self, batch: "Iterable[Inbound]", faults: Mapping[Position, Fault]
    ) -> list[SoundSubmission]:
        """List a batch's submissions without fault, in order, with their fingerprints."""
        return [
            SoundSubmission(
                i.cause.first_id,
                i.report_id,
                i.event,
                words := report_words(i.event.title, i.event.body),
                fingerprint_of(words),
                hash_senders(self.vault, i.cause.producer, i.event.reporter),
            )
            for i in batch
            if isinstance(i.event, SubmitReport)
            and (i.cause.topic, i.cause.partition, i.cause.offset) not in faults
        ]

    def collect(
        self,
        batch: "Iterable[Inbound]",
        faults: Mapping[Position, Fault],
        submissions: Sequence[SoundSubmission],
        keys: Mapping[str, ReportKey],
        stored: Mapping[int, Sequence[Candidate]],
    ) -> Lookups:
        """Collect what the rule may know; `stored` are candidates by index in `submissions`."""
        senders = {submission.id: submission.senders for submission in submissions} | {
            i.cause.first_id: hash_senders(self.vault, i.cause.producer, i.event.reporter)
            for i in batch
            if isinstance(i.event, ReporterMessage)
        }
        return Lookups(
            message_digest=self.vault.message_digest,
            keys=keys,
            backdating_days=self.codes.backdating_days,
            senders=senders,
            screened=self._screen(submissions, stored),
            faults=faults,
        )

    def _screen(
        self, submissions: Sequence[SoundSubmission], stored: Mapping[int, Sequence[Candidate]]
    ) -> dict[str, Screened]:
        """Screen submissions in order, each against the stored ones and those before it here."""
        here: dict[tuple[int, int], list[Candidate]] = defaultdict(list)
        screened: dict[str, Screened] = {}
        for index, submission in enumerate(submissions):
            bands = list(enumerate(submission.fingerprint.bands))
            near = {c.report_id: c for band in bands for c in here[band][:CANDIDATES_MAX]}
            near |= {c.report_id: c for c in stored.get(index, ())}
            near.pop(submission.report_id, None)
            suggested = self.suggest(submission.event, submission.words)
            screening = Screening(
                similar=similar(submission.fingerprint, submission.sender, near.values()),
                report_class=suggested.report_class,
                category=suggested.category,
                institution=suggested.institution,
            )
            screened.setdefault(submission.id, Screened(submission.fingerprint, screening))
            candidate = submission.as_candidate()
            for band in bands:
                here[band].append(candidate)
        return screened
