"""Start, look at and end a whole local stack from outside: what `lapor up` and its kin do."""

import os
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deploy.local.errors import LocalStackError
from deploy.local.jars import fetch_jars, read_lock
from deploy.local.paths import Home
from deploy.local.postgres import Postgres, remove_folder
from deploy.local.probes import are_ready
from deploy.local.processes import end, last_lines, locked, start, wait_until
from deploy.local.restart_policy import Condition
from deploy.local.services import SERVICES, TOGETHER, Profile
from deploy.local.shutdown import end_children, sweep
from deploy.local.state import RETRY_SIGNAL, Child, Phase, Plan, StackState, read_plan, read_state

PROVISION = (
    "deploy.cli.clients.topic_admin:apply"  # called with the broker's address before services start
)
UP_SECONDS_MAX = 120
DOWN_SECONDS_MAX = 60
RETRY_SECONDS_MAX = 10
POLL_SECONDS = 0.1
FAILURES_MAX = 4  # a service that ended this often while starting will not come up by itself


@dataclass(frozen=True)
class Connection:
    """Where a running stack is found, passwords included."""

    kafka: str  # host:port
    postgres: str  # URL


DEFAULT_PLAN = Plan(profile="full", services=SERVICES, provision=PROVISION)


@dataclass(frozen=True)
class StartProgress:
    """Where `up` tells how far it is; each is called from one thread."""

    jars: Callable[[int, int], None]
    step: Callable[[StackState, int], None]  # the state and how many services are ready


def up(
    home: Home,
    cache: Path,
    progress: StartProgress,
    *,
    plan: Plan,
    profile: Profile | None = None,
    is_fresh: bool = False,
    seconds_max: float = UP_SECONDS_MAX,
) -> StackState:
    """Return when every service of the plan is ready; raise a `LocalStackError` otherwise.

    A stack that runs is left running. What an earlier one left behind is ended first.
    """
    home.make()
    with locked(home.lock):
        state = running(home)
        if state is not None and is_fresh:
            raise LocalStackError("The stack is running.", "End it first: lapor down")
        if state is not None and profile not in {None, state.profile}:
            raise LocalStackError(
                f"The stack runs with the profile {state.profile!r}.", "End it first: lapor down"
            )
        if state is not None and state.phase is Phase.RUNNING:
            _retry(home, state)
        if state is None:
            _clear(home)
            if is_fresh:
                wipe(home)
                home.make()
            fetch_jars(cache, read_lock(), progress.jars)
            chosen = plan.model_copy(update={"profile": profile or plan.profile})
            home.plan.write_text(chosen.model_dump_json(indent=2))
            _launch(home, cache)
        return _wait_ready(home, progress, seconds_max)


def down(home: Home) -> bool:
    """End every process of the stack; return whether there was one. Raise if one remains."""
    if not home.root.is_dir():
        return False
    state = running(home)
    if state is not None:
        end([state.supervisor], patience_seconds=DOWN_SECONDS_MAX)
    with locked(home.lock):
        return _clear(home) or state is not None


def running(home: Home) -> StackState | None:
    """Return the state of a stack whose supervisor is alive."""
    state = read_state(home)
    return state if state is not None and state.supervisor.process() else None


def connection(home: Home) -> Connection:
    """Return the addresses of a running stack; raise if it does not run."""
    state = running(home)
    if state is None or state.phase is not Phase.RUNNING:
        raise LocalStackError("The stack is not running.", "Start it: lapor up")
    port = int(state.postgres.rpartition(":")[2])
    url = Postgres(home, port, home.read_secrets().postgres_password).url
    return Connection(kafka=state.kafka, postgres=url)


def log_files(home: Home, name: str = "") -> dict[str, Path]:
    """Return the log files there are, or the one of the process or service named."""
    logs = {path.stem: path for path in sorted(home.logs.glob("*.log"))}
    if not name:
        return logs
    plan = read_plan(home)
    is_guest = plan is not None and plan.profile == "small" and name in plan.names
    chosen = TOGETHER if is_guest and TOGETHER in logs else name
    if chosen not in logs:
        known = ", ".join(logs) or "none yet; start the stack: lapor up"
        raise LocalStackError(f"There is no log of {name!r}.", f"There are: {known}")
    return {chosen: logs[chosen]}


def wipe(home: Home) -> None:
    """Delete all data, keys and logs of a stack that has ended; nothing else in its folder."""
    remove_folder(home)
    for folder in (home.kafka, home.logs):
        shutil.rmtree(folder, ignore_errors=True)
    for file in (home.secrets, home.passfile, home.state, home.plan):
        file.unlink(missing_ok=True)


def _clear(home: Home) -> bool:
    """End what a killed supervisor left running; return whether there was anything."""
    state = read_state(home)
    children = [child for child in (state.children if state else ()) if child.alive]
    end_children(children)
    return sweep(home) or bool(children)


def _launch(home: Home, cache: Path) -> None:
    """Start a supervisor that outlives this process, and wait until it has said who it is."""
    home.state.unlink(missing_ok=True)
    process = start(
        [sys.executable, "-m", "deploy.local.supervisor", str(home.root), str(cache)],
        log=home.log("supervisor"),
        cwd=home.root,
        env={**os.environ, "LAPOR_STACK": str(home.root)},
    )

    def has_spoken() -> bool:
        return read_state(home) is not None or process.poll() is not None

    if not wait_until(has_spoken, seconds=30) or read_state(home) is None:
        log_end = "\n".join(last_lines(home.log("supervisor")))
        raise LocalStackError(
            f"The supervisor did not start:\n{log_end}", f"Its log is {home.log('supervisor')}"
        )


def _retry(home: Home, state: StackState) -> None:
    """Have a running supervisor start at once what waits or was stopped."""
    os.kill(state.supervisor.pid, RETRY_SIGNAL)

    def has_heard() -> bool:
        now = read_state(home)
        return now is None or now.retries > state.retries

    wait_until(has_heard, seconds=RETRY_SECONDS_MAX)


def _wait_ready(home: Home, progress: StartProgress, seconds_max: float) -> StackState:
    until = time.monotonic() + seconds_max
    ready: set[str] = set()
    while True:
        state = read_state(home)
        if state is None or state.phase in {Phase.ENDING, Phase.ENDED, Phase.FAILED}:
            raise _what_ended_it(home)
        slots = [slot for child in state.children for slot in child.slots]
        waited_for = [slot for slot in slots if slot.service.name not in ready]
        answers = are_ready([slot.port for slot in waited_for])
        ready |= {slot.service.name for slot, yes in zip(waited_for, answers, strict=True) if yes}
        progress.step(state, len(ready))
        if state.phase is Phase.RUNNING:
            _raise_if_hopeless(state, ready)
            if len(ready) == len(slots):
                return state
        if time.monotonic() > until:
            raise _too_slow(state, ready, seconds_max)
        if not state.supervisor.process():
            raise _what_ended_it(home)
        time.sleep(POLL_SECONDS)


def _raise_if_hopeless(state: StackState, ready: set[str]) -> None:
    for child in state.children:
        if all(slot.service.name in ready for slot in child.slots):
            continue
        refused = child.condition is Condition.STOPPED
        if refused or child.failures >= FAILURES_MAX:
            what = "refuses to run" if refused else f"ends again and again ({child.exit_code})"
            raise LocalStackError(f"{child.name} {what}.\n{_tail(child)}", _what_next(child))


def _too_slow(state: StackState, ready: set[str], seconds: float) -> LocalStackError:
    late = [
        child
        for child in state.children
        if any(slot.service.name not in ready for slot in child.slots)
    ]
    if not late:
        return LocalStackError(
            f"Kafka and PostgreSQL were not ready within {seconds:.0f} s.",
            "See what they say: lapor logs kafka, lapor logs postgres. End it: lapor down",
        )
    names = ", ".join(child.name for child in late)
    return LocalStackError(
        f"Not ready within {seconds:.0f} s: {names}\n{_tail(late[0])}", _what_next(late[0])
    )


def _what_ended_it(home: Home) -> LocalStackError:
    state = read_state(home)
    if state is not None and state.phase is Phase.FAILED:
        return LocalStackError(state.error, state.hint)
    if state is not None and state.phase in {Phase.ENDING, Phase.ENDED}:
        return LocalStackError("The stack was ended while it was starting.", "Again: lapor up")
    log_end = "\n".join(last_lines(home.log("supervisor")))
    return LocalStackError(f"The supervisor was killed:\n{log_end}", "Again: lapor up")


def _tail(child: Child) -> str:
    lines = last_lines(Path(child.log))
    return "\n".join(["Its last words:", *(f"  {line}" for line in lines)] if lines else [])


def _what_next(child: Child) -> str:
    return f"All it said: lapor logs {child.name}. The rest is running; end it: lapor down"
