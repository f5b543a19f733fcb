"""The policy in force when a record came: never by the clock of the worker."""

from datetime import datetime, timedelta

from shared.platform.settings import Settings
from shared.registry import Policy
from shared.rules.policy_in_force import policy_at
from tests.packaged_registry import REGISTRY
from tests.support.builders import NOON, a_cause


def version_and_wait(settings: Settings, now: datetime = NOON) -> tuple[str, timedelta]:
    """Return a policy of two values for a record of a time."""

    def make(numbers: Policy, command_wait: timedelta) -> tuple[str, timedelta]:
        return numbers.version, command_wait

    return policy_at(REGISTRY, settings.clock_scale, make)(a_cause(now=now), None, None)


def test_its_numbers_are_the_national_ones_of_the_records_time() -> None:
    """So a replay decides the same, whatever is in force by then."""
    for now in (NOON, NOON.replace(year=NOON.year - 1)):
        national = REGISTRY.policy("00", now)
        wait = timedelta(days=national.command_wait_days)
        assert version_and_wait(Settings(), now) == (national.version, wait)


def test_a_policy_is_made_once() -> None:
    """The same numbers give the same object."""
    context = policy_at(REGISTRY, 1.0, lambda numbers, wait: [numbers, wait])
    first, second = (a_cause(now=NOON), a_cause(now=NOON + timedelta(minutes=1)))
    assert context(first, None, None) is context(second, None, None)


def test_on_a_fast_clock_a_command_still_waits_for_the_streams() -> None:
    """A day in a quarter of a second would refuse what is only a little early."""
    fast = Settings(
        clock_scale=350_000,
        clock_real_origin="2025-01-01T00:00Z",
        clock_business_origin="2023-01-01T00:00Z",
    )

    assert version_and_wait(fast)[1] == timedelta(seconds=3_500_000)
