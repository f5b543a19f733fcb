"""Kafka's jars: downloaded once from the lock file, every one checked against its SHA-256."""

import hashlib
import tomllib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from deploy.local.errors import LocalStackError
from deploy.local.processes import locked

LOCK_FILE = Path(__file__).with_name("kafka.lock.toml")
DOWNLOADS_AT_ONCE = 6
TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class Jar:
    """One line of the lock file."""

    group: str
    name: str
    version: str
    sha256: str

    @property
    def path(self) -> Path:
        """Where Maven's layout puts it below a repository's root."""
        folder = Path(*self.group.split("."), self.name, self.version)
        return folder / f"{self.name}-{self.version}.jar"


def read_lock(path: Path = LOCK_FILE) -> tuple[Jar, ...]:
    """Return the locked jars in the order of the class path."""
    entries = tomllib.loads(path.read_text())["dependencies"]
    return tuple(
        Jar(entry["groupId"], entry["artifactId"], entry["version"], entry["sha256"])
        for entry in entries
    )


def nothing_to_show(_done: int, _total: int) -> None:
    """Show no progress."""


def fetch_jars(
    cache: Path,
    lock: tuple[Jar, ...],
    progress: Callable[[int, int], None] = nothing_to_show,
) -> tuple[Path, ...]:
    """Return all jars in class path order, each one checked; download what the cache lacks.

    `progress` is told how many of the missing ones have arrived, and how many there are.
    """
    folder = cache / "jars"
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / ".lock"), ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
        are_there = pool.map(lambda jar: _is_there(folder, jar), lock)
        missing = [jar for jar, is_there in zip(lock, are_there, strict=True) if not is_there]
        downloads = [pool.submit(_fetch, folder, jar) for jar in missing]
        for number, download in enumerate(as_completed(downloads), start=1):
            download.result()
            progress(number, len(missing))
    return tuple(folder / jar.path for jar in lock)


def _is_there(folder: Path, jar: Jar) -> bool:
    path = folder / jar.path
    return path.exists() and _digest(path) == jar.sha256


def _fetch(folder: Path, jar: Jar) -> None:
    path = folder / jar.path
    path.unlink(missing_ok=True)  # a download that was cut short
    _download(folder, jar)
    if not _is_there(folder, jar):
        path.unlink(missing_ok=True)
        raise LocalStackError(
            f"{path.name} is not the file that was locked (its SHA-256 differs)",
            "It was deleted. If this happens twice, something between you and the registry "
            "changes downloads.",
        )


def _download(folder: Path, jar: Jar) -> None:
    import requests  # noqa: PLC0415 - half a second that only the first start has to pay
    from jgo.maven import MavenContext  # noqa: PLC0415

    context = MavenContext(repo_cache=folder, timeout=TIMEOUT_SECONDS)
    try:
        context.project(jar.group, jar.name).at_version(jar.version).artifact().resolve()
    except (requests.RequestException, RuntimeError) as error:
        raise LocalStackError(
            f"Could not download {jar.name} {jar.version}: {error}",
            "Kafka is fetched once, on the first start. Check the network and run it again; "
            "what has arrived is kept.",
        ) from error


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
