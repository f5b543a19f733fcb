"""Python processes by fork from a parent that has done the slow imports already.

Nine services that each import FastStream take 9 CPU seconds to start; forked, they take one.
"""

import contextlib
import gc
import importlib
import logging
import os
import runpy
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from deploy.local.processes import rotate

# Only what others wrote: a service that is started again runs the project's code as it is now.
PRELOADED = (
    "asyncpg",
    "cryptography.hazmat.primitives.ciphers.aead",
    "faststream.asgi",
    "faststream.kafka.prometheus",
    "prometheus_client",
    "pydantic_settings",
    "structlog",
    "uvicorn.lifespan.on",
    "uvicorn.protocols.http.h11_impl",
)
CAN_FORK = sys.platform == "linux"  # elsewhere system libraries do not survive a fork


def preload() -> None:
    """Do the imports that every forked process will find done."""
    for module in PRELOADED:
        importlib.import_module(module)
    gc.freeze()  # a collection would write to every page, and so copy it into each child


class Forked:
    """A child made by fork, looked at the way `subprocess.Popen` is."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit code, None while it runs."""
        if self.returncode is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:  # somebody else has waited for it
                self.returncode = 0
            else:
                self.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.returncode


def fork(
    name: str, command: Sequence[str], *, log: Path, cwd: Path, env: Mapping[str, str]
) -> Forked:
    """Run `python -m MODULE ...` in a forked child: same effect as a new interpreter, sooner."""
    rotate(log)
    pid = os.fork()
    if pid == 0:
        _become(name, command, log, cwd, env)
    return Forked(pid)


def _become(
    name: str, command: Sequence[str], log: Path, cwd: Path, env: Mapping[str, str]
) -> NoReturn:
    code = 1
    try:
        _shed_parent(log)
        with contextlib.suppress(OSError):
            Path("/proc/self/comm").write_text(f"lapor:{name}")  # what `ps` and `top` show
        os.chdir(cwd)
        os.environ.clear()
        os.environ.update(env)
        module, *arguments = command
        sys.path[:0] = [part for part in env.get("PYTHONPATH", "").split(os.pathsep) if part]
        sys.argv = [module, *arguments]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - the child ends here, whatever it was
        traceback.print_exc()
    finally:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _shed_parent(log: Path) -> None:
    """Let go of the parent's session, signals, files and log handlers."""
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    logging.getLogger().handlers.clear()
    nothing = os.open(os.devnull, os.O_RDONLY)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
