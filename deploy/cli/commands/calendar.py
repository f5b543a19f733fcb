"""`lapor calendar show`, `diff`, `import` and `publish`: decrees as versions of a calendar."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.text import Text

from deploy.cli.clients.kafka import kafka_address, run
from deploy.cli.model.change_file import decree_in
from deploy.cli.model.provisional_year import Expected, as_toml, expected, refuse_decided
from deploy.cli.model.registry_change import published
from deploy.cli.terminal.console import CliError, err, out
from deploy.cli.terminal.output import write_json, write_text
from deploy.cli.views.calendar import CalendarDifference, Shown, as_dict, show_lines
from deploy.local.errors import LocalStackError
from shared.registry import NATIONAL, Registry, load
from shared.registry.calendars import Chain
from shared.worktime.working_days import YEARS

CHAIN: Final = "indonesia"

JSON = Annotated[bool, typer.Option("--json", help="One document, for programs.")]
FilesOnly = Annotated[
    bool, typer.Option("--files", help="As the files have it: leave out what was published.")
]

group = typer.Typer(no_args_is_help=True, help="The decrees: which days do not work, since when.")


@group.command()
def show(
    what: Annotated[
        str,
        typer.Argument(metavar="[INSTITUTION|CHAIN]", help="A code such as 6308, or a calendar."),
    ] = NATIONAL,
    *,
    year: Annotated[int | None, typer.Option(min=YEARS[0], max=YEARS[-1])] = None,
    as_of: Annotated[
        str, typer.Option(metavar="DATE|INSTANT", help="As it was known then; now if left out.")
    ] = "",
    files: FilesOnly = False,
    as_json: JSON = False,
) -> None:
    """Show a calendar: its decrees, and the days of a year with the working days of each month."""
    at = _as_of(as_of)
    shown = _shown(_registry(files_only=files), what, at)
    chosen = year or (at.astimezone(shown.calendar.zone) if isinstance(at, datetime) else at).year
    if as_json:
        write_json(as_dict(shown, chosen), indent=2)
    else:
        _print(show_lines(shown, chosen))


def _as_of(text: str) -> date | datetime:
    """Read a day or an aware instant; now if none is given.

    Raises:
        CliError: it is neither, or an instant without its offset.
    """
    if not text:
        return datetime.now(UTC)
    try:
        if len(text) == len("2026-01-01"):
            return date.fromisoformat(text)
        at = datetime.fromisoformat(text)
    except ValueError:
        at = datetime.min  # noqa: DTZ901  told as an instant without an offset is
    if at.tzinfo is None:
        raise CliError(
            f"{text!r} is no day and no instant.",
            "Write 2026-03-10, or with the offset 2026-03-10T09:00+08:00",
        )
    return at


def _registry(*, files_only: bool) -> Registry:
    """Return the files' registry, with what was published where a broker is named or runs."""
    registry = load()
    if files_only:
        return registry
    try:
        bootstrap = kafka_address()
    except LocalStackError:
        err.print(Text("No stack runs: as the files have it.", style="dim"))
        return registry
    return registry.amended(run(published(bootstrap)))


def _shown(registry: Registry, what: str, at: date | datetime) -> Shown:
    if what in registry.institutions:
        owner = registry.institution(what)
        chains = tuple(registry.chains[name] for name in owner.calendars)
        title = f"{what} {owner.short_name}"
        return Shown(title, chains, registry.calendar(what, at), at, owner.opening_hours)
    if what in registry.chains:
        return Shown.of_chain(registry.chains[what], at)
    raise CliError(
        f"There is no institution and no calendar {what!r}.",
        f"Institutions: {', '.join(sorted(registry.institutions))}. "
        f"Calendars: {', '.join(sorted(registry.chains))}",
    )


@group.command()
def diff(
    before: Annotated[str, typer.Argument(metavar="A", help="A version, such as id-2024-11-21.")],
    after: Annotated[str, typer.Argument(metavar="B", help="Another version of that calendar.")],
    *,
    files: FilesOnly = False,
    as_json: JSON = False,
) -> None:
    """Show what one version says otherwise than another: days, and working days by month."""
    chain, counts = _versions(_registry(files_only=files), (before, after))
    difference = CalendarDifference.of(chain, *counts)
    if as_json:
        write_json(difference.as_dict(), indent=2)
    else:
        _print(difference.lines())


def _versions(registry: Registry, names: Sequence[str]) -> tuple[Chain, list[int]]:
    """Return the chain that has all versions, and how many versions each of them counts.

    Raises:
        CliError: no calendar has them all.
    """
    for chain in registry.chains.values():
        there = [chain.name_at(count) for count in range(len(chain.versions) + 1)]
        if all(name in there for name in names):
            return chain, [there.index(name) for name in names]
    names_there = ", ".join(
        chain.name_at(count)
        for chain in registry.chains.values()
        for count in range(len(chain.versions) + 1)
    )
    raise CliError(f"No calendar has both {names[0]} and {names[1]}.", f"There are: {names_there}")


@group.command("import")
def import_(
    year: Annotated[int, typer.Argument(metavar="YEAR")],
    *,
    into: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Write it there, in place of the screen."),
    ] = None,
    chain: Annotated[str, typer.Option(metavar="CHAIN", help="The calendar it is for.")] = CHAIN,
    known_from: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Since when it counts; today if left out."),
    ] = None,
) -> None:
    """Make a provisional year from the package holidays, as a version to publish or to keep.

    It assumes days and decides nothing: deadlines that touch the year stay flagged provisional.
    """
    registry = load()
    if chain not in registry.chains:
        there = ", ".join(sorted(registry.chains))
        raise CliError(f"There is no calendar {chain!r}.", f"There are: {there}")
    refuse_decided(registry, chain, year)
    assumed = expected(year)
    today = datetime.now(registry.chains[chain].zone)
    text = as_toml(assumed, chain, (known_from or today).date())
    if into is not None:
        _write(into, text)
    if into is None:
        write_text(text)
    _print_doubts(assumed, chain, into)


def _print_doubts(assumed: Expected, chain: str, into: Path | None) -> None:
    """Say what is doubtful in a provisional year, and what to do with it."""
    for doubt in assumed.doubts():
        err.print(Text(doubt, style="yellow"), soft_wrap=True)
    where = into or "the file it was written to"
    err.print(
        Text(
            f"{len(assumed.days)} days from {assumed.package}. Look at them; then: lapor calendar "
            f"publish {where}, or put the [[version]] at the end of calendars/{chain}.toml",
            style="dim",
        ),
        soft_wrap=True,
    )


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as wrong:
        raise CliError(
            f"{file} cannot be written: {wrong.strerror}.", "Name another file"
        ) from None


@group.command()
def publish(
    what: Annotated[
        str,
        typer.Argument(
            metavar="FILE|VERSION",
            help="A TOML file with one version, or the name of one there is.",
        ),
    ],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Publish it, then follow the work.")] = False,
    as_json: JSON = False,
) -> None:
    """Say a decree to every stage; without --yes only show which open deadlines would move.

    The recompute goes on in the stage also after Ctrl-C; the same command shows it again.
    """
    from deploy.cli.commands.publish import PublishOptions, amend  # noqa: PLC0415  the stage's rule loads slowly

    amend(
        lambda registry: decree_in(what, registry),
        PublishOptions(f"calendar publish {what}", yes, as_json),
    )


def _print(lines: Sequence[str]) -> None:
    first, *rest = lines
    out.print(Text(first, style="bold"), soft_wrap=True)
    for line in rest:
        out.print(Text(line), soft_wrap=True)
