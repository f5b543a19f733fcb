"""How intake's cases lie in its `cases` table, and how reports that read alike are found there."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from services.intake.case import SubmissionCase
from services.intake.duplicates import Candidate, Fingerprint
from shared.runtime.case_store import CaseStore

if TYPE_CHECKING:
    from shared.platform.postgres import Connection

BANDS: Final = 8
CANDIDATES_MAX: Final = 20  # per band and report: a burst of one text must not load all of it


def _band(number: int) -> tuple[str, Callable[[SubmissionCase], object]]:
    return "int", lambda case: case.fingerprint.bands[number] if case.fingerprint else None


STORE: Final = CaseStore(
    case=SubmissionCase,
    is_open=lambda _case: False,  # nobody owes intake anything: it answers at once
    columns={
        "sender": ("text", lambda case: case.sender),
        "exact": ("bigint", lambda case: case.fingerprint and case.fingerprint.exact),
        "simhash": ("bigint", lambda case: case.fingerprint and case.fingerprint.simhash),
        "words": ("int", lambda case: case.fingerprint and case.fingerprint.words),
        **{f"band{number}": _band(number) for number in range(BANDS)},
    },
)

_OF_ONE_REPORT: Final = "\n            UNION ".join(
    "(SELECT report_id, exact, simhash, words, sender FROM cases "
    f"WHERE band{n} = x.band{n} LIMIT {CANDIDATES_MAX})"
    for n in range(BANDS)
)
_CANDIDATES: Final = f"""
    SELECT x.number, c.report_id, c.exact, c.simhash, c.words, c.sender
    FROM unnest({", ".join(f"${n}::int[]" for n in range(1, BANDS + 2))})
         AS x(number, {", ".join(f"band{n}" for n in range(BANDS))})
    CROSS JOIN LATERAL (
            {_OF_ONE_REPORT}
    ) AS c
"""


async def find_candidates(
    connection: "Connection", fingerprints: Sequence[Fingerprint]
) -> Mapping[int, Sequence[Candidate]]:
    """Find stored reports that share a band with a fingerprint, by its index; one statement."""
    if not fingerprints:
        return {}
    columns = [[fingerprint.bands[n] for fingerprint in fingerprints] for n in range(BANDS)]
    candidates: dict[int, list[Candidate]] = defaultdict(list)
    rows = await connection.fetch(_CANDIDATES, list(range(len(fingerprints))), *columns)
    for index, *row in rows:
        candidates[index].append(Candidate(*row))
    return candidates
