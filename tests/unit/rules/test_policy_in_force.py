"""The policy in force when a record came: never by the clock of the worker."""

from datetime import UTC, datetime, timedelta

from shared.contract.events import ReportWithdrawn
from shared.platform.settings import Settings
from shared.registry import Policy
from shared.rules.decision import Cause, Decision, decided
from shared.rules.policy_in_force import PolicyAt, by_time, policy_at
from tests.packaged_registry import REGISTRY

NOON = datetime(2025, 3, 3, 5, 0, tzinfo=UTC)


def version_and_wait(settings: Settings) -> PolicyAt[tuple[str, timedelta]]:
    """Return a policy of two values."""

    def make(numbers: Policy, command_wait: timedelta) -> tuple[str, timedelta]:
        return numbers.version, command_wait

    return policy_at(REGISTRY, settings.clock_scale, make)


def test_its_numbers_are_the_national_ones_of_that_time() -> None:
    """The same time gives the same policy, made once."""
    policy = version_and_wait(Settings())
    national = REGISTRY.policy("00", NOON)

    assert policy(NOON) == (national.version, timedelta(days=national.command_wait_days))
    assert policy(NOON) is policy(NOON + timedelta(minutes=1))


def test_on_a_fast_clock_a_command_still_waits_for_the_streams() -> None:
    """A day in a quarter of a second would refuse what is only a little early."""
    fast = Settings(
        clock_scale=350_000,
        clock_real_origin="2025-01-01T00:00Z",
        clock_business_origin="2023-01-01T00:00Z",
    )

    assert version_and_wait(fast)(NOON)[1] == timedelta(seconds=3_500_000)


def test_a_rule_decides_by_the_policy_of_its_records_time() -> None:
    """So a replay decides the same, whatever is in force by then."""

    def decide(
        case: ReportWithdrawn | None, _event: object, _cause: Cause, policy: str, /
    ) -> Decision[ReportWithdrawn]:
        return decided(case, ReportWithdrawn(report_id=policy))

    cause = Cause(id="c", type="t", now=NOON, topic="lapor.test.v1", partition=0, offset=0)
    event = ReportWithdrawn(report_id="K7QF2M9XTD3A")

    decision = by_time(decide)(None, event, cause, lambda now: f"{now:%Y%m%d}ABCD")

    assert decision == decided(None, ReportWithdrawn(report_id="20250303ABCD"))
