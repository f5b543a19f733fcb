"""Standard output for results, standard error for everything else, and the error of a command."""

from rich.text import Text

from deploy.cli.terminal.output import Terminal
from deploy.local.errors import LocalStackError

out = Terminal(highlight=False)
err = Terminal(highlight=False, stderr=True)


class CliError(LocalStackError):
    """A command that cannot go on: what happened and, in `hint`, what to do about it."""


def print_error(error: LocalStackError) -> None:
    """Print what happened and what to do next."""
    first, *rest = str(error).splitlines() or [""]
    err.print(Text(f"✗ {first}", style="bold red"))
    for line in rest:
        err.print(Text(line), soft_wrap=True)
    if error.hint:
        err.print(Text(f"→ {error.hint}", style="yellow"), soft_wrap=True)
