"""When a process that ended is started again. Pure: the time arrives as an argument."""

from dataclasses import dataclass, replace
from enum import StrEnum

AGAIN = 75  # EX_TEMPFAIL: such as a stage that is to read a registry that changed
AGAIN_SECONDS = 5.0  # having lived so long it asked for the start, and did not fail at it
REFUSED = 78  # EX_CONFIG: the stage will not run before an operator has acted
BACKOFF_SECONDS_FIRST = 0.5
BACKOFF_SECONDS_MAX = 30.0
HEALTHY_SECONDS = 60.0  # a process that lived this long starts again with the first pause


class Condition(StrEnum):
    """What a process is doing, as far as its supervisor can tell."""

    RUNNING = "running"
    WAITING = "waiting"  # ended, and will be started again
    STOPPED = "stopped"  # ended, and an operator must act


@dataclass(frozen=True)
class RestartState:
    """One process through its starts and ends; times in seconds of a monotonic clock."""

    condition: Condition = Condition.WAITING
    since: float = 0.0
    due: float = 0.0
    restarts: int = 0
    failures: int = 0  # in a row
    exit_code: int | None = None


def after_start(state: RestartState, now: float) -> RestartState:
    """Count the start; all but the first are restarts."""
    restarts = state.restarts + (state.exit_code is not None)
    return replace(state, condition=Condition.RUNNING, since=now, restarts=restarts)


def after_request(state: RestartState, now: float) -> RestartState:
    """Start at once what does not run, as if it had never failed: somebody has acted."""
    if state.condition is Condition.RUNNING:
        return state
    return replace(state, condition=Condition.WAITING, due=now, failures=0)


def after_exit(state: RestartState, code: int, now: float) -> RestartState:
    """Wait longer after each failure in a row, and for an operator after a refusal."""
    enough = AGAIN_SECONDS if code == AGAIN else HEALTHY_SECONDS
    was_healthy = state.condition is Condition.RUNNING and now - state.since >= enough
    failures = 1 if was_healthy else state.failures + 1
    if code == REFUSED:
        return replace(state, condition=Condition.STOPPED, since=now, exit_code=code)
    pause = min(BACKOFF_SECONDS_FIRST * 2 ** min(failures - 1, 16), BACKOFF_SECONDS_MAX)
    return replace(
        state,
        condition=Condition.WAITING,
        since=now,
        due=now + pause,
        failures=failures,
        exit_code=code,
    )
