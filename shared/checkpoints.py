"""Named places in the shell at which a test may end the process; off unless a setting says so."""

import os
import signal
from collections.abc import Callable
from pathlib import Path


def checkpoint(stage: str) -> Callable[[str], None]:
    """Return the function that the shell calls at its commit points.

    `LAPOR_TEST_KILL_AT=<stage>:<point>:<file>` ends the process with SIGKILL the first time that
    stage reaches that point; the file is made just before, so that it happens once and is seen.
    """
    wanted = os.environ.get("LAPOR_TEST_KILL_AT", "")
    if not wanted:
        return lambda _point: None
    wanted_stage, wanted_point, name = wanted.split(":", 2)
    marker = Path(name)

    def reached(point: str) -> None:
        if stage == wanted_stage and point == wanted_point and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    return reached
