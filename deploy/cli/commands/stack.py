"""`lapor up`, `status`, `logs` and `down`: the local stack."""

import contextlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.status import Status
from rich.table import Table

from deploy.cli.terminal.console import err, out
from deploy.cli.terminal.output import write_line
from deploy.local import stack
from deploy.local.paths import Home, default_cache, default_home
from deploy.local.processes import last_lines
from deploy.local.report import Report, StatusLine, look
from deploy.local.services import Profile
from deploy.local.state import Phase, StackState

POLL_SECONDS = 0.2
BYTES_PER_LINE = 4096  # more than almost any line is long
COLOURS = {"ready": "green", "starting": "yellow", "waiting": "red", "stopped": "bold red"}


def up(
    profile: Annotated[
        Profile | None,
        typer.Option(help="full (usual): a process per service; small: one for all of them."),
    ] = None,
    *,
    fresh: Annotated[bool, typer.Option("--fresh", help="Delete all data first.")] = False,
    timeout: Annotated[
        float, typer.Option(help="Seconds to wait until all is ready.")
    ] = stack.UP_SECONDS_MAX,
) -> None:
    """Start Kafka, PostgreSQL and every service; return when all of them are ready."""
    home, began = default_home(), time.monotonic()
    with _Screen() as screen:
        try:
            stack.up(
                home,
                default_cache(),
                stack.StartProgress(jars=screen.jars, step=screen.step),
                plan=stack.DEFAULT_PLAN,
                profile=profile,
                is_fresh=fresh,
                seconds_max=timeout,
            )
        except KeyboardInterrupt:
            screen.close()
            err.print("Interrupted; ending what was started …")
            stack.down(home)
            raise typer.Exit(130) from None
    _tell_ready(home, time.monotonic() - began)


def _tell_ready(home: Home, seconds: float) -> None:
    """Say what runs, where its data lies, and what to do next."""
    _print_table(look(home))
    if home.postgres.is_symlink():
        out.print(
            f"PostgreSQL's data is in {home.postgres.resolve()}: "
            f"the user it runs as may not enter {home.root.parent}.",
            soft_wrap=True,
        )
    out.print(
        f"Ready after {seconds:.1f} s. Data and logs: {home.root}\n"
        "Next: [bold]lapor status[/], [bold]lapor logs[/] NAME -f, [bold]lapor down[/]",
        soft_wrap=True,
    )


def status(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show every process of the stack; exit with 0 only if all of them are ready."""
    home = default_home()
    report = look(home)
    if as_json:
        out.print_json(json.dumps(report.as_dict()))
    elif report.trouble:
        err.print(report.trouble, soft_wrap=True)
        if report.lines:
            _print_table(report)
    else:
        _print_table(report)
    raise typer.Exit(0 if report.is_ready else 1)


def logs(
    name: Annotated[
        str, typer.Argument(help="A service, kafka, postgres or supervisor; all if left out.")
    ] = "",
    *,
    following: Annotated[bool, typer.Option("--follow", "-f", help="Go on as it grows.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", help="How many of the last lines.")] = 20,
) -> None:
    """Print the last lines of the logs, and with -f those that come."""
    files = stack.log_files(default_home(), name)
    offsets = _show_last(files, lines)
    if following:
        _follow(files, offsets)


def _show_last(files: Mapping[str, Path], lines: int) -> dict[str, int]:
    """Print the last lines of each file; return how far each was read."""
    offsets = {name: path.stat().st_size if path.exists() else 0 for name, path in files.items()}
    for name, path in files.items():
        for line in last_lines(path, lines, lines * BYTES_PER_LINE) if lines > 0 else []:
            _show(name, line, len(files))
    return offsets


def _follow(files: Mapping[str, Path], offsets: dict[str, int]) -> None:
    """Print what is added to the files until the reader interrupts."""
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            for name, path in files.items():
                offsets[name] = _show_new(name, path, offsets[name], len(files))
            time.sleep(POLL_SECONDS)


def _show_new(name: str, path: Path, offset: int, count: int) -> int:
    """Print the whole lines after an offset and return the offset behind them."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(offset if offset <= size else 0)  # a new file took the old one's place
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


def down(
    *,
    wipe: Annotated[
        bool, typer.Option("--wipe", help="Delete data, keys and logs as well.")
    ] = False,
) -> None:
    """End every process of the stack; the data stays."""
    home = default_home()
    with err.status("Ending the services, then Kafka and PostgreSQL …"):
        was_there = stack.down(home)
    out.print("Ended; no process is left." if was_there else "Nothing was running.")
    if wipe:
        stack.wipe(home)
        out.print(f"Deleted: the data, keys and logs in {home.root}")


class _Screen:
    """What a person sees while the stack starts."""

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._status = Status("Checking Kafka's files …", console=err)

    def __enter__(self) -> Self:
        self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        self._status.stop()

    def jars(self, done: int, total: int) -> None:
        """Show how many of the files to be downloaded are here."""
        if self._bar is None:
            self._status.stop()
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
            self._bar = Progress(*columns, console=err)
            self._bar.start()
            self._bar.add_task("Downloading Kafka, this once", total=total)
        self._bar.update(self._bar.task_ids[0], completed=done)

    def step(self, state: StackState, ready: int) -> None:
        """Show what is waited for."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
            self._status.start()
        slots = sum(len(child.slots) for child in state.children)
        self._status.update(
            {
                Phase.SERVERS: "Starting Kafka and PostgreSQL …",
                Phase.TOPICS: "Making the topics …",
            }.get(state.phase, f"Starting the services: {ready} of {slots} are ready …")
        )


def _print_table(report: Report) -> None:
    table = Table(box=None, pad_edge=False, collapse_padding=True, header_style="bold")
    for heading in ("NAME", "STATE"):
        table.add_column(heading, no_wrap=True)
    # The one that gives way on a narrow screen: a number that is cut is a wrong number.
    table.add_column("ADDRESS", overflow="fold")
    for heading in ("PID", "RESTARTS", "LAG"):
        table.add_column(heading, justify="right", no_wrap=True)
    for line in report.lines:
        table.add_row(*_cells(line))
    out.print(table)


def _cells(line: StatusLine) -> tuple[str, ...]:
    colour = COLOURS.get(line.state, "default")
    return (
        line.name,
        f"[{colour}]{line.state}[/]",
        line.address,
        str(line.pid or "-"),
        str(line.restarts),
        "-" if line.lag is None else str(line.lag),
    )
