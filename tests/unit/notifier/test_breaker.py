"""The circuit breaker as a table of what it lets through, and over any history."""

from hypothesis import given
from hypothesis import strategies as st

from services.notifier.breaker import (
    FAILURES_MAX,
    PAUSE_SECONDS_FIRST,
    PAUSE_SECONDS_MAX,
    Breaker,
)


def opened(now: float = 0.0) -> Breaker:
    """Return a breaker that opened at a time."""
    breaker = Breaker()
    assert [breaker.failed(now, 0.0) for _ in range(FAILURES_MAX)] == [False] * 4 + [True]
    return breaker


def test_a_success_between_failures_keeps_it_closed() -> None:
    """Failures in a row count, not failures: one person's bad address closes nothing."""
    breaker = Breaker()
    for n in range(50):
        assert breaker.enter(n)
        if n % FAILURES_MAX == FAILURES_MAX - 1:
            breaker.succeeded()
        else:
            assert not breaker.failed(n, 0.0)


def test_while_it_is_open_nothing_passes_then_one() -> None:
    """The one that shows it: a second waits for what becomes of it."""
    breaker = opened()
    assert not breaker.enter(PAUSE_SECONDS_FIRST - 0.1)
    assert breaker.enter(PAUSE_SECONDS_FIRST)
    assert not breaker.enter(PAUSE_SECONDS_FIRST + 1)
    assert breaker.succeeded()
    assert breaker.enter(PAUSE_SECONDS_FIRST + 2)
    assert breaker == Breaker()


def test_one_that_ended_without_a_word_lets_another_show_it() -> None:
    """Such as one that the end of the process cut short."""
    breaker = opened()
    assert breaker.enter(100.0)
    breaker.released()
    assert breaker.enter(101.0)


def test_pauses_grow_to_a_bound_and_begin_anew_after_a_success() -> None:
    """30 s, a minute, … a quarter of an hour."""
    breaker, now, pauses = opened(), 0.0, []
    for _ in range(8):
        assert breaker.open_until is not None
        pauses.append(breaker.open_until - now)
        now = breaker.open_until
        assert breaker.enter(now)
        assert breaker.failed(now, 0.0)
    assert pauses == [30.0, 60.0, 120.0, 240.0, 480.0, 900.0, 900.0, 900.0]
    breaker.succeeded()
    assert opened(now).open_until == now + PAUSE_SECONDS_FIRST


def test_what_began_before_it_opened_does_not_lengthen_the_pause() -> None:
    """Two were on their way."""
    breaker = opened()
    until = breaker.open_until
    assert not breaker.failed(1.0, 1.0)
    assert breaker.open_until == until


@given(
    st.lists(st.tuples(st.sampled_from(["ok", "away", "cut"]), st.floats(0, 60), st.floats(0, 1)))
)
def test_whatever_happens_it_opens_for_a_bounded_time_only(
    history: list[tuple[str, float, float]],
) -> None:
    """No history closes a way for good."""
    breaker, now = Breaker(), 0.0
    for end, later, jitter in history:
        now += later
        if breaker.enter(now):
            match end:
                case "ok":
                    breaker.succeeded()
                case "cut":
                    breaker.released()
                case _:
                    breaker.failed(now, jitter)
        assert not breaker.is_probing
        assert breaker.enter(now + PAUSE_SECONDS_MAX * 1.25)
        breaker.released()
