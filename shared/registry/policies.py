"""Merge the national policy with an institution's own limits, one policy per day of change."""

from collections.abc import Sequence
from datetime import date

from shared.registry.models import Institution, NationalPolicy, OwnLimits, Policy, Rung


def policies_of(
    institution: Institution, national: Sequence[NationalPolicy]
) -> tuple[tuple[date, ...], tuple[Policy, ...]]:
    """Return the days on which an institution's policy changes, and the policy from each."""
    days = sorted(
        {version.valid_from for version in national}
        | {own.valid_from for own in institution.own_limits}
    )
    first = min(version.valid_from for version in national)
    days = [day for day in days if day >= first]
    return tuple(days), tuple(_policy(institution, national, day) for day in days)


def _policy(institution: Institution, national: Sequence[NationalPolicy], on: date) -> Policy:
    base = max((v for v in national if v.valid_from <= on), key=lambda v: v.valid_from)
    own = _own_on(institution, on)
    version = f"national-{base.valid_from}"
    if own is not None:
        version += f"+{institution.code}-{own.valid_from}"
    elif institution.own_ladder:
        version += f"+{institution.code}-{institution.valid_from}"
    limits = base.limits.model_copy(update=own.given() if own else None)
    numbers = base.numbers
    return Policy(
        version=version,
        limits=limits,
        rungs=_rungs(base.ladder, institution.own_ladder),
        reopen_days=int(numbers.reopen_days.value),
        returns_max=int(numbers.returns_max.value),
        unit_returns_max=int(numbers.unit_returns_max.value),
        command_wait_days=int(numbers.command_wait_days.value),
        auto_forward_confidence=numbers.auto_forward_confidence.value,
        warning_days_before=int(numbers.warning_days_before.value),
    )


def _own_on(institution: Institution, on: date) -> OwnLimits | None:
    valid = [own for own in institution.own_limits if own.valid_from <= on]
    return max(valid, key=lambda own: own.valid_from) if valid else None


def _rungs(national: tuple[Rung, ...], own: tuple[Rung, ...]) -> tuple[Rung, ...]:
    """Replace the national rungs of each level for which the institution states its own."""
    replaced = {rung.level for rung in own}
    return (*(rung for rung in national if rung.level not in replaced), *own)
