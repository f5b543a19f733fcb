"""Start every process of the stack, start again what ends, end all of it when asked to.

Run as `python -m deploy.local.supervisor HOME CACHE`, detached, by `lapor up`.
"""

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType

from deploy.local import kafka as kafka_module
from deploy.local import postgres as postgres_module
from deploy.local.errors import LocalStackError
from deploy.local.fork_server import CAN_FORK, Forked, fork, preload
from deploy.local.jars import fetch_jars, read_lock
from deploy.local.kafka import Kafka
from deploy.local.paths import Home, write_atomically
from deploy.local.postgres import Postgres
from deploy.local.processes import Ports, ProcessId, last_lines, start
from deploy.local.restart_policy import (
    Condition,
    RestartState,
    after_exit,
    after_request,
    after_start,
)
from deploy.local.services import TOGETHER, USUAL_HTTP_PORT, ServiceSlot, command
from deploy.local.shutdown import end_children, sweep
from deploy.local.state import RETRY_SIGNAL, Child, Phase, Plan, StackState, write_state

TICK_SECONDS = 0.1

Process = subprocess.Popen[bytes] | Forked

_log = logging.getLogger("supervisor")


class StopRequested(Exception):  # noqa: N818 - not an error
    """Somebody asked the supervisor to end."""


class ManagedProcess:
    """One process under supervision, and how to start it."""

    def __init__(
        self,
        name: str,
        starts: Callable[[], Process],
        log: Path,
        slots: Iterable[ServiceSlot] = (),
    ) -> None:
        self.name = name
        self.process: Process | None = None
        self.failure: LocalStackError | None = None
        self._starts = starts
        self._log = log
        self._slots = tuple(slots)
        self._process_id: ProcessId | None = None
        self._restart = RestartState()

    def start(self) -> None:
        """Start it; a start that fails counts as an end."""
        self.failure = None
        try:
            self.process = self._starts()
            self._process_id = ProcessId.of(self.process.pid)
            self._restart = after_start(self._restart, time.monotonic())
            _log.info("%s: started, pid %d", self.name, self.process.pid)
        except (LocalStackError, OSError) as error:
            _log.warning("%s: cannot be started: %s", self.name, error)
            self.failure = LocalStackError(str(error), getattr(error, "hint", ""))
            self._restart = after_exit(self._restart, 1, time.monotonic())

    def check(self) -> bool:
        """Notice an end, start what is due; return whether anything changed."""
        now = time.monotonic()
        if self._restart.condition is Condition.RUNNING:
            code = self.process.poll() if self.process else 1
            if code is None:
                return False
            self._process_id = None
            self._restart = after_exit(self._restart, code, now)
            _log.warning("%s: ended with %d, %s", self.name, code, self._restart.condition)
            return True
        if self._restart.condition is Condition.WAITING and now >= self._restart.due:
            self.start()
            return True
        return False

    def retry(self) -> None:
        """Start it soon if it does not run."""
        self._restart = after_request(self._restart, time.monotonic())

    def describe(self) -> Child:
        """Say what others may know of it."""
        return Child(
            name=self.name,
            condition=self._restart.condition,
            pid=self._process_id.pid if self._process_id else None,
            started=self._process_id.started if self._process_id else None,
            restarts=self._restart.restarts,
            failures=self._restart.failures,
            exit_code=self._restart.exit_code,
            log=str(self._log),
            slots=self._slots,
        )


class Supervisor:
    """One stack: its servers, its topics, its services, in that order."""

    def __init__(self, home: Home, cache: Path) -> None:
        self._home = home
        self._plan = Plan.model_validate_json(home.plan.read_text())
        self._ports = Ports(cache / "ports")
        secrets = home.read_secrets()
        usual = kafka_module.USUAL_PORT
        self._brokers = kafka_module.cluster(
            home,
            fetch_jars(cache, read_lock()),
            [
                (self._ports.take(usual), self._ports.take(usual + 1))
                for _ in range(self._plan.brokers)
            ],
            self._plan.broker_properties,
        )
        self._kafka = ",".join(broker.address for broker in self._brokers)
        self._postgres = Postgres(
            home, self._ports.take(postgres_module.USUAL_PORT), secrets.postgres_password
        )
        self._env = {
            "LAPOR_NOTIFIER_OUTBOX": str(home.root / "outbox"),
            **os.environ,
            "LAPOR_HOME": str(home.root),
            "LAPOR_STACK": str(home.root),
            "LAPOR_KAFKA": self._kafka,
            "LAPOR_POSTGRES": self._postgres.url,
            "LAPOR_MASTER_KEY": secrets.master_key,
            "LAPOR_DEAD_LETTER_KEY": secrets.dead_letter_key,
        }
        passfile = f"*:*:*:{postgres_module.USER}:{secrets.postgres_password}\n"
        write_atomically(home.passfile, passfile)
        self._processes: list[ManagedProcess] = []
        self._is_asked_to_end = False
        self._is_asked_to_retry = False
        self._retries = 0
        self._failure: LocalStackError | None = None

    def run(self) -> None:
        """Hold the stack up until a signal says to end it, or until it cannot start."""
        try:
            self._write_state(Phase.SERVERS)
            self._start_servers()
            self._write_state(Phase.TOPICS)
            self._provision()
            self._raise_if_stopped()
            self._processes.extend(services := self._managed_services())
            for managed in services:
                managed.start()
            self._write_state(Phase.RUNNING)
            self._supervise()
            self._end(Phase.ENDED)
        except StopRequested:
            self._end(Phase.ENDED)
        except LocalStackError as error:
            self._failure = error
            self._end(Phase.FAILED)
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing may be left running
            _log.exception("The supervisor failed")
            self._failure = LocalStackError(
                f"The supervisor failed: {error!r}", f"Its log is {self._home.log('supervisor')}"
            )
            self._end(Phase.FAILED)

    def ask_to_end(self, _number: int, _frame: FrameType | None) -> None:
        """Take down the stack, soon: a handler for signals."""
        self._is_asked_to_end = True

    def ask_to_retry(self, _number: int, _frame: FrameType | None) -> None:
        """Start what does not run, soon: a handler for signals."""
        self._is_asked_to_retry = True

    def _raise_if_stopped(self) -> None:
        if self._is_asked_to_end:
            raise StopRequested

    def _start_servers(self) -> None:
        servers: tuple[Kafka | Postgres, ...] = (*self._brokers, self._postgres)
        self._processes = [_managed_server(server) for server in servers]
        with ThreadPoolExecutor(len(servers)) as pool:
            pairs = zip(servers, self._processes, strict=True)
            starting = [pool.submit(_bring_up, server, managed) for server, managed in pairs]
            if CAN_FORK:
                preload()  # while the servers start
            for started in starting:
                started.result()
        self._raise_if_stopped()

    def _provision(self) -> None:
        """Make the topics: the one thing that must be there before a service starts."""
        if not self._plan.provision:
            return
        log = self._home.log("provision")
        arguments = ["deploy.local.provision", self._plan.provision, self._kafka]
        made = self._run_python("provision", arguments, log, {})
        while made.poll() is None:
            self._raise_if_stopped()
            time.sleep(TICK_SECONDS / 5)
        if made.poll() != 0:
            log_end = "\n".join(last_lines(log))
            raise LocalStackError(f"The topics could not be made:\n{log_end}", f"Its log is {log}")

    def _run_python(
        self, name: str, arguments: list[str], log: Path, env: dict[str, str]
    ) -> Process:
        whole = {**self._env, **env}
        if CAN_FORK:
            return fork(name, arguments, log=log, cwd=self._home.root, env=whole)
        return start([sys.executable, "-m", *arguments], log=log, cwd=self._home.root, env=whole)

    def _managed_services(self) -> list[ManagedProcess]:
        slots = [
            ServiceSlot(service=service, port=self._ports.take(USUAL_HTTP_PORT + number))
            for number, service in enumerate(self._plan.services)
        ]
        if self._plan.profile == "small" and len(slots) > 1:
            return [self._managed_service(TOGETHER, slots, {})]
        return [self._managed_service(slot.service.name, [slot], slot.env) for slot in slots]

    def _managed_service(
        self, name: str, slots: list[ServiceSlot], env: dict[str, str]
    ) -> ManagedProcess:
        log = self._home.log(name)

        return ManagedProcess(
            name, lambda: self._run_python(name, command(slots), log, env), log, slots
        )

    def _supervise(self) -> None:
        while not self._is_asked_to_end:
            changes = [managed.check() for managed in self._processes]
            if self._is_asked_to_retry:
                self._is_asked_to_retry = False
                self._retries += 1
                for managed in self._processes:
                    managed.retry()
                changes.append(True)
            if any(changes):
                self._write_state(Phase.RUNNING)
            time.sleep(TICK_SECONDS)

    def _end(self, phase: Phase) -> None:
        self._write_state(Phase.ENDING)
        end_children(managed.describe() for managed in self._processes)
        sweep(self._home)
        self._processes.clear()
        self._ports.close()
        self._write_state(phase)
        _log.info("ended")

    def _write_state(self, phase: Phase) -> None:
        own = ProcessId.of(os.getpid())
        state = StackState(
            phase=phase,
            profile=self._plan.profile,
            supervisor_pid=own.pid,
            supervisor_started=own.started,
            kafka=self._kafka,
            postgres=self._postgres.address,
            error=str(self._failure) if self._failure else "",
            hint=self._failure.hint if self._failure else "",
            retries=self._retries,
            children=tuple(managed.describe() for managed in self._processes),
        )
        write_state(self._home, state)


def _managed_server(server: Kafka | Postgres) -> ManagedProcess:
    def starts() -> subprocess.Popen[bytes]:
        server.prepare()
        return server.start()

    return ManagedProcess(server.name, starts, server.log)


def _bring_up(server: Kafka | Postgres, managed: ManagedProcess) -> None:
    managed.start()
    if managed.failure:
        raise managed.failure
    server.wait_ready(lambda: managed.process is None or managed.process.poll() is not None)


def main() -> None:
    """Supervise the stack in the folder named first; the cache is the folder named second."""
    home, cache = Home(Path(sys.argv[1])), Path(sys.argv[2])
    logging.basicConfig(
        stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    supervisor = Supervisor(home, cache)
    signal.signal(signal.SIGTERM, supervisor.ask_to_end)
    signal.signal(signal.SIGINT, supervisor.ask_to_end)
    signal.signal(RETRY_SIGNAL, supervisor.ask_to_retry)
    supervisor.run()


if __name__ == "__main__":
    main()
