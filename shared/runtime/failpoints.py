"""Named places in the shell at which a test may end the process; off unless a setting says so."""

import os
import signal
from collections.abc import Callable
from pathlib import Path


def checkpoint(stage: str) -> Callable[[str], None]:
    """Return the function that the shell calls at its commit points.

    `LAPOR_TEST_KILL_AT=<stage>:<point>:<file>` ends the process with SIGKILL the first time that
    stage reaches that point; the file is made just before, so that it happens once and is seen.

    `LAPOR_TEST_KILL_AT=<folder>` ends it whenever the folder holds a file `<stage>@<point>`, which
    is taken away just before: so a running process can be told again and again where to die.
    """
    wanted = os.environ.get("LAPOR_TEST_KILL_AT", "")
    if not wanted:
        return lambda _point: None
    if ":" not in wanted:
        return _told_by(Path(wanted), stage)
    wanted_stage, wanted_point, name = wanted.split(":", 2)
    marker = Path(name)

    def reached(point: str) -> None:
        if stage == wanted_stage and point == wanted_point and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    return reached


def _told_by(folder: Path, stage: str) -> Callable[[str], None]:
    def reached(point: str) -> None:
        try:
            (folder / f"{stage}@{point}").unlink()
        except FileNotFoundError:  # nobody said so, or another worker of the stage took it
            return
        os.kill(os.getpid(), signal.SIGKILL)

    return reached
