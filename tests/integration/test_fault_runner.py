"""The fault runner leaves nothing running, however it ends."""

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from deploy.local.processes import processes_with
from tests.faults.pipeline import PREFIX, sweep
from tests.integration.workers import wait_until

pytestmark = pytest.mark.integration


def _homes(pid: int) -> list[Path]:
    return list(Path(tempfile.gettempdir()).glob(f"{PREFIX}{pid}-*"))


def test_a_signal_ends_the_whole_stack_and_removes_its_home() -> None:
    """Twice at once, as `timeout` sends it; the supervisor is a session of its own by then."""
    run = subprocess.Popen(
        [sys.executable, "-m", "tests.faults", "--short"], stdout=subprocess.DEVNULL
    )
    try:
        wait_until(lambda: any((h / "state.json").exists() for h in _homes(run.pid)), "a stack")
        (home,) = _homes(run.pid)
        assert processes_with("LAPOR_STACK", str(home))
        run.send_signal(signal.SIGTERM)
        run.send_signal(signal.SIGTERM)
        assert run.wait(60) == 130
        assert processes_with("LAPOR_STACK", str(home)) == []
        assert not home.exists()
    finally:
        run.kill()
        run.wait(30)
        sweep()
