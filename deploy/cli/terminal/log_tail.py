"""Log files on the screen: their ends, and what is added to them."""

import contextlib
import time
from collections.abc import Mapping
from pathlib import Path

from deploy.cli.terminal.output import write_line
from deploy.local.processes import last_lines

POLL_SECONDS = 0.2
BYTES_PER_LINE = 4096  # more than almost any line is long


def show_last(files: Mapping[str, Path], lines: int) -> dict[str, int]:
    """Print the last lines of each file; return how far each was read."""
    positions = {name: path.stat().st_size if path.exists() else 0 for name, path in files.items()}
    for name, path in files.items():
        for line in last_lines(path, lines, lines * BYTES_PER_LINE) if lines > 0 else []:
            _show(name, line, len(files))
    return positions


def follow(files: Mapping[str, Path], positions: dict[str, int]) -> None:
    """Print what is added to the files until the reader interrupts."""
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            for name, path in files.items():
                positions[name] = _show_new(name, path, positions[name], len(files))
            time.sleep(POLL_SECONDS)


def _show_new(name: str, path: Path, position: int, count: int) -> int:
    """Print the whole lines after a position and return the position behind them."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(position if position <= size else 0)  # a new file took the old one's place
            start = file.tell()
            added = file.read()
    except FileNotFoundError:
        return 0
    whole = added[: added.rfind(b"\n") + 1]
    for line in whole.decode(errors="replace").splitlines():
        _show(name, line, count)
    return start + len(whole)


def _show(name: str, line: str, count: int) -> None:
    write_line(f"{name:<24}| {line}" if count > 1 else line)
