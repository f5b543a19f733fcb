"""How intake's cases lie in its `cases` table, and what it looks up there for a batch."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from services.intake.duplicates import Candidate, Fingerprint, fingerprint_of, similar
from services.intake.redaction import Names
from services.intake.reporter import senders
from services.intake.rules import Known, Screened, Submission, is_sound
from services.intake.screening import Suggestions
from services.intake.validation import Named
from services.intake.words import report_words
from shared.contract.events import ReporterMessage, Screening, SubmitReport
from shared.runtime.case_store import CaseStore
from shared.vault.crypto import ReportKey, Vault
from shared.vault.key_store import ensure_keys, open_keys

if TYPE_CHECKING:
    from shared.platform.postgres import Connection
    from shared.runtime.reader import Inbound

Suggest = Callable[[SubmitReport, Sequence[str]], Suggestions]
BANDS: Final = 8
CANDIDATES_MAX: Final = 20  # per band and report: a burst of one text must not load all of it


def _band(number: int) -> tuple[str, Callable[[Submission], object]]:
    return "int", lambda case: case.fingerprint.bands[number] if case.fingerprint else None


STORE: Final = CaseStore(
    case=Submission,
    is_open=lambda _case: False,  # nobody owes intake anything: it answers at once
    columns={
        "sender": ("text", lambda case: case.sender),
        "exact": ("bigint", lambda case: case.fingerprint and case.fingerprint.exact),
        "simhash": ("bigint", lambda case: case.fingerprint and case.fingerprint.simhash),
        "words": ("int", lambda case: case.fingerprint and case.fingerprint.words),
        **{f"band{number}": _band(number) for number in range(BANDS)},
    },
)

_FOUND: Final = "\n            UNION ".join(
    "(SELECT report_id, exact, simhash, words, sender FROM cases "
    f"WHERE band{n} = x.band{n} LIMIT {CANDIDATES_MAX})"
    for n in range(BANDS)
)
_CANDIDATES: Final = f"""
    SELECT x.number, c.report_id, c.exact, c.simhash, c.words, c.sender
    FROM unnest({", ".join(f"${n}::int[]" for n in range(1, BANDS + 2))})
         AS x(number, {", ".join(f"band{n}" for n in range(BANDS))})
    CROSS JOIN LATERAL (
            {_FOUND}
    ) AS c
"""


class New(NamedTuple):
    """A sound submission of a batch: its message's first id, what it is like, who sends it.

    Who wants to be unknown is nobody's same sender, in either direction: a hint at it would name
    them to whoever knows their other reports.
    """

    id: str
    report_id: str
    event: SubmitReport
    words: tuple[str, ...]
    print: Fingerprint
    senders: tuple[str, ...]

    @property
    def sender(self) -> str | None:
        """The surest hash of who sends it; none of who wants to be unknown."""
        return self.senders[0] if self.senders and not self.event.anonymous else None

    def as_candidate(self) -> Candidate:
        """Return it as later submissions meet it."""
        found = self.print
        return Candidate(self.report_id, found.exact, found.simhash, found.words, self.sender)


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What intake knows beside its schema: keys, registry, and what screening learned."""

    vault: Vault
    named: Named
    suggest: Suggest

    async def load_lookups(self, connection: "Connection", batch: "Sequence[Inbound]") -> Known:
        """Make or open the keys and find similar reports: at most three statements a batch."""
        news = self.news(batch)
        keys = await ensure_keys(connection, self.vault, {new.report_id for new in news})
        others = {i.report_id for i in batch if _names_a_report(i)} - keys.keys()
        keys |= await open_keys(
            connection, self.vault, others, stage="intake", purpose="check who writes"
        )
        return self.known(batch, news, keys, await _candidates(connection, news))

    def news(self, batch: "Sequence[Inbound]") -> list[New]:
        """List a batch's sound submissions, in order, with their fingerprints."""
        return [
            New(
                i.cause.first_id,
                i.report_id,
                i.event,
                found := report_words(i.event.title, i.event.body),
                fingerprint_of(found),
                senders(self.vault, i.cause.producer, i.event.reporter),
            )
            for i in batch
            if isinstance(i.event, SubmitReport) and is_sound(i.event, i.cause, self.named)
        ]

    def known(
        self,
        batch: "Sequence[Inbound]",
        news: Sequence[New],
        keys: Mapping[str, ReportKey],
        stored: Mapping[int, Sequence[Candidate]],
    ) -> Known:
        """Put together what the rule may see; `stored` are candidates by the place in `news`."""
        who = {new.id: new.senders for new in news} | {
            i.cause.first_id: senders(self.vault, i.cause.producer, i.event.reporter)
            for i in batch
            if isinstance(i.event, ReporterMessage)
        }
        return Known(
            names=Names.of(self.vault),
            keys=keys,
            named=self.named,
            senders=who,
            screened=self._screen(news, stored),
        )

    def _screen(
        self, news: Sequence[New], stored: Mapping[int, Sequence[Candidate]]
    ) -> dict[str, Screened]:
        """Screen submissions in order, each against the stored ones and those before it here."""
        here: dict[tuple[int, int], list[Candidate]] = defaultdict(list)
        screened: dict[str, Screened] = {}
        for place, new in enumerate(news):
            bands = list(enumerate(new.print.bands))
            near = {c.report_id: c for band in bands for c in here[band][:CANDIDATES_MAX]}
            near |= {c.report_id: c for c in stored.get(place, ())}
            near.pop(new.report_id, None)
            proposed = self.suggest(new.event, new.words)
            screening = Screening(
                similar=similar(new.print, new.sender, near.values()),
                report_class=proposed.report_class,
                category=proposed.category,
                institution=proposed.institution,
            )
            screened.setdefault(new.id, Screened(new.print, screening))
            candidate = new.as_candidate()
            for band in bands:
                here[band].append(candidate)
        return screened


def _names_a_report(inbound: "Inbound") -> bool:
    return isinstance(inbound.event, SubmitReport | ReporterMessage)


async def _candidates(connection: "Connection", news: Sequence[New]) -> dict[int, list[Candidate]]:
    """Find stored reports that share a band, by the place in `news`."""
    if not news:
        return {}
    columns = [[new.print.bands[n] for new in news] for n in range(BANDS)]
    found: dict[int, list[Candidate]] = defaultdict(list)
    for place, *candidate in await connection.fetch(_CANDIDATES, list(range(len(news))), *columns):
        found[place].append(Candidate(*candidate))
    return found
