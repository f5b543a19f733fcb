"""When the supervisor starts a process again."""

from deploy.local.restart_policy import (
    AGAIN,
    AGAIN_SECONDS,
    BACKOFF_SECONDS_MAX,
    HEALTHY_SECONDS,
    REFUSED,
    Condition,
    RestartState,
    after_exit,
    after_request,
    after_start,
)


def pauses(*, ends: int, lived_seconds: float, code: int = 1) -> list[float]:
    """Return the pause after each of so many ends of a process that lived so long each time."""
    state, now, found = RestartState(), 1000.0, []
    for _ in range(ends):
        state = after_start(state, now)
        now += lived_seconds
        state = after_exit(state, code, now)
        found.append(state.due - now)
        now = state.due
    return found


def test_each_failure_in_a_row_doubles_the_pause() -> None:
    """A process that cannot run does not take the machine for itself."""
    assert pauses(ends=5, lived_seconds=1) == [0.5, 1, 2, 4, 8]


def test_the_pause_has_a_limit_however_often_it_failed() -> None:
    """A night of failures does not make the morning's start wait for hours."""
    assert pauses(ends=5000, lived_seconds=1)[-1] == BACKOFF_SECONDS_MAX


def test_a_healthy_minute_forgives_what_was_before() -> None:
    """A crash a week after the last one is the first again."""
    state = after_exit(after_start(RestartState(), 0), 1, 1)
    state = after_exit(after_start(state, 2), 1, 3)
    state = after_exit(after_start(state, 10), 1, 10 + HEALTHY_SECONDS)
    assert (state.failures, state.due) == (1, 10 + HEALTHY_SECONDS + 0.5)


def test_a_stage_that_asks_to_be_started_again_need_not_wait() -> None:
    """Ten institutions added one after another; one that cannot start asks at once, and waits."""
    assert pauses(ends=10, lived_seconds=AGAIN_SECONDS, code=AGAIN) == [0.5] * 10
    assert pauses(ends=4, lived_seconds=1, code=AGAIN) == [0.5, 1, 2, 4]
    assert pauses(ends=4, lived_seconds=AGAIN_SECONDS) == [0.5, 1, 2, 4]


def test_a_refusal_waits_for_an_operator() -> None:
    """Exit code 78 is not a crash: starting again changes nothing."""
    state = after_exit(after_start(RestartState(), 0), REFUSED, 1)
    assert (state.condition, state.exit_code) == (Condition.STOPPED, REFUSED)


def test_somebody_who_has_acted_need_not_wait() -> None:
    """`lapor up` starts at once what waited or was stopped, and lets the rest run on."""
    refused = after_exit(after_start(RestartState(), 0), REFUSED, 1)
    asked = after_request(refused, 100)
    assert (asked.condition, asked.due, asked.failures) == (Condition.WAITING, 100, 0)
    running = after_start(RestartState(), 0)
    assert after_request(running, 100) == running


def test_an_end_in_good_order_is_followed_by_a_start_too() -> None:
    """A service that ended although nobody asked is missing all the same."""
    assert after_exit(after_start(RestartState(), 0), 0, 1).condition is Condition.WAITING


def test_the_first_start_is_no_restart() -> None:
    """Restarts count what went wrong."""
    state = after_start(RestartState(), 0)
    assert state.restarts == 0
    assert after_start(after_exit(state, 1, 1), 2).restarts == 1
