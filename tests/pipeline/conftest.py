"""A city for each journey; the stages read in several orders, and the story is the same in all."""

import pytest

from tests.pipeline.city import City


@pytest.fixture(params=range(3), ids=lambda seed: f"order{seed}")
def city(request: pytest.FixtureRequest) -> City:
    """Yield a city on Tuesday 2023-04-18, 10:00 in HSU (WITA)."""
    return City(seed=request.param)
