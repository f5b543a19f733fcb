"""Find reports that read alike: a fingerprint to store, keys to look it up by, a distance.

The fingerprint has two parts made from the same hashed word pairs. Eight *bands* (a
one-permutation MinHash, two rows each) find candidates through an index; the *simhash* tells how
far a candidate is. Four bands of the simhash's own bits would find only what differs in 3 bits;
two typing errors already change 6 (`python -m deploy.screening.duplicates`).
"""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, NamedTuple

from services.intake.words import words
from shared.events import Similar

# Measured on 3,000 sample texts: 16 bits find 85 to 98 % of texts changed by five typing errors, a
# sentence more or less, a greeting or another title; 11 bits find 54 to 87 % of them and mistake
# one pair in 34,000 of different texts, which here share whole sentences as real ones seldom do.
DISTANCE_MAX_SAME_SENDER: Final = 16
DISTANCE_MAX_OTHER_SENDER: Final = 11
WORDS_MIN: Final = 8  # below, one word moves the simhash too far: only the exact text counts
SIMILAR_MAX: Final = 10  # an officer reads no longer list; the nearest are kept

_BINS: Final = 16
_BANDS: Final = 8
_MASK: Final = (1 << 64) - 1
_LANE_BITS: Final = 16  # room for 65,535 features: a body of 3,000 characters has under 3,100
# One byte's bits, each in a lane of its own, so that 8 additions count the 64 bits of a hash.
_LANES: Final = tuple(
    sum(((byte >> bit) & 1) << (_LANE_BITS * bit) for bit in range(8)) for byte in range(256)
)


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What is kept of a text: nothing of it can be read back. Integers fit PostgreSQL's types."""

    exact: int  # bigint: hash of all words in their order
    simhash: int  # bigint
    bands: tuple[int, ...]  # int4[8]; two texts that share any one are candidates
    words: int


class Candidate(NamedTuple):
    """An earlier report with a band in common, as the store finds it."""

    report_id: str
    exact: int
    simhash: int
    words: int
    sender: str | None


def fingerprint(title: str, body: str) -> Fingerprint:
    """Make the fingerprint of a report: case, punctuation and short forms do not matter."""
    found = words(f"{title} {body}")
    # Pairs, not single words: "yang" and "di" would make every two texts candidates.
    pairs = {f"{one} {two}" for one, two in itertools.pairwise(found)}
    hashes = [_hash(feature) for feature in pairs or set(found)]
    return Fingerprint(
        exact=_signed(_hash("\n".join(found))),
        simhash=_signed(_simhash(hashes)),
        bands=_bands(hashes),
        words=len(found),
    )


def distance(one: int, other: int) -> int:
    """Count the bits, 0 to 64, in which two simhashes differ."""
    return ((one ^ other) & _MASK).bit_count()


def similar(
    found: Fingerprint, sender: str | None, candidates: Iterable[Candidate]
) -> tuple[Similar, ...]:
    """Name the candidates that read like this report, the nearest first, at most SIMILAR_MAX.

    The same sender's reports may differ more than another's: a person who writes again rewords.
    A sender that is not known is nobody's same sender.
    """
    matches: list[Similar] = []
    for candidate in candidates:
        is_same_sender = sender is not None and candidate.sender == sender
        is_exact = candidate.exact == found.exact
        apart = 0 if is_exact else distance(candidate.simhash, found.simhash)
        limit = DISTANCE_MAX_SAME_SENDER if is_same_sender else DISTANCE_MAX_OTHER_SENDER
        is_long = min(found.words, candidate.words) >= WORDS_MIN
        if is_exact or (is_long and apart <= limit):
            matches.append(
                Similar(report_id=candidate.report_id, same_sender=is_same_sender, distance=apart)
            )
    matches.sort(key=lambda match: (match.distance, not match.same_sender, match.report_id))
    return tuple(matches[:SIMILAR_MAX])


def _hash(feature: str) -> int:
    encoded = feature.encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(encoded, digest_size=8).digest(), "little")


def _simhash(hashes: list[int]) -> int:
    sums = [0] * 8
    for value in hashes:
        for place, byte in enumerate(value.to_bytes(8, "little")):
            sums[place] += _LANES[byte]
    half = len(hashes) / 2
    lane = (1 << _LANE_BITS) - 1
    bits = 0
    for place, lanes in enumerate(sums):
        for bit in range(8):
            if ((lanes >> (_LANE_BITS * bit)) & lane) > half:
                bits |= 1 << (8 * place + bit)
    return bits


def _bands(hashes: list[int]) -> tuple[int, ...]:
    """Keep the least hash of each of 16 bins and join them in pairs; empty bins borrow."""
    least = [_MASK] * _BINS
    for value in hashes:
        bin_ = value % _BINS
        least[bin_] = min(least[bin_], value)
    filled = [place for place in range(_BINS) if least[place] != _MASK]
    if not filled:
        return (0,) * _BANDS
    rows = []
    for place in range(_BINS):
        away = next(step for step in range(_BINS) if least[(place + step) % _BINS] != _MASK)
        rows.append(least[(place + away) % _BINS] + away)
    return tuple(
        _signed(_hash(f"{band}:{rows[2 * band]}:{rows[2 * band + 1]}")) >> 32
        for band in range(_BANDS)
    )


def _signed(value: int) -> int:
    """Write 64 bits as PostgreSQL's signed bigint."""
    return value - (1 << 64) if value >> 63 else value
