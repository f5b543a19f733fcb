"""Where a local stack keeps everything it owns: one folder, LAPOR_HOME."""

import json
import os
import secrets
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from shared.vault.key_text import new_key_text

PRIVATE = 0o600


@dataclass(frozen=True)
class Secrets:
    """Name the secrets of one stack; made once, kept as long as its data."""

    postgres_password: str
    master_key: str
    dead_letter_key: str


@dataclass(frozen=True)
class Home:
    """Name the files and folders of one stack; two stacks have two of these."""

    root: Path

    @property
    def kafka(self) -> Path:
        """Where the broker's configuration and its log live."""
        return self.root / "kafka"

    @property
    def postgres(self) -> Path:
        """Where the database lives; a link where its user could not reach this folder."""
        return self.root / "postgres"

    @property
    def logs(self) -> Path:
        """Where each process writes its log, one file each."""
        return self.root / "logs"

    @property
    def secrets(self) -> Path:
        """The file of passwords and keys, readable by its owner only."""
        return self.root / "secrets.json"

    @property
    def passfile(self) -> Path:
        """The database's password as PostgreSQL's clients read it (PGPASSFILE)."""
        return self.root / "pgpass"

    @property
    def state(self) -> Path:
        """What the supervisor last said of every process."""
        return self.root / "state.json"

    @property
    def plan(self) -> Path:
        """What the supervisor was told to run."""
        return self.root / "plan.json"

    @property
    def lock(self) -> Path:
        """Held while somebody starts or ends this stack."""
        return self.root / "stack.lock"

    def log(self, name: str) -> Path:
        """Name the log file of one process."""
        return self.logs / f"{name}.log"

    def make(self) -> "Home":
        """Create the folders that are missing, closed to other users."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (self.kafka, self.logs):
            folder.mkdir(mode=0o700, exist_ok=True)
        return self

    def read_secrets(self) -> Secrets:
        """Return this stack's secrets, drawing them the first time."""
        if not self.secrets.exists():
            drawn = {
                "postgres_password": secrets.token_urlsafe(24),
                "master_key": new_key_text(),
                "dead_letter_key": new_key_text(),
            }
            write_atomically(self.secrets, json.dumps(drawn, indent=2) + "\n")
        return Secrets(**json.loads(self.secrets.read_text()))


def default_home(environ: Mapping[str, str] = os.environ) -> Home:
    """Return the stack the caller means: LAPOR_HOME, else one for this user.

    Root's own home is closed to the database's user, so root's stack lives in /var/lib.
    """
    if chosen := environ.get("LAPOR_HOME"):
        return Home(Path(chosen).expanduser().absolute())
    use_site = not os.environ.get("XDG_STATE_HOME")
    return Home(platformdirs.user_state_path("lapor", use_site_for_root=use_site))


def default_cache() -> Path:
    """Return the folder of downloads that all stacks of this user share."""
    return platformdirs.user_cache_path("lapor")


def write_atomically(path: Path, text: str) -> None:
    """Replace a file as a whole, readable by its owner only; a reader never sees half of it."""
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(draft).chmod(PRIVATE)
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
