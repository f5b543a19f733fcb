"""A whole local stack in a home of its own, and what it uses of the machine."""

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import psutil

from deploy.local import stack
from deploy.local.paths import Home
from deploy.local.postgres import remove_folder
from deploy.local.services import Profile
from shared.vault.crypto import Vault
from tests.integration.stack import up_silently

DAY_AND_NIGHT: Final = {
    "LAPOR_NOTIFIER_QUIET_START_LOCAL": "00:00",
    "LAPOR_NOTIFIER_QUIET_END_LOCAL": "00:00",
}
"""No quiet hours: what is measured must not depend on the time of day."""


class Journey:
    """A stack that is up for as long as it is entered, and gone afterwards."""

    def __init__(self, profile: Profile = "full", env: Mapping[str, str] | None = None) -> None:
        self._profile: Profile = profile
        self._env = {**DAY_AND_NIGHT, **(env or {})}

    def __enter__(self) -> Self:
        self._home = Home(Path(tempfile.mkdtemp(prefix="lapor-bench-")))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        stack.down(self._home)
        remove_folder(self._home)
        shutil.rmtree(self._home.root, ignore_errors=True)

    def up(self) -> None:
        """Start it, silently."""
        services = tuple(
            service.model_copy(update={"env": {**service.env, **self._env}})
            for service in stack.DEFAULT_PLAN.services
        )
        plan = stack.DEFAULT_PLAN.model_copy(update={"services": services})
        state = up_silently(self._home, plan, self._profile)
        self.kafka = state.kafka
        self.postgres = stack.connection(self._home).postgres
        self.report_id = Vault.from_text(self._home.read_secrets().master_key).report_id

    # ---- what it uses

    def _processes(self) -> Iterator[tuple[str, psutil.Process]]:
        state = stack.running(self._home)
        for child in state.children if state else ():
            process = child.process_id.process() if child.process_id else None
            if process is not None:
                yield child.name, process
                yield from ((child.name, one) for one in process.children(recursive=True))

    def resident_bytes(self) -> int:
        """Return the proportional resident memory of all of it."""
        return sum(p.memory_full_info().pss for _, p in self._processes())

    def cpu_seconds(self) -> Counter[str]:
        """Return the CPU time of each child so far, its own processes with it."""
        used: Counter[str] = Counter()
        for name, process in self._processes():
            used[name] += sum(process.cpu_times()[:2])
        return used

    def stream_bytes(self) -> int:
        """Return the size of the broker's logs on disk."""
        logs = (self._home.kafka / "data").rglob("*.log")
        return sum(log.stat().st_size for log in logs)

    def restarts(self) -> int:
        """Count how often a process of the stack was started again."""
        state = stack.running(self._home)
        return sum(child.restarts for child in state.children) if state else 0
