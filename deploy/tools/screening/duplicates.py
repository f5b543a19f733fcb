"""Print what the duplicate thresholds find and mistake, when run with `python -m`.

Copies of sample texts are changed as people change them when they send again; different texts
are all pairs of the sample, which share sentences, so the share mistaken is an upper bound.
"""

import random
from collections.abc import Callable
from itertools import combinations
from typing import Final

import typer

from deploy.actors import texts
from services.intake.duplicates import (
    DISTANCE_MAX_OTHER_SENDER,
    DISTANCE_MAX_SAME_SENDER,
    WORDS_MIN,
    Fingerprint,
    distance,
    fingerprint,
)

_TEXTS: Final = 3_000
_CHANGED: Final = 600
_GREETING: Final = "Assalamualaikum, selamat pagi bapak."
_REMINDER: Final = "Sampai hari ini belum ada tanggapan sama sekali dari laporan saya yang pertama."

Change = Callable[[str, str, random.Random], tuple[str, str]]


def main() -> None:
    """Print both tables."""
    dice = random.Random(1)  # noqa: S311 - a sample, not a secret
    seen = texts.frequencies()
    drawn = dice.choices(list(seen), list(seen.values()), k=_TEXTS)
    sample = [texts.write(category_id, number) for number, category_id in enumerate(drawn)]
    made = [(text, fingerprint(*text)) for text in sample]
    made = [(text, found) for text, found in made if found.words >= WORDS_MIN]
    typer.echo(
        f"{'the same text, changed':26}{'candidate':>10}{'median':>8}{'<= 11':>8}{'<= 16':>8}"
    )
    for name, change in _CHANGES.items():
        _print_change(name, change, dice.sample(made, _CHANGED), dice)
    _print_different([found for _, found in made])


def _print_change(
    name: str,
    change: Change,
    sample: list[tuple[tuple[str, str], Fingerprint]],
    dice: random.Random,
) -> None:
    apart, candidates = [], 0
    for text, found in sample:
        changed = fingerprint(*change(*text, dice))
        candidates += _is_candidate(found, changed)
        apart.append(distance(found.simhash, changed.simhash))
    shares = [
        sum(bits <= limit for bits in apart) / len(apart)
        for limit in (DISTANCE_MAX_OTHER_SENDER, DISTANCE_MAX_SAME_SENDER)
    ]
    median = sorted(apart)[len(apart) // 2]
    typer.echo(
        f"{name:26}{candidates / len(sample):10.1%}{median:8}{shares[0]:8.1%}{shares[1]:8.1%}"
    )


def _print_different(sample: list[Fingerprint]) -> None:
    pairs = len(sample) * (len(sample) - 1) // 2
    near = [
        distance(one.simhash, other.simhash)
        for one, other in combinations(sample, 2)
        if _is_candidate(one, other)
    ]
    typer.echo(f"\n{pairs:,} pairs of different texts, {len(near) / pairs:.2%} of them candidates:")
    for limit in (DISTANCE_MAX_OTHER_SENDER, DISTANCE_MAX_SAME_SENDER):
        found = sum(bits <= limit for bits in near)
        typer.echo(f"  {found:,} ({found / pairs:.4%}) within {limit} bits")


def _is_candidate(one: Fingerprint, other: Fingerprint) -> bool:
    return not set(one.bands).isdisjoint(other.bands)


def _typing_errors(number: int) -> Change:
    def change(title: str, body: str, dice: random.Random) -> tuple[str, str]:
        written = body.split()
        for _ in range(number):
            place = dice.randrange(len(written))
            word = written[place]
            if len(word) > 1:
                at = dice.randrange(len(word) - 1)
                written[place] = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        return title, " ".join(written)

    return change


def _sentence_less(title: str, body: str, dice: random.Random) -> tuple[str, str]:
    sentences = body.split(". ")
    if len(sentences) > 1:
        sentences.pop(dice.randrange(len(sentences)))
    return title, ". ".join(sentences)


_CHANGES: Final[dict[str, Change]] = {
    "capitals, no commas": lambda title, body, _: (title.upper(), body.replace(",", "").lower()),
    "another title": lambda title, body, _: (f"Tolong segera {title.split()[0]}", body),
    "a greeting and thanks": lambda title, body, _: (title, f"{_GREETING} {body} Terima kasih."),
    "2 typing errors": _typing_errors(2),
    "5 typing errors": _typing_errors(5),
    "a sentence less": _sentence_less,
    "a sentence more": lambda title, body, _: (title, f"{body} {_REMINDER}"),
}


if __name__ == "__main__":
    typer.run(main)
