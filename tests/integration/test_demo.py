"""A short demo, end to end, on a real Kafka and PostgreSQL with all nine services."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.paths import Home
from deploy.local.processes import processes_with
from deploy.local.stack import running
from tests.integration.stack import remove, temporary_home

pytestmark = pytest.mark.integration

SECONDS_MAX = 300  # on an idle machine it takes a fifth of this
LAPOR = [sys.executable, "-c", "from deploy.cli.main import app; app()"]


@pytest.fixture
def home() -> Iterator[Path]:
    """Yield a LAPOR_HOME; nothing of the demo below it is left afterwards."""
    with temporary_home() as found:
        try:
            yield found.root
        finally:
            remove(found.root / "demo")


def environment(home: Path) -> dict[str, str]:
    """Return the environment of a demo."""
    return {**os.environ, "LAPOR_HOME": str(home)}


def test_a_short_demo_accounts_for_everything_and_leaves_no_process(home: Path) -> None:
    """40 reports of a year in 15 s: the check passes, the parts are told, all of it ends."""
    done = subprocess.run(
        [*LAPOR, "demo", "--seconds", "15", "--reports", "40"],
        env=environment(home),
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    for part in (
        "Final statuses beside the export's", "Indicators", "by clock",
        "One report across the streams", "in the inbox of 3204", "PASSED",
    ):  # fmt: skip
        assert part in done.stdout
    # The reasons that the bad inputs were told are compared by the demo's own check.
    channels = next(line for line in done.stdout.splitlines() if line.startswith("channels: "))
    for count in (f"received {40 + 12 + 4}", "rejected 9", "repeated 5"):
        assert count in channels
    assert not processes_with("LAPOR_STACK", str(home / "demo"))


def test_an_interrupted_demo_leaves_no_process(home: Path) -> None:
    """SIGTERM in the middle of the year ends everything that was started."""
    demo = subprocess.Popen(
        [*LAPOR, "demo", "--seconds", "60", "--reports", "40"],
        env=environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        assert demo.stdout is not None
        for line in demo.stdout:
            if re.match(r"\d{4}-\d\d-\d\d", line):  # the board's first line: the stack is up
                break
        assert running(Home(home / "demo")) is not None
        demo.send_signal(signal.SIGTERM)
        rest = demo.stdout.read()
        assert demo.wait(SECONDS_MAX) == 130, rest
    finally:
        if demo.poll() is None:
            demo.kill()
        demo.communicate()

    assert not processes_with("LAPOR_STACK", str(home / "demo"))
