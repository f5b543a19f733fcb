"""What a property test draws: few examples, the same each time; many new ones when asked.

`HYPOTHESIS_PROFILE=thorough make test-unit` searches with 1,000 for each that names no number.
"""

import gc
import os

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_collectstart() -> None:
    """Choose the profile before a test module is imported: the process that only leads has none."""
    gc.disable()  # what is imported lives to the end
    from hypothesis import HealthCheck, settings  # noqa: PLC0415

    settings.register_profile(
        "quick",
        max_examples=20,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.register_profile("thorough", max_examples=1_000, deadline=None)
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over what lives to the end, and look less often."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    gc.enable()
