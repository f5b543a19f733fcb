"""Say how good the screening model is: beside the commonest label, and with what it confuses."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import typer

from services.intake.classifier import Model, features, features_of
from services.intake.screening import Claim, suggest_category, suggest_class
from services.intake.words import report_words
from shared.contract.events import ReportClass

_SURE: Final = 0.8


class Example(NamedTuple):
    """A text to be tested on, written from sentences its model has not seen."""

    title: str
    body: str
    report_class: str
    category_id: str


class Answer(NamedTuple):
    """What was right and what was suggested, with the runners-up where they are measured."""

    right: str
    suggested: str
    confidence: float
    ranking: tuple[str, ...] = ()


Folds = Sequence[tuple[Model, Sequence[Example]]]


def print_measured(folds: Folds) -> None:
    """Print accuracy, macro-F1 and calibration per task, confusions, and time per report."""
    tested = sum(len(examples) for _, examples in folds)
    typer.echo(f"{len(folds)} folds, {tested:,} texts of sentences their model has not seen.")
    typer.echo("Texts, phrases of the rules and labels are by one hand: real reports score lower.")
    words = [answer for fold in folds for answer in _answers(fold, _class_by_words)]
    rules = [answer for fold in folds for answer in _answers(fold, _class_by_rules)]
    category = [answer for fold in folds for answer in _answers(fold, _category)]
    typer.echo("")
    typer.echo("                       accuracy  macro-F1   top 3  always commonest   sure >=0.8")
    _print_line("class, words only", words)
    _print_line("class, rules + words", rules)
    _print_line("category (of 211)", category)
    typer.echo("\nClass, rules + words: rows are right, columns suggested.")
    _print_confusion(rules)
    _print_confused_most(category)
    typer.echo(f"\nProcessor time per report: {_microseconds(folds):.0f} microseconds.")


def accuracy(answers: Sequence[Answer]) -> float:
    """Share of answers that are right."""
    return sum(one.right == one.suggested for one in answers) / len(answers)


def macro_f1(answers: Sequence[Answer]) -> float:
    """Mean over the labels that occur of the harmonic mean of precision and recall."""
    right = Counter(one.right for one in answers)
    suggested = Counter(one.suggested for one in answers)
    both = Counter(one.right for one in answers if one.right == one.suggested)
    return sum(2 * both[label] / (right[label] + suggested[label]) for label in right) / len(right)


def _answers(
    fold: tuple[Model, Sequence[Example]], answer: Callable[[Model, Example], Answer]
) -> list[Answer]:
    model, examples = fold
    return [answer(model, example) for example in examples]


def _class_by_words(model: Model, one: Example) -> Answer:
    guess = model.report_class.guess(features(one.title, one.body))
    return Answer(one.report_class, guess.label, guess.confidence)


def _class_by_rules(model: Model, one: Example) -> Answer:
    found = report_words(one.title, one.body)
    suggestion = suggest_class(found, features_of(found), Claim(), model)
    return Answer(one.report_class, suggestion.value, suggestion.confidence)


def _category(model: Model, one: Example) -> Answer:
    read = features(one.title, one.body)
    guess = model.category.guess(read)
    scores = model.category.scores(read)
    order = sorted(range(len(scores)), key=scores.__getitem__, reverse=True)[:3]
    ranking = tuple(model.category.labels[place] for place in order)
    return Answer(one.category_id, guess.label, guess.confidence, ranking)


def _print_line(name: str, answers: Sequence[Answer]) -> None:
    commonest = Counter(one.right for one in answers).most_common(1)[0][1] / len(answers)
    top_3 = sum(one.right in one.ranking for one in answers) / len(answers)
    sure = [one for one in answers if one.confidence >= _SURE]
    when_sure = f"{len(sure) / len(answers):4.0%}, right {accuracy(sure):.0%}" if sure else "none"
    typer.echo(
        f"{name:22} {accuracy(answers):8.1%}  {macro_f1(answers):8.3f}  "
        f"{f'{top_3:.1%}' if answers[0].ranking else '-':>6}  {commonest:16.1%}   {when_sure}"
    )


def _print_confusion(answers: Sequence[Answer]) -> None:
    pairs = Counter((one.right, one.suggested) for one in answers)
    typer.echo(f"{'':36}{'Berkadar':>10}{'Tidak':>8}{'Informasi':>11}{'Aspirasi':>10}")
    for right in ReportClass:
        cells = [pairs[right, suggested] for suggested in ReportClass]
        typer.echo(f"{right:36}{cells[0]:10}{cells[1]:8}{cells[2]:11}{cells[3]:10}")


def _print_confused_most(answers: Sequence[Answer]) -> None:
    wrong = Counter(
        (one.right, one.suggested) for one in answers if one.right != one.suggested
    ).most_common(8)
    shown = ", ".join(f"{right} as {suggested} ({count})" for (right, suggested), count in wrong)
    typer.echo(f"\nCategories confused most: {shown}.")


def _microseconds(folds: Folds) -> float:
    model, examples = folds[0]
    started = time.process_time()
    for one in examples:
        found = report_words(one.title, one.body)
        read = features_of(found)
        suggest_class(found, read, Claim(), model)
        suggest_category(read, Claim(), model)
    return (time.process_time() - started) / len(examples) * 1e6
