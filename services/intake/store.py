"""How intake's cases lie in its `cases` table, and what it looks up there for a batch."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from services.intake.duplicates import Candidate, Fingerprint, fingerprint, similar
from services.intake.rules import Known, Screened, Submission, first_id, is_sound, senders
from services.intake.screening import Suggestions
from services.intake.validation import Named
from shared.cases import CaseStore
from shared.events import ReporterMessage, Screening, SubmitReport
from shared.vault import Vault
from shared.vault_store import ensure_keys, open_keys

if TYPE_CHECKING:
    import asyncpg

    from shared.inbound import Inbound
    from shared.postgres import Connection

BANDS: Final = 8
CANDIDATES_MAX: Final = 20  # per band and report: a burst of one text must not load all of it


def _band(number: int) -> tuple[str, Callable[[Submission], object]]:
    return "int", lambda case: case.fingerprint.bands[number] if case.fingerprint else None


STORE: Final = CaseStore(
    case=Submission,
    is_open=lambda _case: False,  # nobody owes intake anything: it answers at once
    columns={
        "sender": ("text", lambda case: case.senders[0] if case.senders else None),
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


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What intake knows beside its schema: keys, registry, and what screening learned."""

    vault: Vault
    named: Named
    suggest: Callable[[SubmitReport], Suggestions]

    async def gather(self, connection: "Connection", batch: "Sequence[Inbound]") -> Known:
        """Make or open the keys and find similar reports: at most three statements a batch."""
        sound = [i for i in batch if is_sound(i.event, i.cause, self.named)]
        news = [(i, i.event) for i in sound if isinstance(i.event, SubmitReport)]
        # The pool hands out a proxy, which does all that a connection does.
        direct = cast("asyncpg.Connection[asyncpg.Record]", connection)
        keys = await ensure_keys(direct, self.vault, (i.report_id for i, _ in news))
        others = {i.report_id for i in batch if _concerns_a_report(i)} - keys.keys()
        keys |= await open_keys(
            direct, self.vault, others, stage="intake", purpose="check a message's sender"
        )
        who = {
            first_id(i.cause): senders(self.vault, i.cause.speaker, i.event.reporter)
            for i in batch
            if isinstance(i.event, SubmitReport | ReporterMessage)
        }
        prints = [fingerprint(event.title, event.body) for _, event in news]
        earlier = await _candidates(connection, prints)
        screened = self._screen(news, prints, who, earlier)
        return Known(keys=keys, named=self.named, senders=who, screened=screened)

    def _screen(
        self,
        news: "Sequence[tuple[Inbound, SubmitReport]]",
        prints: Sequence[Fingerprint],
        who: Mapping[str, tuple[str, ...]],
        earlier: Mapping[int, Sequence[Candidate]],
    ) -> dict[str, Screened]:
        """Screen submissions in order, each against the stored ones and those before it here."""
        here: dict[tuple[int, int], list[Candidate]] = defaultdict(list)
        screened: dict[str, Screened] = {}
        for number, ((inbound, event), found) in enumerate(zip(news, prints, strict=True)):
            sender = next(iter(who[first_id(inbound.cause)]), None)
            bands = list(enumerate(found.bands))
            near = {c.report_id: c for band in bands for c in here[band][:CANDIDATES_MAX]}
            near |= {c.report_id: c for c in earlier.get(number, ())}
            near.pop(inbound.report_id, None)
            proposed = self.suggest(event)
            screening = Screening(
                similar=similar(found, sender, near.values()),
                report_class=proposed.report_class,
                category=proposed.category,
                institution=proposed.institution,
            )
            screened.setdefault(first_id(inbound.cause), Screened(found, screening))
            me = Candidate(inbound.report_id, found.exact, found.simhash, found.words, sender)
            for band in bands:
                here[band].append(me)
        return screened


def _concerns_a_report(inbound: "Inbound") -> bool:
    return isinstance(inbound.event, SubmitReport | ReporterMessage)


async def _candidates(
    connection: "Connection", prints: Sequence[Fingerprint]
) -> dict[int, list[Candidate]]:
    """Find stored reports that share a band, by the number of the fingerprint in the batch."""
    if not prints:
        return {}
    columns = [[found.bands[n] for found in prints] for n in range(BANDS)]
    rows = await connection.fetch(_CANDIDATES, list(range(len(prints))), *columns)
    found: dict[int, list[Candidate]] = defaultdict(list)
    for row in rows:
        found[row["number"]].append(
            Candidate(row["report_id"], row["exact"], row["simhash"], row["words"], row["sender"])
        )
    return found
