"""A harness for each journey; the stages read in several orders, and the story is the same."""

import pytest

from tests.pipeline.harness import Harness


@pytest.fixture(params=range(3), ids=lambda seed: f"order{seed}")
def harness(request: pytest.FixtureRequest) -> Harness:
    """Yield a harness on Tuesday 2023-04-18, 10:00 in HSU (WITA)."""
    return Harness(seed=request.param)
