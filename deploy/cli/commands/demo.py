"""`lapor demo`: a real year of one kabupaten on a real stack, in a minute and a half."""

from importlib import import_module
from typing import Annotated

import typer

from deploy.local.paths import Home, default_home


def demo(
    *,
    seconds: Annotated[
        float, typer.Option(min=5, max=3_600, help="How long the year takes.")
    ] = 90.0,
    year: Annotated[int, typer.Option(help="Which year of the export is replayed.")] = 2023,
    seed: Annotated[int, typer.Option(help="Another seed, another course of events.")] = 1,
    reports: Annotated[
        int | None, typer.Option(min=1, help="Only so many, spread over the year.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the stack running.")] = False,
) -> None:
    """Replay a real year of one kabupaten's reports on a real Kafka and PostgreSQL."""
    # Only now: its imports take longer than most commands run.
    screen = import_module("deploy.demo.screen")
    options = screen.DemoOptions(seconds=seconds, year=year, seed=seed, reports=reports)
    code: int = screen.demonstrate(Home(default_home().root / "demo"), options, keep=keep)
    raise typer.Exit(code)
