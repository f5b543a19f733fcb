"""What a property test draws: few examples, the same each time; many new ones when asked.

`HYPOTHESIS_PROFILE=thorough make test-unit` searches with 1,000 for each that names no number.
"""

import gc
import os
from datetime import date, timedelta

import pytest
from pydantic import BaseModel

_ID_LENGTH_MAX = 60


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


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name a row by its values: an event by its class, a list by its items, a dict by its keys.

    None leaves the name to pytest, which knows plain values, classes and functions.
    """
    if isinstance(val, str) and len(val) <= _ID_LENGTH_MAX:
        return None
    name = _row_name(val)
    return name if name is None or len(name) <= _ID_LENGTH_MAX else f"{name[:_ID_LENGTH_MAX]}..."


def _row_name(val: object) -> str | None:
    match val:
        case str():
            return val
        case BaseModel():
            return type(val).__name__
        case date() | timedelta() | int() | float():
            return str(val)
        case list() | tuple():
            return ",".join(_row_name(item) or type(item).__name__ for item in val) or "[]"
        case dict() if val:
            return ",".join(map(str, val))  # a value may be a secret drawn anew by each process
    return None
