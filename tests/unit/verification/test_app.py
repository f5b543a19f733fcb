"""The two stages as they are composed: which rule, which store, which policy when."""

import re
from datetime import timedelta

import pytest

from services.verification.app import stage_of
from services.verification.case import VerificationCase
from services.verification.store import INSTITUTION, NATIONAL
from shared.platform.migrations import read_migrations
from shared.platform.settings import Settings
from tests.packaged_registry import REGISTRY
from tests.support.builders import (
    HSU,
    NOON,
    a_cause,
    a_clear_report,
    a_forward,
    a_forwarding,
    a_report,
    an_accept,
)
from tests.unit.verification.histories import institution, national


@pytest.mark.parametrize("name", ["verification.national", "verification.institution"])
def test_each_instance_has_its_rule_and_its_store(name: str) -> None:
    """One package, two stages."""
    stage = stage_of(Settings(instance=name), REGISTRY)

    event = a_clear_report() if name.endswith("national") else a_forwarding()
    decision = stage.decide(None, event, a_cause(), stage.context(a_cause(), None, None))

    assert stage.name == name
    assert isinstance(decision.case, VerificationCase)
    assert type(decision.case) is stage.store.case
    assert decision.case.holder == HSU


def test_another_instance_refuses_to_start() -> None:
    """And says what to set."""
    with pytest.raises(ValueError, match=r"LAPOR_INSTANCE is 'routing'; set verification\.nat"):
        stage_of(Settings(instance="routing"), REGISTRY)


def test_the_policy_is_the_registrys() -> None:
    """Its numbers, and the institutions it knows."""
    stage = stage_of(Settings(instance="verification.national"), REGISTRY)
    policy = stage.context(a_cause(), None, None)
    numbers = REGISTRY.policy("00", NOON.date())

    assert policy.institutions == set(REGISTRY.institutions)
    assert policy.confidence_min == numbers.auto_forward_confidence
    assert policy.returns_max == numbers.returns_max
    assert policy.command_wait == timedelta(days=numbers.command_wait_days)


def test_the_stores_columns_stand_in_the_migrations() -> None:
    """Nullable, because a case that never came to be has a row too."""
    stage = stage_of(Settings(instance="verification.national"), REGISTRY)
    statements = "".join(m.statements for m in read_migrations(stage.migrations))
    added = re.findall(r"ADD COLUMN (\w+) (\w+);", statements)

    for store in (NATIONAL, INSTITUTION):
        assert added == [(name, sql) for name, (sql, _) in store.columns.items()]


def test_open_is_what_this_stage_has_still_to_decide() -> None:
    """The metric of open cases shows the backlog of the level."""
    at_national = [national([e]).case for e in (a_report(), a_clear_report(), a_forward())]
    at_institution = [
        institution(events).case for events in ([a_forwarding()], [a_forwarding(), an_accept()])
    ]

    assert [c is not None and NATIONAL.is_open(c) for c in at_national] == [True, False, False]
    assert [c is not None and INSTITUTION.is_open(c) for c in at_institution] == [True, False]
