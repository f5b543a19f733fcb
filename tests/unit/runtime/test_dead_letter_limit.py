"""When dead letters stop a stage: several senders or reports are hit, never one alone."""

from collections import deque

import pytest

from shared.runtime.gateway.dead_letter_limit import counted, extended, is_past
from shared.runtime.stage import ShellLimits

LIMITS = ShellLimits()  # 50, a tenth of the last 1,000; of one sender 5


def window(hit: dict[str, int], decided: int = 0) -> list[str]:
    """Return a window of so many dead letters of each sender, and so many records decided."""
    return [name for name, n in hit.items() for _ in range(n)] + [""] * decided


@pytest.mark.parametrize("is_gateway", [True, False])
@pytest.mark.parametrize("letters", [1, 50, 1_000])
def test_one_sender_or_report_never_stops_a_stage(letters: int, *, is_gateway: bool) -> None:
    """Whatever it sends, and if nobody else says anything."""
    found = window({"one": letters})
    assert not is_past(found, LIMITS, is_gateway=is_gateway)
    assert counted(found, LIMITS, is_gateway=is_gateway) <= 5


@pytest.mark.parametrize(("hit", "decided", "is_gateway", "stops"), [
        ({f"r{n}": 1 for n in range(50)}, 0, False, True),
        ({f"r{n}": 1 for n in range(49)}, 0, False, False),
        ({f"r{n}": 1 for n in range(50)}, 500, False, False),  # not a tenth
        ({f"r{n}": 9 for n in range(9)}, 0, False, False),
        ({f"r{n}": 9 for n in range(10)}, 0, False, True),
        ({"website": 45, "counter": 5}, 0, True, True),
        ({"website": 46, "counter": 4}, 0, True, False),
        ({"website": 300, "counter": 5}, 600, True, True),
        ({"website": 20, "counter": 20}, 0, True, False),
    ])  # fmt: skip
def test_a_bad_release_stops_it(
    hit: dict[str, int], decided: int, *, is_gateway: bool, stops: bool
) -> None:
    """In the core by the reports that are hit, at a gateway by two senders past their own bound."""
    assert is_past(window(hit, decided), LIMITS, is_gateway=is_gateway) is stops


def test_the_window_is_of_the_last_records() -> None:
    """What lies further back is forgotten."""
    full = extended(deque(maxlen=3), ["a"], 3)
    assert list(full) == ["a", "", ""]
    assert list(extended(full, [], 3)) == ["", "", ""]
