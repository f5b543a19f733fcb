"""Train the screening model from the sample texts and print honestly how good it is.

`python -m deploy.tools.screening.train` measures, prints and writes the model; `--check` only tells
whether the committed file is what training gives. It is measured by cross-validation over four
folds of *sentences*: a tested text holds no sentence that its model has seen, not even with other
fillings. The model written then learns from all sentences. Real reports are written by other
hands, about more things: expect less than what is printed.
"""

import json
import math
import random
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Final, NamedTuple

import typer

from deploy.actors import texts
from deploy.tools.screening.measure import Example, print_measured
from services.intake.classifier import FORMAT, Model, Task, content_digest, features
from services.intake.screening import MODEL_PATH
from shared.contract.events import ReportClass

# The best of a few in the cross-validation below (alpha 0.03 to 10, share 0.03 to 0.5); three
# numbers chosen on 415 problems flatter the printed figures a little.
_ALPHA: Final = {"class": 0.3, "category": 1.6}
_TEMPERATURES: Final = tuple(round(0.02 * step, 2) for step in range(2, 61))
_FITTED_ON: Final = 300  # texts per fold for the one number that is fitted on held-out texts
_TESTED_ON: Final = 1_000  # texts per fold
_LABELS_SHARE_MAX: Final = 0.06  # a word that 13 categories know tells none from another

# domain.md section 4: how the four classes share the reports that were classified.
_CLASS_PRIORS: Final = {
    str(ReportClass.SUPERVISED): 545.0,
    str(ReportClass.UNSUPERVISED): 242.0,
    str(ReportClass.INFORMATION): 54.0,
    str(ReportClass.ASPIRATION): 43.0,
}


class Document(NamedTuple):
    """A text to learn from."""

    title: str
    body: str
    label: str


def trained() -> dict[str, Any]:
    """Learn from all sentences, with temperatures fitted on held-out ones: the file's content."""
    content = learn_both(lambda _: True)
    folds = [(learn_both(_not_in(fold)), examples(fold, _FITTED_ON)) for fold in range(texts.FOLDS)]
    for task, label in (("class", _class_of), ("category", _category_of)):
        held_out = [
            (scored.scores(features(one.title, one.body)), scored.labels.index(label(one)))
            for learned, tested in folds
            for scored in (Task(learned[task]),)
            for one in tested
        ]
        content[task]["temperature"] = fitted_temperature(held_out)
    return content


def learn_both(keep: texts.Keep) -> dict[str, Any]:
    """Learn both tasks from the sentences that are kept."""
    seen = texts.frequencies()
    # The root, because one kabupaten's habits decide the counts of the rarer categories.
    category_priors = {one: math.isqrt(10_000 * seen[one]) / 100 for one in texts.categories()}
    return {
        "class": learn(class_documents(keep), _CLASS_PRIORS, _ALPHA["class"]),
        "category": learn(category_documents(keep), category_priors, _ALPHA["category"]),
    }


def learn(
    documents: Iterable[Document], priors: Mapping[str, float], alpha: float
) -> dict[str, Any]:
    """Count, for each feature, in how many texts of each label it occurs."""
    labels = sorted(priors)
    number = {label: place for place, label in enumerate(labels)}
    counts: dict[str, Counter[int]] = {}
    for document in documents:
        for feature in features(document.title, document.body):
            counts.setdefault(feature, Counter())[number[document.label]] += 1
    limit = max(len(ReportClass), _LABELS_SHARE_MAX * len(labels))
    kept = {feature: seen for feature, seen in sorted(counts.items()) if len(seen) <= limit}
    totals: Counter[int] = Counter()
    for seen in kept.values():
        totals.update(seen)
    return {
        "labels": labels,
        "priors": [priors[label] for label in labels],
        "totals": [totals[place] for place in range(len(labels))],
        "alpha": alpha,
        "temperature": 1.0,
        "words": {
            feature: [part for pair in sorted(seen.items()) for part in pair]
            for feature, seen in kept.items()
        },
    }


def class_documents(keep: texts.Keep) -> list[Document]:
    """List every problem and surrounding sentence once, by class."""
    problems = {one for each in texts.categories().values() for one in (*each.own, *each.common)}
    kinds = {"pengaduan": "BT", "informasi": "I", "aspirasi": "A"}
    return [
        Document(_blank(one.title), _blank(one.body), texts.CLASS_OF_KIND[one.kind])
        for one in sorted(problems)
        if keep(one.body)
    ] + [
        Document("", _blank(sentence), texts.CLASS_OF_KIND[kind])
        for frame, sentences in texts.around(keep).items()
        for sentence in sentences
        for kind in kinds[frame]
    ]


def category_documents(keep: texts.Keep) -> list[Document]:
    """List every problem once per category it may be written for, and every category's name."""
    return [
        Document(_blank(one.title, each.subject), _blank(one.body, each.subject), category_id)
        for category_id, each in texts.categories().items()
        for one in (*each.own, *each.common)
        if keep(one.body)
    ] + [
        Document("", each.subject, category_id) for category_id, each in texts.categories().items()
    ]


def examples(fold: int, number: int) -> list[Example]:
    """Write test texts from one fold's sentences, categories as often as in real reports."""
    dice = random.Random(f"examples/{fold}")  # noqa: S311 - a sample, not a secret
    seen = texts.frequencies()
    found: list[Example] = []
    for category_id in dice.choices(list(seen), list(seen.values()), k=3 * number):
        try:
            text = texts.compose(
                category_id, len(found), keep=lambda sentence: texts.fold(sentence) == fold
            )
        except KeyError:
            continue  # this fold has no problem of that category; another one has
        found.append(Example(text.title, text.body, text.report_class, category_id))
    return found[:number]


def fitted_temperature(held_out: Sequence[tuple[Sequence[float], int]]) -> float:
    """Find the temperature at which confidences fit best what was right (least log-loss)."""

    def loss(temperature: float) -> float:
        return sum(
            math.log(sum(math.exp((score - scores[right]) / temperature) for score in scores))
            for scores, right in held_out
        )

    return min(_TEMPERATURES, key=loss)


def main(
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Only compare the committed model with training.")
    ] = False,
) -> None:
    """Train the screening model, print how good it is, and write it."""
    content = trained()
    digest = content_digest(content)
    if check:
        committed = Model.load(MODEL_PATH).digest
        if committed != digest:
            typer.echo(
                f"{MODEL_PATH.name} ({committed[:12]}) is not what training gives ({digest[:12]}): "
                "run `python -m deploy.tools.screening.train` and commit the file.",
                err=True,
            )
            raise typer.Exit(1)
        typer.echo(f"{MODEL_PATH.name} is what training gives ({digest[:12]}).")
        return
    print_measured(
        [
            (_with_temperatures_of(content, learn_both(_not_in(fold))), examples(fold, _TESTED_ON))
            for fold in range(texts.FOLDS)
        ]
    )
    file = {"format": FORMAT, "sha256": digest, "content": content}
    MODEL_PATH.write_text(
        json.dumps(file, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8"
    )
    typer.echo(f"Wrote {MODEL_PATH.name}: {MODEL_PATH.stat().st_size:,} bytes, {digest[:12]}.")


def _with_temperatures_of(content: dict[str, Any], learned: dict[str, Any]) -> Model:
    for task, fitted in content.items():
        learned[task]["temperature"] = fitted["temperature"]
    return Model.from_content(learned)


def _not_in(fold: int) -> texts.Keep:
    return lambda sentence: texts.fold(sentence) != fold


def _class_of(example: Example) -> str:
    return example.report_class


def _category_of(example: Example) -> str:
    return example.category_id


def _blank(text: str, subject: str = "") -> str:
    """Leave the slots empty, so that no place or date is learnt; the subject is a word like any."""
    return re.sub(r"\{\w+\}", " ", re.sub(r"\{[Hh]al\}", subject, text))


if __name__ == "__main__":
    typer.run(main)
