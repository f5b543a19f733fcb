"""Histories of one report at the two levels of verification."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from pydantic import BaseModel

from services.verification.case import Policy
from services.verification.institution import InstitutionCase, decide_institution
from services.verification.national import NationalCase, decide_national
from tests.support.builders import BANDUNG, HSU
from tests.support.history import History

POLICY: Final = Policy(
    institutions=frozenset({"00", HSU, BANDUNG}),
    is_automatic=True,
    confidence_min=0.8,
    returns_max=2,
    command_wait=timedelta(days=1),
)


def national(events: Iterable[BaseModel] = (), policy: Policy = POLICY) -> History[NationalCase]:
    """Return a history of the national stage."""
    return History(decide_national, policy, *events)


def institution(
    events: Iterable[BaseModel] = (), policy: Policy = POLICY
) -> History[InstitutionCase]:
    """Return a history of the institution stage."""
    return History(decide_institution, policy, *events)
