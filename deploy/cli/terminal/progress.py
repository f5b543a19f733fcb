"""Results on standard output, progress on standard error; each may be a terminal or not."""

import os
import sys
import time
from collections.abc import Sequence
from typing import Any, Final, Self

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from deploy.cli.terminal.console import err, out
from deploy.cli.terminal.output import write_json

BAR_AFTER_SECONDS: Final = 1.0  # what is done sooner needs no bar


class Screen:
    """Shows results as they come, as text or JSON lines, and a bar where the work is long."""

    def __init__(self, what: str, total: int | None, *, as_json: bool) -> None:
        self._what = what
        self.total = total
        self._as_json = as_json
        self._began = time.monotonic()
        self._bar: Progress | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        sys.stdout.flush()

    def show(self, document: dict[str, Any], text: str | Sequence[str], style: str = "") -> None:
        """Show one result: `said` for programs, the line or lines of `text` for people."""
        if self._as_json:
            write_json(document)
            return
        is_barred = self._bar is not None and out.is_terminal
        console = self._bar.console if self._bar is not None and is_barred else out
        for line in [text] if isinstance(text, str) else text:
            console.print(Text(line, style=style), soft_wrap=True)  # above the bar, if there is one

    def remark(self, text: str) -> None:
        """Tell people something beside the results; programs did not ask."""
        if not self._as_json:
            err.print(Text(text, style="dim"), soft_wrap=True)

    def advance(self, done: int) -> None:
        """Move the bar, which appears when the work turns out to be long."""
        if self._bar is None:
            if not err.is_terminal or time.monotonic() - self._began < BAR_AFTER_SECONDS:
                return
            columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(),
                       TimeElapsedColumn())  # fmt: skip
            self._bar = Progress(
                *columns, console=err, redirect_stdout=False, redirect_stderr=False
            )
            self._bar.start()
            self._bar.add_task(self._what, total=self.total)
        self._bar.update(self._bar.task_ids[0], completed=done)


def size_of(descriptor: int) -> int | None:
    """Return a file's size in bytes; None for a pipe or terminal."""
    return os.fstat(descriptor).st_size or None
