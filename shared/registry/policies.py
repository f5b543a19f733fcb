"""The limits of one institution as they change: the national policy, its own merged in. Pure."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from shared.registry.calendars import number_in, start_of
from shared.registry.limit import Limit
from shared.registry.models import Institution, LadderStep, Limits, NationalPolicy, Policy


class PolicyStep(NamedTuple):
    """Limits that are stated from an instant (UTC) on.

    What a file states replaces what its owner stated before, what was published leaves the other
    limits as they were. `base` is the whole national version, if it is one of the file.
    """

    since: datetime
    valid_from: date
    name: str
    is_national: bool
    limits: Mapping[str, Limit]
    is_published: bool = False
    base: NationalPolicy | None = None


@dataclass(slots=True)
class _InForce:
    """What is in force after some steps."""

    base: NationalPolicy
    national: Limits
    national_name: str
    own: dict[str, Limit] = field(default_factory=dict)
    own_name: str = ""

    def take(self, step: PolicyStep) -> None:
        if step.base is not None:
            self.base, self.national = step.base, step.base.limits
        elif step.is_national:
            self.national = self.national.model_copy(update=dict(step.limits))
        if step.is_national:
            self.national_name = step.name
            return
        self.own = {**(self.own if step.is_published else {}), **step.limits}
        self.own_name = step.name


class PolicyHistory:
    """An institution's policy from each day on which it changes; `steps` are all that may count."""

    def __init__(self, institution: Institution, steps: Iterable[PolicyStep]) -> None:
        self.institution = institution
        self.steps = tuple(
            sorted(steps, key=lambda s: (s.since, s.is_published, not s.is_national))
        )
        self._zone = ZoneInfo(institution.time_zone)
        self._instants: list[datetime] = []
        self.policies: list[Policy] = []
        for since, policy in _policies(institution, self.steps):
            self._instants.append(since)
            self.policies.append(policy)
        self._days = [since.astimezone(self._zone).date() for since in self._instants]

    @classmethod
    def of(cls, institution: Institution, national: Sequence[NationalPolicy]) -> "PolicyHistory":
        """Return the history as the files have it; a version counts from 00:00 local time."""
        zone = ZoneInfo(institution.time_zone)
        steps = [
            PolicyStep(
                start_of(v.valid_from, zone), v.valid_from, f"national-{v.valid_from}",
                is_national=True, limits=v.limits.by_name(), base=v,
            )
            for v in national
        ]  # fmt: skip
        steps += [
            PolicyStep(
                start_of(own.valid_from, zone), own.valid_from,
                f"{institution.code}-{own.valid_from}", is_national=False, limits=own.given(),
            )
            for own in institution.own_limits
        ]  # fmt: skip
        return cls(institution, steps)

    def at(self, on: date | datetime) -> Policy:
        """Return the policy in force at an instant or at the end of a local day; else the first."""
        if not isinstance(on, datetime):
            count = bisect_right(self._days, on)
        elif on.tzinfo is None:
            raise ValueError("an instant without a time zone cannot choose a policy")
        else:
            count = bisect_right(self._instants, on)
        return self.policies[max(count - 1, 0)]

    def share(self, made: dict[Policy, Policy]) -> None:
        """Use for each policy the equal one that was made before, if there is one."""
        self.policies = [made.setdefault(policy, policy) for policy in self.policies]

    def with_published(self, step: PolicyStep) -> "PolicyHistory":
        """Return the history with a step more."""
        return PolicyHistory(self.institution, (*self.steps, step))

    def counts_from(self, valid_from: date, seen_at: datetime) -> datetime:
        """Return when a published change counts from: seen, and its local day begun."""
        return max(seen_at, start_of(valid_from, self._zone))

    def stated(self, name: str) -> Mapping[str, Limit] | None:
        """Return what the version of a name states."""
        return next((step.limits for step in self.steps if step.name == name), None)

    def newest(self, *, is_national: bool, at: datetime) -> tuple[date, int] | None:
        """Return the newest version at an instant: since when it is valid, which of that day."""
        days = [
            (step.valid_from, number_in(step.name, step.valid_from))
            for step in self.steps
            if step.is_national == is_national and step.since <= at
        ]
        return max(days, default=None)

    def national_since(self, since: datetime) -> Iterator[Limits]:
        """List the national limits in force at an instant, and all later ones."""
        limits: Limits | None = None
        for step in self.steps:
            if not step.is_national:
                continue
            if limits is not None and step.since > since:
                yield limits
            if step.base is not None:
                limits = step.base.limits
            elif limits is not None:
                limits = limits.model_copy(update=dict(step.limits))
        if limits is not None:
            yield limits


def _policies(
    institution: Institution, steps: Sequence[PolicyStep]
) -> Iterator[tuple[datetime, Policy]]:
    """Build the policy from each instant on; the limits of one instant are taken together."""
    first = next(step for step in steps if step.base is not None)
    assert first.base is not None  # noqa: S101  for the type checker
    now = _InForce(first.base, first.base.limits, first.name)
    for index, step in enumerate(steps):
        now.take(step)
        is_last = index + 1 == len(steps) or steps[index + 1].since > step.since
        if is_last and step.since >= first.since:
            yield step.since, _policy(institution, now)


def _policy(institution: Institution, now: _InForce) -> Policy:
    version = now.national_name
    if now.own_name:
        version += f"+{now.own_name}"
    elif institution.own_ladder:
        version += f"+{institution.code}-{institution.valid_from}"
    own = {
        name: limit
        for name, limit in now.own.items()
        if limit.is_no_looser_than(getattr(now.national, name), institution.shortest_day())
    }
    numbers = now.base.numbers
    return Policy(
        version=version,
        limits=now.national.model_copy(update=own),
        ladder_steps=merged_ladder(now.base.ladder, institution.own_ladder),
        reopen_days=int(numbers.reopen_days.value),
        returns_max=int(numbers.returns_max.value),
        unit_returns_max=int(numbers.unit_returns_max.value),
        command_wait_days=int(numbers.command_wait_days.value),
        auto_forward_confidence=numbers.auto_forward_confidence.value,
        day_minutes=institution.shortest_day(),
    )


def merged_ladder(
    national: tuple[LadderStep, ...], own: tuple[LadderStep, ...]
) -> tuple[LadderStep, ...]:
    """Replace the national rungs of each level for which the institution states its own."""
    replaced = {ladder_step.level for ladder_step in own}
    return (*(ladder_step for ladder_step in national if ladder_step.level not in replaced), *own)
