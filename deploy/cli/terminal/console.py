"""How commands speak: results to standard output, troubles to standard error."""

import contextlib
from collections.abc import Iterator

import typer
from rich.text import Text

from deploy.cli.terminal.output import Terminal
from deploy.local.errors import LocalStackError

out = Terminal(highlight=False)
err = Terminal(highlight=False, stderr=True)


@contextlib.contextmanager
def troubles_told() -> Iterator[None]:
    """Turn a trouble of the stack into what happened, what to do next, and exit code 1."""
    try:
        yield
    except LocalStackError as trouble:
        first, *rest = str(trouble).splitlines() or [""]
        err.print(Text(f"✗ {first}", style="bold red"))
        for line in rest:
            err.print(Text(line), soft_wrap=True)
        if trouble.hint:
            err.print(Text(f"→ {trouble.hint}", style="yellow"), soft_wrap=True)
        raise typer.Exit(1) from None
