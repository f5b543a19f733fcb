"""Named places in the shell at which a test may end the process; off unless a setting says so."""

import os
import signal
from collections.abc import Callable
from pathlib import Path


def failpoint(stage: str) -> Callable[[str], None]:
    """Return the function that the shell calls at its failpoints.

    `LAPOR_TEST_KILL_AT=<stage>:<point>:<file>` ends the process with SIGKILL the first time that
    stage reaches that point; the file is made just before, so that it happens once and is seen.

    `LAPOR_TEST_KILL_AT=<folder>` ends it whenever the folder holds a file `<stage>@<point>`, which
    is taken away just before: so a running process can be killed again and again.
    """
    setting = os.environ.get("LAPOR_TEST_KILL_AT", "")
    if not setting:
        return lambda _point: None
    if ":" not in setting:
        return _in_folder(Path(setting), stage)
    kill_stage, kill_point, name = setting.split(":", 2)
    marker = Path(name)

    def reached(point: str) -> None:
        if stage == kill_stage and point == kill_point and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    return reached


def _in_folder(folder: Path, stage: str) -> Callable[[str], None]:
    def reached(point: str) -> None:
        try:
            (folder / f"{stage}@{point}").unlink()
        except FileNotFoundError:  # not asked for, or another worker of the stage took it
            return
        os.kill(os.getpid(), signal.SIGKILL)

    return reached
