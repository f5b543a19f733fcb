"""What intake derives once from a report's text: class, category and institution, each with why.

Rules (`phrases.py`) come first where a phrase decides more surely than a count of words can; they
add log-odds to the small model of `classifier.py`. Pure functions: model and gazetteer arrive as
arguments. A reason is `word:...`, `phrase:...`, `name:...`, `place:...` or `claimed`, to be weighed
by an officer; it only ever holds words of the model, the rules and the gazetteer.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.intake.classifier import Model, features_of
from services.intake.phrases import matching_rules
from services.intake.words import words
from shared.contract.events import ReportClass, Suggestion

MODEL_PATH: Final = Path(__file__).with_name("screening_model.json")

# Log-odds of what the reporter chose.
_CLAIMED_CLASS: Final = 0.5  # domain.md section 4: the class is what people and officers differ on
_CLAIMED_CATEGORY: Final = 4.0  # chosen from a list with the text at hand
_CLAIMED_UNKNOWN: Final = 0.6  # a claimed category that the model never saw

# How sure each sign of an institution is, alone; guesses, combined as independent chances.
_BY_NAME: Final = 0.85
_BY_PLACE_CODE: Final = 0.8
_BY_PLACE_AFTER_LEAD: Final = 0.75
_BY_PLACE: Final = 0.55
_BY_CLAIM: Final = 0.6  # reporters often choose the wrong address (domain.md section 6)
_LEADS: Final = frozenset({"kecamatan", "desa", "kelurahan", "kampung", "dusun", "kabupaten"})


@dataclass(frozen=True, slots=True)
class Claim:
    """What the reporter chose beside the text, as far as the channel asks for it."""

    report_class: ReportClass | None = None
    category_id: str | None = None
    institution: str | None = None
    place_code: str | None = None
    place: str | None = None


@dataclass(frozen=True, slots=True)
class InstitutionNames:
    """How people name an institution and the places it answers for.

    `villages` holds names that are also ordinary words ("Baru", "Pasar"): they count only after
    "desa", "kelurahan", "kecamatan" and the like. `region` is a Kemendagri code ("63.08").
    """

    names: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    villages: tuple[str, ...] = ()
    region: str | None = None


@dataclass(frozen=True, slots=True)
class Suggestions:
    """What screening proposes; None where nothing speaks for any value."""

    report_class: Suggestion | None = None
    category: Suggestion | None = None
    institution: Suggestion | None = None


class Gazetteer:
    """Finds institutions in a text by their names and places, in time linear in its words."""

    __slots__ = ("_by_first_word", "_longest", "_regions", "codes")

    def __init__(self, institutions: Mapping[str, InstitutionNames]) -> None:
        self.codes: Final = frozenset(institutions)
        self._regions = tuple(
            (names.region, code) for code, names in sorted(institutions.items()) if names.region
        )
        self._by_first_word: dict[str, dict[tuple[str, ...], list[tuple[str, str]]]] = {}
        self._longest = 1
        for code, names in sorted(institutions.items()):
            for kind, phrases in (
                ("name", names.names), ("place", names.places), ("village", names.villages)
            ):  # fmt: skip
                for phrase in phrases:
                    self._add(words(phrase), kind, code)

    def _add(self, phrase: tuple[str, ...], kind: str, code: str) -> None:
        if phrase:
            self._longest = max(self._longest, len(phrase))
            entries = self._by_first_word.setdefault(phrase[0], {})
            entries.setdefault(phrase, []).append((kind, code))

    def signs(self, text_words: Sequence[str]) -> list[tuple[str, float, str]]:
        """List (code, how sure, reason) for every name in a text; the longest name wins."""
        signs: list[tuple[str, float, str]] = []
        at = 0
        while at < len(text_words):
            entries = self._by_first_word.get(text_words[at])
            phrase = None if entries is None else self._longest_at(text_words, at, entries)
            if entries is None or phrase is None:
                at += 1
                continue
            is_led = at > 0 and text_words[at - 1] in _LEADS
            for kind, code in entries[phrase]:
                sure = _strength(kind, is_led=is_led)
                if sure:
                    reason = "name" if kind == "name" else "place"
                    signs.append((code, sure, f"{reason}:{' '.join(phrase)}"))
            at += len(phrase)
        return signs

    def signs_of_place(self, place_code: str) -> list[tuple[str, float, str]]:
        """List the institutions in whose region a Kemendagri place code lies."""
        return [
            (code, _BY_PLACE_CODE, f"place:{region}")
            for region, code in self._regions
            if place_code == region or place_code.startswith(region + ".")
        ]

    def _longest_at(
        self, text_words: Sequence[str], at: int, entries: Container[tuple[str, ...]]
    ) -> tuple[str, ...] | None:
        for length in range(min(self._longest, len(text_words) - at), 0, -1):
            phrase = tuple(text_words[at : at + length])
            if phrase in entries:
                return phrase
        return None


def suggest(
    text_words: Sequence[str], claim: Claim, model: Model, gazetteer: Gazetteer
) -> Suggestions:
    """Propose class, category and institution of a report's words, each with its reasons."""
    features = features_of(text_words)
    return Suggestions(
        report_class=suggest_class(text_words, features, claim, model),
        category=suggest_category(features, claim, model),
        institution=suggest_institution(text_words, claim, gazetteer),
    )


def suggest_class(
    text_words: Sequence[str], features: Sequence[str], claim: Claim, model: Model
) -> Suggestion:
    """Propose one of the four classes: phrases first, then words, the claim a little."""
    bonus: dict[str, float] = {}
    phrases: dict[str, list[str]] = {}
    for rule in matching_rules(text_words):
        bonus[rule.report_class] = bonus.get(rule.report_class, 0.0) + rule.weight
        phrases.setdefault(rule.report_class, []).append(f"phrase:{rule.reason}")
    if claim.report_class is not None:
        bonus[claim.report_class] = bonus.get(claim.report_class, 0.0) + _CLAIMED_CLASS
        phrases.setdefault(claim.report_class, []).append("claimed")
    guess = model.report_class.guess(features, bonus)
    reasons = (*phrases.get(guess.label, ()), *(f"word:{word}" for word in guess.reasons))
    return Suggestion(value=guess.label, confidence=guess.confidence, reasons=reasons)


def suggest_category(features: Sequence[str], claim: Claim, model: Model) -> Suggestion | None:
    """Propose a category id; a claimed one counts much, one the model never saw stands alone."""
    claimed = claim.category_id
    if claimed is not None and claimed not in model.category.labels:
        return Suggestion(value=claimed, confidence=_CLAIMED_UNKNOWN, reasons=("claimed",))
    bonus = {} if claimed is None else {claimed: _CLAIMED_CATEGORY}
    guess = model.category.guess(features, bonus)
    reasons = tuple(f"word:{word}" for word in guess.reasons)
    if guess.label == claimed:
        reasons = ("claimed", *reasons)
    elif not reasons:
        return None
    return Suggestion(value=guess.label, confidence=guess.confidence, reasons=reasons)


def suggest_institution(
    text_words: Sequence[str], claim: Claim, gazetteer: Gazetteer
) -> Suggestion | None:
    """Propose the institution that names, places and the reporter's choice speak for."""
    signs = gazetteer.signs(text_words)
    if claim.place is not None:
        signs += gazetteer.signs(words(claim.place))
    if claim.place_code is not None:
        signs += gazetteer.signs_of_place(claim.place_code)
    if claim.institution in gazetteer.codes and claim.institution is not None:
        signs.append((claim.institution, _BY_CLAIM, "claimed"))
    if not signs:
        return None
    doubts: dict[str, float] = {}
    reasons: dict[str, list[str]] = {}
    for code, sure, reason in dict.fromkeys(signs):
        doubts[code] = doubts.get(code, 1.0) * (1.0 - sure)
        reasons.setdefault(code, []).append(reason)
    chances = {code: 1.0 - doubt for code, doubt in doubts.items()}
    best = min(chances, key=lambda code: (-chances[code], code))
    confidence = chances[best] * chances[best] / sum(chances.values())
    return Suggestion(value=best, confidence=round(confidence, 4), reasons=tuple(reasons[best]))


def _strength(kind: str, *, is_led: bool) -> float:
    if kind == "name":
        return _BY_NAME
    if is_led:
        return _BY_PLACE_AFTER_LEAD
    return _BY_PLACE if kind == "place" else 0.0
