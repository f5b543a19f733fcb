"""`lapor sla replay`: other people's requests, judged by our rules, beside their own verdict."""

import time
from pathlib import Path
from typing import Annotated, Final
from zoneinfo import ZoneInfo

import typer
from rich.table import Table
from rich.text import Text

from deploy.cli.terminal.console import CliError, err, out
from deploy.cli.terminal.output import write_json
from deploy.cli.terminal.progress import Screen
from deploy.tools.boston.comparison import Comparison, VerdictDifference, compare
from deploy.tools.boston.requests import NotRequests, Request, read
from deploy.tools.boston.simulation import replay as run
from deploy.tools.boston.targets import city

BOSTON: Final = "America/New_York"
LISTED_MAX: Final = 200
"""So many differences are listed for people; `--json` lists all."""

group = typer.Typer(no_args_is_help=True, help="Check the clocks against others' records.")


@group.command()
def replay(
    file: Annotated[
        Path, typer.Argument(metavar="FILE.csv[.gz]", exists=True, dir_okay=False, readable=True)
    ],
    *,
    zone: Annotated[str, typer.Option(help="In which zone the file writes its times.")] = BOSTON,
    as_json: Annotated[bool, typer.Option("--json", help="One document, for programs.")] = False,
) -> None:
    """Run a city's requests through the SLA monitor's rules and timers under a simulated clock.

    Columns as Boston's 311 file has them. Exits with 1 if the rules breach another set than the
    city marked OVERDUE, wherever it gives a verdict.
    """
    began = time.process_time()
    requests = _requests(file, _zone(zone))
    with Screen("Replaying", sum(r.target is not None for r in requests), as_json=as_json) as bar:
        compared = compare(run(requests, city(_zone(zone)), bar.advance))
    seconds = time.process_time() - began
    if as_json:
        write_json(compared.as_dict() | {"cpu_seconds": round(seconds, 2)}, indent=2)
    else:
        _print(compared, seconds)
    raise typer.Exit(0 if compared.is_agreed else 1)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise CliError(f"{name!r} is no IANA time zone.", f"For example {BOSTON}") from None


def _requests(file: Path, zone: ZoneInfo) -> list[Request]:
    try:
        return list(read(file, zone))
    except (NotRequests, OSError, UnicodeDecodeError, EOFError) as wrong:
        raise CliError(f"{file.name} holds no requests: {wrong}.", "See docs/time.md") from None


def _print(compared: Comparison, seconds: float) -> None:
    table = Table(show_header=False, box=None)
    table.add_column(justify="right")
    table.add_column()
    for count, what in (
        (compared.requests, "requests"),
        (compared.without_target, "of them without a target: nothing was promised"),
        (compared.target_before_opening, "of them with a target before their opening"),
        (compared.breached, "breached by our rules"),
        (compared.overdue, "marked OVERDUE by the city"),
        (compared.both, "both"),
        (compared.equal, "equal in all"),
        (len(compared.differences), "different"),
    ):
        table.add_row(f"{count:,}", what)
    for reason, count in compared.reasons.items():
        table.add_row(f"{count:,}", f"  {reason}")
    out.print(table)
    for difference in compared.differences[:LISTED_MAX]:
        out.print(Text(_line(difference)), soft_wrap=True)
    if len(compared.differences) > LISTED_MAX:
        out.print(f"and {len(compared.differences) - LISTED_MAX:,} more: --json lists all")
    agreed = "Agreed" if compared.is_agreed else "Not agreed"
    style = "green" if compared.is_agreed else "bold red"
    out.print(Text(f"{agreed} wherever the city gives a verdict.", style=style))
    err.print(Text(f"{seconds:.1f} s of one core", style="dim"))


def _line(difference: VerdictDifference) -> str:
    request, is_breached, reason = difference
    times = (
        f"{name} {at:%Y-%m-%d %H:%M:%SZ}" if at else f"no {name}"
        for name, at in (
            ("opened", request.opened), ("target", request.target), ("closed", request.closed),
        )
    )  # fmt: skip
    ours = "breached" if is_breached else "not breached"
    return f"{request.case:>8}  {'  '.join(times)}  {ours}: {reason}"
