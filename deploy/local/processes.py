"""Processes by pid and start time, free ports, waiting on conditions."""

import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from deploy.local.errors import LocalStackError

POLL_SECONDS = 0.02
START_TOLERANCE_SECONDS = 2.0  # the clock may be set between two looks at a start time
LOG_BYTES_MAX = 20 * 1024 * 1024  # a log this long is moved aside at the next start
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class ProcessId:
    """Name a process for good: a pid alone may be somebody else's tomorrow."""

    pid: int
    started: float  # seconds since the epoch, as psutil reads it

    @classmethod
    def of(cls, pid: int) -> "ProcessId":
        """Return the id of a process that runs now."""
        return cls(pid=pid, started=psutil.Process(pid).create_time())

    def process(self) -> psutil.Process | None:
        """Return the process, or None when it has ended."""
        try:
            found = psutil.Process(self.pid)
            same = abs(found.create_time() - self.started) < START_TOLERANCE_SECONDS
            return found if same and found.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None


def start(
    command: Sequence[str],
    *,
    log: Path,
    cwd: Path,
    env: Mapping[str, str],
    owner: "Owner | None" = None,
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, its output appended to `log`."""
    rotate(log)
    with log.open("ab") as output:
        return subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env=dict(env),
            start_new_session=True,
            user=owner.uid if owner else None,
            group=owner.gid if owner else None,
            extra_groups=[] if owner else None,
        )


def rotate(log: Path) -> None:
    """Move a log that has grown too long aside, over the one moved there before."""
    if log.exists() and log.stat().st_size > LOG_BYTES_MAX:
        log.replace(log.with_suffix(".log.1"))


@dataclass(frozen=True)
class Owner:
    """The user a program runs as when root may not run it."""

    uid: int
    gid: int


def wait_until(is_met: Callable[[], bool], *, seconds: float, poll: float = POLL_SECONDS) -> bool:
    """Wait until a condition holds; return whether it did in time."""
    until = time.monotonic() + seconds
    while not is_met():
        if time.monotonic() > until:
            return False
        time.sleep(poll)
    return True


def wait_for_server(
    name: str, answers: Callable[[], bool], has_ended: Callable[[], bool], log: Path, seconds: float
) -> None:
    """Return when a server answers.

    Raises:
        LocalStackError: it ended, or did not answer in time; with the end of its log.
    """
    until = time.monotonic() + seconds
    while not answers():
        if (ended := has_ended()) or time.monotonic() > until:
            log_end = "\n".join(last_lines(log))
            raise LocalStackError(
                f"{name} {'ended at once' if ended else 'does not answer'}:\n{log_end}",
                f"Its whole log is {log}",
            )
        time.sleep(POLL_SECONDS)


def end(
    process_ids: Iterable[ProcessId], *, patience_seconds: float, by: int = signal.SIGTERM
) -> None:
    """Ask all of these processes to stop at once; kill what has not stopped in time."""
    running = [
        process_found for process_id in process_ids if (process_found := process_id.process())
    ]
    for process in running:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(by)
    _, left = psutil.wait_procs(running, timeout=patience_seconds)
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    _, left = psutil.wait_procs(left, timeout=patience_seconds)
    if left:
        pids = ", ".join(str(process.pid) for process in left)
        raise LocalStackError(f"These processes do not end: {pids}", f"Try: kill -9 {pids}")


def processes_with(name: str, value: str) -> list[ProcessId]:
    """Find the processes of this user whose environment holds `name=value`.

    So a process is found that was started and not yet written down when its parent was killed.
    """
    process_ids = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(name) == value:
                process_ids.append(ProcessId(process.pid, process.create_time()))
        except (psutil.Error, OSError):
            continue  # another user's, or just ended
    return [process_id for process_id in process_ids if process_id.process()]


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file, waiting for whoever holds it; it is free once its holder has ended."""
    with path.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class Ports:
    """Hand out ports no other stack of this user was given, for as long as this lives."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[int, IO[bytes]] = {}

    def take(self, usual: int) -> int:
        """Return the usual port, or the next one above it that is free."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for port in range(usual, usual + 1000):
            if port not in self._held and self._reserve(port):
                return port
        raise LocalStackError(f"No port is free from {usual} to {usual + 999}")

    def close(self) -> None:
        """Give all of them back."""
        for file in self._held.values():
            file.close()
        self._held.clear()

    def _reserve(self, port: int) -> bool:
        file = (self._folder / str(port)).open("wb")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((LOOPBACK, port))
        except OSError:
            file.close()
            return False
        self._held[port] = file
        return True


def last_lines(log: Path, count: int = 12, bytes_max: int = 16_384) -> list[str]:
    """Return the end of a log file; nothing when there is none."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - bytes_max))
            return file.read().decode(errors="replace").splitlines()[-count:]
    except FileNotFoundError:
        return []
