"""A small naive Bayes model that reads a report's words: counts in JSON, sums in pure Python.

With n occurrences of a word in a label's texts, that label's log-odds gain ln(1 + n / alpha) over
a label that never saw it. So only words a label has seen cost anything, the file holds nothing
but whole numbers, and training again gives the same file to the byte.
"""

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Self

from services.intake.words import report_words

FORMAT: Final = 1
REASONS_MAX: Final = 5
CONFIDENCE_MAX: Final = 0.98  # texts by other hands are never as clear as those trained on
_WORDS_BEFORE: Final = 8
_GAIN_MIN: Final = 0.3  # a word that moved the winner less than this against the rest is no reason
_OUT_OF_SIGHT: Final = 10.0  # log-odds below the best: 211 such labels are 1 % together


class ModelBroken(ValueError):  # noqa: N818 - named for what is true
    """The model file is not what training wrote; says to train again."""


@dataclass(frozen=True, slots=True)
class Guess:
    """The likeliest label, how sure (0 to 1, calibrated on texts not trained on), and why."""

    label: str
    confidence: float
    reasons: tuple[str, ...]


class Task:
    """One question (class or category) with its labels and how much each word speaks for them."""

    __slots__ = ("_base", "_characteristic", "_gains", "_temperature", "labels")

    def __init__(self, content: Mapping[str, Any]) -> None:
        self.labels: tuple[str, ...] = tuple(content["labels"])
        alpha: float = content["alpha"]
        self._temperature: float = content["temperature"]
        totals: Sequence[int] = content["totals"]
        vocabulary = len(content["words"])
        prior_total = sum(content["priors"])
        self._base = [
            (
                math.log(prior / prior_total),
                math.log(alpha / (total + alpha * vocabulary)),
            )
            for prior, total in zip(content["priors"], totals, strict=True)
        ]
        self._gains: dict[str, tuple[tuple[int, float], ...]] = {
            word: tuple(
                (label, math.log1p(count / alpha))
                for label, count in zip(pairs[::2], pairs[1::2], strict=True)
            )
            for word, pairs in content["words"].items()
        }
        self._characteristic = self._characteristic_words()

    def scores(self, features: Sequence[str]) -> list[float]:
        """Weigh every label by a text's features, on a scale that its length does not change.

        More words make naive Bayes too sure, because words are not independent; the root of
        their number, plus a few so that two words alone prove little, and the fitted
        temperature undo it (of four scales tried, the least log-loss on held-out texts).
        """
        gains_of = self._gains
        seen = [gains_of[feature] for feature in features if feature in gains_of]
        scores = [prior + base * len(seen) for prior, base in self._base]
        for gains in seen:
            for label, gain in gains:
                scores[label] += gain
        scale = 1 / (self._temperature * math.sqrt(len(seen) + _WORDS_BEFORE))
        return [score * scale for score in scores]

    def guess(self, features: Sequence[str], bonus: Mapping[str, float] | None = None) -> Guess:
        """Name the likeliest label of a text's features; `bonus` adds log-odds per label."""
        scores = self.scores(features)
        for name, extra in (bonus or {}).items():
            scores[self.labels.index(name)] += extra
        best = max(range(len(scores)), key=scores.__getitem__)
        top = scores[best]
        rest = sum(math.exp(score - top) for score in scores if score > top - _OUT_OF_SIGHT)
        sure = min(CONFIDENCE_MAX, round(1 / rest, 4))
        return Guess(self.labels[best], sure, self._reasons(best, features))

    def _reasons(self, best: int, features: Sequence[str]) -> tuple[str, ...]:
        characteristic = self._characteristic[best]
        weighed = [characteristic[word] for word in features if word in characteristic]
        return tuple(word for _, word in sorted(weighed)[:REASONS_MAX])

    def _characteristic_words(self) -> tuple[dict[str, tuple[float, str]], ...]:
        """List, per label, the words that give it more than they give the average label.

        Each with how much, negative: the most characteristic sorts first.
        """
        by_label: tuple[dict[str, tuple[float, str]], ...] = tuple({} for _ in self.labels)
        for word, gains in self._gains.items():
            if word.endswith("~"):
                continue  # the beginning of a word is no reason to read
            usual = sum(gain for _, gain in gains) / len(self.labels)
            for label, gain in gains:
                if gain - usual > _GAIN_MIN:
                    by_label[label][word] = (usual - gain, word)
        return by_label


@dataclass(frozen=True, slots=True)
class Model:
    """The two tasks of screening, loaded from one file that vouches for itself."""

    report_class: Task
    category: Task
    digest: str

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a model; ModelBroken when the content is not what its own SHA-256 says."""
        try:
            file = json.loads(path.read_bytes())
            version, vouched, content = file["format"], file["sha256"], file["content"]
        except (ValueError, KeyError, TypeError) as error:
            raise ModelBroken(f"{path.name} is no screening model: train it again") from error
        if version != FORMAT:
            raise ModelBroken(f"{path.name} has format {version!r}: train it again")
        if content_digest(content) != vouched:
            raise ModelBroken(f"{path.name} was changed after training: train it again")
        return cls(Task(content["class"]), Task(content["category"]), vouched)

    @classmethod
    def from_content(cls, content: Mapping[str, Any]) -> Self:
        """Build a model from what training learned."""
        return cls(Task(content["class"]), Task(content["category"]), content_digest(content))


def content_digest(content: Mapping[str, Any]) -> str:
    """Hash a model's content in the one form JSON has here: sorted keys, no spaces."""
    written = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return sha256(written.encode()).hexdigest()


def features(title: str, body: str) -> tuple[str, ...]:
    """Turn a report into features: words, word pairs, and stems' beginnings (`5 letters~`).

    Each once, in the text's order and never a set's: sums of floats must come out the same
    everywhere.
    """
    return features_of(report_words(title, body))


def features_of(words: Sequence[str]) -> tuple[str, ...]:
    """Turn words that were already read into the features that `features` makes."""
    pairs = [f"{one} {two}" for one, two in itertools.pairwise(words)]
    stems = [f"{word[:5]}~" for word in words if len(word) > 5]  # noqa: PLR2004
    return tuple(dict.fromkeys((*words, *pairs, *stems)))
