"""A whole local stack in a home of its own, and the hands to hurt it."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from psutil import pid_exists

from deploy.local import stack
from deploy.local.kafka import node_name
from deploy.local.paths import Home, default_cache
from deploy.local.postgres import remove_folder
from deploy.local.probes import get, read_lag
from deploy.local.processes import Ports, end, last_lines, processes_with
from deploy.local.restart_policy import Condition
from deploy.local.services import ServiceSlot, ServiceSpec, command
from deploy.local.state import RETRY_SIGNAL, Child, StackState
from shared.platform.clock import Clock
from tests.faults import acl_faults, bugs
from tests.faults.mounts import mount, unmount
from tests.integration.stack import up_silently

PREFIX: Final = "lapor-faults-"
REPLICATED: Final = "tests.faults.broker_faults:provision"
KEPT: Final = "kept"  # the file in a home that later runs leave alone
DAY_SECONDS: Final = 10.0  # of a business day, so that deadlines pass in a short run
BUSINESS_ORIGIN: Final = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday of a year with a decree
WORKER_PORT: Final = 23_001
COMMAND_SECONDS_MAX: Final = 60.0


class Pipeline:
    """Started by `up`, gone on leaving; ends only what it started."""

    def __init__(self, day_seconds: float = DAY_SECONDS, *, brokers: int = 1) -> None:
        self.brokers = tuple(node_name(number + 1) for number in range(brokers))
        started = datetime.now(UTC).replace(microsecond=0)
        scale = 86_400 / day_seconds
        self.clock = Clock(scale, started, started if scale == 1 else BUSINESS_ORIGIN)

    def __enter__(self) -> Self:
        sweep()
        self.home = Home(Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))).make()
        self.kill_folder = self.home.root / "kill"
        self.bug_folder = self.home.root / "bugs"
        for folder in (self.kill_folder, self.bug_folder):
            folder.mkdir()
        self._ports = Ports(default_cache() / "ports")
        self._workers: list[subprocess.Popen[bytes]] = []
        self._pauses = 0
        self.is_kept = False
        self.has_volumes = False
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        while self._pauses:
            self.resume_supervisor()
        for worker in self._workers:
            if worker.poll() is None:
                worker.kill()
                worker.wait(30)
        try:
            stack.down(self.home)
        finally:
            self._ports.close()
            if self.is_kept:
                _end_all(self.home)
                unmount(self.home, is_kept=True)
            else:
                remove(self.home)

    def keep(self) -> None:
        """Leave the home where it is on leaving, with its logs and data."""
        self.is_kept = True
        (self.home.root / KEPT).touch()

    @property
    def _env(self) -> dict[str, str]:
        """What every stage finds in its environment beside what the supervisor gives it."""
        return {
            "LAPOR_TEST_KILL_AT": str(self.kill_folder),
            bugs.FOLDER: str(self.bug_folder),
            "LAPOR_CLOCK_SCALE": str(self.clock.scale),
            "LAPOR_CLOCK_REAL_ORIGIN": self.clock.real_origin.isoformat(),
            "LAPOR_CLOCK_BUSINESS_ORIGIN": self.clock.business_origin.isoformat(),
            "LAPOR_TIMER_TICK_SECONDS": "0.2",
            "LAPOR_TIMER_REFIRE_SECONDS": "10",
            "LAPOR_NOTIFIER_TICK_SECONDS": "0.2",
            "LAPOR_NOTIFIER_AGAIN_AFTER_SECONDS": "12",
            "LAPOR_NOTIFIER_QUIET_START_LOCAL": "00:00",
            "LAPOR_NOTIFIER_QUIET_END_LOCAL": "00:00",
        }

    def mount(self) -> bool:
        """Give database and broker a file system each, before `up`; return whether it was done."""
        self.has_volumes = mount(self.home)
        return self.has_volumes

    def up(self) -> None:
        """Start all of it, silently; return when it is ready."""
        is_alone = len(self.brokers) == 1
        plan = stack.DEFAULT_PLAN.model_copy(update={
            "services": tuple(self._spoilt(service) for service in stack.DEFAULT_PLAN.services),
            "provision": stack.PROVISION if is_alone else REPLICATED,
            "brokers": len(self.brokers),
            # Controllers that know each other by no name cannot elect one while there are rules.
            "broker_properties": acl_faults.PROPERTIES if is_alone else {},
        })  # fmt: skip
        up_silently(self.home, plan)
        found = stack.connection(self.home)
        self.kafka, self.postgres = found.kafka, found.postgres

    def _spoilt(self, service: ServiceSpec) -> ServiceSpec:
        """Return a service that can be hurt from inside."""
        env = {**service.env, **self._env}
        return service.model_copy(update={"factory": bugs.FACTORY, "env": env})

    # ---- looking

    def state(self) -> StackState:
        """Return what the supervisor last said.

        Raises:
            RuntimeError: the supervisor has ended.
        """
        state = stack.running(self.home)
        if state is None:
            raise RuntimeError("\n".join(last_lines(self.home.log("supervisor"))))
        return state

    def child(self, name: str) -> Child:
        """Return a process of the stack."""
        return next(child for child in self.state().children if child.name == name)

    def refused(self) -> list[str]:
        """Return the stages that refuse to run, with their last words."""
        return [
            f"{child.name}: {last_lines(Path(child.log), 1)}"
            for child in self.state().children
            if child.condition is Condition.STOPPED
        ]

    def exits(self) -> Counter[tuple[str, int]]:
        """Count how processes ended, by the supervisor's log: (name, exit code)."""
        found: Counter[tuple[str, int]] = Counter()
        for line in self.home.log("supervisor").read_text().splitlines():
            name, _, rest = line.partition(" WARNING ")[2].partition(": ended with ")
            if rest:
                found[name, int(rest.partition(",")[0])] += 1
        return found

    def status(self, name: str) -> str:
        """Say how a process of the stack does: by its supervisor, and by itself."""
        child = next((c for c in self.state().children if c.name == name), None)
        if child is None:
            return "unknown to the supervisor"
        told = f"{child.condition}, pid {child.pid}, failed {child.failures} times in a row"
        told += f", last exit {child.exit_code}"
        for slot in child.slots:
            status, page = get(slot.port, "/readyz")
            lag = read_lag(*get(slot.port, "/metrics"))
            told += f"; /readyz {status} {page.strip()[:200]}; {lag} records behind"
        return told

    def words(self, name: str, count: int = 15) -> list[str]:
        """Return the last lines of a log."""
        return last_lines(self.home.log(name), count)

    # ---- hurting

    def signal(self, name: str, number: int) -> bool:
        """Send a signal to a process of the stack; return whether it ran."""
        process_id = self.child(name).process_id
        process = process_id.process() if process_id else None
        if process is None:
            return False
        process.send_signal(number)
        return True

    def pause_supervisor(self) -> None:
        """Keep the supervisor from starting again what ends."""
        if self._pauses == 0:
            os.kill(self.state().supervisor_pid, signal.SIGSTOP)
        self._pauses += 1

    def resume_supervisor(self) -> None:
        """Let it go on, once everybody who paused it has said so."""
        self._pauses -= 1
        if self._pauses == 0:
            os.kill(self.state().supervisor_pid, signal.SIGCONT)

    def nudge(self) -> None:
        """Have started at once what has ended often: `lapor up` by an operator."""
        state = self.state()
        waits = any(c.condition is Condition.WAITING and c.failures > 1 for c in state.children)
        if waits and not self._pauses:
            os.kill(state.supervisor_pid, RETRY_SIGNAL)

    def arm(self, stage: str, point: str) -> Path:
        """Have a stage die at a commit point; the file returned is gone when it did."""
        file = self.kill_folder / f"{stage}@{point}"
        file.touch()
        return file

    def plant(self, stage: str, report: str, bug: str) -> Path:
        """Have a stage's rule fail for a report; taking the file returned away mends it."""
        file = self.bug_folder / f"{stage}!{report}"
        draft = file.with_name(f".{file.name}")
        draft.write_text(bug)
        return draft.rename(file)

    def worker(self, stage: str, replica: str) -> subprocess.Popen[bytes]:
        """Start another process of a stage."""
        port = self._ports.take(WORKER_PORT)
        service = next(s for s in stack.DEFAULT_PLAN.services if s.name == stage)
        slot = ServiceSlot(service=self._spoilt(service), port=port)
        log = self.home.log(f"{stage}-{replica}-{time.time_ns()}")
        with log.open("wb") as output:
            started = subprocess.Popen(
                [sys.executable, "-m", *command([slot])],
                env={**self._supervised(), **slot.env, "LAPOR_REPLICA": replica},
                cwd=self.home.root, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip
        self._workers.append(started)
        return started

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Give a command of `lapor`, as an operator would; returns when it has ended."""
        env = {**self._supervised(), "USER": "operator", "COLUMNS": "200"}
        lapor = str(Path(sys.executable).with_name("lapor"))
        return subprocess.run(
            [lapor, *words], env=env, check=False, capture_output=True, text=True,
            timeout=COMMAND_SECONDS_MAX, cwd=self.home.root,
        )  # fmt: skip

    def _supervised(self) -> Mapping[str, str]:
        secrets = self.home.read_secrets()
        return {
            **os.environ,
            "LAPOR_NOTIFIER_OUTBOX": str(self.home.root / "outbox"),
            "LAPOR_HOME": str(self.home.root),
            "LAPOR_STACK": str(self.home.root),
            "LAPOR_KAFKA": self.kafka,
            "LAPOR_POSTGRES": self.postgres,
            "LAPOR_MASTER_KEY": secrets.master_key,
            "LAPOR_DEAD_LETTER_KEY": secrets.dead_letter_key,
        }


def remove(home: Home) -> None:
    """End what still runs for a home, and delete it."""
    _end_all(home)
    unmount(home, is_kept=False)
    remove_folder(home)
    shutil.rmtree(home.root, ignore_errors=True)


def _end_all(home: Home) -> None:
    end(processes_with("LAPOR_STACK", str(home.root)), patience_seconds=10, by=signal.SIGKILL)


def sweep() -> None:
    """Remove what earlier runs left that were killed themselves, and did not mean to keep."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*-*"):
        pid = folder.name.removeprefix(PREFIX).split("-")[0]
        is_mine = folder.stat().st_uid == os.geteuid() and pid.isdigit()
        if is_mine and not pid_exists(int(pid)) and not (folder / KEPT).exists():
            remove(Home(folder))
