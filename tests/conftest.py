"""What a property test draws: few examples, the same each time; many new ones when asked.

`HYPOTHESIS_PROFILE=thorough make test-unit` searches with 1,000 for each that names no number.
"""

import gc
import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "quick",
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("thorough", max_examples=1_000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over what lives to the end: a sixth of the unit layer."""
    gc.freeze()
