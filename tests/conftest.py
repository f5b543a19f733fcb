"""How many examples a property test draws: few while working, many when asked.

`HYPOTHESIS_PROFILE=thorough make test-unit` draws 1,000 for each.
"""

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "quick", max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("thorough", max_examples=1_000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
