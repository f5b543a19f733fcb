"""What is wrong with a ladder: every problem says what to do. Pure."""

from collections.abc import Iterator, Sequence
from typing import get_args

from shared.contract.events import Clock
from shared.registry.models import LadderStep, Threshold


def ladder_problems(ladder_steps: Sequence[LadderStep], where: str) -> Iterator[str]:
    """List what contradicts itself in one ladder, that of an institution merged in."""
    yield from _numbering([ladder_step.level for ladder_step in ladder_steps], where)
    for ladder_step in ladder_steps:
        problem = _threshold_problem(ladder_step.threshold)
        if problem is not None:
            yield f"{where}: ladder level {ladder_step.level} {problem}"
    problems = (
        problem
        for clock in get_args(Clock)
        for problem in _clock_problems(
            [ladder_step for ladder_step in ladder_steps if ladder_step.is_of(clock)], where
        )
    )
    yield from dict.fromkeys(problems)


def _numbering(levels: Sequence[int], where: str) -> Iterator[str]:
    escalating = sorted({level for level in levels if level > 0})
    if escalating != list(range(1, len(escalating) + 1)):
        yield f"{where}: ladder levels are {escalating}; number them 1, 2, 3 without a gap"
    warning = sorted({level for level in levels if level <= 0}, reverse=True)
    if warning != list(range(0, -len(warning), -1)):
        yield f"{where}: warning levels are {warning}; number them 0, -1, -2 without a gap"


def _threshold_problem(step: Threshold) -> str | None:
    """Say why a threshold cannot be one of its level."""
    days, share = step.after_days, step.at_share
    if (days is None) == (share is None):
        return "needs either after_days or at_share; state one"
    if step.repeat_days is not None and step.level <= 0:
        return "is a warning and cannot repeat; remove repeat_days or add earlier warnings"
    if days is not None and (days < 0) != (step.level <= 0):
        return "warns before the deadline if it is 0 or below, else it is due then or after it"
    if share is not None and ((share >= 1) if step.level <= 0 else (share <= 1)):
        return "at a share: below 1 warns, above 1 escalates; for 1 write after_days = 0"
    return None


def _clock_problems(ladder_steps: Sequence[LadderStep], where: str) -> Iterator[str]:
    """Find what contradicts itself among the levels of one clock."""
    steps = sorted(
        {ladder_step.threshold for ladder_step in ladder_steps}, key=lambda step: step.level
    )
    levels = [step.level for step in steps]
    for level in sorted({level for level in levels if levels.count(level) > 1}):
        yield f"{where}: ladder level {level} of a clock is due at two times; state one for all"
    for step in steps:
        if step.repeat_days is not None and step.level != levels[-1]:
            yield f"{where}: ladder level {step.level} repeats but is not the last of its clock"
    for name in ("after_days", "at_share"):
        values = [value for step in steps if (value := getattr(step, name)) is not None]
        if values != sorted(values):
            yield f"{where}: ladder levels are not in the order of their {name}; renumber them"
