"""What a person sees of the demo: the stack's start, the board, the account, the end."""

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from types import FrameType
from typing import Final

from rich.console import Console
from rich.live import Live

from deploy.actors import export
from deploy.cli.model.sla_snapshot import StackAddress
from deploy.cli.terminal.output import Terminal, write_line
from deploy.demo.board import Board
from deploy.demo.mail import MailServer
from deploy.demo.report import tables
from deploy.demo.run import BOARD_SECONDS, DemoOptions, cast, play, start
from deploy.local import stack
from deploy.local.errors import LocalStackError
from deploy.local.paths import Home, default_cache
from deploy.local.report import look
from deploy.local.state import Phase, StackState
from shared.vault.crypto import Vault

LINE_SECONDS: Final = 5.0
PLAIN_COLUMNS: Final = 132  # of a log, where no terminal says how wide it is
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
INTERRUPTED: Final = 130  # as a shell says of a program that Ctrl-C ended

Show = Callable[[Board, datetime], None]


def console() -> Console:
    """Return where results are printed."""
    found = Terminal(highlight=False)
    return found if found.is_terminal else Terminal(highlight=False, width=PLAIN_COLUMNS)


out = console()
err = Terminal(highlight=False, stderr=True)


def demonstrate(home: Home, options: DemoOptions, *, keep: bool) -> int:
    """Play the demo in a home of its own and return the exit code.

    Whatever happens, no process is left; unless it was to be kept and came to its end.

    Raises:
        LocalStackError: what went wrong and what to do next.
    """
    if options.year not in export.years():
        raise LocalStackError(
            f"The export has no reports of {options.year}.",
            f"It has: {', '.join(map(str, export.years()))}",
        )
    is_over = False
    with _ended_by_signals():
        try:
            has_passed = _run(home, options)
            is_over = True
        except KeyboardInterrupt:
            err.print("Interrupted.")
            return INTERRUPTED
        except LocalStackError as trouble:
            # What it advises is for a stack that goes on running; this one is ended now.
            raise LocalStackError(str(trouble), f"Everything it said: {home.logs}") from trouble
        finally:
            _finish(home, keep=keep and is_over)
    return 0 if has_passed else 1


def _run(home: Home, options: DemoOptions) -> bool:
    """Play the demo and print its account; return whether the check passed."""
    began = time.monotonic()
    if stack.running(home):
        err.print("An earlier demo was kept running; ending it.")
        stack.down(home)
    mail = MailServer()
    with err.status("Writing the year's reports …") as status:
        prepared = cast(options)
        step = _steps(status.update)
        clock = start(home, default_cache(), step, options, mail.port)
        prepared = prepared.on(Vault.from_text(home.read_secrets().master_key))
        wait = (clock.real_origin - datetime.now(clock.real_origin.tzinfo)).total_seconds()
    out.print(
        f"Kafka, PostgreSQL and {len(stack.DEFAULT_PLAN.services)} services are ready after "
        f"{time.monotonic() - began:.1f} s; {options.year} begins in {max(wait, 0):.0f} s "
        f"({len(prepared.letters)} submissions, 1 s = {clock.scale / 86_400:.1f} days).",
        soft_wrap=True,
    )
    reached = stack.connection(home)
    place = StackAddress(reached.kafka, reached.postgres, clock)
    with _showing() as show:
        played = asyncio.run(play(prepared, options, place, mail=mail, show=show))
    for part in tables(prepared, played, options):
        out.print(part)
    return not played.problems


def _steps(say: Callable[[str], None]) -> stack.StartProgress:
    """Tell how far the stack is."""

    def jars(done: int, total: int) -> None:
        say(f"Fetching Kafka: {done} of {total} files …")

    def step(state: StackState, ready: int) -> None:
        slots = sum(len(child.slots) for child in state.children)
        starting = f"Starting the services: {ready} of {slots} are ready …"
        say(
            {Phase.SERVERS: "Starting Kafka and PostgreSQL …", Phase.TOPICS: "Making topics …"}.get(
                state.phase, starting
            )
        )

    return stack.StartProgress(jars=jars, step=step)


@contextlib.contextmanager
def _showing() -> Iterator[Show]:
    """Draw the board on a terminal; elsewhere print a line every few seconds."""
    if out.is_terminal:
        with Live(console=out, auto_refresh=False) as live:
            yield lambda board, now: live.update(board.draw(now), refresh=True)
        return
    last = 0.0

    def line(board: Board, now: datetime) -> None:
        nonlocal last
        if time.monotonic() - last >= LINE_SECONDS - BOARD_SECONDS / 2:
            last = time.monotonic()
            write_line(board.line(now))

    yield line


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let SIGTERM end the demo as Ctrl-C does, with everything it started."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _finish(home: Home, *, keep: bool) -> None:
    """End every process, whatever happens meanwhile; or say where to look further."""
    if keep:
        report = look(home)
        out.print("\nLook further:")
        for line in report.lines:
            out.print(f"  {line.name:<26}{line.address}", soft_wrap=True)
        out.print(
            f"  mail that was for the outbox  {home.root / 'outbox'}\n"
            f"  end it: LAPOR_HOME={home.root} lapor down",
            soft_wrap=True,
        )
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in _SIGNALS}
    try:
        began = time.monotonic()
        if stack.down(home):
            out.print(f"Ended; no process is left ({time.monotonic() - began:.1f} s).")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
