"""A real Kafka and a real PostgreSQL for the tests, started by the project's own modules."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import psutil

from deploy.local import stack
from deploy.local.jars import fetch_jars, read_lock
from deploy.local.kafka import Kafka
from deploy.local.paths import Home, default_cache
from deploy.local.postgres import Postgres, remove_folder
from deploy.local.processes import Ports, end, processes_with
from deploy.local.services import Profile
from deploy.local.state import Plan, StackState
from tests.faults import acl_faults

PREFIX = "lapor-test-"
KAFKA_PORT, CONTROLLER_PORT, POSTGRES_PORT = 21092, 21592, 21432
STOP_SIGNALS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}
Mode = Literal["smart", "fast", "immediate"]


class Stack:
    """Hold one broker and one database; every method returns when its effect is there.

    The methods block: from a coroutine, call them with `asyncio.to_thread`.
    """

    def __init__(self, home: Home, ports: Ports) -> None:
        jars = fetch_jars(default_cache(), read_lock())
        own, controller = ports.take(KAFKA_PORT), ports.take(CONTROLLER_PORT)
        self._kafka = Kafka(home, jars, own, controller, more=acl_faults.PROPERTIES)
        password = home.read_secrets().postgres_password
        self._postgres = Postgres(home, ports.take(POSTGRES_PORT), password)
        self._kafka_process: subprocess.Popen[bytes] | None = None
        self._postgres_process: subprocess.Popen[bytes] | None = None

    @property
    def kafka(self) -> str:
        """The broker's address, host:port."""
        return self._kafka.address

    def log_of(self, topic: str) -> Path:
        """Return the file that holds the first records of a topic's partition 0."""
        return self._kafka.data / f"{topic}-0" / f"{0:020d}.log"

    @property
    def postgres(self) -> str:
        """The database's URL with user and password; the user is a superuser."""
        return self._postgres.url

    def start(self) -> None:
        """Start both, at once."""
        with ThreadPoolExecutor(2) as pool:
            for started in [pool.submit(self.start_postgres), pool.submit(self.start_kafka)]:
                started.result()

    def start_kafka(self) -> None:
        """Start the broker on its address and wait until it can be used."""
        self._kafka.prepare()
        self._kafka_process = self._kafka.start()
        self._kafka.wait_ready(lambda: _has_ended(self._kafka_process))

    def stop_kafka(self) -> None:
        """Stop the broker in good order."""
        _finish(self._kafka_process, signal.SIGTERM)

    def kill_kafka(self) -> None:
        """End the broker without any warning."""
        _finish(self._kafka_process, signal.SIGKILL)

    def restart_kafka(self) -> None:
        """Stop the broker in good order and start it again."""
        self.stop_kafka()
        self.start_kafka()

    def start_postgres(self) -> None:
        """Start the server on its address and wait until it takes connections."""
        self._postgres.prepare()
        self._postgres_process = self._postgres.start()
        self._postgres.wait_ready(lambda: _has_ended(self._postgres_process))

    def stop_postgres(self, mode: Mode = "immediate") -> None:
        """Stop the server; `immediate` is a crash: sessions die, the next start recovers."""
        _finish(self._postgres_process, STOP_SIGNALS[mode])

    def restart_postgres(self, mode: Mode = "immediate") -> None:
        """Stop the server and start it again."""
        self.stop_postgres(mode)
        self.start_postgres()

    def end(self) -> None:
        """End whatever of both still runs."""
        self.stop_kafka()
        self.stop_postgres("fast")


def _has_ended(process: subprocess.Popen[bytes] | None) -> bool:
    return process is None or process.poll() is not None


def _finish(process: subprocess.Popen[bytes] | None, by: int) -> None:
    if process is not None and process.poll() is None:
        process.send_signal(by)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(30)
            raise


@contextlib.contextmanager
def temporary_home() -> Iterator[Home]:
    """Yield a new LAPOR_HOME; nothing of it is left afterwards, neither process nor file."""
    sweep()
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
    try:
        yield Home(folder).make()
    finally:
        remove(folder)


def up_silently(home: Home, plan: Plan, profile: Profile = "full") -> StackState:
    """Start a whole local stack, as `lapor up` does, without a word; return when it is ready."""
    quiet = stack.StartProgress(jars=lambda _done, _all: None, step=lambda _state, _ready: None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the supervisor is to outlive its Popen
        return stack.up(home, default_cache(), quiet, plan=plan, profile=profile)


@contextlib.contextmanager
def running_stack() -> Iterator[Stack]:
    """Yield a broker and a database in a new home; both have ended afterwards."""
    with temporary_home() as home, contextlib.closing(Ports(default_cache() / "ports")) as ports:
        stack = Stack(home, ports)
        try:
            stack.start()
            yield stack
        finally:
            stack.end()


def remove(folder: Path) -> None:
    """End what runs for a home and delete it, the database kept elsewhere included."""
    end(processes_with("LAPOR_STACK", str(folder)), patience_seconds=10, by=signal.SIGKILL)
    remove_folder(Home(folder))
    shutil.rmtree(folder, ignore_errors=True)


def sweep() -> None:
    """Remove what test runs left that were killed themselves."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        pid = folder.name.removeprefix(PREFIX).split("-")[0]
        if folder.stat().st_uid == os.geteuid() and not psutil.pid_exists(int(pid)):
            remove(folder)
